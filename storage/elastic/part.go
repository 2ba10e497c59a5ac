package elastic

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strconv"

	"samdok/metadata"
	"samdok/storage"
	"samdok/storage/encoding"
)

// partObjects is how many objects one document holds. Most submissions are one
// document; of a large one not everything is written again when one entry changes.
const partObjects = 16

// place is one part of a change.
type place struct {
	stream  hash
	version storage.Version
	part    int
}

// id of the document; also what its sealed text belongs to.
func (p place) id() string {
	var buf [48]byte
	b := append(buf[:0], p.stream[:]...)
	b = binary.AppendUvarint(b, uint64(p.version))
	b = binary.AppendUvarint(b, uint64(p.part))
	return plain.EncodeToString(b)
}

// part is a document of index changes.
type part struct {
	Stream  string          `json:"stream"`
	Version storage.Version `json:"version"`
	Part    int             `json:"part"`
	Tenant  string          `json:"tenant"`
	Seq     uint64          `json:"seq"` // of the batch that added it
	At      uint64          `json:"at"`  // of the batch with the change's text
	// Touched is the last batch that touched one of its objects. A reader of an
	// earlier moment cannot rely on what it selects by.
	Touched uint64 `json:"touched,omitempty"`
	selection
	// Objects has the class and the status, as registered, of each object.
	Objects []byte `json:"objects,omitempty"`
	Touches []byte `json:"touches,omitempty"`
	Data    []byte `json:"data"`
}

// selection is what searches select by, of all objects of the part together.
type selection struct {
	// Status of those of each class that are not removed.
	Entry       []string `json:"entry,omitempty"`
	Set         []string `json:"set,omitempty"`
	Folder      []string `json:"folder,omitempty"`
	Association []string `json:"association,omitempty"`
	// Solo: there is one entry, so that what is said of entries is said of it.
	Solo            bool     `json:"solo,omitempty"`
	Kind            []string `json:"kind,omitempty"`
	Class           []string `json:"class,omitempty"`
	Type            []string `json:"type,omitempty"`
	Format          []string `json:"format,omitempty"`
	Facility        []string `json:"facility,omitempty"`
	Practice        []string `json:"practice,omitempty"`
	Confidentiality []string `json:"confidentiality,omitempty"`
	Event           []string `json:"event,omitempty"`
	Created         []int64  `json:"created,omitempty"`
	Started         []int64  `json:"started,omitempty"`
	Stopped         []int64  `json:"stopped,omitempty"`
	Submitted       []int64  `json:"submitted,omitempty"`
	List            []string `json:"list,omitempty"`
}

// gather takes in what does not change about objects.
func (s *selection) gather(added []storage.Added) {
	entries := 0
	for i := range added {
		switch o := added[i].Object.(type) {
		case *metadata.DocumentEntry:
			if storage.IsTombstone(o) {
				continue
			}
			entries++
			add(&s.Kind, strconv.Itoa(int(o.Kind)))
			addCodes(&s.Class, o.ClassCode)
			addCodes(&s.Type, o.TypeCode)
			addCodes(&s.Format, o.FormatCode)
			addCodes(&s.Facility, o.Facility)
			addCodes(&s.Practice, o.Practice)
			addCodes(&s.Confidentiality, o.Confidential...)
			addCodes(&s.Event, o.EventCodes...)
			if o.Kind == metadata.OnDemand {
				add(&s.Created, noMoment) // every range finds it, whatever it says
			} else {
				add(&s.Created, moment(o.CreationTime))
			}
			add(&s.Started, moment(o.ServiceStart))
			add(&s.Stopped, moment(o.ServiceStop))
		case *metadata.SubmissionSet:
			add(&s.Submitted, moment(o.SubmissionTime))
		case *metadata.Folder:
			addCodes(&s.List, o.Codes...)
		}
	}
	s.Solo = entries == 1
}

func add[T comparable](list *[]T, v T) {
	if !slices.Contains(*list, v) {
		*list = append(*list, v)
	}
}

func addCodes(list *[]string, codes ...metadata.Code) {
	for _, c := range codes {
		if c.Value != "" || c.Scheme != "" {
			add(list, codeTerm(c.Ref()))
		}
	}
}

// maxTerm bounds the length of terms; Lucene takes 32,766 bytes.
const maxTerm = 512

// codeTerm is the same for two codes that are Same, and for those only unless they are very
// long.
func codeTerm(c metadata.CodeRef) string {
	c = c.Canonical()
	term := c.Value + "^^" + c.Scheme
	return term[:min(len(term), maxTerm)]
}

// noMoment stands for a time that is missing or not of its form: every range
// finds it, and the exact filter decides.
const noMoment = 0

// moment is a time as 14 digits, which sort as times do.
func moment(d metadata.DTM) int64 {
	if d == "" || len(d) > 14 {
		return noMoment
	}
	n, err := strconv.ParseUint(d.Pad(), 10, 63)
	if err != nil {
		return noMoment
	}
	return int64(n)
}

// touch is what one batch says of an object of a part.
type touch struct {
	n   int // of the object in its change
	seq uint64
	said
}

type said struct {
	removed    bool
	unbind     bool
	succession storage.Succession
	status     metadata.Status
	updated    metadata.DTM
}

// Flags of a touch, as stored. Succession takes two bits.
const (
	touchRemoved    = 1 << 0
	touchUnbind     = 1 << 1
	successionShift = 2
	touchFlags      = 1<<4 - 1
)

// append encodes a touch: number, seq, flags, status, lastUpdateTime with its length.
func (t *touch) append(b []byte) []byte {
	flags := byte(t.succession) << successionShift
	if t.removed {
		flags |= touchRemoved
	}
	if t.unbind {
		flags |= touchUnbind
	}
	b = binary.AppendUvarint(b, uint64(t.n))
	b = binary.AppendUvarint(b, t.seq)
	b = append(b, flags, byte(t.status))
	b = binary.AppendUvarint(b, uint64(len(t.updated)))
	return append(b, t.updated...)
}

func decodeTouches(b []byte) (all []touch, err error) {
	r := reader{b: b}
	for len(r.b) > 0 && !r.bad {
		t := touch{n: int(r.uvarint()), seq: r.uvarint()}
		flags := r.byte()
		r.bad = r.bad || flags > touchFlags
		t.removed, t.unbind = flags&touchRemoved != 0, flags&touchUnbind != 0
		t.succession = storage.Succession(flags >> successionShift)
		t.status = metadata.Status(r.byte())
		t.updated = metadata.DTM(r.take(r.uvarint()))
		all = append(all, t)
	}
	if r.bad {
		return nil, odd("what was done to its objects")
	}
	return all, nil
}

// mostTouches of a part are kept. A search that began before all of them sees the
// oldest as if they had been done before.
const mostTouches = 256

// touch adds what a batch says, in the order of batches.
func (p *part) touch(t touch) {
	p.Touches = t.append(p.Touches)
	p.Touched = t.seq
}

// settle makes what searches select by out of the objects and all that was done
// to them, and forgets touches that later ones make void when there are too many.
func (p *part) settle() error {
	touches, err := decodeTouches(p.Touches)
	if err != nil {
		return err
	}
	if len(touches) > mostTouches {
		touches = fold(touches)
		p.Touches = p.Touches[:0]
		for i := range touches {
			p.Touches = touches[i].append(p.Touches)
		}
	}
	p.Entry, p.Set, p.Folder, p.Association = nil, nil, nil, nil
	for i := 0; i+1 < len(p.Objects); i += 2 {
		status, removed := metadata.Status(p.Objects[i+1]), false
		for j := range touches {
			if t := &touches[j]; t.n == p.Part*partObjects+i/2 {
				status, removed = cmp.Or(t.status, status), removed || t.removed
			}
		}
		if removed {
			continue
		}
		term := strconv.Itoa(int(status))
		switch encoding.Class(p.Objects[i]) {
		case encoding.ClassDocumentEntry:
			add(&p.Entry, term)
		case encoding.ClassSubmissionSet:
			add(&p.Set, term)
		case encoding.ClassFolder:
			add(&p.Folder, term)
		case encoding.ClassAssociation:
			add(&p.Association, term)
		}
	}
	return nil
}

// fold makes one of the older half of what was done to each object.
func fold(all []touch) []touch {
	older, newer := all[:len(all)/2], all[len(all)/2:]
	var folded []touch
	for i := range older {
		t := &older[i]
		at := slices.IndexFunc(folded, func(f touch) bool { return f.n == t.n })
		if at < 0 {
			folded = append(folded, *t)
			continue
		}
		f := &folded[at]
		f.status, f.updated = cmp.Or(t.status, f.status), cmp.Or(t.updated, f.updated)
		f.succession = cmp.Or(t.succession, f.succession)
		f.removed, f.unbind = f.removed || t.removed, f.unbind || t.unbind
	}
	return append(folded, newer...)
}

// overlay puts the state after batch at on object n.
func overlay(p *storage.Placed, n int, touches []touch, at uint64) {
	for i := range touches {
		t := &touches[i]
		if t.n != n || t.seq > at {
			continue
		}
		p.Removed = p.Removed || t.removed
		if t.succession != storage.Unchanged {
			p.Superseded = t.succession == storage.Superseded
		}
		if t.unbind {
			p.Document = ""
		}
		switch o := p.Object.(type) {
		case *metadata.DocumentEntry:
			o.Status = cmp.Or(t.status, o.Status)
		case *metadata.SubmissionSet:
			o.Status = cmp.Or(t.status, o.Status)
		case *metadata.Folder:
			o.Status = cmp.Or(t.status, o.Status)
			o.LastUpdateTime = cmp.Or(t.updated, o.LastUpdateTime)
		case *metadata.Association:
			o.Status = cmp.Or(t.status, o.Status)
		}
	}
}

func isRemoved(n int, touches []touch, at uint64) bool {
	return slices.ContainsFunc(touches, func(t touch) bool { return t.n == n && t.seq <= at && t.removed })
}

// reader reads numbers and bytes; after the first mistake it reads zeros.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) byte() byte {
	if b := r.take(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}
