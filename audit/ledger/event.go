package ledger

import (
	"samdok/access"
	"samdok/audit"
	"samdok/metadata"
)

// eventVersion begins each record. A field that is added makes a new version;
// readers keep knowing the old ones.
const eventVersion = 1

func appendEvent(b []byte, e *audit.Event) []byte {
	c := coder{b: append(b, eventVersion)}
	// The functions only read what they are given when they write.
	event(&c, e)
	return c.b
}

func parseEvent(b []byte) (e audit.Event, err error) {
	if len(b) == 0 || b[0] != eventVersion {
		return e, errRecord
	}
	c := coder{b: b[1:], dec: true, src: string(b[1:])}
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
	list(c, &e.Items, item)
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
	text(c, &l.MessageID)
	text(c, &l.TraceParent)
	text(c, &l.EventID)
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
