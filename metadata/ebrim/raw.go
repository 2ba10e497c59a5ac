package ebrim

import (
	"sync"

	"samdok/fault"
	"samdok/internal/xmlscan"
	"samdok/metadata"
)

// raw is a registry object as read, before it is known what it is: a
// RegistryPackage may be told what it is by a Classification that comes later.
// Its parts lie in the reader's lists.
type raw struct {
	element                  string // "ExtrinsicObject", "RegistryPackage", "Association"
	id, lid                  metadata.ID
	home, status, kind, mime string
	version                  string
	assocType                string
	source, target           metadata.ID
	name, description        metadata.Text
	slots, classes, ids      span
	hasName, hasDescription  bool
}

type span struct{ from, to int }

type rawSlot struct {
	name   string
	values span
	inside bool // of a classification, not of the object itself
}

type rawClass struct {
	id              string
	scheme, node    metadata.ID
	object          metadata.ID
	objectType      string
	rep             string
	hasRep, hasNode bool
	name            metadata.Text
	slots           span
}

type rawID struct {
	id         string
	scheme     metadata.ID
	object     metadata.ID
	objectType string
	value      string
}

// reader reads raw objects. Its lists are used again for object after object and
// for message after message; the slabs' pieces belong to the result.
type reader struct {
	sc       *xmlscan.Scanner
	lim      Limits
	problems []fault.Problem
	dropped  int  // problems beyond the limit
	severe   bool // one of them is an error
	lenient  bool // an answer: what is wrong with a part of an object is a warning

	values  []string
	slots   []rawSlot
	classes []rawClass
	ids     []rawID
	loose   []rawClass // classifications beside the objects
	nodes   map[nodeOf]bool
	seen    memo
	forms   *formBook

	texts slab[metadata.LocalizedString]
	strs  slab[string]
	codes slab[metadata.Code]
	whos  slab[metadata.Author]
}

var readers = sync.Pool{New: func() any { return &reader{} }}

func newReader(sc *xmlscan.Scanner, lim Limits) *reader {
	r := readers.Get().(*reader)
	r.sc, r.lim = sc, lim.withDefaults()
	return r
}

// free gives the reader back without anything of the message.
func (r *reader) free() {
	clear(r.values[:cap(r.values)])
	clear(r.slots[:cap(r.slots)])
	clear(r.classes[:cap(r.classes)])
	clear(r.ids[:cap(r.ids)])
	clear(r.loose[:cap(r.loose)])
	keep := reader{values: r.values[:0], slots: r.slots[:0], classes: r.classes[:0], ids: r.ids[:0], loose: r.loose[:0], forms: r.forms}
	if cap(keep.values) > 4096 || cap(keep.slots) > 1024 || cap(keep.classes) > 1024 {
		keep = reader{forms: r.forms}
	}
	*r = keep
	readers.Put(r)
}

// mark and release use the lists like a stack.
type mark struct{ values, slots, classes, ids int }

func (r *reader) mark() mark {
	return mark{len(r.values), len(r.slots), len(r.classes), len(r.ids)}
}

func (r *reader) release(m mark) {
	r.values, r.slots, r.classes, r.ids = r.values[:m.values], r.slots[:m.slots], r.classes[:m.classes], r.ids[:m.ids]
}

// object reads the object whose start tag the scanner stands on into o, which is zero.
func (r *reader) object(o *raw, element string) error {
	sc := r.sc
	o.element = element
	r.attributes(o)
	o.slots.from, o.classes.from, o.ids.from = len(r.slots), len(r.classes), len(r.ids)
	if r.forms == nil {
		r.forms = &formBook{worth: mostWorth}
	}
	for depth, before := sc.Depth(), &r.forms.first; ; {
		if sc.Depth() == depth {
			if f := r.foretold(before, o); f != nil {
				before = f
				continue
			}
		}
		m, at := sc.Mark(), r.mark()
		ok, err := sc.NextChild(depth)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		part, err := r.part(o)
		if err != nil {
			return err
		}
		if sc.Depth() == depth {
			before = r.learn(before, part, m, at, o)
		}
	}
	o.slots.to, o.classes.to, o.ids.to = len(r.slots), len(r.classes), len(r.ids)
	return nil
}

// part reads a part of an object, whose start tag the scanner stands on, and tells what it
// is; "" when it has no place there.
func (r *reader) part(o *raw) (name string, err error) {
	sc := r.sc
	if sc.NS() != xmlscan.RIM {
		r.foreign(o)
		return "", nil
	}
	switch string(sc.Local()) {
	case slotPart:
		return slotPart, r.slot(o, false)
	case classPart:
		return classPart, r.classification(o)
	case idPart:
		return idPart, r.identifier(o)
	case namePart:
		o.name, err = r.once(o, namePart, &o.hasName)
		return namePart, err
	case descriptionPart:
		o.description, err = r.once(o, descriptionPart, &o.hasDescription)
		return descriptionPart, err
	case versionPart:
		o.version, _ = sc.Attr("versionName")
		return versionPart, sc.Skip()
	case contentPart:
		return contentPart, sc.Skip()
	default:
		r.foreign(o)
	}
	return "", nil
}

func (r *reader) attributes(o *raw) {
	sc := r.sc
	attrs := sc.Attrs()
	for i := range attrs {
		a := &attrs[i]
		if a.NS != xmlscan.NoNS {
			continue
		}
		switch string(sc.AttrName(a)) {
		case "id":
			o.id = metadata.ParseID(sc.Value(a))
		case "lid":
			o.lid = metadata.ParseID(sc.Value(a))
		case "home":
			if o.home = r.again(a); r.lenient {
				o.home = metadata.ParseHome(o.home)
			}
		case "status":
			o.status = r.again(a)
		case "objectType":
			o.kind = r.again(a)
		case "mimeType":
			o.mime = r.again(a)
		case "associationType":
			o.assocType = r.again(a)
		case "sourceObject":
			o.source = r.againID(a)
		case "targetObject":
			o.target = r.againID(a)
		}
	}
}

func (r *reader) foreign(o *raw) {
	r.report(o, "element "+quote(string(r.sc.Local())), "has no place in the object; remove it.")
}

// slot reads rim:Slot into the reader's lists.
func (r *reader) slot(o *raw, inside bool) error {
	sc := r.sc
	if len(r.slots)-o.slots.from >= r.lim.Slots {
		return tooLarge("slots", r.lim.Slots)
	}
	s := rawSlot{inside: inside}
	for i := range sc.Attrs() {
		if a := &sc.Attrs()[i]; a.NS == xmlscan.NoNS && string(sc.AttrName(a)) == "name" {
			s.name = r.again(a)
		}
	}
	s.values.from = len(r.values)
	if v, ok := sc.Only("ValueList", "Value"); ok {
		r.values = append(r.values, v)
		s.values.to = len(r.values)
		r.slots = append(r.slots, s)
		return nil
	}
	for depth := sc.Depth(); ; {
		ok, err := enter(sc, depth, "ValueList")
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if err := r.valueList(s.values.from); err != nil {
			return err
		}
	}
	s.values.to = len(r.values)
	r.slots = append(r.slots, s)
	return nil
}

// enter moves to the next child with a name of ebRIM inside the ebRIM element whose
// depth that is, passing over others; false means that there is none and that the
// scanner is at the element's End.
func enter(sc *xmlscan.Scanner, depth int, local string) (bool, error) {
	if sc.Depth() == depth && sc.Enter(local) {
		return true, nil
	}
	for {
		ok, err := sc.NextChild(depth)
		if err != nil || !ok || sc.Is(xmlscan.RIM, local) {
			return ok, err
		}
	}
}

func (r *reader) valueList(first int) error {
	sc := r.sc
	for depth := sc.Depth(); ; {
		ok, err := enter(sc, depth, "Value")
		if err != nil || !ok {
			return err
		}
		if len(r.values)-first >= r.lim.Values {
			return tooLarge("values", r.lim.Values)
		}
		v, err := sc.ElementText()
		if err != nil {
			return err
		}
		r.values = append(r.values, v)
	}
}

// once reads a Name or Description, of which an object has one.
func (r *reader) once(o *raw, attribute string, seen *bool) (metadata.Text, error) {
	if *seen {
		r.report(o, attribute, "stands twice; keep one.")
	}
	*seen = true
	return r.text()
}

// text reads rim:Name or rim:Description; empty strings count as absent.
func (r *reader) text() (metadata.Text, error) {
	sc := r.sc
	var t metadata.Text
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil || !ok {
			return t, err
		}
		if !sc.Is(xmlscan.RIM, "LocalizedString") {
			continue
		}
		var l metadata.LocalizedString
		attrs := sc.Attrs()
		for i := range attrs {
			switch a := &attrs[i]; string(sc.AttrName(a)) {
			case "value":
				l.Value = r.again(a)
			case "lang":
				l.Lang = r.again(a)
			case "charset":
				l.Charset = r.again(a)
			}
		}
		if l.Value != "" {
			t = metadata.Text(r.texts.add(t, l))
		}
	}
}

// classification reads rim:Classification into the reader's list.
func (r *reader) classification(o *raw) error {
	if len(r.classes)-o.classes.from >= r.lim.Parts {
		return tooLarge("parts", r.lim.Parts)
	}
	r.classes = append(r.classes, rawClass{})
	return r.readClass(o, &r.classes[len(r.classes)-1])
}

func (r *reader) readClass(o *raw, c *rawClass) error {
	sc := r.sc
	attrs := sc.Attrs()
	for i := range attrs {
		a := &attrs[i]
		if a.NS != xmlscan.NoNS {
			continue
		}
		switch string(sc.AttrName(a)) {
		case "id":
			c.id = sc.Value(a)
		case "classificationScheme":
			c.scheme = r.againID(a)
		case "classifiedObject":
			c.object = r.againID(a)
		case "classificationNode":
			c.node = r.againID(a)
			c.hasNode = c.node != ""
		case "nodeRepresentation":
			c.rep, c.hasRep = r.again(a), true
		case "objectType":
			c.objectType = r.again(a)
		}
	}
	c.slots.from = len(r.slots)
	return r.classContent(o, c)
}

func (r *reader) classContent(o *raw, c *rawClass) error {
	sc := r.sc
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil {
			return err
		}
		if !ok {
			c.slots.to = len(r.slots)
			return nil
		}
		switch {
		case sc.Is(xmlscan.RIM, "Slot"):
			err = r.slot(o, true)
		case sc.Is(xmlscan.RIM, "Name"):
			c.name, err = r.text()
		}
		if err != nil {
			return err
		}
	}
}

// identifier reads rim:ExternalIdentifier into the reader's list.
func (r *reader) identifier(o *raw) error {
	if len(r.ids)-o.ids.from >= r.lim.Parts {
		return tooLarge("parts", r.lim.Parts)
	}
	sc := r.sc
	var x rawID
	attrs := sc.Attrs()
	for i := range attrs {
		a := &attrs[i]
		if a.NS != xmlscan.NoNS {
			continue
		}
		switch string(sc.AttrName(a)) {
		case "id":
			x.id = sc.Value(a)
		case "identificationScheme":
			x.scheme = r.againID(a)
		case "registryObject":
			x.object = r.againID(a)
		case "value":
			x.value = sc.Value(a)
		case "objectType":
			x.objectType = r.again(a)
		}
	}
	r.ids = append(r.ids, x)
	return sc.Skip()
}
