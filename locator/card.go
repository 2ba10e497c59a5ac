package locator

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"
)

// A card is what is known of one patient: a version, then for each source
//
//	uvarint  number of its word
//	uvarint  AsOf, in microseconds since 2020
//	uvarint  how many things are held, and for each of them
//	  uvarint  number of the organisation's word
//	  uvarint  number of the word of kind and class
//	  varint   first day, counted from 2010
//	  uvarint  days from first to last
//	  uvarint  when it was withdrawn, in microseconds since 2020; 0: it is not
//	  byte     Told
//
// About 8 bytes for each thing, so that 20 of them about each of 6 million patients
// fit into the memory of one machine.
const cardVersion = 1

var (
	epoch   = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	dayOne  = time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC)
	dayZero = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
)

// errCard: a card cannot be read.
var errCard = errors.New("locator: what is known of a patient cannot be read; was it written by a newer samdok?")

type card []sourceCard

type sourceCard struct {
	source uint64
	asOf   int64
	held   []heldCard
}

type heldCard struct {
	organisation, what uint64
	first, last        int64 // days
	withdrawn          int64
	told               Told
}

func decodeCard(b []byte) (c card, err error) {
	if len(b) == 0 {
		return nil, nil
	}
	if b[0] != cardVersion {
		return nil, errCard
	}
	r := reader{b: b[1:]}
	for len(r.b) > 0 && !r.bad {
		s := sourceCard{source: r.uvarint(), asOf: int64(r.uvarint())}
		n := r.uvarint()
		if n > uint64(len(r.b)) {
			return nil, errCard
		}
		s.held = make([]heldCard, 0, n)
		for range n {
			h := heldCard{organisation: r.uvarint(), what: r.uvarint(), first: r.varint()}
			h.last, h.withdrawn, h.told = h.first+int64(r.uvarint()), int64(r.uvarint()), Told(r.byte())
			s.held = append(s.held, h)
		}
		c = append(c, s)
	}
	if r.bad {
		return nil, errCard
	}
	return c, nil
}

type reader struct {
	b   []byte
	bad bool
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > 1<<62 {
		r.b, r.bad = nil, true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 || v > 1<<40 || v < -1<<40 {
		r.b, r.bad = nil, true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

// encode is nil when nothing is known.
func (c card) encode() []byte {
	if len(c) == 0 {
		return nil
	}
	b := make([]byte, 1, 256)
	b[0] = cardVersion
	for i := range c {
		s := &c[i]
		b = binary.AppendUvarint(b, s.source)
		b = binary.AppendUvarint(b, uint64(s.asOf))
		b = binary.AppendUvarint(b, uint64(len(s.held)))
		for _, h := range s.held {
			b = binary.AppendUvarint(b, h.organisation)
			b = binary.AppendUvarint(b, h.what)
			b = binary.AppendVarint(b, h.first)
			b = binary.AppendUvarint(b, uint64(h.last-h.first))
			b = binary.AppendUvarint(b, uint64(h.withdrawn))
			b = append(b, byte(h.told))
		}
	}
	return b
}

// stated is a statement with its texts as numbers.
type stated struct {
	source uint64
	asOf   int64
	held   []heldCard // first, last: unsaid when not said
	adds   bool
}

const unsaid = -1 << 50

// take brings a card up to date. changed is false when it was already; outdated
// tells that a newer statement was taken before. An error is a Problem, and of no
// effect but for a source that says nothing yet.
func (c *card) take(s *stated) (changed, outdated bool, err error) {
	i := slices.IndexFunc(*c, func(x sourceCard) bool { return x.source == s.source })
	if i < 0 && len(*c) >= MaxSources {
		return false, false, &Problem{"/system", "The patient has as many sources as are kept. Is a system given a new name for each message?"}
	}
	if i < 0 {
		*c = append(*c, sourceCard{source: s.source})
		i, changed = len(*c)-1, true
	}
	g := &(*c)[i]
	if !s.adds && s.asOf < g.asOf {
		return false, true, nil
	}
	if fresh := g.lacks(s.held); len(g.held)+fresh > 2*MaxHeld { // withdrawn ones among them
		return false, false, &Problem{"/holdings", "The source has as many holdings of the patient as are kept. Tell of kinds and classes, not of single documents."}
	}
	day := dayOf(fromMicros(s.asOf))
	named := make([]bool, len(g.held))
	for _, h := range s.held {
		k := g.index(h)
		if k < 0 {
			g.held, changed = append(g.held, h.settled(day)), true
			continue
		}
		if k < len(named) { // else the statement names it twice
			named[k] = true
		}
		if s.adds && s.asOf < g.held[k].withdrawn {
			continue
		}
		changed = g.held[k].renew(h, day, s.adds) || changed
	}
	for k := range named {
		if !s.adds && !named[k] && g.held[k].withdrawn == 0 {
			g.held[k].withdrawn, changed = max(s.asOf, 1), true
		}
	}
	if s.asOf > g.asOf {
		g.asOf, changed = s.asOf, true
	}
	return changed, false, nil
}

func (g *sourceCard) index(h heldCard) int {
	return slices.IndexFunc(g.held, func(x heldCard) bool { return x.organisation == h.organisation && x.what == h.what })
}

// lacks is how many of the list are new.
func (g *sourceCard) lacks(list []heldCard) (n int) {
	for _, h := range list {
		if g.index(h) < 0 {
			n++
		}
	}
	return n
}

// settled has all days said.
func (h heldCard) settled(day int64) heldCard {
	if h.last == unsaid {
		h.last = max(day, h.first)
	}
	if h.first == unsaid {
		h.first = min(day, h.last)
	}
	return h
}

// renew says again that something is held.
func (h *heldCard) renew(is heldCard, day int64, adds bool) (changed bool) {
	was := *h
	if is.last == unsaid {
		is.last = max(day, is.first)
	}
	if is.first == unsaid {
		is.first = min(h.first, is.last)
	}
	if adds {
		is.first, is.last = min(is.first, h.first), max(is.last, h.last)
	}
	h.first, h.last, h.withdrawn, h.told = is.first, is.last, 0, is.told
	return *h != was
}

// purge drops what was withdrawn before a time.
func (c *card) purge(before int64) (changed bool) {
	for i := range *c {
		g := &(*c)[i]
		n := len(g.held)
		g.held = slices.DeleteFunc(g.held, func(h heldCard) bool { return h.withdrawn > 0 && h.withdrawn < before })
		changed = changed || len(g.held) < n
	}
	n := len(*c)
	*c = slices.DeleteFunc(*c, func(g sourceCard) bool { return len(g.held) == 0 && g.asOf < before })
	return changed || len(*c) < n
}

func micros(t time.Time) int64 { return t.Sub(epoch).Microseconds() }

func fromMicros(n int64) time.Time { return epoch.Add(time.Duration(n) * time.Microsecond) }

func dayOf(t time.Time) int64 {
	if t.IsZero() {
		return unsaid
	}
	y, m, d := t.UTC().Date()
	return int64(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Sub(dayOne) / (24 * time.Hour))
}

func fromDay(n int64) time.Time { return dayOne.AddDate(0, 0, int(n)) }
