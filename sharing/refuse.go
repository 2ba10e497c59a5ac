package sharing

import (
	"context"
	"strings"

	"samdok/access"
	"samdok/access/guard"
	"samdok/audit"
	"samdok/fault"
	"samdok/metadata"
)

// Refused is a request whose transaction is known and which a door refuses before its use
// case begins: it cannot be read to its end, lacks what it must have, or is for somebody
// else.
type Refused struct {
	Action      access.Action
	Transaction string
	Patients    []metadata.PatientID // as far as they could be read
	Problems    []fault.Problem      // that are answered
	Why         string               // in words, where no problem tells
}

// maxWhy bounds what a record keeps of why a request was refused, octets.
const maxWhy = 256

// Refuse makes the record of a request that a door refuses. Nothing is answered before it
// returns nil (promise P6).
func (s *Sharing) Refuse(ctx context.Context, c access.Caller, r Refused) error {
	return recordRefusal(ctx, s.guard, s.request(c, r.Action, r.Transaction), r)
}

// Refuse is Sharing.Refuse of the locator's use cases.
func (l *Locating) Refuse(ctx context.Context, c access.Caller, r Refused) error {
	return recordRefusal(ctx, l.o.Guard, access.Request{Tenant: l.o.Tenant, Caller: c, Action: r.Action, Transaction: r.Transaction}, r)
}

func recordRefusal(ctx context.Context, g *guard.Guard, req access.Request, r Refused) error {
	req.Patients = r.Patients
	why := r.Why
	if why == "" && len(r.Problems) > 0 {
		why = r.Problems[0].Context
	}
	if len(why) > maxWhy {
		why = strings.ToValidUTF8(why[:maxWhy], "")
	}
	var details []audit.Detail
	if why != "" {
		details = []audit.Detail{{Name: "refused", Value: why}}
	}
	return g.Record(ctx, req, audit.Failed, nil, r.Problems, details...)
}
