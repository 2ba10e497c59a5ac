package xmlscan

import "bytes"

// gone is what Forget dropped of an input.
type gone struct {
	octets, lines int
	at, column    int // where it stood that was dropped last, and the column of what follows
}

// Forget drops what was read inside the innermost open element of an input that is fed
// (NewReader), so that memory holds one child of it at a time and not all. It is called
// at the End of a child, for which Local, Input and ElementOffset then mean nothing;
// strings stay. Limits.Size applies to what was dropped too.
func (s *Scanner) Forget() {
	if s.src == nil || s.src.inside > 0 || s.isEmpty || len(s.stack) == 0 {
		return
	}
	src := s.src
	from := int(s.stack[len(s.stack)-1].name.to)
	if n := len(s.binds); n > 0 {
		from = max(from, int(s.binds[n-1].prefixEnd))
	}
	n := s.p - from
	if n < feedSize { // moving what follows has to be worth it
		return
	}
	_, _, column := s.place(s.p)
	src.gone.octets += n
	src.gone.lines += bytes.Count(s.b[from:s.p], []byte{'\n'})
	src.gone.at, src.gone.column = from, column
	src.store = append(src.store[:from], src.store[s.p:]...)
	s.p, s.at = from, from
	s.checked -= n
	s.use()
}

// used is how many octets of an input that is fed have been read, without those that
// were diverted.
func (s *Scanner) used() int { return s.p + s.src.gone.octets }
