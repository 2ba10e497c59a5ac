package ledger

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"samdok/internal/disk"
)

// frame is one sound frame of a segment.
type frame struct {
	off  int64
	leaf []byte // what is hashed
	back int64
}

// stored is the sealed event.
func (f frame) stored() []byte { return f.leaf[frameHead-4:] }

// end is where the next frame begins.
func (f frame) end() int64 { return f.off + int64(frameSize(len(f.stored()))) }

// scanner finds the sound frames of a segment.
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

func loadFile(fsys disk.FS, dir, name string) ([]byte, error) {
	f, err := fsys.Open(filepath.Join(dir, name), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	b, err := load(f)
	return b, errors.Join(err, f.Close())
}

func newScanner(b []byte) *scanner { return &scanner{b: b, off: headSize} }

// next returns the next sound frame. When it does not begin where the one before
// ended, what lies between is no frame.
func (s *scanner) next() (f frame, ok bool) {
	for s.off+frameHead <= int64(len(s.b)) {
		leaf, back, sound := soundFrame(s.b[s.off:])
		if sound {
			f = frame{s.off, leaf, back}
			s.off = f.end()
			return f, true
		}
		s.off += frameStep
	}
	return f, false
}

// padded tells whether the octets between a frame's record and the next frame are
// zeros.
func (s *scanner) padded(f frame) bool {
	return zeros(s.b[f.off+4+int64(len(f.leaf)) : min(f.end(), int64(len(s.b)))])
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
		f, ok := s.next()
		if !ok {
			break
		}
		if f.off != last {
			holes = append(holes, hole{last, f.off})
		}
		last, batch = s.off, f.off-f.back
	}
	e.end = min(last, int64(len(b)))
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
