package cases_test

import (
	"testing"

	"samdok/conformance"
	"samdok/conformance/cases"
	"samdok/internal/servertest"
)

// pair is a registry and a repository of its own process that registers there.
func pair(t *testing.T) (registry, repository *servertest.Server) {
	registry = servertest.Start(t, t.TempDir(), "--roles", "registry", "--multi-patient-queries", "on")
	repository = servertest.Start(t, t.TempDir(), "--roles", "repository", "--registry-url", registry.Registry, "--home-community-id", registry.HomeCommunityID, "--recipient-mailboxes", "974749025")
	return registry, repository
}

// A registry and a repository that are two servers pass every case, as one does.
func TestSeparateServersConform(t *testing.T) {
	registry, repository := pair(t)
	to := conformance.Target{Registry: registry.Registry, Repository: repository.Repository, XDR: repository.Recipient, Mailbox: "974749025", Home: registry.HomeCommunityID}
	for _, c := range cases.All() {
		t.Run(c.ID, func(t *testing.T) {
			r := conformance.Run(t.Context(), to, []conformance.Case{c}, nil, nil).Results[0]
			if r.Outcome != conformance.Pass {
				t.Errorf("%s (%s): %s: %s", c.Title, c.Section, r.Outcome, r.Detail)
			}
		})
	}
}
