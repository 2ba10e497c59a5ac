package sharing_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"samdok/access"
	"samdok/audit"
	"samdok/fault"
	"samdok/locator"
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

// Statements that a locator refuses are no success: all of them refused have failed, some
// of them are a partial success.
func TestRefusedStatementsAreRecorded(t *testing.T) {
	w := newWorld(t)
	l, _ := w.locating()
	good, bad := w.statement(northern, ""), w.statement(southern, "")
	bad.AsOf = w.now().Add(48 * time.Hour)
	for name, c := range map[string]struct {
		all  []locator.Statement
		want []audit.Outcome
	}{
		"all right": {[]locator.Statement{good}, []audit.Outcome{audit.Success}},
		"none":      {[]locator.Statement{bad}, []audit.Outcome{audit.Failed}},
		"some":      {[]locator.Statement{good, bad}, []audit.Outcome{audit.Success, audit.Failed}},
	} {
		w.records.events = nil
		outcomes, err := l.State(t.Context(), caller, c.all)
		if err != nil || len(outcomes) != len(c.all) {
			t.Fatal(name, outcomes, err)
		}
		var got []audit.Outcome
		for _, e := range w.records.events {
			got = append(got, e.Outcome)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: recorded %v, want %v", name, got, c.want)
		}
	}
}
