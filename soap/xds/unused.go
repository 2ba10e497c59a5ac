package xds

import (
	"samdok/access"
	"samdok/fault"
	"samdok/hl7/hl7v3"
	"samdok/sharing"
	"samdok/soap"
	"samdok/soap/wsnt"
)

// use is what a transaction is in the record.
type use struct {
	action      access.Action
	transaction string
}

// use is what the message's action asks for at this door.
func (x *exchange) use() use {
	switch a := x.header.Action; a {
	case actionProvide:
		if x.d.recipient {
			return use{access.ActionReceive, "ITI-41"}
		}
		return use{access.ActionProvide, "ITI-41"}
	case actionRegister:
		return use{access.ActionRegister, "ITI-42"}
	case actionOnDemand:
		return use{access.ActionRegisterOnDemand, "ITI-61"}
	case actionQuery:
		return use{access.ActionFind, "ITI-18"}
	case actionAcross:
		return use{access.ActionFindAcross, "ITI-51"}
	case actionRetrieve:
		return use{access.ActionRetrieve, "ITI-43"}
	case actionCrossQuery:
		return use{access.ActionFind, "ITI-38"}
	case actionCrossRetrieve:
		return use{access.ActionRetrieve, "ITI-39"}
	case actionUpdate:
		return use{access.ActionUpdate, "ITI-57"}
	case actionRestricted:
		return use{access.ActionUpdate, "ITI-92"}
	case actionRemove:
		return use{access.ActionRemove, "ITI-62"}
	case actionRemoveDocuments:
		return use{access.ActionRemoveDocuments, "ITI-86"}
	case actionDiscover, actionDeferred:
		return use{access.ActionDiscover, "ITI-55"}
	case actionLocation:
		return use{access.ActionLocatePatient, "ITI-56"}
	case wsnt.ActionSubscribe, wsnt.ActionRenew, wsnt.ActionUnsubscribe:
		return use{access.ActionSubscribe, "ITI-52"}
	default:
		if feedKind(a) == hl7v3.Merged {
			return use{access.ActionMerge, "ITI-44"}
		}
		return use{access.ActionFeed, "ITI-44"}
	}
}

// run works on a transaction, and sees to it that one that ends with a fault before its use
// case began leaves a record all the same.
func (x *exchange) run(do func(*exchange) error) error {
	err := do(x)
	if err == nil || x.began || x.header.Action == wsnt.ActionNotify {
		return err
	}
	if rerr := x.recordRefusal(sharing.Refused{Why: asFault(err).Text}); rerr != nil {
		return soap.Fail("The record of this request could not be written, so it is not answered. Try again later.",
			"Forespørselen kunne ikke loggføres og blir derfor ikke besvart. Prøv igjen senere.").Because(rerr)
	}
	return err
}

// unused records that the message is refused with problems before its use case begins, and
// returns what to answer: those, or that there is no record.
func (x *exchange) unused(problems []fault.Problem) []fault.Problem {
	if err := x.recordRefusal(sharing.Refused{Problems: problems}); err != nil {
		return x.problems(err)
	}
	return problems
}

func (x *exchange) recordRefusal(r sharing.Refused) error {
	c := x.caller() // from here on it has its record, or cannot have one
	if x.d.o.Refused == nil {
		return nil
	}
	u := x.use()
	r.Action, r.Transaction = u.action, u.transaction
	return x.d.o.Refused(x.r.Context(), c, r)
}
