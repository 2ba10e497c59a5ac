package app

import (
	"time"

	"samdok/access"
	"samdok/audit"
	"samdok/metadata"
	"samdok/metadata/ebrim"
)

// LogRecord is a record of the ledger as commands show it. Names and words of its JSON
// are part of the interface, since scripts rest on them: docs/audit-events.md has them,
// and a golden file.
type LogRecord struct {
	Node         string            `json:"node,omitempty"` // whose ledger it is in, when there are many
	Index        int64             `json:"index"`
	Time         time.Time         `json:"time"`
	Event        string            `json:"event"` // audit.Kind, or the action of a use
	Transaction  string            `json:"transaction,omitempty"`
	Outcome      string            `json:"outcome"`
	Part         string            `json:"part,omitempty"` // of a partial success
	Tenant       string            `json:"tenant,omitempty"`
	Person       string            `json:"person,omitempty"`
	Name         string            `json:"name,omitempty"`
	Organisation string            `json:"organisation,omitempty"`
	Department   string            `json:"department,omitempty"`
	Role         string            `json:"role,omitempty"`
	Purpose      string            `json:"purpose,omitempty"`
	Basis        string            `json:"access_basis,omitempty"`
	DecisionRef  string            `json:"decision_ref,omitempty"`
	Override     string            `json:"override,omitempty"`
	Door         string            `json:"door,omitempty"`
	Remote       string            `json:"remote,omitempty"`
	Loopback     bool              `json:"loopback,omitempty"`
	MessageID    string            `json:"message_id,omitempty"`
	TraceParent  string            `json:"traceparent,omitempty"`
	EventID      string            `json:"event_id,omitempty"`
	Requested    time.Time         `json:"requested,omitzero"`
	Patients     []string          `json:"patients,omitempty"`
	QueryID      string            `json:"query_id,omitempty"`
	Query        *LogQuery         `json:"query,omitempty"`
	Documents    []LogDocument     `json:"documents_asked_for,omitempty"`
	Items        []LogItem         `json:"items,omitempty"`
	Omitted      int               `json:"items_omitted,omitempty"`
	Hidden       int               `json:"items_hidden,omitempty"`
	Rules        []string          `json:"rules,omitempty"`
	Codes        []string          `json:"codes,omitempty"`
	Details      map[string]string `json:"details,omitempty"`
	Segment      uint64            `json:"segment"`
	Offset       int64             `json:"offset"`
}

// Number names the record, for LogRequest.From and for people.
func (r *LogRecord) Number() string { return place{Node: r.Node, Index: r.Index}.String() }

// LogQuery is a stored query by the names of the standard.
type LogQuery struct {
	Name       string         `json:"name"` // such as FindDocuments
	Parameters []LogParameter `json:"parameters"`
}

// LogParameter is a parameter of a stored query. Its values are alternatives; the same
// name again means AND.
type LogParameter struct {
	Name   string   `json:"name"` // with its $
	Values []string `json:"values"`
}

// LogDocument is a document as it was asked for.
type LogDocument struct {
	Home         string `json:"home,omitempty"`
	RepositoryID string `json:"repository_id,omitempty"`
	UniqueID     string `json:"unique_id,omitempty"`
}

// LogItem is one thing that was shown or changed.
type LogItem struct {
	Kind            string   `json:"kind"`
	ID              string   `json:"id,omitempty"`
	UniqueID        string   `json:"unique_id,omitempty"`
	RepositoryID    string   `json:"repository_id,omitempty"`
	Patient         string   `json:"patient,omitempty"`
	Controller      string   `json:"controller,omitempty"`
	Status          string   `json:"status,omitempty"` // approved or deprecated
	ClassCode       string   `json:"class_code,omitempty"`
	TypeCode        string   `json:"type_code,omitempty"`
	Confidentiality []string `json:"confidentiality_codes,omitempty"`
}

func codeText(c metadata.CodeRef) string {
	if c.Value == "" {
		return ""
	}
	return c.Value + "^^" + c.Scheme
}

// logRecord makes the view of a record.
func logRecord(r foundRecord) (v LogRecord, err error) {
	e, c := &r.Event, &r.Event.Request.Caller
	v = LogRecord{
		Node: r.node, Index: r.Receipt.Index, Segment: r.Receipt.Segment, Offset: r.Receipt.Offset, Time: e.Time.UTC(),
		Event: e.Kind.String(), Transaction: e.Request.Transaction, Outcome: e.Outcome.String(), Part: e.Part.String(), Tenant: string(e.Request.Tenant),
		Person: c.Subject, Name: c.Name, Organisation: c.Organisation, Department: c.Department, Role: codeText(c.Role), Purpose: codeText(c.Purpose),
		Basis: c.Basis, DecisionRef: c.DecisionRef, Override: c.Override, Door: c.Door, Remote: c.Remote, Loopback: c.Loopback,
		MessageID: c.MessageID, TraceParent: c.TraceParent, EventID: c.EventID, Requested: e.Request.Time.UTC(),
		Omitted: e.Omitted, Hidden: e.Hidden, Rules: e.Rules, Codes: e.Codes,
	}
	if e.Kind == audit.KindUse {
		v.Event = e.Request.Action.String()
	}
	for _, p := range e.Request.Patients {
		v.Patients = append(v.Patients, string(p.CX()))
	}
	if q := e.Request.Query; q != nil {
		v.QueryID = string(q.QueryID())
		if v.Query, err = logQuery(q); err != nil {
			return v, err
		}
	}
	for _, d := range e.Request.Documents {
		v.Documents = append(v.Documents, LogDocument(d))
	}
	for i := range e.Items {
		v.Items = append(v.Items, logItem(&e.Items[i]))
	}
	for _, d := range e.Details {
		if v.Details == nil {
			v.Details = map[string]string{}
		}
		v.Details[d.Name] = d.Value
	}
	return v, nil
}

func logQuery(q metadata.Query) (*LogQuery, error) {
	sent, err := ebrim.Parameters(q)
	if err != nil {
		return nil, err
	}
	v := &LogQuery{Name: ebrim.QueryName(q.QueryID()), Parameters: []LogParameter{}}
	for _, p := range sent {
		w := LogParameter{Name: p.Name, Values: []string{}}
		for _, value := range p.Values {
			w.Values = append(w.Values, inWords(value))
		}
		v.Parameters = append(v.Parameters, w)
	}
	return v, nil
}

// inWords is a value of a query as people know it: a status or a kind of entry is an
// identifier on the wire.
func inWords(value string) string {
	if s := statusWord(metadata.ParseStatus(value)); s != "" {
		return s
	}
	switch metadata.ParseEntryKind(value) {
	case metadata.Stable:
		return "stable"
	case metadata.OnDemand:
		return "on-demand"
	}
	return value
}

func statusWord(s metadata.Status) string {
	switch s {
	case metadata.Approved:
		return "approved"
	case metadata.Deprecated:
		return "deprecated"
	}
	return ""
}

func logItem(i *access.Item) LogItem {
	v := LogItem{Kind: i.Kind.String(), ID: string(i.ID), UniqueID: i.UniqueID, RepositoryID: i.RepositoryID, Controller: i.Controller,
		Status: statusWord(i.Status), ClassCode: codeText(i.ClassCode), TypeCode: codeText(i.TypeCode)}
	if i.Patient != (metadata.PatientID{}) {
		v.Patient = string(i.Patient.CX())
	}
	for _, c := range i.Codes {
		v.Confidentiality = append(v.Confidentiality, codeText(c.Ref()))
	}
	return v
}
