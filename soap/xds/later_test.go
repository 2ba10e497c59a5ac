package xds

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"samdok/access"
	"samdok/internal/outward"
	"samdok/metadata"
	"samdok/sharing"
	"samdok/soap"
	"samdok/soap/async"
	"samdok/soap/mtom"
)

// asynchronously makes serve's client ask for answers at an inbox of its own.
var asynchronously bool

// postbox is a Later that delivers once, as soon as the request was accepted.
type postbox struct {
	t         testing.TB
	gate      *outward.Gate
	inbox     *Inbox
	doors     map[string]Door
	work      sync.WaitGroup
	broken    error
	mu        sync.Mutex
	delivered []error
	letters   []*async.Postponed
}

func newPostbox(t testing.TB) *postbox {
	t.Helper()
	p := &postbox{t: t}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.inbox.ServeHTTP(w, r) }))
	p.inbox = NewInbox(srv.URL+"/answers", mtom.Limits{}, t.TempDir())
	p.gate = gateTo(t, srv.URL+"/answers")
	t.Cleanup(func() {
		p.work.Wait()
		p.gate.Close()
		srv.Close()
	})
	return p
}

func gateTo(t testing.TB, address string) *outward.Gate {
	t.Helper()
	allowed, err := outward.ParseAllowed(address)
	if err != nil {
		t.Fatal(err)
	}
	g, err := outward.New(outward.Options{Allowed: allowed})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func (p *postbox) Allowed(address string) error { return p.gate.Check(address) }

func (p *postbox) Keep(_ context.Context, l *async.Postponed) error {
	if p.broken != nil {
		return p.broken
	}
	b, err := l.Encode()
	if err != nil {
		return err
	}
	if l, err = async.Decode(b); err != nil {
		return err
	}
	p.mu.Lock()
	p.letters = append(p.letters, l)
	p.mu.Unlock()
	p.work.Go(func() {
		err := p.deliver(l)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.delivered = append(p.delivered, err)
	})
	return nil
}

func (p *postbox) deliver(l *async.Postponed) error {
	return l.Deliver(context.Background(), p.gate.Post, func(ctx context.Context, l *async.Postponed, w http.ResponseWriter) {
		p.doors[l.Door].Resume(ctx, l, w)
	})
}

// TestAsynchronously: whatever a client can do, it can do with its answers at
// another address.
func TestAsynchronously(t *testing.T) {
	asynchronously = true
	defer func() { asynchronously = false }()
	for name, test := range map[string]func(*testing.T){
		"provide": TestProvideRoundTrip, "register": TestRegisterRoundTrip, "find": TestFindRoundTrip, "find holds back": TestFindHoldsBack,
		"retrieve": TestRetrieveRoundTrip, "retrieve nothing": TestRetrieveNothing,
		"update": TestUpdateRoundTrip, "on-demand": TestOnDemandRoundTrip, "remove": TestRemoveRoundTrip, "remove documents": TestRemoveDocumentsRoundTrip,
	} {
		t.Run(name, test)
	}
}

func receive(context.Context, access.Caller, sharing.Register) (sharing.Receipt, error) {
	return sharing.Receipt{}, nil
}

// asked is an envelope with a ReplyTo.
func asked(action, replyTo, body string) string {
	return strings.Replace(envelope(action, body), soap.Anonymous, replyTo, 1)
}

func TestLaterAccepts(t *testing.T) {
	asynchronously = true
	defer func() { asynchronously = false }()
	s := serve(t, &service{retrieve: retrieveTenKB}, DoorOptions{})
	body := asked(actionRetrieve, s.c.o.Inbox.url, retrieveOne)
	if !strings.Contains(body, "ReplyTo") {
		t.Fatal(body)
	}
	status, contentType, answer := s.post(t, "/repository", soap.ContentType, body)
	if status != 202 || contentType != "" || answer != "" {
		t.Errorf("%d %q %.300q", status, contentType, answer)
	}
	for name, c := range map[string]struct {
		path, body string
		status     int
		want       string
	}{
		"not allowed":    {"/repository", asked(actionRetrieve, "http://169.254.169.254/", retrieveOne), 400, "InvalidAddress"},
		"unknown action": {"/registry", asked(actionRetrieve, s.c.o.Inbox.url, retrieveOne), 400, "ActionNotSupported"},
		"not whole":      {"/repository", strings.TrimSuffix(body, ">"), 400, "not well-formed"},
		"large":          {"/repository", asked(actionRetrieve, s.c.o.Inbox.url, retrieveOne+strings.Repeat(" ", maxStored)), 413, "limits.root-bytes"},
	} {
		if status, _, answer := s.post(t, c.path, soap.ContentType, c.body); status != c.status || !strings.Contains(answer, c.want) {
			t.Errorf("%s: %d %.300s", name, status, answer)
		}
	}
}

// TestLaterNotKept: without a place in the outbox nothing is accepted.
func TestLaterNotKept(t *testing.T) {
	asynchronously = true
	defer func() { asynchronously = false }()
	s := serve(t, &service{register: receive, find: findAll(nil, sharing.Found{}, nil).find}, DoorOptions{})
	s.postbox.broken = errors.New("disk full")
	sub, _, _ := sample(1)
	var f *FaultError
	if _, err := s.c.Register(context.Background(), sub); !errors.As(err, &f) || f.Status != 503 || !strings.Contains(f.Reason, "worked on") {
		t.Errorf("%v", err)
	}
	q := metadata.StoredQuery{Query: &metadata.FindDocuments{Patient: "1^^^&1.2&ISO", Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}}
	if _, err := s.c.Find(context.Background(), q); !errors.As(err, &f) || f.Status != 503 || !strings.Contains(f.Reason, "Nothing was done") {
		t.Errorf("%v", err)
	}
}

// TestLaterCaller: who asked is who is answered, when the answer is made.
func TestLaterCaller(t *testing.T) {
	asynchronously = true
	defer func() { asynchronously = false }()
	var callers []access.Caller
	n := 0
	s := serve(t, &service{retrieve: func(ctx context.Context, c access.Caller, r []metadata.DocumentRequest) (*sharing.Retrieved, error) {
		callers = append(callers, c)
		return retrieveTenKB(ctx, c, r)
	}}, DoorOptions{Caller: func(*http.Request, soap.Header) access.Caller {
		n++
		return access.Caller{Subject: "the one who asked", Role: metadata.CodeRef{Value: "LE"}}
	}})
	if _, err := s.c.Retrieve(context.Background(), []metadata.DocumentRequest{{RepositoryID: "1.2.3", UniqueID: "1.2.3.4"}}, func(d Document) error {
		_, err := io.Copy(io.Discard, d.Body)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if n != 1 || len(callers) != 1 || callers[0].Subject != "the one who asked" || callers[0].Role.Value != "LE" {
		t.Errorf("%d, %+v", n, callers)
	}
}

// TestLaterPanic: a panic is answered in the connection, not as HTTP 202.
func TestLaterPanic(t *testing.T) {
	asynchronously = true
	defer func() { asynchronously = false }()
	s := serve(t, &service{register: func(context.Context, access.Caller, sharing.Register) (sharing.Receipt, error) { panic("x") }}, DoorOptions{})
	sub, _, _ := sample(1)
	var f *FaultError
	if _, err := s.c.Register(context.Background(), sub); !errors.As(err, &f) || f.Status != 500 {
		t.Errorf("%v", err)
	}
}

// TestInbox: an answer that relates to nothing is refused, one that came before is
// ignored, and a call gives up with its context.
func TestInbox(t *testing.T) {
	asynchronously = true
	defer func() { asynchronously = false }()
	s := serve(t, &service{register: receive}, DoorOptions{})
	p := s.postbox
	sub, _, _ := sample(1)
	if _, err := s.c.Register(context.Background(), sub); err != nil {
		t.Fatal(err)
	}
	p.work.Wait()
	if err := p.deliver(p.letters[0]); err != nil || p.delivered[0] != nil {
		t.Errorf("the same answer again: %v; the first: %v", err, p.delivered[0])
	}
	stray := *p.letters[0]
	stray.Answer = &async.Answer{ContentType: soap.ContentType, Body: bytes.ReplaceAll(stray.Answer.Body, []byte("RelatesTo>urn:uuid:"), []byte("RelatesTo>urn:uuid:0"))}
	if err := p.deliver(&stray); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("an answer to nothing: %v", err)
	}
	p.inbox.url = "http://127.0.0.1:1/answers"
	p.gate = gateTo(t, "http://127.0.0.1:1")
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.c.Register(ctx, sub); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an answer that does not come: %v", err)
	}
}

// TestAnsweredHere: a server that ignores wsa:ReplyTo is found out.
func TestAnsweredHere(t *testing.T) {
	s := serve(t, &service{register: receive}, DoorOptions{Later: nil})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		body := strings.ReplaceAll(string(b), "http://127.0.0.1:1/answers", soap.Anonymous)
		_, ct, answer := s.post(t, "/registry", r.Header.Get("Content-Type"), body)
		w.Header().Set("Content-Type", ct)
		io.WriteString(w, answer)
	}))
	defer srv.Close()
	c := NewClient(Options{RegistryURL: srv.URL, Inbox: NewInbox("http://127.0.0.1:1/answers", mtom.Limits{}, t.TempDir()), HTTP: srv.Client()})
	sub, _, _ := sample(1)
	var wrong *ProtocolError
	if _, err := c.Register(context.Background(), sub); !errors.As(err, &wrong) || !strings.Contains(err.Error(), "same connection") {
		t.Errorf("%v", err)
	}
}
