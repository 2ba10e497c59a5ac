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
	dropped  int // problems beyond the limit

	values  []string
	slots   []rawSlot
	classes []rawClass
	ids     []rawID
	loose   []rawClass // classifications beside the objects
	nodes   map[nodeOf]bool

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
	keep := reader{values: r.values[:0], slots: r.slots[:0], classes: r.classes[:0], ids: r.ids[:0], loose: r.loose[:0]}
	if cap(keep.values) > 4096 || cap(keep.slots) > 1024 || cap(keep.classes) > 1024 {
		keep = reader{}
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

// object reads the object whose start tag the scanner stands on.
func (r *reader) object(element string) (raw, error) {
	sc := r.sc
	o := raw{element: element}
	r.attributes(&o)
	o.slots.from, o.classes.from, o.ids.from = len(r.slots), len(r.classes), len(r.ids)
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil {
			return o, err
		}
		if !ok {
			break
		}
		if sc.NS() != xmlscan.RIM {
			r.foreign(&o)
			continue
		}
		switch string(sc.Local()) {
		case "Slot":
			err = r.slot(&o, false)
		case "Classification":
			err = r.classification(&o)
		case "ExternalIdentifier":
			err = r.identifier(&o)
		case "Name":
			o.name, err = r.once(&o, "Name", &o.hasName)
		case "Description":
			o.description, err = r.once(&o, "Description", &o.hasDescription)
		case "VersionInfo":
			o.version, _ = sc.Attr("versionName")
		case "ContentVersionInfo": // says nothing that the metadata has a place for
		default:
			r.foreign(&o)
		}
		if err != nil {
			return o, err
		}
	}
	o.slots.to, o.classes.to, o.ids.to = len(r.slots), len(r.classes), len(r.ids)
	return o, nil
}

func (r *reader) attributes(o *raw) {
	attrs := r.sc.Attrs()
	for i := range attrs {
		a := &attrs[i]
		if a.NS != xmlscan.NoNS {
			continue
		}
		switch string(a.Local) {
		case "id":
			o.id = metadata.ParseID(r.sc.Value(a))
		case "lid":
			o.lid = metadata.ParseID(r.sc.Value(a))
		case "home":
			o.home = r.sc.Value(a)
		case "status":
			o.status = r.sc.Value(a)
		case "objectType":
			o.kind = r.sc.Value(a)
		case "mimeType":
			o.mime = r.sc.Value(a)
		case "associationType":
			o.assocType = r.sc.Value(a)
		case "sourceObject":
			o.source = metadata.ParseID(r.sc.Value(a))
		case "targetObject":
			o.target = metadata.ParseID(r.sc.Value(a))
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
	name, _ := sc.Attr("name")
	s := rawSlot{name: name, inside: inside}
	s.values.from = len(r.values)
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if !sc.Is(xmlscan.RIM, "ValueList") {
			continue
		}
		if err := r.valueList(s.values.from); err != nil {
			return err
		}
	}
	s.values.to = len(r.values)
	r.slots = append(r.slots, s)
	return nil
}

func (r *reader) valueList(first int) error {
	sc := r.sc
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil || !ok {
			return err
		}
		if !sc.Is(xmlscan.RIM, "Value") {
			continue
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
			switch a := &attrs[i]; string(a.Local) {
			case "value":
				l.Value = sc.Value(a)
			case "lang":
				l.Lang = sc.Value(a)
			case "charset":
				l.Charset = sc.Value(a)
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
	c, err := r.readClass(o)
	r.classes = append(r.classes, c)
	return err
}

func (r *reader) readClass(o *raw) (rawClass, error) {
	sc := r.sc
	var c rawClass
	attrs := sc.Attrs()
	for i := range attrs {
		a := &attrs[i]
		if a.NS != xmlscan.NoNS {
			continue
		}
		switch string(a.Local) {
		case "id":
			c.id = sc.Value(a)
		case "classificationScheme":
			c.scheme = metadata.ParseID(sc.Value(a))
		case "classifiedObject":
			c.object = metadata.ParseID(sc.Value(a))
		case "classificationNode":
			c.node = metadata.ParseID(sc.Value(a))
			c.hasNode = c.node != ""
		case "nodeRepresentation":
			c.rep, c.hasRep = sc.Value(a), true
		case "objectType":
			c.objectType = sc.Value(a)
		}
	}
	c.slots.from = len(r.slots)
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil {
			return c, err
		}
		if !ok {
			c.slots.to = len(r.slots)
			return c, nil
		}
		switch {
		case sc.Is(xmlscan.RIM, "Slot"):
			err = r.slot(o, true)
		case sc.Is(xmlscan.RIM, "Name"):
			c.name, err = r.text()
		}
		if err != nil {
			return c, err
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
		switch string(a.Local) {
		case "id":
			x.id = sc.Value(a)
		case "identificationScheme":
			x.scheme = metadata.ParseID(sc.Value(a))
		case "registryObject":
			x.object = metadata.ParseID(sc.Value(a))
		case "value":
			x.value = sc.Value(a)
		case "objectType":
			x.objectType = sc.Value(a)
		}
	}
	r.ids = append(r.ids, x)
	return sc.Skip()
}
