package identity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"samdok/access"
	"samdok/fault"
	"samdok/hl7/hl7v2"
	"samdok/hl7/hl7v3"
	"samdok/metadata"
	"samdok/sharing"
)

// Why sorts refusals by what HL7 calls them.
type Why uint8

const (
	wrong     Why = iota + 1 // the message breaks a rule
	unknown                  // an id that is not known here
	duplicate                // an id that has another meaning already
	denied
	later // nothing is wrong with the message; send it again
)

// place is where the trouble is.
type place uint8

const (
	nowhere place = iota
	patientPlace
	subsumedPlace
)

// Refusal is why a message had no effect.
type Refusal struct {
	Why   Why
	Text  string
	place place
}

// V2 is the refusal in HL7 v2.
func (r *Refusal) V2() *hl7v2.Error {
	e := &hl7v2.Error{Code: hl7v2.ApplicationFailed, Text: r.Text}
	switch r.Why {
	case wrong:
		e.Code = hl7v2.DataType
	case unknown:
		e.Code = hl7v2.UnknownKey
	case duplicate:
		e.Code = hl7v2.DuplicateKey
	case later:
		e.Reject = true
	}
	switch r.place {
	case patientPlace:
		e.Segment, e.Field = "PID", 3
	case subsumedPlace:
		e.Segment, e.Field = "MRG", 1
	}
	return e
}

// V3 is the refusal in HL7 v3.
func (r *Refusal) V3() *hl7v3.Error {
	e := &hl7v3.Error{Code: hl7v3.InternalError, Text: r.Text}
	switch r.Why {
	case wrong:
		e.Code = hl7v3.DataType
	case unknown:
		e.Code = hl7v3.UnknownKey
	case duplicate:
		e.Code = hl7v3.DuplicateKey
	case later:
		e.Reject = true
	}
	return e
}

// Take hands feeds to the use case, in order, and stops at the first refusal.
func Take(ctx context.Context, svc sharing.Service, c access.Caller, feeds []sharing.PatientFeed, log *slog.Logger) *Refusal {
	for _, f := range feeds {
		if err := svc.Feed(ctx, c, f); err != nil {
			return refusalOf(err, f, log)
		}
	}
	return nil
}

// Unrecorded is the refusal when the record of another refusal could not be made.
func Unrecorded(err error, transaction string, log *slog.Logger) *Refusal {
	return refusalOf(err, sharing.PatientFeed{Transaction: transaction}, log)
}

// refusalOf names an error of the use case. What only an operator may see goes to
// the log under an id that the answer names.
func refusalOf(err error, f sharing.PatientFeed, log *slog.Logger) *Refusal {
	r := &Refusal{Text: words(err)}
	kind := fault.KindOf(err)
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		kind = fault.Canceled
	}
	switch kind {
	case fault.Invalid, fault.TooLarge:
		r.Why = wrong
	case fault.NotFound:
		if r.Why = unknown; f.Kind != sharing.PatientsMerged {
			r.place = patientPlace
		}
	case fault.Conflict:
		r.Why = duplicate
	case fault.Denied:
		r.Why = denied
	default:
		id := shortID()
		level := slog.LevelWarn
		if kind == fault.Internal {
			level = slog.LevelError
		}
		log.Log(context.Background(), level, "a message of an identity feed failed", "reference", id, "transaction", f.Transaction, "error", err.Error())
		r.Why = later
		r.Text = strings.TrimSpace(r.Text + " The message may not have had its effect; send it again later (reference " + id + " in the server's log).")
	}
	if r.Text == "" {
		r.Text = "The message was refused."
	}
	return r
}

// words are the contexts of an error's problems.
func words(err error) string {
	var all []string
	for _, p := range fault.ProblemsOf(err) {
		all = append(all, p.Context)
	}
	return strings.Join(all, " ")
}

func shortID() string {
	u := metadata.NewUUID()
	return fmt.Sprintf("%x", u[:5])
}
