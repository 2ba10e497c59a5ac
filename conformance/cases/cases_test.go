package cases_test

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"samdok/conformance"
	"samdok/conformance/cases"
	"samdok/conformance/mutant"
	"samdok/internal/servertest"
)

func target(t *testing.T, args ...string) conformance.Target {
	replyTo := freePort(t)
	nobody := filepath.Join(t.TempDir(), "communities.yaml") // a locator that knows of itself only
	if err := os.WriteFile(nobody, []byte("communities: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := servertest.Start(t, t.TempDir(), append(args, "--multi-patient-queries", "on", "--on-demand-snapshots", "on", "--recipient-mailboxes", "974749025", "--mllp-listen", "127.0.0.1:0", "--dsub-broker", "on", "--outward-allow", "loopback", "--gateway-respond", "on", "--gateway-communities", nobody, "--gateway-discovery", "names", "--async-answers", "on", "--limits-query-leafclass", "60")...)
	return conformance.Target{Registry: s.Registry, Repository: s.Repository, XDR: s.Recipient, Mailbox: "974749025", Home: s.HomeCommunityID, Identity: s.PatientIdentity, MLLP: s.MLLP, Subscription: s.Subscription, XCA: s.XCA, XCPD: s.XCPD, ReplyTo: replyTo, QueryLimit: 60}
}

// freePort is an address that nobody listens on and that no connection goes out
// from: those to 127.0.0.1 come from there too.
func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// known is a server that takes documents of those patients only that a feed has
// told of.
func known(t *testing.T) conformance.Target {
	to := target(t, "--patients", "known", "--patient-authorities", "1.3.6.1.4.1.21367.2005.13.20.1000")
	to.Announce = true
	return to
}

// isFeed tells cases of identity feeds, which need a server that knows its patients.
func isFeed(c conformance.Case) bool {
	return strings.HasPrefix(c.ID, "ITI-8/") || strings.HasPrefix(c.ID, "ITI-44/")
}

// A right server passes every case.
func TestServerConforms(t *testing.T) {
	open, known := target(t), known(t)
	for _, c := range cases.All() {
		t.Run(c.ID, func(t *testing.T) {
			to := open
			if isFeed(c) {
				to = known
			}
			r := conformance.Run(t.Context(), to, []conformance.Case{c}, nil, nil).Results[0]
			if r.Outcome != conformance.Pass {
				t.Errorf("%s (%s): %s: %s", c.Title, c.Section, r.Outcome, r.Detail)
			}
		})
	}
}

// Every case fails when its rule is broken on the way.
func TestMutantsFail(t *testing.T) {
	open, known := target(t), known(t)
	for _, c := range cases.All() {
		t.Run(c.ID, func(t *testing.T) {
			to := open
			if isFeed(c) {
				to = known
			}
			if c.Mutant.Request == nil && c.Mutant.Response == nil && c.Mutant.Delivery == nil {
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
	for _, c := range slices.Concat(cases.All(), cases.Initiating()) {
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
