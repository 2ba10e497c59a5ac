package xds

import (
	"context"

	"samdok/access"
	"samdok/fault"
	"samdok/internal/xmlscan"
	"samdok/metadata/ebrim"
	"samdok/sharing"
	"samdok/soap"
)

// register answers ITI-42 (ITI TF-2 3.42).
func (x *exchange) register() error {
	// Some Norwegian senders wrap the request as ITI-41 does.
	if x.scan.Is(xmlscan.XDS, "RegisterDocumentSetRequest") {
		if _, err := x.scan.NextChild(x.scan.Depth()); err != nil {
			return soap.Malformed(err)
		}
	}
	return x.submitted(x.d.svc.Register)
}

// registerOnDemand answers ITI-61 (ITI TF-2 3.61).
func (x *exchange) registerOnDemand() error { return x.submitted(x.d.svc.RegisterOnDemand) }

// submitted hands a SubmitObjectsRequest to a use case.
func (x *exchange) submitted(do func(context.Context, access.Caller, sharing.Register) (sharing.Receipt, error)) error {
	if err := x.expect(xmlscan.LCM, "SubmitObjectsRequest"); err != nil {
		return err
	}
	sub, problems, err := x.d.o.Limits.Metadata.DecodeSubmission(x.scan)
	if err != nil {
		return x.undecoded(err)
	}
	if err := soap.CloseEnvelope(x.scan); err != nil {
		return err
	}
	receipt, err := do(x.r.Context(), x.caller(), sharing.Register{Submission: sub, Problems: problems})
	x.receipt(receipt, err)
	return nil
}

// undecoded answers metadata that the codec gave up on: malformed XML is a fault,
// a passed limit or a wrong element is the registry's business.
func (x *exchange) undecoded(err error) error {
	list, err := x.decodeProblems(err)
	if err == nil {
		x.registryResponse(ebrim.Failure, x.unused(list))
	}
	return err
}

// decodeProblems are the problems that the codec found; an error when the message
// is not even whole.
func (x *exchange) decodeProblems(err error) ([]fault.Problem, error) {
	list := fault.ProblemsOf(err)
	if list == nil {
		return nil, soap.Malformed(err)
	}
	for fault.KindOf(err) == fault.Invalid {
		k, err := x.scan.Next()
		if err != nil {
			return nil, soap.Malformed(err)
		}
		if k == xmlscan.EOF {
			break
		}
	}
	return x.forActor(list), nil
}

// receipt answers a submission: Success, perhaps with warnings, or Failure.
func (x *exchange) receipt(r sharing.Receipt, err error) {
	if err != nil {
		x.registryResponse(ebrim.Failure, x.problems(err))
		return
	}
	x.registryResponse(ebrim.Success, x.forActor(r.Warnings))
}

func (x *exchange) registryResponse(s ebrim.Status, problems []fault.Problem) {
	b := soap.AppendOpen(make([]byte, 0, 1<<10), x.answerHeader())
	b = ebrim.AppendRegistryResponse(b, s, problems)
	x.small(soap.AppendClose(b), x.d.repository)
}
