package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
)

// Every way in which a request fails has its word.
func TestTroubles(t *testing.T) {
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secure.StartTLS()
	defer secure.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	get := func(address string) error {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Get(address)
		if err == nil {
			resp.Body.Close()
		}
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	for want, err := range map[Trouble]error{
		Slow: fmt.Errorf("%w: %w", errSlow, context.DeadlineExceeded), Busy: errFull, Stalled: errStall,
		Unnamed: &net.DNSError{Name: "x.example", IsNotFound: true}, Closed: get(gone.URL), Certificate: get(secure.URL),
		Unreachable: &net.OpError{Op: "read", Err: errors.New("reset")}, Wrong: errors.New("XML"),
	} {
		if got := troubleOf(err); got != want {
			t.Errorf("%v is %q, not %q", err, got, want)
		}
	}
	if got := troubleOf(get("https" + plain.URL[len("http"):])); got != Certificate && got != Wrong {
		t.Errorf("TLS to a plain server is %q", got)
	}
}

// An operator sees since when a community is left alone, until when, and why: that it is
// left alone does not hide the reason.
func TestStatusSaysSinceWhenAndWhy(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	var fails error
	c := &community{find: func(context.Context, metadata.StoredQuery, func(metadata.Object) error) ([]fault.Problem, error) {
		return nil, fails
	}}
	g, err := New(Options{Clock: func() time.Time { return now }, TempDir: t.TempDir()}, []Member{{Home: home(1), Community: c, Limits: Limits{Retries: -1, Failures: 2, Pause: time.Hour}}})
	if err != nil {
		t.Fatal(err)
	}
	find := func() {
		t.Helper()
		if _, err := g.Find(t.Context(), access.Caller{}, findDocuments, nil, Sink{Show: func(metadata.Object, bool) error { return nil }}); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Second)
	}
	find()
	if s := g.Status()[0]; s.State != "closed" || !s.Since.IsZero() || !s.FailingSince.IsZero() || s.LastAnswer.IsZero() {
		t.Errorf("%+v", s)
	}
	fails = errors.New("XML")
	began := now
	find()
	find()
	find() // not sent
	s := g.Status()[0]
	if s.State != "open" || s.Since != began.Add(time.Second) || s.Until != s.Since.Add(time.Hour) || s.FailingSince != began || s.LastFailure != began.Add(time.Second) ||
		s.Problem != Wrong || s.Reason == "" || s.Refused != 1 || s.Failed != 2 {
		t.Errorf("%+v", s)
	}
}
