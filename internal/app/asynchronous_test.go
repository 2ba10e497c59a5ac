package app

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/hl7/hl7v3"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/soap/mtom"
	"samdok/soap/xds"
)

// answersAt is a place for answers, and how many were taken there.
func answersAt(t *testing.T) (inbox *xds.Inbox, address string, taken *atomic.Int64) {
	t.Helper()
	taken = new(atomic.Int64)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inbox.ServeHTTP(w, r)
		taken.Add(1)
	}))
	address = "http://" + srv.Listener.Addr().String() + "/answers"
	inbox = xds.NewInbox(address, mtom.Limits{}, t.TempDir())
	srv.Start()
	t.Cleanup(srv.Close)
	return inbox, address, taken
}

// reaches waits until so many answers were taken, each by a handler that is done.
func reaches(t *testing.T, taken *atomic.Int64, n int64) {
	t.Helper()
	for until := time.Now().Add(time.Minute); taken.Load() < n && time.Now().Before(until); {
		time.Sleep(time.Millisecond)
	}
	if got := taken.Load(); got != n {
		t.Errorf("%d answers were posted, expected %d", got, n)
	}
}

// Another community's gateway can have the answers to ITI-38 at its wsa:ReplyTo,
// objects and refusals, in the name of this community.
func TestCrossGatewayQueryAsynchronously(t *testing.T) {
	inbox, address, taken := answersAt(t)
	patient := metadatatest.New(3).Patient()
	r := newRegion(t, 1, patient, "async-answers", "on", "outward-allow", address)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	k := xds.NewCommunity(xds.CommunityOptions{Client: xds.Options{QueryURL: r.app.Info().XCA, RetrieveURL: r.app.Info().XCA, Inbox: inbox}})
	home := r.app.Info().HomeCommunityID
	var found []metadata.Object
	find := func(home string) ([]fault.Problem, error) {
		found = nil
		q := metadata.StoredQuery{Home: home, Query: &metadata.GetDocuments{Documents: metadata.Target{UniqueIDs: []string{r.entry.UniqueID}}}}
		return k.Find(ctx, access.Caller{}, q, func(o metadata.Object) error {
			found = append(found, o)
			return nil
		})
	}
	problems, err := find(home)
	if err != nil || len(problems) > 0 || len(found) != 1 {
		t.Fatalf("%d objects, %v, %v", len(found), problems, err)
	}
	if e, ok := found[0].(*metadata.DocumentEntry); !ok || e.UniqueID != r.entry.UniqueID || e.Home != home {
		t.Errorf("%+v", found[0])
	}
	_, err = find("urn:oid:1.9")
	if got := codes(fault.ProblemsOf(err)); got != "XDSUnknownCommunity@1" {
		t.Errorf("another home: %q, %v", got, err)
	}
	reaches(t, taken, 2)
}

// The acknowledgement of ITI-44 can go to a wsa:ReplyTo, a refusal too, and what it
// acknowledges is done.
func TestFeedAsynchronously(t *testing.T) {
	const authority = "1.3.6.1.4.1.21367.2005.13.20.1000"
	inbox, address, taken := answersAt(t)
	a, _ := serve(t, settings(t, t.TempDir(), "patients", "known", "patient-authorities", authority, "async-answers", "on", "outward-allow", address), io.Discard)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	later := xds.NewClient(xds.Options{IdentityURL: a.Info().PatientIdentity, Inbox: inbox})
	here := xds.NewClient(xds.Options{IdentityURL: a.Info().PatientIdentity})
	ids := func(id, authority string) []hl7v3.II { return []hl7v3.II{{Root: authority, Extension: id}} }
	for _, id := range []string{"one", "two"} {
		if err := later.Feed(ctx, &hl7v3.Feed{Kind: hl7v3.Added, Patient: ids(id, authority)}, "Nordmann", "Kari"); err != nil {
			t.Fatal(err)
		}
	}
	if err := later.Feed(ctx, &hl7v3.Feed{Kind: hl7v3.Merged, Patient: ids("one", authority), Subsumed: ids("two", authority)}, "Nordmann", "Kari"); err != nil {
		t.Error(err)
	}
	reaches(t, taken, 3)
	var refused *xds.FeedRefusedError
	for name, c := range map[string]*xds.Client{"later": later, "here": here} { // a subsumed id cannot survive
		err := c.Feed(ctx, &hl7v3.Feed{Kind: hl7v3.Merged, Patient: ids("two", authority), Subsumed: ids("one", authority)}, "Nordmann", "Kari")
		if !errors.As(err, &refused) || refused.Code != "CE" || strings.TrimSpace(refused.Text) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	reaches(t, taken, 4)
}
