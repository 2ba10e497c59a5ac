package audit

import "samdok/access"

// Mapping is how one class of events is told to others: as an ATNA message (DICOM
// PS3.15 A.5, ITI TF-2 3.20) and as a FHIR AuditEvent (RESTful ATNA 3.20.4.2). The
// export of records is made from this table.
type Mapping struct {
	Kind        Kind
	Action      access.Action // of KindUse
	Transaction string        // "" when it is none of IHE
	What        string

	EventID, EventType Coded  // ATNA EventID and EventTypeCode; FHIR type and subtype
	Code               string // ATNA EventActionCode, FHIR action: C R U D E
	Objects            string // ATNA ParticipantObject, FHIR entity
}

// Coded is a code with its display name.
type Coded struct{ Code, Scheme, Display string }

func dcm(code, display string) Coded { return Coded{code, "DCM", display} }
func iti(code, display string) Coded { return Coded{code, "IHE Transactions", display} }

// Mappings has one row for each kind and for each action of KindUse.
func Mappings() []Mapping {
	return []Mapping{
		{KindUse, access.ActionUnknown, "", "a request that no use case knows", dcm("110113", "Security Alert"), Coded{}, "E", "none"},
		{KindUse, access.ActionProvide, "ITI-41", "documents were handed in", dcm("110107", "Import"), iti("ITI-41", "Provide and Register Document Set-b"), "C", "patient, submission set"},
		{KindUse, access.ActionRegister, "ITI-42", "documents were registered", dcm("110107", "Import"), iti("ITI-42", "Register Document Set-b"), "C", "patient, submission set"},
		{KindUse, access.ActionFind, "ITI-18", "documents were looked for", dcm("110112", "Query"), iti("ITI-18", "Registry Stored Query"), "E", "patient, query; the entries shown stay in the ledger"},
		{KindUse, access.ActionRetrieve, "ITI-43", "documents were opened", dcm("110106", "Export"), iti("ITI-43", "Retrieve Document Set"), "R", "patient, each document"},
		{KindUse, access.ActionUpdate, "ITI-57", "metadata of documents was changed (also ITI-92)", dcm("110107", "Import"), iti("ITI-57", "Update Document Set"), "U", "patient, submission set"},
		{KindUse, access.ActionRemove, "ITI-62", "metadata was removed", dcm("110110", "Patient Record"), iti("ITI-62", "Remove Metadata"), "D", "patient, each removed object"},
		{KindUse, access.ActionRemoveDocuments, "ITI-86", "documents were removed", dcm("110110", "Patient Record"), iti("ITI-86", "Remove Documents"), "D", "patient, each document"},
		{KindUse, access.ActionFeed, "ITI-44", "an identity feed told of a patient (also ITI-8)", dcm("110110", "Patient Record"), iti("ITI-44", "Patient Identity Feed HL7V3"), "U", "patient"},
		{KindUse, access.ActionMerge, "ITI-44", "two patient ids became one (also ITI-8)", dcm("110110", "Patient Record"), iti("ITI-44", "Patient Identity Feed HL7V3"), "U", "both patients"},
		{KindUse, access.ActionRegisterOnDemand, "ITI-61", "on-demand documents were registered", dcm("110107", "Import"), iti("ITI-61", "Register On-Demand Document Entry"), "C", "patient, submission set"},
		{KindUse, access.ActionFindAcross, "ITI-51", "documents of several patients were looked for", dcm("110112", "Query"), iti("ITI-51", "Multi-Patient Stored Query"), "E", "query; the entries shown stay in the ledger"},
		{KindUse, access.ActionReceive, "ITI-41", "documents were sent to a recipient", dcm("110107", "Import"), iti("ITI-41", "Provide and Register Document Set-b"), "C", "patient, submission set"},
		{KindUse, access.ActionErase, "", "documents were erased for good", dcm("110110", "Patient Record"), Coded{}, "D", "patient, each document"},
		{KindUse, access.ActionHold, "", "a legal hold began or ended", dcm("110113", "Security Alert"), dcm("110129", "Security Configuration"), "U", "patient, the hold"},
		{KindUse, access.ActionSubscribe, "ITI-52", "a subscription began, was renewed or ended", dcm("110107", "Import"), iti("ITI-52", "Document Metadata Subscribe"), "C", "patient, the subscription"},
		{KindUse, access.ActionNotify, "ITI-53", "a subscriber was told of documents", dcm("110106", "Export"), iti("ITI-53", "Document Metadata Notify"), "R", "patient, each document told of"},
		{KindUse, access.ActionLocate, "", "somebody asked who holds data about a patient", dcm("110112", "Query"), Coded{}, "E", "patient; the holdings shown stay in the ledger"},
		{KindUse, access.ActionLocateOwn, "", "patients were told who holds data about them", dcm("110112", "Query"), Coded{}, "E", "patient; the holdings shown stay in the ledger"},
		{KindUse, access.ActionStateHoldings, "", "a source said what it holds, or no longer holds, about patients", dcm("110110", "Patient Record"), Coded{}, "U", "patients, each holding"},
		{KindUse, access.ActionDiscover, "ITI-55", "another community asked who a patient is", dcm("110112", "Query"), iti("ITI-55", "Cross Gateway Patient Discovery"), "E", "each patient told of, query"},
		{KindUse, access.ActionLocatePatient, "ITI-56", "another community asked where a patient has data", dcm("110112", "Query"), iti("ITI-56", "Patient Location Query"), "E", "patient"},
		{KindStart, 0, "", "the server started, with its settings", dcm("110100", "Application Activity"), dcm("110120", "Application Start"), "E", "none"},
		{KindStop, 0, "", "the server stopped", dcm("110100", "Application Activity"), dcm("110121", "Application Stop"), "E", "none"},
		{KindConfig, 0, "", "settings differ from those of the last start", dcm("110113", "Security Alert"), dcm("110131", "Software Configuration"), "U", "each setting"},
		{KindPolicy, 0, "", "access rules were changed", dcm("110113", "Security Alert"), dcm("110129", "Security Configuration"), "U", "each rule"},
		{KindKey, 0, "", "a key was made, replaced or destroyed", dcm("110113", "Security Alert"), dcm("110129", "Security Configuration"), "U", "each key's public half or name"},
		{KindReadLog, 0, "", "somebody read these records", dcm("110101", "Audit Log Used"), Coded{}, "R", "patient, the log, the search"},
		{KindExport, 0, "", "data left as a whole: a backup", dcm("110106", "Export"), Coded{}, "R", "what left"},
		{KindErase, 0, "", "data was destroyed for good", dcm("110110", "Patient Record"), Coded{}, "D", "patient, what was destroyed"},
		{KindVerify, 0, "", "log, index and documents were compared", dcm("110100", "Application Activity"), Coded{}, "E", "what was compared, differences"},
	}
}

// Field is how one field of a record is told to others: to scripts as JSON has the name
// that samdok log --json prints.
type Field struct{ Name, JSON, Meaning, ATNA, FHIR string }

// Fields has one row for each field of Event, in its order; a test holds that.
func Fields() []Field {
	return []Field{
		{"Kind", "event", "class of event", "EventID, EventTypeCode", "type, subtype"},
		{"Part", "part", "which of the two records of a partial success", "two messages, one success and one failure", "two AuditEvents"},
		{"Request.Tenant", "tenant", "affinity domain", "AuditEnterpriseSiteID", "source.site"},
		{"Request.Caller.Subject", "person", "authenticated person or system", "ActiveParticipant (requestor) UserID", "agent.who.identifier"},
		{"Request.Caller.Name", "name", "the person's name, for the citizen's view", "UserName", "agent.who.display"},
		{"Request.Caller.Organisation", "organisation", "legal entity that asks", "ActiveParticipant UserID of the organisation", "agent (organisation).who"},
		{"Request.Caller.Department", "department", "department or point of care", "AlternativeUserID of the organisation", "agent (organisation).location"},
		{"Request.Caller.Role", "role", "authorisation, such as LE or SP of 9060", "RoleIDCode", "agent.role"},
		{"Request.Caller.Purpose", "purpose", "purpose of use", "PurposeOfUse", "purposeOfEvent"},
		{"Request.Caller.Basis", "access_basis", "access basis", "ParticipantObjectDetail access-basis", "entity.detail access-basis"},
		{"Request.Caller.DecisionRef", "decision_ref", "decision that gave access; all parties find the event by it", "ParticipantObjectDetail decision-ref", "extension decision-ref-id"},
		{"Request.Caller.Override", "override", "reason given for passing a rule", "ParticipantObjectDetail override-reason", "entity.detail override-reason"},
		{"Request.Caller.Door", "door", "way in: soap, fhir, cli, system", "not told", "not told"},
		{"Request.Caller.Remote", "remote", "network address of the client", "NetworkAccessPointID, type 2", "agent.network"},
		{"Request.Caller.Loopback", "loopback", "the client was on this machine", "not told", "not told"},
		{"Request.Caller.MessageID", "message_id", "wsa:MessageID", "ParticipantObjectDetail MessageID", "entity.detail MessageID"},
		{"Request.Caller.TraceParent", "traceparent", "W3C traceparent", "ParticipantObjectDetail traceparent", "entity.detail traceparent"},
		{"Request.Caller.EventID", "event_id", "nhn-event-id", "ParticipantObjectDetail nhn-event-id", "entity (transaction).what"},
		{"Request.Caller.Hops", "", "gateways passed before this server; not kept in the record", "not told", "not told"},
		{"Request.Action", "event", "use case", "EventActionCode", "action"},
		{"Request.Transaction", "transaction", "IHE transaction", "EventTypeCode", "subtype"},
		{"Request.Patients", "patients", "patients that the request names", "ParticipantObject type 1, role 1", "entity type 1, role 1"},
		{"Request.Query", "query", "stored query with all parameters", "ParticipantObjectQuery, type 2, role 24", "entity.query, type 2, role 24"},
		{"Request.Documents", "documents_asked_for", "documents asked for", "ParticipantObject type 2, role 3", "entity type 2, role 3"},
		{"Request.Time", "requested", "when the request came", "not told", "period.start"},
		{"Outcome", "outcome", "how it ended", "EventOutcomeIndicator: success 0, denied and failed 4, error, panic and aborted 8", "outcome: the same"},
		{"Rules", "rules", "rules that decided", "ParticipantObjectDetail rule", "agent.policy"},
		{"Items", "items", "what was shown or changed, with its controller", "ParticipantObject type 2, role 3 or 20", "entity type 2, role 3 or 20"},
		{"Omitted", "items_omitted", "items beyond the limit of a record", "ParticipantObjectDetail omitted", "entity.detail omitted"},
		{"Hidden", "items_hidden", "items withheld", "not told", "not told"},
		{"Codes", "codes", "error codes answered", "EventOutcomeDescription", "outcomeDesc"},
		{"Time", "time", "when the outcome was known", "EventDateTime", "recorded"},
		{"Details", "details", "of events about the system: setting, key, search; of erasures and holds: reason, step", "ParticipantObjectDetail", "entity.detail"},
	}
}
