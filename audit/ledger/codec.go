package ledger

import (
	"encoding/binary"
	"errors"
	"time"
)

var errRecord = errors.New("not an audit record")

// coder writes or reads a record. Each type has one function that serves both
// directions, so that they cannot disagree.
type coder struct {
	b   []byte // written so far, or left to read
	dec bool
	err error
	// src is what is read, once as a string: all texts of a record share it.
	src string
}

func (c *coder) uint(p *uint64) {
	if !c.dec {
		if *p < 0x80 { // nearly always
			c.b = append(c.b, byte(*p))
			return
		}
		c.b = binary.AppendUvarint(c.b, *p)
		return
	}
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.fail()
		return
	}
	*p, c.b = v, c.b[n:]
}

func (c *coder) fail() {
	if c.err == nil {
		c.err = errRecord
	}
	c.b = nil
}

func number[T ~int | ~uint8](c *coder, p *T) {
	v := uint64(*p)
	c.uint(&v)
	if c.dec {
		if *p = T(v); uint64(*p) != v {
			c.fail()
		}
	}
}

func (c *coder) bool(p *bool) {
	v := uint8(0)
	if *p {
		v = 1
	}
	number(c, &v)
	if c.dec {
		if *p = v == 1; v > 1 {
			c.fail()
		}
	}
}

func (c *coder) time(p *time.Time) {
	sec, nano := uint64(p.Unix()), uint64(p.Nanosecond())
	c.uint(&sec)
	c.uint(&nano)
	if c.dec {
		if nano >= 1e9 {
			c.fail()
			return
		}
		*p = time.Unix(int64(sec), int64(nano)).UTC()
	}
}

func text[T ~string](c *coder, p *T) {
	if !c.dec {
		if len(*p) < 0x80 {
			c.b = append(append(c.b, byte(len(*p))), *p...)
		} else {
			c.b = append(binary.AppendUvarint(c.b, uint64(len(*p))), *p...)
		}
		return
	}
	var n uint64
	c.uint(&n)
	if n > uint64(len(c.b)) {
		c.fail()
		return
	}
	at := len(c.src) - len(c.b)
	*p, c.b = T(c.src[at:at+int(n)]), c.b[n:]
}

// list does each element; an empty list is read as nil.
func list[S ~[]T, T any](c *coder, p *S, each func(*coder, *T)) {
	n := uint64(len(*p))
	c.uint(&n)
	if c.dec {
		*p = nil
		if n > uint64(len(c.b)) { // each element takes a byte at least
			c.fail()
			return
		}
		if n > 0 {
			*p = make(S, n)
		}
	}
	for i := range *p {
		each(c, &(*p)[i])
	}
}
