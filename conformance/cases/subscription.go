package cases

import (
	"strings"
	"time"

	"samdok/conformance"
	"samdok/conformance/mutant"
)

const (
	tf52 = "ITI TF-2 3.52.4.1.3"
	tf53 = "ITI TF-2 3.53.4.1.2"

	entryPatient = "$XDSDocumentEntryPatientId"
	full         = "ihe:FullDocumentEntry"
	minimal      = "ihe:MinimalDocumentEntry"
)

// ofPatient is the filter on all documents of a patient.
func ofPatient(patient string, more ...conformance.Param) string {
	return conformance.EventQuery(conformance.DocumentEvents, append([]conformance.Param{conformance.P(entryPatient, "'"+patient+"'")}, more...)...)
}

// refusedSubscription is an ITI-52 that must be answered with a fault.
func refusedSubscription(id, title, name, dialect, topic string, query func(t *conformance.T) string) conformance.Case {
	return conformance.Case{ID: "ITI-52/" + id, Title: title, Section: tf52, Mutant: mutant.Answers(name, "SomethingElseFault"),
		Run: func(t *conformance.T) {
			t.WithRecipient(func(r *conformance.Recipient) {
				t.NotifyFault(t.SubscribeXML(conformance.SubscribeBody(r.Address, dialect, topic, query(t), "")), name)
			})
		}}
}

// told subscribes, registers one document and gives what the subscriber is told.
func told(t *conformance.T, r *conformance.Recipient, topic string, query func(patient string) string) (conformance.Notification, *conformance.Submission, string) {
	s := t.NewSubmission(t.Patient())
	s.Add("varslet")
	reference, _ := r.Subscribed(topic, query(s.Patient), "")
	t.Setup(func() { t.Success(t.Register(s)) })
	return r.Next(), s, reference
}

func onlyPatient(patient string) string { return ofPatient(patient) }

// Subscriptions are the rules of ITI-52, ITI-53 and ITI-54.
func Subscriptions() []conformance.Case {
	usual := func(t *conformance.T) string { return ofPatient(t.Patient()) }
	return []conformance.Case{
		{
			ID: "ITI-52/termination-time", Title: "A subscription that asks for an end is told the one it gets", Section: "ITI TF-2 3.52.4.2.3",
			Mutant: mutant.Answers(`<(\w+:)?TerminationTime>[^<]*</(\w+:)?TerminationTime>`, ""),
			Run: func(t *conformance.T) {
				t.WithRecipient(func(r *conformance.Recipient) {
					_, a := r.Subscribed(full, ofPatient(t.Patient()), conformance.Ends(time.Now().Add(24*time.Hour)))
					at, ok := conformance.Terminates(a)
					t.Check(ok && at.After(time.Now()), "the answer has no wsnt:TerminationTime in the future")
				})
			},
		},
		{
			ID: "ITI-52/reference", Title: "A subscription gets an address of its own", Section: "ITI TF-2 3.52.4.2.2",
			Mutant: mutant.Answers(`(?s)(SubscriptionReference>\s*<(\w+:)?Address>)[^<]*`, `${1}http://127.0.0.1:1/`),
			Run: func(t *conformance.T) {
				t.WithRecipient(func(r *conformance.Recipient) {
					patient := t.Patient()
					one, _ := r.Subscribed(full, ofPatient(patient), "")
					two, _ := r.Subscribed(full, ofPatient(patient), "")
					t.Check(one != two, "two subscriptions have the same address")
				})
			},
		},
		refusedSubscription("dialect", "An unknown dialect of topics is named in the fault", "TopicExpressionDialectUnknownFault", conformance.SimpleDialect+"r", full, usual),
		refusedSubscription("topic-expression", "What is no name is no simple topic", "InvalidTopicExpressionFault", conformance.SimpleDialect, "ihe:Full//*", usual),
		refusedSubscription("topic", "An unknown topic is named in the fault", "TopicNotSupportedFault", conformance.SimpleDialect, "ihe:NoSuchTopic", usual),
		refusedSubscription("filter-id", "An unknown filter is refused", "InvalidFilterFault", conformance.SimpleDialect, full,
			func(t *conformance.T) string {
				return conformance.EventQuery(conformance.NewUUID(), conformance.P(entryPatient, "'"+t.Patient()+"'"))
			}),
		refusedSubscription("filter-patient", "A filter on documents names its patient", "InvalidFilterFault", conformance.SimpleDialect, full,
			func(*conformance.T) string { return conformance.EventQuery(conformance.DocumentEvents) }),
		refusedSubscription("filter-code", "A code without its scheme is refused", "InvalidFilterFault", conformance.SimpleDialect, full,
			func(t *conformance.T) string {
				return ofPatient(t.Patient(), conformance.P("$XDSDocumentEntryTypeCode", "('A03-2')"))
			}),
		{
			ID: "ITI-52/unsubscribe", Title: "A subscription is ended at its address, once", Section: "ITI TF-2 3.52.4.3.3",
			Mutant: mutant.Answers(`(?s)(SubscriptionReference>\s*<(\w+:)?Address>[^<]*)[0-9a-f]{12}`, `${1}000000000000`),
			Run: func(t *conformance.T) {
				t.WithRecipient(func(r *conformance.Recipient) {
					reference, _ := r.Subscribed(full, ofPatient(t.Patient()), "")
					a := t.Unsubscribe(reference)
					t.Check(a.Status == 200 && a.Root != nil && strings.Contains(string(a.Raw), "UnsubscribeResponse"), "HTTP %d where an UnsubscribeResponse belongs", a.Status)
					t.NotifyFault(t.Unsubscribe(reference), "ResourceUnknownFault")
				})
			},
		},
		{
			ID: "ITI-53/full", Title: "A full notification holds the DocumentEntry and nothing else", Section: tf53, Mutant: mutant.Requests(full, minimal),
			Run: func(t *conformance.T) {
				t.WithRecipient(func(r *conformance.Recipient) {
					n, s, _ := told(t, r, full, onlyPatient)
					t.Check(n.Messages == 1 && n.SubmitRequests == 1, "%d messages with %d lcm:SubmitObjectsRequest", n.Messages, n.SubmitRequests)
					t.Check(len(n.Objects) == 1 && n.Objects[0].Tag == "ExtrinsicObject", "the notification holds %d objects, expected one ExtrinsicObject", len(n.Objects))
					unique := conformance.Identifier(n.Objects[0], conformance.EntryUnique)
					t.Check(unique == s.Docs[0].UniqueID, "the entry's uniqueId is %q", unique)
				})
			},
		},
		{
			ID: "ITI-53/minimal", Title: "A minimal notification holds references only", Section: tf53, Mutant: mutant.Requests(minimal, full),
			Run: func(t *conformance.T) {
				t.WithRecipient(func(r *conformance.Recipient) {
					n, s, _ := told(t, r, minimal, onlyPatient)
					t.Check(len(n.Objects) == 1 && n.Objects[0].Tag == "ObjectRef", "the notification holds %d objects, expected one ObjectRef", len(n.Objects))
					t.Check(conformance.Attr(n.Objects[0], "id") == s.Docs[0].ID, "the reference is to %q", conformance.Attr(n.Objects[0], "id"))
				})
			},
		},
		{
			ID: "ITI-53/submission-set", Title: "A notification of submission sets holds exactly one", Section: tf53,
			Mutant: mutant.Requests(`(?s)ihe:SubmissionSetMetadata(.*)`+conformance.SetEvents+`(.*)XDSSubmissionSetPatientId`, full+`${1}`+conformance.DocumentEvents+`${2}XDSDocumentEntryPatientId`),
			Run: func(t *conformance.T) {
				t.WithRecipient(func(r *conformance.Recipient) {
					n, s, _ := told(t, r, "ihe:SubmissionSetMetadata", func(p string) string {
						return conformance.EventQuery(conformance.SetEvents, conformance.P("$XDSSubmissionSetPatientId", "'"+p+"'"))
					})
					t.Check(len(n.Objects) == 1 && n.Objects[0].Tag == "RegistryPackage", "the notification holds %d objects, expected one RegistryPackage", len(n.Objects))
					unique := conformance.Identifier(n.Objects[0], conformance.SetUnique)
					t.Check(unique == s.SetUnique, "the set's uniqueId is %q", unique)
				})
			},
		},
		{
			ID: "ITI-53/says-which", Title: "A notification names its subscription and topic", Section: tf53,
			Mutant: mutant.Answers(`(?s)(SubscriptionReference>\s*<(\w+:)?Address>)`, `${1}http://127.0.0.1:1/`),
			Run: func(t *conformance.T) {
				t.WithRecipient(func(r *conformance.Recipient) {
					n, _, reference := told(t, r, full, onlyPatient)
					t.Check(n.Reference == reference, "the subscription is %q, expected %q", n.Reference, reference)
					t.Check(n.Topic == full && n.Action == conformance.ActionNotify, "topic %q, wsa:Action %q", n.Topic, n.Action)
					t.Check(strings.HasPrefix(n.Type, "application/soap+xml"), "Content-Type %q", n.Type)
				})
			},
		},
		{
			ID: "ITI-53/filter", Title: "Only what the filter selects is told", Section: "ITI TF-2 3.52.5.2", Mutant: mutant.Ignores("$XDSDocumentEntryTypeCode"),
			Run: func(t *conformance.T) {
				t.WithRecipient(func(r *conformance.Recipient) {
					patient := t.Patient()
					r.Subscribed(minimal, ofPatient(patient, conformance.P("$XDSDocumentEntryTypeCode", "('no-such-code^^2.16.578.1.12.4.1.1.9602')")), "")
					all, _ := r.Subscribed(full, ofPatient(patient), "")
					t.Setup(func() { registered(t, patient, 1) })
					for _, n := range append([]conformance.Notification{r.Next()}, r.Quiet()...) {
						t.Check(n.Reference == all, "the subscription %q to another kind of document is told", n.Reference)
					}
				})
			},
		},
		{
			ID: "ITI-54/publish", Title: "What is published is told to subscribers", Section: "ITI TF-2 3.54.4.1.3",
			Mutant: mutant.OnPath("/subscription", "NotificationConsumer/Notify", mutant.Refuses()),
			Run: func(t *conformance.T) {
				t.WithRecipient(func(r *conformance.Recipient) {
					s := t.NewSubmission(t.Patient())
					d := s.Add("publisert")
					r.Subscribed(full, ofPatient(s.Patient), "")
					a := t.Publish(s)
					t.Check(a.Status == 200 || a.Status == 202, "HTTP %d where a one-way message is taken with 202 or 200", a.Status)
					n := r.Next()
					t.Check(len(n.Objects) == 1 && conformance.Identifier(n.Objects[0], conformance.EntryUnique) == d.UniqueID, "the notification holds %d objects, expected the published one", len(n.Objects))
				})
			},
		},
	}
}
