package ebrim

import (
	"strings"

	"samdok/internal/xmlscan"
	"samdok/metadata"
)

// coded is the content of a Classification that says a code: one Slot of one value and a
// Name. Few codes are used over and over, in one message and in all that follow, so that
// the reader keeps them when a message ends. They are about no patient.
type coded struct {
	content     xmlscan.Passage
	slot, value string
	name        metadata.Text
}

// codeBook holds those kept, by what the attributes of the Classification say: the same code
// of different coding systems is beside itself.
type codeBook struct {
	sets [64][4]coded
	next uint // which of a set is replaced
}

func (k *codeBook) of(c *rawClass) *[4]coded {
	h := uint(len(c.rep))
	for i := range len(c.rep) {
		h = 31*h + uint(c.rep[i])
	}
	if n := len(c.scheme); n > 0 {
		h += 7 * uint(c.scheme[n-1])
	}
	return &k.sets[h%uint(len(k.sets))]
}

// recall takes the content of a classification that is a known one.
func (r *reader) recall(known *[4]coded, c *rawClass) bool {
	for i := range known {
		k := &known[i]
		if !r.sc.Repeat(&k.content) {
			continue
		}
		at := len(r.values)
		r.values = append(r.values, k.value)
		r.slots = append(r.slots, rawSlot{name: k.slot, values: span{at, at + 1}, inside: true})
		c.slots.to = len(r.slots)
		if len(k.name) > 0 {
			c.name = r.texts.take(len(k.name))
			copy(c.name, k.name)
		}
		return true
	}
	return false
}

// keep remembers the content of a classification that has just been read. Strings are
// copied, as each would keep a piece of the message alive.
func (r *reader) keep(known *[4]coded, m xmlscan.Mark, c *rawClass) {
	if c.slots.to-c.slots.from != 1 {
		return
	}
	k, s := &known[r.known.next%4], &r.slots[c.slots.from]
	if s.values.to-s.values.from != 1 || !r.sc.Remember(&k.content, m) {
		return
	}
	r.known.next++
	k.slot, k.value = strings.Clone(s.name), strings.Clone(r.values[s.values.from])
	k.name = make(metadata.Text, len(c.name))
	for i, l := range c.name {
		k.name[i] = metadata.LocalizedString{Lang: strings.Clone(l.Lang), Charset: strings.Clone(l.Charset), Value: strings.Clone(l.Value)}
	}
}
