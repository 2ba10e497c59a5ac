package access

import (
	"context"
	"time"

	"samdok/metadata"
)

// Tenant is an affinity domain.
type Tenant string

// Caller is who asks. It is an argument everywhere, never a context value. The
// zero Caller is an anonymous one.
type Caller struct {
	// Subject is the authenticated person or system; "" for nobody.
	Subject string
	Name    string
	// Organisation is the data controller on whose behalf the caller acts.
	Organisation string
	Department   string
	Role         metadata.CodeRef
	Purpose      metadata.CodeRef
	Basis        string // access basis, such as nhn-access-basis
	DecisionRef  string
	// Override is the reason given for passing a rule that may be passed in need.
	Override string
	// Door is the way in ("soap", "fhir", "cli"); Remote is the client's network
	// address without port.
	Door, Remote string
	// Loopback is true when the connection came from this machine.
	Loopback bool
	// MessageID, TraceParent and EventID correlate records across systems.
	MessageID, TraceParent, EventID string
	// Hops is how many gateways the request has passed before this server.
	Hops int
}

// Action is what a use case does. New actions are added at the end; their
// numbers are stored in records.
type Action uint8

const (
	ActionUnknown Action = iota
	ActionProvide
	ActionRegister
	ActionFind
	ActionRetrieve
	ActionUpdate
	ActionRemove
	ActionRemoveDocuments
	// ActionFeed: an identity feed tells of a patient; ActionMerge: that two are one.
	ActionFeed
	ActionMerge
	ActionRegisterOnDemand
	// ActionFindAcross: a query that may name no patient (ITI-51).
	ActionFindAcross
	// ActionReceive: documents are sent to a recipient (XDR).
	ActionReceive
	ActionErase
	// ActionHold: a legal hold begins or ends.
	ActionHold
	// ActionSubscribe: a subscription begins, is renewed or ends; ActionNotify: what
	// it asked for is delivered.
	ActionSubscribe
	ActionNotify
	// ActionLocate: who holds something about a patient; ActionLocateOwn: the same, for
	// the patient; ActionStateHoldings: a source says what it holds.
	ActionLocate
	ActionLocateOwn
	ActionStateHoldings
	// ActionDiscover: another community asks who a patient is (ITI-55);
	// ActionLocatePatient: where a patient has data (ITI-56).
	ActionDiscover
	ActionLocatePatient
)

var actionNames = [...]string{"unknown", "provide", "register", "find", "retrieve", "update", "remove", "remove-documents",
	"feed-patient", "merge-patients", "register-on-demand", "find-across", "receive", "erase", "hold", "subscribe", "notify",
	"locate", "locate-own", "state-holdings", "discover-patient", "locate-patient"}

func (a Action) String() string {
	if int(a) < len(actionNames) {
		return actionNames[a]
	}
	return actionNames[0]
}

// Request is one use of one use case.
type Request struct {
	Tenant      Tenant
	Caller      Caller
	Action      Action
	Transaction string // "ITI-41" ...
	// Patients are the patients the request names, as far as known before
	// anything is read; empty for requests by document id.
	Patients []metadata.PatientID
	// Query is set for ActionFind and ActionFindAcross.
	Query metadata.Query
	// Documents are what ActionRetrieve and ActionRemoveDocuments ask for.
	Documents []metadata.DocumentRequest
	Time      time.Time
}

// Item is one thing that is about to be shown or changed.
type Item struct {
	Kind         ItemKind
	ID           metadata.ID
	UniqueID     string
	RepositoryID string
	Patient      metadata.PatientID
	Controller   string
	Codes        []metadata.Code // confidentialityCode
	ClassCode    metadata.CodeRef
	TypeCode     metadata.CodeRef
	Status       metadata.Status
}

// ItemKind is the class of an Item. Numbers are stored in records.
type ItemKind uint8

const (
	ItemUnknown ItemKind = iota
	ItemEntry
	ItemSubmissionSet
	ItemFolder
	ItemAssociation
	ItemPatient
	ItemMessage
	ItemHold
	ItemSubscription
	// ItemHolding: that somebody holds something about a patient.
	ItemHolding
)

var itemKindNames = [...]string{"unknown", "document", "submission-set", "folder", "association", "patient", "message", "hold", "subscription", "holding"}

func (k ItemKind) String() string {
	if int(k) < len(itemKindNames) {
		return itemKindNames[k]
	}
	return itemKindNames[0]
}

// Effect is allow or deny; the zero value denies.
type Effect uint8

const (
	Deny Effect = iota
	Allow
)

// Plan is what was decided before anything was read.
type Plan struct {
	Effect      Effect
	Restriction Restriction
	// Rules name what decided, for the record.
	Rules []string
}

// Restriction is pushed into the search: what the caller may not find is never
// read. The zero value restricts nothing.
type Restriction struct {
	// WithoutCodes hides entries that carry one of these confidentiality codes.
	WithoutCodes []metadata.CodeRef
}

// Decision is made on one Item; the zero value denies.
type Decision struct {
	Effect Effect
	Rules  []string
}

// Decider decides. Its methods must not block on anything but ctx.
type Decider interface {
	// Plan is called once, before anything is read or stored.
	Plan(context.Context, Request) (Plan, error)
	// Decide returns one Decision per item, in order. The items are the caller's
	// again when it returns; so are the decisions.
	Decide(context.Context, Request, []Item) ([]Decision, error)
}
