package mllp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// The octets around a message.
const (
	startBlock = 0x0b // VT
	endBlock   = 0x1c // FS, followed by CR
)

var (
	// ErrTooLong: a message passes the limit. What was read of it comes with the error.
	ErrTooLong = errors.New("mllp: the message is longer than the limit")
	// ErrNoFrame: something other than a frame came.
	ErrNoFrame = errors.New("mllp: octets outside a frame")
)

// Append appends a message in its frame.
func Append(b, message []byte) []byte {
	return append(append(append(b, startBlock), message...), endBlock, '\r')
}

// reader takes frames from a stream.
type reader struct {
	r     io.Reader
	limit int
	buf   []byte // buf[from:to] was read and not used
	from  int
	to    int
	begun func() // called when the first octet of a frame is there
}

const (
	firstBuffer = 4 << 10
	keepBuffer  = 64 << 10 // the largest buffer that is kept between messages
)

// next returns the next message, valid until the call after it. io.EOF: the stream
// ended between two messages.
func (r *reader) next() ([]byte, error) {
	if err := r.start(); err != nil {
		return nil, err
	}
	for seen := 0; ; {
		if n := bytes.IndexByte(r.buf[r.from+seen:r.to], endBlock); n >= 0 {
			message := r.buf[r.from : r.from+seen+n]
			// The CR behind is passed over before the next frame: waiting for it now
			// would let a sender that forgets it wait for ever.
			r.from += seen + n + 1
			if len(message) > r.limit {
				return message[:r.limit], ErrTooLong
			}
			return message, nil
		}
		seen = r.to - r.from
		if seen > r.limit {
			return r.buf[r.from : r.from+r.limit], ErrTooLong
		}
		if err := r.fill(); err != nil {
			if errors.Is(err, io.EOF) {
				return nil, fmt.Errorf("mllp: the stream ended inside a message: %w", io.ErrUnexpectedEOF)
			}
			return nil, err
		}
	}
}

// start passes over line ends up to a start block.
func (r *reader) start() error {
	for {
		for ; r.from < r.to; r.from++ {
			switch r.buf[r.from] {
			case '\r', '\n', ' ', '\t':
			case startBlock:
				r.from++
				r.begun()
				return nil
			default:
				return ErrNoFrame
			}
		}
		r.from, r.to = 0, 0
		if cap(r.buf) > keepBuffer {
			r.buf = nil
		}
		if err := r.fill(); err != nil {
			return err
		}
	}
}

// fill reads more behind what is there; the buffer grows as octets come.
func (r *reader) fill() error {
	if r.from > 0 {
		copy(r.buf, r.buf[r.from:r.to])
		r.from, r.to = 0, r.to-r.from
	}
	if r.to == len(r.buf) {
		grown := make([]byte, max(firstBuffer, 2*len(r.buf)))
		copy(grown, r.buf[:r.to])
		r.buf = grown
	}
	n, err := r.r.Read(r.buf[r.to:])
	r.to += n
	if n > 0 {
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}
