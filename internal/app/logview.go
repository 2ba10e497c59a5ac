package app

import (
	"encoding/json"
	"time"

	"samdok/audit"
	"samdok/metadata"
)

// LogRecord is a record of the ledger as commands show it. Names of its JSON are
// part of the interface: scripts rest on them.
type LogRecord struct {
	Node         string            `json:"node,omitempty"` // whose ledger it is in, when there are many
	Index        int64             `json:"index"`
	Time         time.Time         `json:"time"`
	Event        string            `json:"event"` // audit.Kind, or the action of a use
	Transaction  string            `json:"transaction,omitempty"`
	Outcome      string            `json:"outcome"`
	Part         string            `json:"part,omitempty"` // of a partial success
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
	MessageID    string            `json:"message_id,omitempty"`
	TraceParent  string            `json:"traceparent,omitempty"`
	EventID      string            `json:"event_id,omitempty"`
	Patients     []string          `json:"patients,omitempty"`
	QueryID      string            `json:"query_id,omitempty"`
	Query        json.RawMessage   `json:"query,omitempty"`
	Documents    []string          `json:"documents_asked_for,omitempty"` // uniqueIds
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
func (r *LogRecord) Number() string { return place{r.Node, r.Index}.String() }

// LogItem is one thing that was shown or changed.
type LogItem struct {
	Kind         string `json:"kind"`
	ID           string `json:"id,omitempty"`
	UniqueID     string `json:"unique_id,omitempty"`
	RepositoryID string `json:"repository_id,omitempty"`
	Patient      string `json:"patient,omitempty"`
	Controller   string `json:"controller,omitempty"`
	ClassCode    string `json:"class_code,omitempty"`
	TypeCode     string `json:"type_code,omitempty"`
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
		Node: r.node, Index: r.Receipt.Index, Segment: r.Receipt.Segment, Offset: r.Receipt.Offset, Time: e.Time,
		Event: e.Kind.String(), Transaction: e.Request.Transaction, Outcome: e.Outcome.String(), Part: e.Part.String(),
		Person: c.Subject, Name: c.Name, Organisation: c.Organisation, Department: c.Department, Role: codeText(c.Role), Purpose: codeText(c.Purpose),
		Basis: c.Basis, DecisionRef: c.DecisionRef, Override: c.Override, Door: c.Door, Remote: c.Remote,
		MessageID: c.MessageID, TraceParent: c.TraceParent, EventID: c.EventID,
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
		if v.Query, err = json.Marshal(q); err != nil {
			return v, err
		}
	}
	for _, d := range e.Request.Documents {
		v.Documents = append(v.Documents, d.UniqueID)
	}
	for i := range e.Items {
		item := &e.Items[i]
		w := LogItem{Kind: item.Kind.String(), ID: string(item.ID), UniqueID: item.UniqueID, RepositoryID: item.RepositoryID,
			Controller: item.Controller, ClassCode: codeText(item.ClassCode), TypeCode: codeText(item.TypeCode)}
		if item.Patient != (metadata.PatientID{}) {
			w.Patient = string(item.Patient.CX())
		}
		v.Items = append(v.Items, w)
	}
	for _, d := range e.Details {
		if v.Details == nil {
			v.Details = map[string]string{}
		}
		v.Details[d.Name] = d.Value
	}
	return v, nil
}
