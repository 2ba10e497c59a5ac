package sharing_test

import (
	"errors"
	"strings"
	"testing"

	"samdok/access"
	"samdok/audit"
	"samdok/fault"
	"samdok/metadata"
	"samdok/sharing"
)

// A refusal is recorded as what failed, and not answered without its record.
func TestRefusalIsRecorded(t *testing.T) {
	w := newWorld(t)
	r := sharing.Refused{Action: access.ActionDiscover, Transaction: "ITI-55", Patients: []metadata.PatientID{w.patient.ID()},
		Problems: []fault.Problem{{Code: fault.UnknownStoredQuery, Context: strings.Repeat("æ", 300)}}}
	if err := w.Refuse(t.Context(), caller, r); err != nil {
		t.Fatal(err)
	}
	e := w.last()
	if e.Outcome != audit.Failed || e.Request.Action != access.ActionDiscover || e.Request.Transaction != "ITI-55" || len(e.Request.Patients) != 1 || e.Request.Caller != caller ||
		len(e.Codes) != 1 || len(e.Details) != 1 || len(e.Details[0].Value) > 256 {
		t.Errorf("%+v", e)
	}
	w.records.err = errors.New("disk full")
	if err := w.Refuse(t.Context(), caller, r); fault.KindOf(err) != fault.Unavailable {
		t.Error(err)
	}
}
