package cases_test

import (
	"strings"
	"testing"

	"samdok/conformance"
	"samdok/conformance/cases"
	"samdok/conformance/mutant"
	"samdok/internal/servertest"
)

func target(t *testing.T) conformance.Target {
	s := servertest.Start(t, t.TempDir(), "--multi-patient-queries", "on")
	return conformance.Target{Registry: s.Registry, Repository: s.Repository, Home: s.HomeCommunityID}
}

// A right server passes every case.
func TestServerConforms(t *testing.T) {
	to := target(t)
	for _, c := range cases.All() {
		t.Run(c.ID, func(t *testing.T) {
			r := conformance.Run(t.Context(), to, []conformance.Case{c}, nil, nil).Results[0]
			if r.Outcome != conformance.Pass {
				t.Errorf("%s (%s): %s: %s", c.Title, c.Section, r.Outcome, r.Detail)
			}
		})
	}
}

// Every case fails when its rule is broken on the way.
func TestMutantsFail(t *testing.T) {
	to := target(t)
	for _, c := range cases.All() {
		t.Run(c.ID, func(t *testing.T) {
			if c.Mutant.Request == nil && c.Mutant.Response == nil {
				t.Fatal("the case has no mutant")
			}
			proxy := mutant.New(to, c.Mutant)
			defer proxy.Close()
			r := conformance.Run(t.Context(), proxy.Target(), []conformance.Case{c}, nil, nil).Results[0]
			if r.Outcome != conformance.Fail {
				t.Errorf("the mutant was not found: %s %s", r.Outcome, r.Detail)
			}
		})
	}
}

// Ids are stable names: unique, and of the transaction that they test.
func TestIDs(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range cases.All() {
		if seen[c.ID] {
			t.Errorf("%s occurs twice", c.ID)
		}
		seen[c.ID] = true
		if c.Title == "" || c.Section == "" || !strings.Contains(c.ID, "/") {
			t.Errorf("%s lacks a title, a section or a transaction", c.ID)
		}
	}
	if len(seen) < 250 {
		t.Errorf("only %d cases", len(seen))
	}
}
