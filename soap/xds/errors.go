package xds

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"samdok/fault"
	"samdok/metadata"
	"samdok/soap"
)

// problems are what a failed use case answers. A failure that names no problem of
// the standard gets the one that its kind means for this actor; the inner cause
// goes to the log under an id that the answer names.
func (x *exchange) problems(err error) []fault.Problem {
	list := fault.ProblemsOf(err)
	kind := fault.KindOf(err)
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		kind = fault.Canceled
	}
	if len(list) == 0 || kind == fault.Internal {
		id := x.report(kind, err)
		if len(list) == 0 {
			list = []fault.Problem{kindProblem(kind, id)}
		} else {
			list = append([]fault.Problem(nil), list...)
			list[0].Context += " (reference " + id + " in the server's log)"
		}
	} else if f := (*fault.Error)(nil); errors.As(err, &f) && f.Err != nil && (kind == fault.Unavailable || kind == fault.TooLarge) {
		x.report(kind, err) // a full disk, a record that could not be made: the operator's to mend
	}
	return x.forActor(list)
}

// forActor gives codes the names that this actor uses (ITI TF-3 Table 4.2.4.1-2).
func (x *exchange) forActor(list []fault.Problem) []fault.Problem {
	if !x.d.repository && (x.d.gateway == "" || x.header.Action != x.d.actions[1]) {
		return list
	}
	for i := range list {
		if !list[i].Foreign && list[i].Code != list[i].Code.ForRepository() {
			out := append([]fault.Problem(nil), list...)
			for j := range out {
				if !out[j].Foreign {
					out[j].Code = out[j].Code.ForRepository()
				}
			}
			return out
		}
	}
	return list
}

// kindProblem is the standard's problem for a kind of failure.
func kindProblem(kind fault.Kind, id string) fault.Problem {
	ref := " (reference " + id + " in the server's log)"
	switch kind {
	case fault.Invalid:
		return fault.Problem{Code: fault.RegistryMetadataError, Context: "The request breaks a rule" + ref + "."}
	case fault.NotFound:
		return fault.Problem{Code: fault.RegistryError, Context: "There is no such thing here" + ref + "."}
	case fault.Denied:
		return fault.Problem{Code: fault.RegistryError, Context: "Access is denied" + ref + "."}
	case fault.Conflict, fault.Busy:
		return fault.Problem{Code: fault.RegistryBusy, Context: "The server is busy; nothing was changed. Try again in a moment" + ref + "."}
	case fault.Unavailable:
		return fault.Problem{Code: fault.RegistryBusy, Context: "Something that this server needs cannot be reached now. Try again later" + ref + "."}
	case fault.TooLarge:
		return fault.Problem{Code: fault.RegistryOutOfResources, Context: "The request passes a limit of this server" + ref + "."}
	case fault.Canceled:
		return fault.Problem{Code: fault.RegistryBusy, Context: "The request was given up before it was done, because its connection closed or its time ran out" + ref + "."}
	}
	return fault.Problem{Code: fault.RegistryError, Context: "Something failed inside the server. Give its operator the reference " + id + "."}
}

// report logs an inner cause and returns its id.
func (x *exchange) report(kind fault.Kind, err error) string {
	id := shortID()
	log := x.d.o.Log.Error
	if kind != fault.Internal {
		log = x.d.o.Log.Warn
	}
	log("a request failed", "reference", id, "action", x.header.Action, "error", err.Error())
	return id
}

func shortID() string {
	u := metadata.NewUUID()
	return fmt.Sprintf("%x", u[:5])
}

// refuse answers a fault of SOAP or of the packaging.
func (x *exchange) refuse(err error) {
	f := asFault(err)
	if f.Code == soap.Receiver && f.Err != nil {
		x.d.o.Log.Debug("a message could not be read", "fault", f.Summary(), "error", f.Err.Error())
	}
	id := metadata.NewUUID()
	if p := x.postponed; p != nil {
		elsewhere := *f
		elsewhere.To = cmp.Or(p.FaultTo, p.To)
		f, id = &elsewhere, p.ID
	}
	b := soap.AppendFault(make([]byte, 0, 2<<10), f, id.String(), x.header.MessageID)
	switch f.HTTPStatus() {
	case http.StatusMethodNotAllowed:
		x.w.Header().Set("Allow", http.MethodPost)
	case http.StatusServiceUnavailable:
		x.w.Header().Set("Retry-After", "1")
	}
	x.begin(f.HTTPStatus(), f.ContentType(), int64(len(b)))
	x.write(b)
}

// recovered turns a panic below the door into an answer; the guard has recorded
// it already. The panic's text may quote a patient, so only its type is logged.
func (x *exchange) recovered() {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler {
		panic(p)
	}
	id := shortID()
	x.d.o.Log.Error("a request ended in a panic", "reference", id, "action", x.header.Action, "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
	if x.sent {
		x.abort(errors.New("panic after the answer was begun"))
		return
	}
	x.refuse(soap.Fail("Something failed inside the server. Give its operator the reference "+id+".", "Noe gikk galt i tjeneren. Oppgi referansen "+id+" til driften."))
	x.drain()
}
