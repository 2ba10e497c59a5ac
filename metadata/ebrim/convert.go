package ebrim

import (
	"strconv"
	"strings"

	"samdok/fault"
	"samdok/metadata"
)

// report adds a problem of an object's attribute.
func (r *reader) report(o *raw, attribute, what string) {
	severity := fault.SeverityError
	if r.lenient {
		severity = fault.SeverityWarning
	}
	r.problem(severity, fault.RegistryMetadataError, className(o)+" "+quote(string(o.id))+", "+attribute+": "+what)
}

func (r *reader) problem(severity fault.Severity, code fault.Code, context string) {
	if len(r.problems) >= r.lim.Problems {
		r.dropped++
		r.severe = r.severe || severity == fault.SeverityError
		return
	}
	r.problems = append(r.problems, fault.Problem{Code: code, Severity: severity, Context: context})
}

// listed are the problems, with a last one when some are left out.
func (r *reader) listed() []fault.Problem {
	if r.dropped > 0 {
		severity := fault.SeverityWarning
		if r.severe {
			severity = fault.SeverityError
		}
		r.problems = append(r.problems, fault.Problem{Code: fault.RegistryMetadataError, Severity: severity,
			Context: "The message has " + strconv.Itoa(r.dropped) + " further problems, which are not listed."})
	}
	return r.problems
}

func className(o *raw) string {
	if o.element == "ExtrinsicObject" {
		return "DocumentEntry"
	}
	return o.element
}

// one takes the value of a slot that has at most one.
func (r *reader) one(o *raw, s *rawSlot, dst *string) {
	values := r.values[s.values.from:s.values.to]
	if len(values) > 1 {
		r.report(o, s.name, "has "+strconv.Itoa(len(values))+" values; send one.")
	}
	if len(values) > 0 {
		*dst = values[0]
	}
}

// many takes all values of a slot.
func many[T ~string](r *reader, s *rawSlot) []T {
	values := r.values[s.values.from:s.values.to]
	if len(values) == 0 {
		return nil
	}
	// A slice of a named string type is made here once; []string comes from the
	// slab.
	out := make([]T, len(values))
	for i, v := range values {
		out[i] = T(v)
	}
	return out
}

func (r *reader) list(s *rawSlot) []string {
	values := r.values[s.values.from:s.values.to]
	if len(values) == 0 {
		return nil
	}
	out := r.strs.take(len(values))
	copy(out, values)
	return out
}

// others keeps a slot that the model has no attribute for.
func (r *reader) others(o *raw, s *rawSlot, extra []metadata.Slot) []metadata.Slot {
	if s.name == "" {
		r.report(o, "Slot", "has no name; give it one.")
		return extra
	}
	return append(extra, metadata.Slot{Name: s.name, Values: r.list(s)})
}

// repeated reports slots of one name and keeps the first.
func (r *reader) repeated(o *raw, slots []rawSlot, i int) bool {
	if slots[i].name == "" {
		return false
	}
	for j := range i {
		if slots[j].name == slots[i].name && slots[j].inside == slots[i].inside {
			r.report(o, "Slot "+quote(slots[i].name), "stands twice; put all values into one Slot.")
			return true
		}
	}
	return false
}

// each calls f for every slot of the object itself.
func (r *reader) each(o *raw, f func(*rawSlot)) {
	slots := r.slots[o.slots.from:o.slots.to]
	seen := slotNames(slots)
	for i := range slots {
		if slots[i].inside || seen != nil && seen.twice(r, o, &slots[i]) || seen == nil && r.repeated(o, slots, i) {
			continue
		}
		f(&slots[i])
	}
}

// nameSet finds repeated names among so many slots that comparing each with each
// would take long.
type nameSet map[string]bool

func slotNames(slots []rawSlot) nameSet {
	if len(slots) > 64 {
		return make(nameSet, len(slots))
	}
	return nil
}

func (n nameSet) twice(r *reader, o *raw, s *rawSlot) bool {
	if s.name != "" && n[s.name] {
		r.report(o, "Slot "+quote(s.name), "stands twice; put all values into one Slot.")
		return true
	}
	n[s.name] = true
	return false
}

// partID is the UUID of a classification or identifier; none when it is symbolic.
func (r *reader) partID(o *raw, element, id string) metadata.UUID {
	if len(id) == len("urn:uuid:")+36 {
		if u, ok := metadata.ParseUUID(id); ok {
			return u
		}
	}
	if metadata.ParseID(id).IsSymbolic() {
		return metadata.UUID{}
	}
	u, ok := metadata.ParseUUID(strings.TrimSpace(id))
	if !ok {
		r.report(o, element, "has the id "+quote(id)+", which is not a UUID.")
	}
	return u
}

// belongs checks what a part says of itself: whose it is and what it is.
func (r *reader) belongs(o *raw, element string, object metadata.ID, attribute, objectType, want string) {
	if object != "" && object != o.id {
		r.report(o, element, "names another object in "+attribute+": "+quote(string(object))+"; a part belongs to the object around it.")
	}
	if objectType != "" && objectType != want && !strings.EqualFold(objectType, want) {
		r.report(o, element, "has the objectType "+quote(objectType)+"; write "+want+" or leave it out.")
	}
}

// code makes the coded value of a classification (ITI TF-3 4.2.3.1.2).
func (r *reader) code(o *raw, attribute string, c *rawClass) metadata.Code {
	code := metadata.Code{Value: c.rep, Display: c.name, ID: r.partID(o, attribute, c.id)}
	found := false
	for i := c.slots.from; i < c.slots.to; i++ {
		s := &r.slots[i]
		switch {
		case s.name != "codingScheme":
			r.problem(fault.SeverityWarning, fault.ExtraMetadataNotSaved,
				className(o)+" "+quote(string(o.id))+", "+attribute+": the Slot "+quote(s.name)+" of the Classification is not saved.")
		case s.values.to == s.values.from:
		default:
			if found || s.values.to-s.values.from > 1 {
				r.report(o, attribute, "has several values of codingScheme; send one.")
			}
			if !found {
				code.Scheme = r.values[s.values.from]
			}
			found = true
		}
	}
	if code.Scheme == "" {
		r.report(o, attribute, "the code "+quote(c.rep)+" has no codingScheme; send it as a Slot of the Classification.")
	}
	if code.Value == "" {
		r.report(o, attribute, "has no code; send it as the attribute nodeRepresentation.")
	}
	return code
}

// single takes a coded attribute that an object has once.
func (r *reader) single(o *raw, attribute string, c *rawClass, seen *bool, dst *metadata.Code) {
	if *seen {
		r.report(o, attribute, "stands twice; an object has one.")
		return
	}
	*seen = true
	*dst = r.code(o, attribute, c)
}

// author makes an author (ITI TF-3 4.2.3.1.4).
func (r *reader) author(o *raw, c *rawClass) metadata.Author {
	a := metadata.Author{ID: r.partID(o, "author", c.id)}
	slots := r.slots[c.slots.from:c.slots.to]
	seen := slotNames(slots)
	for i := range slots {
		s := &slots[i]
		if seen != nil && seen.twice(r, o, s) || seen == nil && r.repeated(o, slots, i) {
			continue
		}
		switch s.name {
		case "authorPerson":
			r.one(o, s, (*string)(&a.Person))
		case "authorInstitution":
			a.Institutions = many[metadata.XON](r, s)
		case "authorRole":
			a.Roles = r.list(s)
		case "authorSpecialty":
			a.Specialties = r.list(s)
		case "authorTelecommunication":
			a.Telecom = many[metadata.XTN](r, s)
		default:
			a.Extra = r.others(o, s, a.Extra)
		}
	}
	return a
}

// identifier takes an external identifier that an object has once.
func (r *reader) identity(o *raw, attribute string, x *rawID, seen *bool, dst *string, id *metadata.UUID) {
	if *seen {
		r.report(o, attribute, "stands twice; an object has one.")
		return
	}
	*seen = true
	*dst, *id = x.value, r.partID(o, attribute, x.id)
}

func (r *reader) unknownScheme(o *raw, element, attribute string, scheme metadata.ID) {
	if scheme == "" {
		r.report(o, element, "has no "+attribute+"; say what it means.")
		return
	}
	r.report(o, element, "has the unknown "+attribute+" "+quote(string(scheme))+".")
}

// number reads a version; the value that ebRS libraries fill in counts as none.
func (r *reader) number(o *raw) int {
	if o.version == "" || o.version == defaultVersionByEbRS {
		return 0
	}
	n, err := strconv.Atoi(o.version)
	if err != nil || n < 0 {
		r.report(o, "version", quote(o.version)+" is not a whole number.")
		return 0
	}
	return n
}

func (r *reader) size(o *raw, text string) metadata.Size {
	if text == "" {
		return metadata.Size{}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		r.report(o, "size", quote(text)+" is not a number of octets.")
		return metadata.Size{}
	}
	return metadata.Octets(n)
}
