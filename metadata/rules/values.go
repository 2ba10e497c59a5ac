package rules

import (
	"strings"

	"samdok/metadata"
)

// required says how an attribute that is not there has to be sent.
const (
	asClassification = "send one Classification with a code (nodeRepresentation) and its codingScheme"
	asSlot           = "send it as a Slot with one Value"
	asIdentifier     = "send it as an ExternalIdentifier"
)

func (r *report) code(attribute string, c *metadata.Code, required bool) {
	switch {
	case c.Value == "" && c.Scheme == "":
		if required {
			r.missing(attribute, asClassification)
		}
	case c.Value == "":
		r.add(attribute, "has a codingScheme %s but no code; put the code in nodeRepresentation.", quote(c.Scheme))
	case c.Scheme == "":
		r.add(attribute, "has a code %s but no codingScheme; add the Slot codingScheme with one value.", quote(c.Value))
	case strings.TrimSpace(c.Value) != c.Value || strings.TrimSpace(c.Scheme) != c.Scheme: // nothing would match it, a block on the code neither
		r.add(attribute, "has blanks around the code %s or its codingScheme %s; send both without.", quote(c.Value), quote(c.Scheme))
	}
}

func (r *report) codes(attribute string, codes []metadata.Code, required bool) {
	if required && len(codes) == 0 {
		r.missing(attribute, asClassification+" for each value, at least one")
	}
	for i := range codes {
		r.code(attribute, &codes[i], true)
	}
}

func (r *report) form(attribute, value string, err error) {
	if err != nil {
		r.add(attribute, "%s has the wrong form. %s.", quote(value), err.Error())
	}
}

// maxSearched bounds the octets of values that queries compare with patterns. HL7's
// limits are far lower and not enforced (ITI TF-3 4.2.3.1.7).
const maxSearched = 10_000

func (r *report) searched(attribute, value string) {
	if len(value) > maxSearched {
		r.add(attribute, "%s is longer than %d characters, the limit metadata.searched (fixed).", quote(value), maxSearched)
	}
}

func (r *report) patient(attribute string, cx metadata.CX, how string) {
	if cx == "" {
		r.missing(attribute, how)
		return
	}
	r.form(attribute, string(cx), cx.Check())
}

func (r *report) time(attribute string, d metadata.DTM, required bool) {
	switch {
	case d != "":
		r.form(attribute, string(d), d.Check())
	case required:
		r.missing(attribute, asSlot)
	}
}

func (r *report) oid(attribute, value, how string) {
	switch {
	case value == "":
		r.missing(attribute, how)
	case !metadata.ValidOID(value):
		r.add(attribute, "%s is not an OID; write digits and dots without urn:oid:, at most 64 characters.", quote(value))
	}
}

func (r *report) home(value string) {
	if value != "" && !metadata.ValidHome(value) {
		r.add("homeCommunityId", "%s is not an OID in URN form; write urn:oid: and the OID.", quote(value))
	}
}

// lid: only an update of metadata may name another logical id
// (XDS Metadata Update, ITI TF-3 4.1.5).
func (r *report) lid(id, lid metadata.ID) {
	if r.actor != Administrator {
		r.firstVersion(id, lid)
	}
}

// firstVersion: submission sets have no other (XDS Metadata Update, ITI TF-3
// 4.1.5).
func (r *report) firstVersion(id, lid metadata.ID) {
	if lid != "" && lid != id {
		r.add("logicalID", "%s differs from the entryUUID; leave lid out of a first version.", quote(string(lid)))
	}
}

func (r *report) limited(limited bool) {
	if limited && r.actor == Sender {
		r.marked = true
	} else if limited {
		r.add("limitedMetadata", "is not allowed in an XDS submission; send complete metadata without that Classification.")
	}
}

// extra holds the names of extra slots to their rule; what they hold is free
// (ITI TF-3 4.2.3.1.6).
func (r *report) extra(slots []metadata.Slot) {
	for i := range slots {
		name := slots[i].Name
		switch {
		case strings.HasPrefix(strings.ToLower(name[:min(len(name), 8)]), "urn:ihe:"):
			r.add("Slot "+quote(name), "is not an attribute of this object; names that begin with urn:ihe: are kept for IHE.")
		case !metadata.ValidURN(name):
			r.add("Slot "+quote(name), "is not an attribute of this object; the name of an extra slot must be a URN of your own, such as urn:oid:1.2.3:name.")
		}
	}
}

func (r *report) authors(authors []metadata.Author) {
	for i := range authors {
		a := &authors[i]
		if a.Person == "" && len(a.Institutions) == 0 && len(a.Telecom) == 0 {
			r.add("author", "has no authorPerson, authorInstitution or authorTelecommunication; give at least one.")
		}
		if a.Person != "" {
			_, err := a.Person.Parse()
			r.form("authorPerson", string(a.Person), err)
			r.searched("authorPerson", string(a.Person))
		}
		for _, x := range a.Institutions {
			_, err := x.Parse()
			r.form("authorInstitution", string(x), err)
		}
		for _, x := range a.Telecom {
			_, err := x.Parse()
			r.form("authorTelecommunication", string(x), err)
		}
		r.extra(a.Extra)
	}
}
