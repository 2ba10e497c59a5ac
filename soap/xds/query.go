package xds

import (
	"samdok/fault"
	"samdok/internal/spool"
	"samdok/internal/xmlscan"
	"samdok/metadata"
	"samdok/metadata/ebrim"
	"samdok/soap"
)

// query answers ITI-18 and ITI-51 (ITI TF-2 3.18, 3.51). Objects wait in a spool: status and errors
// stand before them, and nothing may leave before the search has ended and its
// record is durable.
func (x *exchange) query() error {
	if err := x.expect(xmlscan.Query, "AdhocQueryRequest"); err != nil {
		return err
	}
	q, err := x.d.o.Limits.Metadata.DecodeQuery(x.scan)
	if err != nil {
		list, err := x.decodeProblems(err)
		if err == nil {
			x.queryFailure(x.unused(list))
		}
		return err
	}
	if err := soap.CloseEnvelope(x.scan); err != nil {
		return err
	}
	if across := x.header.Action == actionAcross; metadata.Across(q.Query) != across {
		x.queryFailure(x.unused([]fault.Problem{{Code: fault.UnknownStoredQuery,
			Context: "The stored query " + string(q.Query.QueryID()) + " is none of the transaction " + x.header.Action + "."}}))
		return nil
	}
	x.forget()
	options := x.d.spoolOptions()
	options.More = x.d.answers
	sp := spool.New(options)
	defer sp.Close()
	add := func(o metadata.Object) error {
		return sp.Append(func(b []byte) []byte { return ebrim.AppendObject(b, o) })
	}
	if q.Return == metadata.ObjectRef {
		add = func(o metadata.Object) error {
			return sp.Append(func(b []byte) []byte { return ebrim.AppendObjectRef(b, o.ObjectID(), metadata.HomeOf(o)) })
		}
	}
	found, err := x.d.read.Find(x.r.Context(), x.caller(), q, add)
	if err != nil {
		x.queryFailure(x.problems(err))
		return nil
	}
	status := outcome(found.Problems, found.Shown)
	if status == ebrim.Failure { // a failure carries no results (ITI TF-3 4.2.4.2-3)
		x.queryFailure(x.forActor(found.Problems))
		return nil
	}
	if err := sp.Append(func(b []byte) []byte { return soap.AppendClose(ebrim.AppendQueryResponseTail(b)) }); err != nil {
		x.queryFailure(x.problems(err))
		return nil
	}
	head := soap.AppendOpen(make([]byte, 0, 1<<10), x.answerHeader())
	x.spooled(ebrim.AppendQueryResponseHead(head, status, x.forActor(found.Problems)), sp)
	return nil
}

func (x *exchange) queryFailure(problems []fault.Problem) {
	b := soap.AppendOpen(make([]byte, 0, 1<<10), x.answerHeader())
	b = ebrim.AppendQueryResponseHead(b, ebrim.Failure, x.d.located(problems))
	x.small(soap.AppendClose(ebrim.AppendQueryResponseTail(b)), false)
}

// outcome is the status of an answer that may hold both results and problems.
func outcome(problems []fault.Problem, results int) ebrim.Status {
	switch {
	case !fault.HasErrors(problems):
		return ebrim.Success
	case results > 0:
		return ebrim.PartialSuccess
	}
	return ebrim.Failure
}
