package mtom

import (
	"bufio"
	"io"
	"sync"
)

// sourceBuffer is how much is read from the connection at once.
const sourceBuffer = 64 << 10

var buffers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, sourceBuffer) }}

var copyBuffers = sync.Pool{New: func() any { b := make([]byte, sourceBuffer); return &b }}

// source counts the bytes of a package and remembers the connection's error, so
// that a broken connection can be told from a broken package.
type source struct {
	r    io.Reader
	left int64
	max  int64
	err  error // not io.EOF
}

func (s *source) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	if s.left -= int64(n); s.left < 0 {
		s.err = &LimitError{LimitTotalBytes, s.max, "the package"}
		return 0, s.err
	}
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}
