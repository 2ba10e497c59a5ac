package ledger

import (
	"slices"

	"samdok/access"
	"samdok/audit"
	"samdok/metadata"
)

// eventVersion begins each record. A field that is added makes a new version;
// readers keep knowing the old ones. Version 1 wrote every item whole and every
// UUID as text; version 2 writes what differs from the item before, which makes a
// search with 10 hits a fourth of the size to seal, hash and sync.
const eventVersion = 2

func appendEvent(b []byte, e *audit.Event) []byte {
	c := coder{b: append(b, eventVersion), version: eventVersion}
	// The functions only read what they are given when they write.
	event(&c, e)
	return c.b
}

func parseEvent(b []byte) (e audit.Event, err error) {
	if len(b) == 0 || b[0] == 0 || b[0] > eventVersion {
		return e, errRecord
	}
	c := coder{b: b[1:], dec: true, src: string(b[1:]), version: b[0]}
	event(&c, &e)
	if c.err == nil && len(c.b) != 0 {
		c.fail()
	}
	return e, c.err
}

func event(c *coder, e *audit.Event) {
	number(c, &e.Kind)
	number(c, &e.Part)
	request(c, &e.Request)
	number(c, &e.Outcome)
	list(c, &e.Rules, text[string])
	items(c, e)
	number(c, &e.Omitted)
	number(c, &e.Hidden)
	list(c, &e.Codes, text[string])
	c.time(&e.Time)
	list(c, &e.Details, detail)
}

func detail(c *coder, d *audit.Detail) {
	text(c, &d.Name)
	text(c, &d.Value)
}

func request(c *coder, r *access.Request) {
	text(c, &r.Tenant)
	caller(c, &r.Caller)
	number(c, &r.Action)
	text(c, &r.Transaction)
	list(c, &r.Patients, patient)
	query(c, &r.Query)
	list(c, &r.Documents, document)
	c.time(&r.Time)
}

func caller(c *coder, l *access.Caller) {
	text(c, &l.Subject)
	text(c, &l.Name)
	text(c, &l.Organisation)
	text(c, &l.Department)
	codeRef(c, &l.Role)
	codeRef(c, &l.Purpose)
	text(c, &l.Basis)
	text(c, &l.DecisionRef)
	text(c, &l.Override)
	text(c, &l.Door)
	text(c, &l.Remote)
	c.bool(&l.Loopback)
	urn(c, &l.MessageID)
	text(c, &l.TraceParent)
	text(c, &l.EventID)
}

// items are written whole by version 1, as differences by version 2. What the
// request says stands before the first one.
func items(c *coder, e *audit.Event) {
	if c.version == 1 {
		list(c, &e.Items, item)
		return
	}
	before := access.Item{Kind: access.ItemEntry, Controller: e.Request.Caller.Organisation}
	if len(e.Request.Patients) > 0 {
		before.Patient = e.Request.Patients[0]
	}
	if len(e.Request.Documents) > 0 {
		before.RepositoryID, before.UniqueID = e.Request.Documents[0].RepositoryID, e.Request.Documents[0].UniqueID
	}
	last := &before
	list(c, &e.Items, func(c *coder, i *access.Item) {
		difference(c, i, last)
		last = i
	})
}

// What of an item is as in the one before.
const (
	sameKind = 1 << iota
	sameRepository
	samePatient
	sameController
	sameCodes
	sameClass
	sameType
	sameStatus
)

// maxShared bounds what a uniqueId takes from the one before, so that a record
// cannot be small and what it says large.
const maxShared = 64

func difference(c *coder, i, last *access.Item) {
	var same uint8
	if !c.dec {
		same = likeness(i, last)
		c.b = append(c.b, same)
	} else if len(c.b) == 0 {
		c.fail()
		return
	} else {
		same, c.b = c.b[0], c.b[1:]
		*i = *last
		i.ID, i.UniqueID = "", ""
	}
	urn(c, &i.ID)
	shared(c, &i.UniqueID, last.UniqueID)
	if same&sameKind == 0 {
		number(c, &i.Kind)
	}
	if same&sameRepository == 0 {
		text(c, &i.RepositoryID)
	}
	if same&samePatient == 0 {
		patient(c, &i.Patient)
	}
	if same&sameController == 0 {
		text(c, &i.Controller)
	}
	if same&sameCodes == 0 {
		list(c, &i.Codes, code)
	}
	if same&sameClass == 0 {
		codeRef(c, &i.ClassCode)
	}
	if same&sameType == 0 {
		codeRef(c, &i.TypeCode)
	}
	if same&sameStatus == 0 {
		number(c, &i.Status)
	}
}

func likeness(i, last *access.Item) (same uint8) {
	if i.Kind == last.Kind {
		same |= sameKind
	}
	if i.RepositoryID == last.RepositoryID {
		same |= sameRepository
	}
	if i.Patient == last.Patient {
		same |= samePatient
	}
	if i.Controller == last.Controller {
		same |= sameController
	}
	if slices.EqualFunc(i.Codes, last.Codes, func(a, b metadata.Code) bool { return a.Value == b.Value && a.Scheme == b.Scheme }) {
		same |= sameCodes
	}
	if i.ClassCode == last.ClassCode {
		same |= sameClass
	}
	if i.TypeCode == last.TypeCode {
		same |= sameType
	}
	if i.Status == last.Status {
		same |= sameStatus
	}
	return same
}

// shared is a text that may begin as another one does.
func shared(c *coder, p *string, with string) {
	var n uint64
	rest := *p
	if !c.dec {
		for most := min(len(rest), len(with), maxShared); n < uint64(most) && rest[n] == with[n]; {
			n++
		}
		rest = rest[n:]
	}
	c.uint(&n)
	text(c, &rest)
	if !c.dec {
		return
	}
	if n > maxShared || n > uint64(len(with)) {
		c.fail()
		return
	}
	*p = with[:n] + rest
}

func item(c *coder, i *access.Item) {
	number(c, &i.Kind)
	text(c, &i.ID)
	text(c, &i.UniqueID)
	text(c, &i.RepositoryID)
	patient(c, &i.Patient)
	text(c, &i.Controller)
	list(c, &i.Codes, code)
	codeRef(c, &i.ClassCode)
	codeRef(c, &i.TypeCode)
	number(c, &i.Status)
}

func patient(c *coder, p *metadata.PatientID) {
	text(c, &p.ID)
	text(c, &p.Authority)
}

func document(c *coder, d *metadata.DocumentRequest) {
	text(c, &d.Home)
	text(c, &d.RepositoryID)
	text(c, &d.UniqueID)
}

// code keeps value and scheme: displays say nothing that those do not.
func code(c *coder, p *metadata.Code) {
	text(c, &p.Value)
	text(c, &p.Scheme)
}

func codeRef(c *coder, r *metadata.CodeRef) {
	text(c, &r.Value)
	text(c, &r.Scheme)
}
