package sharing

import (
	"context"
	"fmt"

	"samdok/access"
	"samdok/access/guard"
	"samdok/fault"
	"samdok/mailbox"
	"samdok/metadata"
	"samdok/metadata/rules"
)

// mail names the reading of a mailbox in records: it is no transaction of IHE.
const mail = "mailbox"

// Receive takes a message in for the mailboxes that it is addressed to (ITI-41 to a
// Document Recipient). Nothing of it is registered.
func (s *Sharing) Receive(ctx context.Context, c access.Caller, p Provide) (Receipt, error) {
	if p.Submission == nil {
		p.Submission = &metadata.Submission{}
	}
	req := s.request(c, access.ActionReceive, "ITI-41")
	req.Patients = patientsOf(p.Submission)
	receipt, err := guard.Do(ctx, s.guard, req, func(ctx context.Context, pass *guard.Pass) (Receipt, error) {
		to, addressed := s.mail.Addressees(&p.Submission.Set)
		items := delivered(p.Submission, to)
		pass.Touched(items)
		decisions, err := pass.Decide(ctx, items)
		if err != nil {
			return Receipt{}, err
		}
		for i := range decisions {
			if decisions[i].Effect != access.Allow {
				return Receipt{}, refusal(&fault.Error{Op: "sharing.Receive", Kind: fault.Denied}, fault.RepositoryError)
			}
		}
		problems := append(forRepository(p.Problems), forRepository(rules.Check(p.Submission, rules.Sender))...)
		problems = append(problems, s.repository.Check(s.tenant, p.Submission)...)
		problems = append(problems, addressed...)
		if err := fault.Of("sharing.Receive", problems); err != nil {
			return Receipt{}, err
		}
		return s.deliver(ctx, c, pass, p, to, problems)
	})
	return receipt, refusal(asRepository(err), fault.RepositoryError)
}

// delivered are the items of a message: itself for each mailbox, whose organisation
// is the controller from then on, and its documents.
func delivered(sub *metadata.Submission, to []string) []access.Item {
	var p patients
	items := make([]access.Item, 0, len(to)*(1+len(sub.Entries)))
	for _, org := range to {
		items = append(items, message(&p, org, &sub.Set))
		for _, e := range sub.Entries {
			items = append(items, p.item(e, org))
		}
	}
	return items
}

func message(p *patients, org string, set *metadata.SubmissionSet) access.Item {
	i := p.item(set, org)
	i.Kind = access.ItemMessage
	return i
}

// deliver stores the documents and puts the message into the mailboxes. The sender
// may be gone by then.
func (s *Sharing) deliver(ctx context.Context, c access.Caller, pass *guard.Pass, p Provide, to []string, warnings []fault.Problem) (Receipt, error) {
	intake, err := s.repository.Take(ctx, s.tenant, p.Submission, p.Documents)
	if err != nil {
		return Receipt{}, err
	}
	err = intake.Fresh()
	if err == nil {
		var more []fault.Problem
		detached, cancel := s.detached(ctx)
		defer cancel()
		more, err = s.mail.Deliver(detached, s.tenant, mailbox.Delivery{To: to, Submission: p.Submission, Documents: intake.Keys(), From: c.Subject, MessageID: c.MessageID})
		warnings = append(warnings, more...)
	}
	if err != nil {
		if definite(err) {
			intake.Delete(ctx)
		}
		return Receipt{}, err
	}
	pass.SetProblems(warnings)
	return Receipt{Warnings: warnings}, nil
}

// ListMail shows the messages of a mailbox that the caller may see, the oldest
// first, and returns how many.
func (s *Sharing) ListMail(ctx context.Context, c access.Caller, org string, show func(mailbox.Message) error) (int, error) {
	n, err := guard.Do(ctx, s.guard, s.request(c, access.ActionFind, mail), func(ctx context.Context, pass *guard.Pass) (int, error) {
		if org == "" {
			return 0, fault.New(fault.Invalid, "sharing.ListMail", fault.UnknownRecipient, "Name the organisation whose mailbox is meant.")
		}
		shown := 0
		var ids patients
		for msg, err := range s.mail.Messages(ctx, s.tenant, org) {
			if err != nil {
				return 0, err
			}
			item := message(&ids, org, msg.Set)
			decisions, err := pass.Decide(ctx, []access.Item{item})
			if err != nil {
				return 0, err
			}
			if decisions[0].Effect != access.Allow {
				continue
			}
			if err := show(msg); err != nil {
				return 0, err
			}
			pass.Showed(item)
			shown++
		}
		return shown, nil
	})
	if isDenied(err) {
		return 0, nil // as if there were nothing (promise P5)
	}
	return n, err
}

// Mail is a message with its documents open, those that the caller may see.
type Mail struct {
	mailbox.Message
	*Retrieved
}

// Close releases the documents, for the guard.
func (m Mail) Close() error { return opened{m.Retrieved}.Close() }

// OpenMail opens a message of a mailbox by the uniqueId of its submission set. What
// is not there, or not for this caller, is fault.NotFound.
func (s *Sharing) OpenMail(ctx context.Context, c access.Caller, org, uniqueID string) (Mail, error) {
	m, err := guard.Do(ctx, s.guard, s.request(c, access.ActionRetrieve, mail), func(ctx context.Context, pass *guard.Pass) (Mail, error) {
		for msg, err := range s.mail.Messages(ctx, s.tenant, org) {
			if err != nil {
				return Mail{}, err
			}
			if msg.Set.UniqueID == uniqueID {
				return s.openMail(ctx, pass, msg)
			}
		}
		return Mail{}, noMail(uniqueID)
	})
	if isDenied(err) {
		err = noMail(uniqueID)
	}
	return m, err
}

func noMail(uniqueID string) error {
	return fault.New(fault.NotFound, "sharing.OpenMail", fault.DocumentUniqueIDError, "There is no message %s in the mailbox.", uniqueID)
}

func (s *Sharing) openMail(ctx context.Context, pass *guard.Pass, msg mailbox.Message) (_ Mail, err error) {
	list, err := s.mail.Documents(ctx, s.tenant, msg)
	if err != nil {
		return Mail{}, err
	}
	var ids patients
	items := []access.Item{message(&ids, msg.Mailbox, msg.Set)}
	for _, p := range list {
		items = append(items, ids.item(p.Object, msg.Mailbox))
	}
	decisions, err := pass.Decide(ctx, items)
	if err != nil {
		return Mail{}, err
	}
	if decisions[0].Effect != access.Allow {
		return Mail{}, &fault.Error{Op: "sharing.OpenMail", Kind: fault.Denied}
	}
	m := Mail{msg, &Retrieved{}}
	m.Entries = nil
	done := false
	defer func() {
		if !done {
			_ = m.Close() // nothing was handed out
		}
	}()
	shown := items[:1:1]
	for i, p := range list {
		if decisions[i+1].Effect != access.Allow {
			continue
		}
		e := p.Object.(*metadata.DocumentEntry)
		m.Entries = append(m.Entries, e)
		if p.Document == "" {
			m.Problems = append(m.Problems, fault.Problem{Code: fault.DocumentUniqueIDError, Location: e.UniqueID, Context: fmt.Sprintf("The bytes of %s are not here any more.", e.UniqueID)})
			continue
		}
		body, size, err := s.repository.Open(ctx, p, len(m.Retrieved.Documents) >= openAtOnce)
		if err != nil {
			return Mail{}, err
		}
		m.Retrieved.Documents = append(m.Retrieved.Documents, Document{Request: metadata.DocumentRequest{UniqueID: e.UniqueID}, MimeType: e.MimeType, Size: size, Body: body})
		shown = append(shown, items[i+1])
	}
	pass.Showed(shown...)
	pass.SetProblems(m.Problems)
	m.onClose = s.aborted(context.WithoutCancel(ctx), pass.Request(), shown)
	done = true
	return m, nil
}
