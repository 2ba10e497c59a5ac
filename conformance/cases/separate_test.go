package cases_test

import (
	"strings"
	"testing"

	"samdok/conformance"
	"samdok/conformance/cases"
	"samdok/internal/servertest"
)

// pair is a registry and a repository of its own process that registers there.
func pair(t *testing.T, args ...string) (registry, repository *servertest.Server) {
	registry = servertest.Start(t, t.TempDir(), append(args, "--roles", "registry", "--multi-patient-queries", "on")...)
	repository = servertest.Start(t, t.TempDir(), append(args, "--roles", "repository", "--registry-url", registry.Registry, "--home-community-id", registry.HomeCommunityID, "--recipient-mailboxes", "974749025")...)
	return registry, repository
}

// notOfPair tells cases of what the pair has no address for: identity feeds and
// subscriptions, which concern a registry only, gateways, which need both, and documents
// that are made where the registry is somebody else's.
func notOfPair(id string) bool {
	for _, start := range []string{"ITI-8/", "ITI-44/", "ITI-52/", "ITI-53/", "ITI-54/", "ITI-43/on-demand-", "ITI-38/", "ITI-39/", "ITI-55/", "ITI-56/", "SOAP/action-of-cross-gateway-"} {
		if strings.HasPrefix(id, start) {
			return true
		}
	}
	return false
}

// A registry and a repository that are two servers pass every case, as one does.
func TestSeparateServersConform(t *testing.T) {
	replyTo := freePort(t)
	registry, repository := pair(t, "--async-answers", "on", "--outward-allow", "http://"+replyTo, "--limits-query-leafclass", "60")
	to := conformance.Target{Registry: registry.Registry, Repository: repository.Repository, XDR: repository.Recipient, Mailbox: "974749025", Home: registry.HomeCommunityID, ReplyTo: replyTo, QueryLimit: 60}
	for _, c := range cases.All() {
		t.Run(c.ID, func(t *testing.T) {
			r := conformance.Run(t.Context(), to, []conformance.Case{c}, nil, nil).Results[0]
			if r.Outcome == conformance.Skip && notOfPair(c.ID) {
				return
			}
			if r.Outcome != conformance.Pass {
				t.Errorf("%s (%s): %s: %s", c.Title, c.Section, r.Outcome, r.Detail)
			}
		})
	}
}
