package encoding

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"samdok/metadata"
	"samdok/storage"
)

// ErrNewer: a record that a newer samdok wrote.
var ErrNewer = errors.New("encoding: a record of a newer version")

// ErrCorrupt: the bytes are not a record, or not a whole one.
var ErrCorrupt = errors.New("encoding: corrupt record")

// Reader reads one record after another. Strings and objects that it returns
// stay valid for ever, but for an object that is given back: they point into the
// record's own text, which the garbage collector keeps. Not for concurrent use.
type Reader struct {
	data    string
	strings []string
	events  []head
	objects []span
	claims  int // where the claims start
	version byte

	unpacked []byte // memory for strings that are not plain in the record
	used     bool   // something that points there was handed out
	wasUsed  bool   // before the last Added
	now      slabs
	before   slabs                   // of the last Added
	entry    *metadata.DocumentEntry // of the last Added
	spare    *metadata.DocumentEntry // given back
}

// head is an event without its objects.
type head struct {
	kind             storage.EventKind
	id               metadata.UUID
	time             time.Time
	touched          int // where the touches start
	firstAdded, next int // its objects
}

// span is where an object's body lies.
type span struct {
	class      Class
	start, end int
}

// Reset starts on a record. It reads the string table and notes where objects
// lie. An error wraps ErrCorrupt, or ErrNewer for a record of a newer version.
func (r *Reader) Reset(data string) error {
	r.data, r.strings, r.events, r.objects, r.claims = data, r.strings[:0], r.events[:0], r.objects[:0], 0
	if data == "" {
		return ErrCorrupt
	}
	if data[0] < Version || data[0] > VersionBody {
		return fmt.Errorf("%w (format %d, this program knows only formats up to %d); use a newer samdok", ErrNewer, data[0], VersionBody)
	}
	r.version = data[0]
	c := cursor{data: data, at: 1, end: len(data)}
	r.table(&c)
	c.strings = r.strings
	for n := c.count(minEvent); n > 0 && !c.bad; n-- {
		r.head(&c)
	}
	r.claims = c.at
	if c.bad {
		return ErrCorrupt
	}
	return nil
}

// The fewest bytes that one of each takes, so that a corrupt number of them
// never makes us allocate more than the record could hold.
const (
	minEvent  = 20
	minTouch  = 3
	minID     = 1
	minObject = 4
	minClaim  = 3
	minText   = 3
	minAuthor = 7
	minSlot   = 2
)

// table reads the strings.
func (r *Reader) table(c *cursor) {
	n := c.count(1)
	sizes, length, expanded := c.at, 0, 0
	for range n {
		v := c.uvarint()
		size := int(v >> 2)
		if c.bad || size > c.end {
			c.bad = true
			return
		}
		length += size
		switch v & 3 {
		case plain:
		case urn:
			expanded += urnLength
			c.bad = c.bad || size != len(metadata.UUID{})
		case packed:
			expanded += 2 * size
		default:
			c.bad = true
		}
		if length > c.end {
			c.bad = true
		}
	}
	if c.bad || length > c.end-c.at {
		c.bad = true
		return
	}
	text := c.data[c.at : c.at+length]
	c.at += length
	s := cursor{data: c.data, at: sizes, end: c.at}
	buf := r.memory(expanded)
	for range n {
		v := s.uvarint()
		size := int(v >> 2)
		from := len(buf)
		switch v & 3 {
		case plain:
			r.strings = append(r.strings, text[:size])
		case urn:
			buf = metadata.UUID([]byte(text[:size])).AppendURN(buf)
			r.strings = append(r.strings, unsafeString(buf[from:]))
		case packed:
			buf = appendHex(buf, text[:size])
			r.strings = append(r.strings, unsafeString(buf[from:]))
		}
		text = text[size:]
	}
}

// memory is room for n bytes that nobody else has.
func (r *Reader) memory(n int) []byte {
	if r.used || cap(r.unpacked) < n {
		r.unpacked = make([]byte, 0, max(n, 256))
	}
	r.used = false
	return r.unpacked[:0]
}

func appendHex(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	for i := 0; i < len(s); i++ {
		b = append(b, digits[s[i]>>4], digits[s[i]&15])
	}
	return b
}

// unsafeString gives bytes as a string. They have their final capacity, and are
// written again only when no string of the record was handed out.
func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// head reads an event and skips its objects.
func (r *Reader) head(c *cursor) {
	h := head{kind: storage.EventKind(c.byte()), id: c.uuid()}
	sec := c.varint()
	nsec := c.uvarint()
	if nsec > 999_999_999 {
		c.bad = true
		return
	}
	h.time = time.Unix(sec, int64(nsec)).UTC()
	h.touched = c.at
	for n := c.count(minTouch); n > 0 && !c.bad; n-- {
		c.str()
		c.byte()
		c.str()
		if r.version >= VersionLifeCycle {
			c.byte()
		}
	}
	if r.version >= VersionLifeCycle {
		for n := c.count(minID); n > 0 && !c.bad; n-- {
			c.str()
		}
	}
	if r.version >= VersionBody {
		c.at += c.count(1)
	}
	h.firstAdded = len(r.objects)
	for n := c.count(minObject); n > 0 && !c.bad; n-- {
		class := Class(c.byte())
		size := c.uvarint()
		if c.bad || size > uint64(c.end-c.at) || class == ClassUnknown || class > ClassAssociation {
			c.bad = true
			return
		}
		r.objects = append(r.objects, span{class, c.at, c.at + int(size)})
		c.at += int(size)
	}
	h.next = len(r.objects)
	r.events = append(r.events, h)
}

// Len is the number of objects in all events of the record; they are numbered
// from 0 in the order they were added.
func (r *Reader) Len() int { return len(r.objects) }

// Class of object n.
func (r *Reader) Class(n int) Class { return r.objects[n].class }

// Added decodes object n.
func (r *Reader) Added(n int) (storage.Added, error) {
	s := r.objects[n]
	c := cursor{data: r.data, at: s.start, end: s.end, strings: r.strings, slabs: r.now}
	r.before, r.wasUsed, r.entry = r.now, r.used, nil
	a := storage.Added{Document: storage.DocumentKey(c.str()), Controller: c.str()}
	switch s.class {
	case ClassDocumentEntry:
		r.entry, r.spare = r.spare, nil
		if r.entry == nil {
			r.entry = new(metadata.DocumentEntry)
		}
		c.documentEntry(r.entry)
		a.Object = r.entry
	case ClassSubmissionSet:
		a.Object = c.submissionSet()
	case ClassFolder:
		a.Object = c.folder()
	case ClassAssociation:
		a.Object = c.association()
	}
	if c.bad || c.at != c.end {
		return storage.Added{}, ErrCorrupt
	}
	r.now = c.slabs
	r.used = true
	return a, nil
}

// GiveBack takes back the object of the last Added, so that the next one has its
// memory: a search that looks at many and keeps few allocates little.
func (r *Reader) GiveBack() {
	r.now.back(&r.before)
	r.used = r.wasUsed
	if r.entry != nil {
		*r.entry = metadata.DocumentEntry{}
		r.spare, r.entry = r.entry, nil
	}
}

// Touched decodes the touches of all events, in order; nil when there are none.
func (r *Reader) Touched() []storage.Touch {
	var all []storage.Touch
	for i := range r.events {
		all = append(all, r.touched(i)...)
	}
	return all
}

func (r *Reader) touched(event int) []storage.Touch {
	list, _, _ := r.effects(event)
	return list
}

// effects decodes the touches of an event, what it removes and its body.
func (r *Reader) effects(event int) (touched []storage.Touch, removed []metadata.ID, body []byte) {
	r.used = true
	c := cursor{data: r.data, at: r.events[event].touched, end: len(r.data), strings: r.strings}
	if n := c.count(minTouch); n > 0 {
		touched = make([]storage.Touch, n)
	}
	for i := range touched {
		touched[i] = storage.Touch{ID: metadata.ID(c.str()), Status: metadata.Status(c.byte()), LastUpdateTime: metadata.DTM(c.str())}
		if r.version >= VersionLifeCycle {
			further := c.byte()
			touched[i].Succession, touched[i].Unbind = storage.Succession(further&^unbind), further&unbind != 0
		}
	}
	if r.version < VersionLifeCycle {
		return touched, nil, nil
	}
	if n := c.count(minID); n > 0 {
		removed = make([]metadata.ID, n)
	}
	for i := range removed {
		removed[i] = metadata.ID(c.str())
	}
	if r.version >= VersionBody {
		if n := c.count(1); n > 0 {
			body = []byte(c.data[c.at : c.at+n])
		}
	}
	return touched, removed, body
}

// Events decodes everything but the claims.
func (r *Reader) Events() ([]storage.Event, error) {
	if len(r.events) == 0 {
		return nil, nil
	}
	list := make([]storage.Event, len(r.events))
	for i := range r.events {
		h := &r.events[i]
		list[i] = storage.Event{Kind: h.kind, ID: h.id, Time: h.time}
		list[i].Touched, list[i].Removed, list[i].Body = r.effects(i)
		if h.next > h.firstAdded {
			list[i].Added = make([]storage.Added, 0, h.next-h.firstAdded)
		}
		for n := h.firstAdded; n < h.next; n++ {
			a, err := r.Added(n)
			if err != nil {
				return nil, err
			}
			list[i].Added = append(list[i].Added, a)
		}
	}
	return list, nil
}

// Claims decodes the claims.
func (r *Reader) Claims() ([]storage.Claim, error) {
	r.used = true
	c := cursor{data: r.data, at: r.claims, end: len(r.data), strings: r.strings}
	n := c.count(minClaim)
	var list []storage.Claim
	if n > 0 {
		list = make([]storage.Claim, n)
	}
	for i := range list {
		list[i].ID = c.str()
		list[i].Exclusive = c.flag()
		list[i].Value = c.str()
	}
	if c.bad || c.at != c.end {
		return nil, ErrCorrupt
	}
	return list, nil
}
