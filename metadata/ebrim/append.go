package ebrim

import (
	"encoding/binary"
	"strconv"
	"strings"

	"samdok/internal/xmlscan"
	"samdok/metadata"
)

// writer appends objects. An object's classifications and identifiers need ids of
// their own: those of the model, otherwise derived from the object's UUID (a
// registry's answer) or symbolic (a submission being sent).
type writer struct {
	b        []byte
	owner    string        // the object's id, escaped for an attribute
	base     metadata.UUID // the object's UUID
	symbolic string        // prefix of symbolic ids; "" when ids are derived
	n        int           // ids made so far
}

// AppendObject appends one object as a registry answers it: ExtrinsicObject,
// RegistryPackage, Association or ObjectRef in the default namespace.
func AppendObject(b []byte, o metadata.Object) []byte {
	if r, ok := o.(*metadata.ObjectReference); ok {
		return AppendObjectRef(b, r.ID, r.Home)
	}
	w := writer{b: b}
	w.object(o)
	return w.b
}

// AppendObjectRef appends <ObjectRef id="..." home="..."/>; no home when it is "".
func AppendObjectRef(b []byte, id metadata.ID, home string) []byte {
	b = append(b, `<ObjectRef id="`...)
	b = xmlscan.AppendAttr(b, string(id))
	if home != "" {
		b = append(b, `" home="`...)
		b = xmlscan.AppendAttr(b, home)
	}
	return append(b, `"/>`...)
}

// AppendSubmission appends lcm:SubmitObjectsRequest with all objects. Parts without
// a UUID get symbolic ids that occur nowhere else in the message.
func AppendSubmission(b []byte, s *metadata.Submission) []byte {
	w := writer{b: b, symbolic: freePrefix(s)}
	w.str(`<lcm:SubmitObjectsRequest xmlns:lcm="` + lcmNS + `"><RegistryObjectList xmlns="` + rimNS + `">`)
	for _, e := range s.Entries {
		w.object(e)
	}
	w.object(&s.Set)
	for _, f := range s.Folders {
		w.object(f)
	}
	for _, a := range s.Associations {
		w.object(a)
	}
	w.str(`</RegistryObjectList></lcm:SubmitObjectsRequest>`)
	return w.b
}

// freePrefix finds a beginning that no id of the submission has.
func freePrefix(s *metadata.Submission) string {
	prefix := "id-"
	for taken := true; taken; {
		taken = strings.HasPrefix(string(s.Set.ID), prefix)
		for _, e := range s.Entries {
			taken = taken || strings.HasPrefix(string(e.ID), prefix)
		}
		for _, f := range s.Folders {
			taken = taken || strings.HasPrefix(string(f.ID), prefix)
		}
		for _, a := range s.Associations {
			taken = taken || strings.HasPrefix(string(a.ID), prefix)
		}
		if taken {
			prefix = "_" + prefix
		}
	}
	return prefix
}

func (w *writer) object(o metadata.Object) {
	id := string(o.ObjectID())
	w.owner = id
	if strings.ContainsAny(id, "&<>\"\t\n\r") {
		w.owner = string(xmlscan.AppendAttr(nil, id))
	}
	if w.symbolic == "" {
		w.base, _ = metadata.ParseUUID(id)
		w.n = 0
	}
	switch o := o.(type) {
	case *metadata.DocumentEntry:
		w.entry(o)
	case *metadata.SubmissionSet:
		w.set(o)
	case *metadata.Folder:
		w.folder(o)
	case *metadata.Association:
		w.association(o)
	}
}

func (w *writer) str(s string) { w.b = append(w.b, s...) }

// attr appends ` name="value"`, nothing for "".
func (w *writer) attr(name, value string) {
	if value == "" {
		return
	}
	w.b = append(w.b, ' ')
	w.b = append(w.b, name...)
	w.b = append(w.b, `="`...)
	w.b = xmlscan.AppendAttr(w.b, value)
	w.b = append(w.b, '"')
}

// id appends the UUID, or an id made for the part.
func (w *writer) id(u metadata.UUID) {
	w.n++
	switch {
	case !u.IsZero():
		w.b = u.AppendURN(w.b)
	case w.symbolic != "":
		w.str(w.symbolic)
		w.b = strconv.AppendInt(w.b, int64(w.n), 10)
	default:
		w.b = derived(w.base, w.n).AppendURN(w.b)
	}
}

// derived makes the id of an object's n-th part: the same at every answer, and of
// version 8, which random ids never are (RFC 9562, 5.8).
func derived(u metadata.UUID, n int) metadata.UUID {
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	tail := binary.BigEndian.Uint16(u[14:])
	binary.BigEndian.PutUint16(u[14:], tail^uint16(n))
	return u
}

const (
	slotOpen   = `<Slot name="`
	valuesOpen = `"><ValueList><Value>`
	valueNext  = `</Value><Value>`
	slotClose  = `</Value></ValueList></Slot>`
)

// slot appends a slot of one value, nothing for "". name needs no escaping.
func (w *writer) slot(name, value string) {
	if value == "" {
		return
	}
	b := append(w.b, slotOpen...)
	b = append(b, name...)
	b = append(b, valuesOpen...)
	b = xmlscan.AppendText(b, value)
	w.b = append(b, slotClose...)
}

// slotList appends a slot of several values, nothing for none.
func slotList[T ~string](w *writer, name string, values []T) {
	if len(values) == 0 {
		return
	}
	w.str(slotOpen)
	w.b = xmlscan.AppendAttr(w.b, name)
	w.str(valuesOpen)
	for i, v := range values {
		if i > 0 {
			w.str(valueNext)
		}
		w.b = xmlscan.AppendText(w.b, string(v))
	}
	w.str(slotClose)
}

func (w *writer) extra(slots []metadata.Slot) {
	for i := range slots {
		if len(slots[i].Values) == 0 {
			w.str(slotOpen)
			w.b = xmlscan.AppendAttr(w.b, slots[i].Name)
			w.str(`"><ValueList/></Slot>`)
			continue
		}
		slotList(w, slots[i].Name, slots[i].Values)
	}
}

// text appends <Name> or <Description>, nothing when there is no text.
func (w *writer) text(element string, t metadata.Text) {
	if len(t) == 0 {
		return
	}
	w.b = append(append(append(w.b, '<'), element...), '>')
	for i := range t {
		w.str(`<LocalizedString`)
		w.attr("xml:lang", t[i].Lang)
		w.attr("charset", t[i].Charset)
		w.str(` value="`)
		w.b = xmlscan.AppendAttr(w.b, t[i].Value)
		w.str(`"/>`)
	}
	w.b = append(append(append(w.b, `</`...), element...), '>')
}

func (w *writer) texts(title, comments metadata.Text, version int) {
	w.text("Name", title)
	w.text("Description", comments)
	if version > 0 {
		w.str(`<VersionInfo versionName="`)
		w.b = strconv.AppendInt(w.b, int64(version), 10)
		w.str(`"/>`)
	}
}

func (w *writer) classification(id metadata.UUID, scheme, rep string) {
	w.b = append(w.b, `<Classification id="`...)
	w.id(id)
	b := append(w.b, `" classificationScheme="`...)
	b = append(b, scheme...)
	b = append(b, `" classifiedObject="`...)
	b = append(b, w.owner...)
	b = append(b, `" nodeRepresentation="`...)
	b = xmlscan.AppendAttr(b, rep)
	w.b = append(b, `" objectType="`+typeClassification+`">`...)
}

func (w *writer) code(scheme string, c *metadata.Code) {
	if c.Value == "" && c.Scheme == "" {
		return
	}
	w.classification(c.ID, scheme, c.Value)
	w.slot("codingScheme", c.Scheme)
	w.text("Name", c.Display)
	w.b = append(w.b, `</Classification>`...)
}

func (w *writer) codes(scheme string, list []metadata.Code) {
	for i := range list {
		w.code(scheme, &list[i])
	}
}

func (w *writer) authors(scheme string, list []metadata.Author) {
	for i := range list {
		a := &list[i]
		w.classification(a.ID, scheme, "")
		w.slot("authorPerson", string(a.Person))
		slotList(w, "authorInstitution", a.Institutions)
		slotList(w, "authorRole", a.Roles)
		slotList(w, "authorSpecialty", a.Specialties)
		slotList(w, "authorTelecommunication", a.Telecom)
		w.extra(a.Extra)
		w.str(`</Classification>`)
	}
}

// node appends a Classification that says what the object is.
func (w *writer) node(node string) {
	w.str(`<Classification id="`)
	w.id(metadata.UUID{})
	w.str(`" classifiedObject="`)
	w.str(w.owner)
	w.str(`" classificationNode="`)
	w.str(node)
	w.str(`" objectType="` + typeClassification + `"/>`)
}

func (w *writer) identifier(id metadata.UUID, scheme, name, value string) {
	if value == "" {
		return
	}
	w.b = append(w.b, `<ExternalIdentifier id="`...)
	w.id(id)
	w.b = append(w.b, `" registryObject="`...)
	w.b = append(w.b, w.owner...)
	w.b = append(w.b, `" identificationScheme="`...)
	w.b = append(w.b, scheme...)
	w.b = append(w.b, `" value="`...)
	w.b = xmlscan.AppendAttr(w.b, value)
	w.b = append(w.b, `" objectType="`+typeIdentifier+`"><Name><LocalizedString value="`...)
	w.b = append(w.b, name...)
	w.b = append(w.b, `"/></Name></ExternalIdentifier>`...)
}
