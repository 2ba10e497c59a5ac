package ebrim

// slab hands out slices from larger pieces, so that a message's many short lists
// cost few allocations. A list keeps its whole piece alive.
type slab[T any] struct {
	free []T
	size int
}

const (
	firstPiece = 16
	largePiece = 256
)

// take gives n zero elements whose capacity ends with them.
func (s *slab[T]) take(n int) []T {
	if n > len(s.free) {
		s.size = min(max(2*s.size, firstPiece), largePiece)
		s.free = make([]T, max(n, s.size))
	}
	out := s.free[:n:n]
	s.free = s.free[n:]
	return out
}

// add appends v; a list's first element comes from the slab.
func (s *slab[T]) add(list []T, v T) []T {
	if list == nil {
		list = s.take(1)
		list[0] = v
		return list
	}
	return append(list, v)
}
