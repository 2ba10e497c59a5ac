package segment

import (
	"errors"
	"io"

	"samdok/internal/disk"
)

// frame is one sound frame of a segment.
type frame struct {
	off    int64
	stored []byte // valid until the next call
	back   int64
}

// scanner finds the sound frames of a segment and where others should be.
type scanner struct {
	b   []byte // the segment
	off int64
}

// load reads a whole segment; segments are small (Options.SegmentSize).
func load(f disk.File) ([]byte, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	n, err := f.ReadAt(b, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b[:n], err
}

func newScanner(b []byte) *scanner { return &scanner{b: b, off: headSize} }

// next returns the next sound frame. gap is where bytes that are no frame begin
// before it, -1 when there are none. ok is false at the end; a gap may be there
// too.
func (s *scanner) next() (f frame, gap int64, ok bool) {
	gap = -1
	for s.off+frameHead <= int64(len(s.b)) {
		stored, back, sound := soundFrame(s.b[s.off:])
		if sound {
			f = frame{s.off, stored, back}
			s.off += int64(frameSize(len(stored)))
			return f, gap, true
		}
		if gap < 0 && !zeros(s.b[s.off:min(s.off+frameStep, int64(len(s.b)))]) {
			gap = s.off
		}
		s.off += frameStep
	}
	if gap < 0 && s.off < int64(len(s.b)) && !zeros(s.b[s.off:]) {
		gap = s.off
	}
	s.off = int64(len(s.b))
	return f, gap, false
}

func zeros(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// ending is what recovery finds in a segment.
type ending struct {
	end     int64   // of the last whole record to keep
	altered []int64 // places before it where durable records were altered
	cut     bool    // something lies behind end
}

// findEnd tells a torn end from alterations: everything before the batch of the
// last sound frame was durable once. Zeros between two frames are an alteration
// too, since frames leave none.
func findEnd(b []byte) ending {
	type hole struct{ from, to int64 }
	var holes []hole
	e := ending{end: headSize}
	last, batch := int64(headSize), int64(headSize)
	s := newScanner(b)
	for {
		f, _, ok := s.next()
		if !ok {
			break
		}
		if f.off != last {
			holes = append(holes, hole{last, f.off})
		}
		last, batch = s.off, f.off-f.back
	}
	e.end = last
	for _, h := range holes {
		if h.from >= batch {
			// A torn batch: nobody was told of its records. Cut from here on, so
			// that no later reader takes the hole for an alteration.
			e.end = h.from
			break
		}
		e.altered = append(e.altered, h.from)
	}
	e.cut = e.end < int64(len(b)) && !zeros(b[e.end:])
	return e
}
