package ledger

import (
	"encoding/binary"
	"errors"
	"time"

	"samdok/metadata"
)

var errRecord = errors.New("not an audit record")

// coder writes or reads a record. Each type has one function that serves both
// directions, so that they cannot disagree.
type coder struct {
	b       []byte // written so far, or left to read
	dec     bool
	version uint8
	err     error
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

// urn is a text that mostly is a UUID in its URN form, which version 2 writes as a
// zero and 16 octets; any other text has its length plus one before it.
func urn[T ~string](c *coder, p *T) {
	if c.version == 1 {
		text(c, p)
		return
	}
	if !c.dec {
		if b, ok := appendUUID(c.b, string(*p)); ok {
			c.b = b
			return
		}
		c.b = append(binary.AppendUvarint(c.b, uint64(len(*p))+1), *p...)
		return
	}
	var n uint64
	c.uint(&n)
	switch {
	case n == 0 && len(c.b) >= len(metadata.UUID{}):
		*p, c.b = T(metadata.UUID(c.b[:16]).ID()), c.b[16:]
	case n == 0 || n-1 > uint64(len(c.b)):
		c.fail()
	default:
		at := len(c.src) - len(c.b)
		*p, c.b = T(c.src[at:at+int(n-1)]), c.b[n-1:]
	}
}

// appendUUID appends a zero and the UUID of s, when s is one in its usual form.
func appendUUID(b []byte, s string) ([]byte, bool) {
	const prefix = "urn:uuid:"
	if len(s) != len(prefix)+36 || s[:len(prefix)] != prefix {
		return b, false
	}
	var u [17]byte
	at := 1
	for i := len(prefix); i < len(s); i += 2 {
		if n := i - len(prefix); n == 8 || n == 13 || n == 18 || n == 23 {
			if s[i] != '-' {
				return b, false
			}
			i++
		}
		hi, lo := nibbles[s[i]], nibbles[s[i+1]]
		if hi|lo > 15 {
			return b, false
		}
		u[at] = hi<<4 | lo
		at++
	}
	return append(b, u[:]...), true
}

// nibbles are the values of hexadecimal digits in lower case; 255: it is none.
var nibbles = func() (all [256]byte) {
	for i := range all {
		all[i] = 255
	}
	for i, c := range "0123456789abcdef" {
		all[c] = byte(i)
	}
	return all
}()

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
