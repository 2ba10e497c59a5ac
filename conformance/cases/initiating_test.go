package cases_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"samdok/conformance"
	"samdok/conformance/cases"
	"samdok/conformance/mutant"
	"samdok/internal/servertest"
)

// initiating is a gateway in front of the kit's communities.
func initiating(t *testing.T) conformance.Target {
	const deadline = 2 * time.Second
	address, file := freePort(t), filepath.Join(t.TempDir(), "communities.yaml")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := conformance.PrintCommunities(f, address, deadline); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s := servertest.Start(t, t.TempDir(), "--gateway-communities", file, "--gateway-respond", "on", "--gateway-respond-scope", "communities", "--locator-probe", "0")
	return conformance.Target{Initiating: s.Gateway, Bridge: s.XCA, Communities: address, Deadline: deadline}
}

// A right initiating gateway passes every case.
func TestInitiatingGatewayConforms(t *testing.T) {
	to := initiating(t)
	for _, c := range cases.Initiating() {
		t.Run(c.ID, func(t *testing.T) {
			if r := conformance.Run(t.Context(), to, []conformance.Case{c}, nil, nil).Results[0]; r.Outcome != conformance.Pass {
				t.Errorf("%s (%s): %s: %s", c.Title, c.Section, r.Outcome, r.Detail)
			}
		})
	}
}

// Every case fails when its rule is broken on the way.
func TestInitiatingMutantsFail(t *testing.T) {
	to := initiating(t)
	for _, c := range cases.Initiating() {
		t.Run(c.ID, func(t *testing.T) {
			if c.Mutant.Request == nil && c.Mutant.Response == nil && c.Mutant.Onward == nil {
				t.Fatal("the case has no mutant")
			}
			proxy := mutant.New(to, c.Mutant)
			defer proxy.Close()
			if r := conformance.Run(t.Context(), proxy.Target(), []conformance.Case{c}, nil, nil).Results[0]; r.Outcome != conformance.Fail {
				t.Errorf("the mutant was not found: %s %s", r.Outcome, r.Detail)
			}
		})
	}
}
