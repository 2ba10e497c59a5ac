package encoding

import (
	"encoding/binary"
	"errors"

	"samdok/metadata"
	"samdok/storage"
)

// Versions of the format, the first byte of a record. Encoder writes Version
// unless the record needs what only a later one can say. VersionLifeCycle: each
// touch has a further byte, and each event a list of removed objects behind its
// touches. VersionBody: as VersionLifeCycle, and each event has its Body behind
// the removed objects.
const (
	Version          = 1
	VersionLifeCycle = 2
	VersionBody      = 3
)

// ErrObject: an Added holds no object, or one of an unknown class.
var ErrObject = errors.New("encoding: an added object is missing or of an unknown class")

// Class tells the kinds of objects apart. Numbers are stored.
type Class uint8

const (
	ClassUnknown Class = iota
	ClassDocumentEntry
	ClassSubmissionSet
	ClassFolder
	ClassAssociation
)

// How a string of the table is kept. Two bits, stored.
const (
	plain  = iota // as it is
	urn           // "urn:uuid:" and a UUID in lower case: 16 bytes
	packed        // an even number of lower-case hexadecimal digits: half as many bytes
)

const (
	urnPrefix = "urn:uuid:"
	urnLength = len(urnPrefix) + 36
	// minPacked is the shortest text worth packing.
	minPacked = 14
)

// Encoder writes records. It keeps its buffers between calls, so one that is
// used again allocates nothing. Not for concurrent use.
type Encoder struct {
	known map[string]uint32 // string of this record -> place in the table
	sizes []byte            // of the table: uvarint length<<2 | how
	text  []byte            // of the table
	body  []byte            // events and claims

	version byte // of the record that is written
}

// Append encodes a change at the end of dst.
func (e *Encoder) Append(dst []byte, events []storage.Event, claims []storage.Claim) ([]byte, error) {
	if e.known == nil {
		e.known = make(map[string]uint32, 128)
	}
	clear(e.known)
	e.sizes, e.text, e.body = e.sizes[:0], e.text[:0], e.body[:0]
	e.version = versionFor(events)

	e.count(len(events))
	for i := range events {
		if err := e.event(&events[i]); err != nil {
			return dst, err
		}
	}
	e.count(len(claims))
	for i := range claims {
		e.claim(&claims[i])
	}

	dst = append(dst, e.version)
	dst = binary.AppendUvarint(dst, uint64(len(e.known)))
	dst = append(dst, e.sizes...)
	dst = append(dst, e.text...)
	return append(dst, e.body...), nil
}

// versionFor is the lowest version that can say it, so that an older program
// reads as much as it can.
func versionFor(events []storage.Event) byte {
	version := byte(Version)
	for i := range events {
		ev := &events[i]
		if len(ev.Body) > 0 {
			return VersionBody
		}
		if ev.Kind > storage.EventSubmitted || len(ev.Removed) > 0 {
			version = VersionLifeCycle
		}
		for j := range ev.Touched {
			if t := &ev.Touched[j]; t.Succession != storage.Unchanged || t.Unbind {
				version = VersionLifeCycle
			}
		}
	}
	return version
}

// unbind is the bit of Touch.Unbind in the further byte of a touch; the others
// are its Succession.
const unbind = 1 << 7

func (e *Encoder) event(ev *storage.Event) error {
	e.body = append(e.body, byte(ev.Kind))
	e.body = append(e.body, ev.ID[:]...)
	e.int(ev.Time.Unix())
	e.count(ev.Time.Nanosecond())
	e.count(len(ev.Touched))
	for i := range ev.Touched {
		t := &ev.Touched[i]
		e.str(string(t.ID))
		e.body = append(e.body, byte(t.Status))
		e.str(string(t.LastUpdateTime))
		if e.version >= VersionLifeCycle {
			further := byte(t.Succession) &^ unbind
			if t.Unbind {
				further |= unbind
			}
			e.body = append(e.body, further)
		}
	}
	if e.version >= VersionLifeCycle {
		e.count(len(ev.Removed))
		for _, id := range ev.Removed {
			e.str(string(id))
		}
	}
	if e.version >= VersionBody {
		e.count(len(ev.Body))
		e.body = append(e.body, ev.Body...)
	}
	e.count(len(ev.Added))
	for i := range ev.Added {
		if err := e.added(&ev.Added[i]); err != nil {
			return err
		}
	}
	return nil
}

// added writes: class, length of the rest, document, controller, object.
func (e *Encoder) added(a *storage.Added) error {
	class := ClassOf(a.Object)
	if class == ClassUnknown {
		return ErrObject
	}
	e.body = append(e.body, byte(class))
	start := len(e.body)
	e.str(string(a.Document))
	e.str(a.Controller)
	switch o := a.Object.(type) {
	case *metadata.DocumentEntry:
		e.documentEntry(o)
	case *metadata.SubmissionSet:
		e.submissionSet(o)
	case *metadata.Folder:
		e.folder(o)
	case *metadata.Association:
		e.association(o)
	}
	var size [binary.MaxVarintLen64]byte
	e.insert(start, binary.AppendUvarint(size[:0], uint64(len(e.body)-start)))
	return nil
}

// ClassOf is the class of an object; ClassUnknown for nil.
func ClassOf(o metadata.Object) Class {
	switch o := o.(type) {
	case *metadata.DocumentEntry:
		if o != nil {
			return ClassDocumentEntry
		}
	case *metadata.SubmissionSet:
		if o != nil {
			return ClassSubmissionSet
		}
	case *metadata.Folder:
		if o != nil {
			return ClassFolder
		}
	case *metadata.Association:
		if o != nil {
			return ClassAssociation
		}
	}
	return ClassUnknown
}

// insert puts b into the body at a place before its end.
func (e *Encoder) insert(at int, b []byte) {
	n := len(e.body)
	e.body = append(e.body, b...)
	copy(e.body[at+len(b):], e.body[at:n])
	copy(e.body[at:], b)
}

func (e *Encoder) claim(c *storage.Claim) {
	e.str(c.ID)
	e.flags(c.Exclusive)
	e.str(c.Value)
}

func (e *Encoder) count(n int) { e.body = binary.AppendUvarint(e.body, uint64(n)) }
func (e *Encoder) int(n int64) { e.body = binary.AppendVarint(e.body, n) }

func (e *Encoder) flags(bits ...bool) {
	var f byte
	for i, b := range bits {
		if b {
			f |= 1 << i
		}
	}
	e.body = append(e.body, f)
}

// str writes a reference: number<<1 of a word, or place<<1|1 in the table.
func (e *Encoder) str(s string) {
	if s == "" {
		e.body = append(e.body, 0)
		return
	}
	at, ok := e.known[s]
	if !ok {
		if n, isWord := numbers[s]; isWord {
			e.count(int(n) << 1)
			return
		}
		at = uint32(len(e.known))
		e.known[s] = at
		e.add(s)
	}
	e.count(int(at)<<1 | 1)
}

// add puts a string at the end of the table.
func (e *Encoder) add(s string) {
	how, start := plain, len(e.text)
	switch {
	case isURN(s):
		how = urn
		u, _ := metadata.ParseUUID(s)
		e.text = append(e.text, u[:]...)
	case isPackable(s):
		how = packed
		for i := 0; i < len(s); i += 2 {
			e.text = append(e.text, unhex(s[i])<<4|unhex(s[i+1]))
		}
	default:
		e.text = append(e.text, s...)
	}
	e.sizes = binary.AppendUvarint(e.sizes, uint64(len(e.text)-start)<<2|uint64(how))
}

// isURN tells whether s is exactly what urn gives back.
func isURN(s string) bool {
	if len(s) != urnLength || s[:len(urnPrefix)] != urnPrefix {
		return false
	}
	for i := len(urnPrefix); i < len(s); i++ {
		switch i - len(urnPrefix) {
		case 8, 13, 18, 23:
			if s[i] != '-' {
				return false
			}
		default:
			if unhex(s[i]) > 15 {
				return false
			}
		}
	}
	return true
}

func isPackable(s string) bool {
	if len(s) < minPacked || len(s)%2 != 0 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if unhex(s[i]) > 15 {
			return false
		}
	}
	return true
}

// unhex is the value of a lower-case hexadecimal digit; 255 for anything else.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}
