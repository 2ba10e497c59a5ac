package mailbox

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/storage"
)

// Options of Mailboxes. Log, Index and Clock are required.
type Options struct {
	Log   storage.Log
	Index storage.Index
	Clock func() time.Time
	// Organisations have a mailbox here; Any: every organisation has.
	Organisations []string
	Any           bool
	// Default is whose mailbox takes messages that name no recipient; "": they are
	// refused.
	Default string
}

// Mailboxes are the mailboxes of a tenant's recipients. It is safe for concurrent
// use.
type Mailboxes struct{ o Options }

// New makes Mailboxes.
func New(o Options) *Mailboxes { return &Mailboxes{o} }

// Stream is the mailbox of an organisation.
func Stream(organisation string) storage.Stream {
	return storage.Stream{Kind: storage.StreamMailbox, ID: organisation}
}

// Addressees are the organisations whose mailboxes a message goes to, by its
// intendedRecipient. Recipients that have none here are warnings while somebody
// has, else the error (ITI TF-3 Table 4.2.4.1-2).
func (m *Mailboxes) Addressees(set *metadata.SubmissionSet) (to []string, problems []fault.Problem) {
	if len(set.Recipients) == 0 {
		if m.o.Default == "" {
			return nil, []fault.Problem{{Code: fault.UnknownRecipient, Context: "The message names no intendedRecipient. Name the organisation that it is for, with its id."}}
		}
		return []string{m.o.Default}, nil
	}
	for _, text := range set.Recipients {
		id := organisation(text)
		if id == "" || !m.o.Any && !slices.Contains(m.o.Organisations, id) {
			problems = append(problems, fault.Problem{Code: fault.UnknownRecipient, Severity: fault.SeverityWarning,
				Context: fmt.Sprintf("The intendedRecipient %q has no mailbox here: it names no organisation by its id, or one that is not served.", text)})
			continue
		}
		if !slices.Contains(to, id) {
			to = append(to, id)
		}
	}
	if len(to) == 0 {
		for i := range problems {
			problems[i].Severity = fault.SeverityError
		}
	}
	return to, problems
}

// organisation is the id in an intendedRecipient, "" when it has none.
func organisation(text string) string {
	r, err := metadata.ParseRecipient(text)
	if err != nil || r.Organization == "" {
		return ""
	}
	o, err := r.Organization.Parse()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(o.ID)
}

// Message is one message in a mailbox.
type Message struct {
	Mailbox  string
	Received time.Time
	// From is who handed it in, MessageID that of its envelope.
	From, MessageID string
	Set             *metadata.SubmissionSet
	Entries         []*metadata.DocumentEntry
	Folders         []*metadata.Folder
	Associations    []*metadata.Association
}

// Delivery is a message on its way in.
type Delivery struct {
	To              []string // of Addressees
	Submission      *metadata.Submission
	Documents       map[metadata.ID]storage.DocumentKey // by submitted entry id
	From, MessageID string
}

// Deliver puts a message into all its mailboxes or into none; it is durable when
// it returns nil. The problems are warnings about what a mailbox does not keep. A
// message that a mailbox has already is refused. Errors are *fault.Error; Invalid and
// Busy mean that nothing was kept, others leave it unknown.
func (m *Mailboxes) Deliver(ctx context.Context, t access.Tenant, d Delivery) ([]fault.Problem, error) {
	added, warnings := contents(d)
	now := m.o.Clock().UTC()
	for attempt := 0; attempt < 16; attempt++ {
		changes := make([]storage.Change, len(d.To))
		for i, org := range d.To {
			_, version, err := m.o.Log.Load(ctx, t, Stream(org), storage.Refs{})
			if err != nil {
				return nil, failed(err)
			}
			objects := added
			if i > 0 { // every mailbox has objects of its own
				objects, _ = contents(d)
			}
			changes[i] = storage.Change{Stream: Stream(org), Expect: version,
				Claims: []storage.Claim{{ID: "received " + org + " " + d.Submission.Set.UniqueID, Exclusive: true}},
				Events: []storage.Event{{Kind: storage.EventReceived, ID: metadata.NewUUID(), Time: now, Added: objects, Body: slip{d.From, d.MessageID}.encode()}}}
		}
		err := m.o.Log.Append(ctx, t, changes)
		if err == nil {
			return warnings, nil
		}
		if !errors.Is(err, storage.ErrConflict) {
			return nil, failed(err)
		}
		for _, org := range d.To {
			if has, err := m.has(ctx, t, org, d.Submission.Set.UniqueID); err != nil {
				return nil, failed(err)
			} else if has {
				return nil, fault.New(fault.Invalid, "mailbox.Deliver", fault.DuplicateUniqueID,
					"The mailbox %s has received the submission set %s before. Do not send it again.", org, d.Submission.Set.UniqueID)
			}
		}
	}
	return nil, fault.New(fault.Busy, "mailbox.Deliver", fault.RegistryBusy, "Others were writing to the same mailbox all the time. Nothing was kept; send the message again.")
}

func failed(err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	return fault.Wrap(err, fault.Unavailable, "mailbox", fault.RegistryBusy, "The mailbox could not be read or written. Send the message again later.")
}

func (m *Mailboxes) has(ctx context.Context, t access.Tenant, org, uniqueID string) (bool, error) {
	for p, err := range m.o.Index.Find(ctx, t, Stream(org), storage.Filter{SubmissionSets: &metadata.SubmissionSetFilter{}}, access.Restriction{}) {
		if err != nil {
			return false, err
		}
		if set, ok := p.Object.(*metadata.SubmissionSet); ok && set.UniqueID == uniqueID {
			return true, nil
		}
	}
	return false, nil
}

// Messages yields what a mailbox holds, the oldest first. What was erased is left
// out.
func (m *Mailboxes) Messages(ctx context.Context, t access.Tenant, org string) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for ev, err := range m.o.Log.Events(ctx, t, Stream(org), 0) {
			if err != nil {
				yield(Message{}, failed(err))
				return
			}
			if ev.Kind != storage.EventReceived {
				continue
			}
			if msg, ok := read(org, ev); ok && !yield(msg, nil) {
				return
			}
		}
	}
}

// read is the message of an event; false when it was erased.
func read(org string, ev storage.Event) (Message, bool) {
	s, err := decodeSlip(ev.Body)
	msg := Message{Mailbox: org, Received: ev.Time, From: s.from, MessageID: s.messageID}
	for _, a := range ev.Added {
		if storage.IsTombstone(a.Object) {
			continue
		}
		switch o := a.Object.(type) {
		case *metadata.SubmissionSet:
			msg.Set = o
		case *metadata.DocumentEntry:
			msg.Entries = append(msg.Entries, o)
		case *metadata.Folder:
			msg.Folders = append(msg.Folders, o)
		case *metadata.Association:
			msg.Associations = append(msg.Associations, o)
		}
	}
	return msg, err == nil && msg.Set != nil
}

// Documents are the entries of a message with the keys of their bytes, as they are
// now.
func (m *Mailboxes) Documents(ctx context.Context, t access.Tenant, msg Message) ([]storage.Placed, error) {
	ids := make([]metadata.ID, len(msg.Entries))
	for i, e := range msg.Entries {
		ids[i] = e.ID
	}
	if len(ids) == 0 {
		return nil, nil
	}
	state, err := m.o.Index.Lookup(ctx, t, storage.Refs{IDs: ids, Everywhere: true})
	if err != nil {
		return nil, failed(err)
	}
	list := make([]storage.Placed, 0, len(ids))
	for _, id := range ids { // in the order of the message
		for _, p := range state.Objects {
			if p.Object.ObjectID() == id && p.Stream == Stream(msg.Mailbox) {
				list = append(list, p)
			}
		}
	}
	return list, nil
}
