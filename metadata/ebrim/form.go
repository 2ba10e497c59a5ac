package ebrim

import (
	"slices"
	"strings"

	"samdok/internal/xmlscan"
	"samdok/metadata"
)

// Parts of an object.
const (
	slotPart        = "Slot"
	classPart       = "Classification"
	idPart          = "ExternalIdentifier"
	namePart        = "Name"
	descriptionPart = "Description"
	versionPart     = "VersionInfo"
	contentPart     = "ContentVersionInfo" // says nothing that the metadata has a place for
)

// form is how a part of an object was written, without what it said: a Slot but for its
// values, a Classification but for its id, object, code and so on. A system writes the
// parts of its objects in one way and in one order again and again, so that what comes next
// is nearly always one of a few forms, and need not be read but for what differs.
type form struct {
	written xmlscan.Form
	part    string
	next    [4]*form // what came behind it, the latest first
	gaps    []place  // where it belongs what stands in the gaps

	class         rawClass // scheme, kinds
	id            rawID    // the same
	slots         []formSlot
	texts         int    // in the Name of a Classification, 0 or 1
	lang, charset string // of the text
}

// formSlot is a slot in a form.
type formSlot struct {
	name   string
	values int
}

// place is where something belongs that stands in a gap.
type place uint8

const (
	nowhere place = iota
	partID
	partObject
	partCode
	partValue
	partText
)

// formBook holds the forms that a reader knows, of messages before, too.
type formBook struct {
	first form // what comes first in an object stands behind it
	count int
	// worth is what learning may cost yet. A form that fits earns more than a part that fits
	// none, so that messages which are never alike cost little more than without forms.
	worth int
}

const (
	mostForms    = 512
	mostWorth    = 8 << 10
	learningCost = 64
	worthOfFit   = 8
)

// foretold reads the next part, if it is written in one of the forms that came behind the
// part before.
func (r *reader) foretold(before *form, o *raw) *form {
	for i, f := range before.next {
		if f == nil {
			return nil
		}
		if !r.roomFor(f, o) || !r.sc.Fits(&f.written) {
			continue
		}
		if i > 0 {
			copy(before.next[1:i+1], before.next[:i])
			before.next[0] = f
		}
		r.forms.worth = min(r.forms.worth+worthOfFit, mostWorth)
		r.take(f, o)
		return f
	}
	return nil
}

// roomFor leaves to the other way what breaks a limit or a rule.
func (r *reader) roomFor(f *form, o *raw) bool {
	for i := range f.slots {
		if f.slots[i].values > r.lim.Values {
			return false
		}
	}
	switch f.part {
	case namePart:
		return !o.hasName
	case descriptionPart:
		return !o.hasDescription
	}
	return len(r.slots)-o.slots.from+len(f.slots) <= r.lim.Slots &&
		len(r.classes)-o.classes.from < r.lim.Parts && len(r.ids)-o.ids.from < r.lim.Parts
}

// take is what part does, of one that fitted.
func (r *reader) take(f *form, o *raw) {
	switch f.part {
	case slotPart:
		values := len(r.values)
		for i, to := range f.gaps {
			if to == partValue {
				r.values = append(r.values, r.sc.Gap(i))
			}
		}
		r.addSlots(f, values)
	case classPart:
		r.takeClass(f, o)
	case idPart:
		x := f.id
		for i, to := range f.gaps {
			switch to {
			case partID:
				x.id = r.sc.Gap(i)
			case partObject:
				x.object = r.gapObject(i, o)
			case partValue:
				x.value = r.sc.Gap(i)
			}
		}
		r.ids = append(r.ids, x)
	case namePart:
		o.name, o.hasName = r.gapText(f, f.text()), true
	case descriptionPart:
		o.description, o.hasDescription = r.gapText(f, f.text()), true
	case versionPart:
		o.version = r.sc.Gap(f.text())
	}
}

// text is the gap of the one text in it; -1: there is none.
func (f *form) text() int { return slices.Index(f.gaps, partText) }

func (r *reader) takeClass(f *form, o *raw) {
	c := f.class
	c.slots.from = len(r.slots)
	values := len(r.values)
	for i, to := range f.gaps {
		switch to {
		case partID:
			c.id = r.sc.Gap(i)
		case partObject:
			c.object = r.gapObject(i, o)
		case partCode:
			c.rep = r.gapAgain(i)
		case partValue:
			r.values = append(r.values, r.gapAgain(i))
		case partText:
			c.name = r.gapText(f, i)
		}
	}
	r.addSlots(f, values)
	c.slots.to = len(r.slots)
	r.classes = append(r.classes, c)
}

// addSlots adds the slots of a form, whose values stand from values on.
func (r *reader) addSlots(f *form, values int) {
	for i := range f.slots {
		s := &f.slots[i]
		r.slots = append(r.slots, rawSlot{name: s.name, values: span{values, values + s.values}, inside: f.part == classPart})
		values += s.values
	}
}

// gapObject is the id of the object that a part names: nearly always the one it is in.
func (r *reader) gapObject(gap int, o *raw) metadata.ID {
	b := r.sc.GapBytes(gap)
	if string(b) == string(o.id) {
		return o.id
	}
	return metadata.ParseID(r.sc.StringOf(b))
}

// gapAgain is what stands in a gap and is likely to have come before.
func (r *reader) gapAgain(gap int) string { return r.seen[r.see(r.sc.GapBytes(gap))].text }

func (r *reader) gapText(f *form, gap int) metadata.Text {
	l := metadata.LocalizedString{Lang: f.lang, Charset: f.charset, Value: r.gapAgain(gap)}
	if l.Value == "" {
		return nil
	}
	return metadata.Text(r.texts.add(nil, l))
}

// learn remembers how a part was written that has been read otherwise, and what it came
// behind. at is what had been read before it.
func (r *reader) learn(before *form, part string, m xmlscan.Mark, at mark, o *raw) *form {
	book := r.forms
	if book.worth++; part == "" || book.worth < learningCost {
		return before
	}
	book.worth -= learningCost
	if book.count++; book.count > mostForms {
		*book = formBook{count: 1, worth: book.worth}
		before = &book.first
	}
	f := &form{part: part}
	if !r.describe(f, m, at, o) {
		return before
	}
	copy(before.next[1:], before.next[:])
	before.next[0] = f
	return f
}

// describe fills a form, if what it gives of the part that was just read is what was read
// of it. Its strings are copies, as each would keep a piece of the message alive.
func (r *reader) describe(f *form, m xmlscan.Mark, at mark, o *raw) bool {
	var text metadata.Text
	switch f.part {
	case classPart:
		c := &r.classes[at.classes]
		f.class = rawClass{scheme: clone(c.scheme), node: clone(c.node), objectType: clone(c.objectType), hasRep: c.hasRep, hasNode: c.hasNode}
		text = c.name
	case idPart:
		f.id = rawID{scheme: clone(r.ids[at.ids].scheme), objectType: clone(r.ids[at.ids].objectType)}
	case namePart:
		text = o.name
	case descriptionPart:
		text = o.description
	}
	if f.texts = len(text); f.texts == 1 {
		f.lang, f.charset = clone(text[0].Lang), clone(text[0].Charset)
	}
	for _, s := range r.slots[at.slots:] {
		f.slots = append(f.slots, formSlot{clone(s.name), s.values.to - s.values.from})
	}
	elements := r.sc.Learn(&f.written, m, f.open)
	return elements > 0 && elements == f.elements(elements) && r.saysTheSame(f, at, o)
}

func clone[T ~string](s T) T { return T(strings.Clone(string(s))) }

// elements is how many there are when all of them are read; of those inside an
// ExternalIdentifier none is.
func (f *form) elements(all int) int {
	n := 1 + f.texts
	switch f.part {
	case idPart:
		return all
	case slotPart:
		n = 0
	case classPart:
		n = 1 + 2*f.texts
	}
	for i := range f.slots {
		n += 2 + f.slots[i].values
	}
	return n
}

// open tells whether the value of an attribute, or the text, of an element is left open. What
// nobody reads is, too.
func (f *form) open(element, attribute []byte) bool {
	to := nowhere
	switch string(element) {
	case f.part:
		switch string(attribute) {
		case "name", "objectType", "classificationScheme", "classificationNode", "identificationScheme":
			return false
		case "id":
			to = partID
		case "classifiedObject", "registryObject":
			to = partObject
		case "nodeRepresentation":
			to = partCode
		case "value":
			to = partValue
		case "versionName":
			to = partText
		}
	case "Slot":
		if string(attribute) == "name" {
			return false
		}
	case "Value":
		if len(attribute) == 0 {
			to = partValue
		}
	case "LocalizedString":
		switch string(attribute) {
		case "lang", "charset":
			return false
		case "value":
			to = partText
		}
	}
	if f.part == idPart && string(element) != idPart {
		to = nowhere
	}
	f.gaps = append(f.gaps, to)
	return true
}

// saysTheSame takes what was learnt, which still fits, once more, and compares it with what
// was read.
func (r *reader) saysTheSame(f *form, at mark, o *raw) bool {
	switch f.part {
	case namePart, descriptionPart, versionPart:
		if f.text() < 0 {
			return false
		}
	}
	again := r.mark()
	defer r.release(again)
	n := raw{id: o.id}
	r.take(f, &n)
	read, taken := r.slots[at.slots:again.slots], r.slots[again.slots:]
	values := func(s rawSlot) []string { return r.values[s.values.from:s.values.to] }
	if !slices.EqualFunc(read, taken, func(a, b rawSlot) bool {
		return a.name == b.name && a.inside == b.inside && slices.Equal(values(a), values(b))
	}) {
		return false
	}
	switch f.part {
	case classPart:
		c, d := r.classes[at.classes], r.classes[again.classes]
		return c.id == d.id && c.scheme == d.scheme && c.node == d.node && c.object == d.object && c.objectType == d.objectType &&
			c.rep == d.rep && c.hasRep == d.hasRep && c.hasNode == d.hasNode && slices.Equal(c.name, d.name)
	case idPart:
		return r.ids[at.ids] == r.ids[again.ids]
	case namePart:
		return slices.Equal(n.name, o.name)
	case descriptionPart:
		return slices.Equal(n.description, o.description)
	case versionPart:
		return n.version == o.version
	}
	return true
}
