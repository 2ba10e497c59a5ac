package xds

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"samdok/access"
	"samdok/mailbox"
	"samdok/metadata"
	"samdok/sharing"
	"samdok/subscription"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service is a sharing.Service made of functions; one that is nil is not expected
// to be called.
type service struct {
	provide  func(context.Context, access.Caller, sharing.Provide) (sharing.Receipt, error)
	receive  func(context.Context, access.Caller, sharing.Provide) (sharing.Receipt, error)
	register func(context.Context, access.Caller, sharing.Register) (sharing.Receipt, error)
	onDemand func(context.Context, access.Caller, sharing.Register) (sharing.Receipt, error)
	find     func(context.Context, access.Caller, metadata.StoredQuery, func(metadata.Object) error) (sharing.Found, error)
	retrieve func(context.Context, access.Caller, []metadata.DocumentRequest) (*sharing.Retrieved, error)
	update   func(context.Context, access.Caller, sharing.Update) (sharing.Receipt, error)
	remove   func(context.Context, access.Caller, []metadata.ID) error
	removeDs func(context.Context, access.Caller, []metadata.DocumentRequest) (sharing.Removed, error)
	feed     func(context.Context, access.Caller, sharing.PatientFeed) error

	subscribe   func(context.Context, access.Caller, sharing.Subscribe) (subscription.Subscription, error)
	renew       func(context.Context, access.Caller, metadata.UUID, func(time.Time) time.Time) (subscription.Subscription, error)
	unsubscribe func(context.Context, access.Caller, metadata.UUID) error
	publish     func(context.Context, access.Caller, string, []metadata.Object) error
}

func (s *service) Subscribe(ctx context.Context, c access.Caller, q sharing.Subscribe) (subscription.Subscription, error) {
	return s.subscribe(ctx, c, q)
}

func (s *service) Renew(ctx context.Context, c access.Caller, id metadata.UUID, until func(time.Time) time.Time) (subscription.Subscription, error) {
	return s.renew(ctx, c, id, until)
}

func (s *service) Unsubscribe(ctx context.Context, c access.Caller, id metadata.UUID) error {
	return s.unsubscribe(ctx, c, id)
}

func (s *service) Publish(ctx context.Context, c access.Caller, producer string, objects []metadata.Object) error {
	return s.publish(ctx, c, producer, objects)
}

// Notify is no door's.
func (s *service) Notify(context.Context, access.Caller, subscription.Subscription, subscription.Notice) ([]metadata.Object, error) {
	panic("a door asks what subscribers are told")
}

func (s *service) Feed(ctx context.Context, c access.Caller, f sharing.PatientFeed) error {
	return s.feed(ctx, c, f)
}

func (s *service) Update(ctx context.Context, c access.Caller, u sharing.Update) (sharing.Receipt, error) {
	return s.update(ctx, c, u)
}

func (s *service) Remove(ctx context.Context, c access.Caller, ids []metadata.ID) error {
	return s.remove(ctx, c, ids)
}

func (s *service) RemoveDocuments(ctx context.Context, c access.Caller, r []metadata.DocumentRequest) (sharing.Removed, error) {
	return s.removeDs(ctx, c, r)
}

func (s *service) Provide(ctx context.Context, c access.Caller, p sharing.Provide) (sharing.Receipt, error) {
	return s.provide(ctx, c, p)
}

func (s *service) Receive(ctx context.Context, c access.Caller, p sharing.Provide) (sharing.Receipt, error) {
	return s.receive(ctx, c, p)
}

func (s *service) ListMail(context.Context, access.Caller, string, func(mailbox.Message) error) (int, error) {
	panic("no door lists mail")
}

func (s *service) OpenMail(context.Context, access.Caller, string, string) (sharing.Mail, error) {
	panic("no door opens mail")
}

func (s *service) Register(ctx context.Context, c access.Caller, r sharing.Register) (sharing.Receipt, error) {
	return s.register(ctx, c, r)
}

func (s *service) RegisterOnDemand(ctx context.Context, c access.Caller, r sharing.Register) (sharing.Receipt, error) {
	return s.onDemand(ctx, c, r)
}

func (s *service) Find(ctx context.Context, c access.Caller, q metadata.StoredQuery, show func(metadata.Object) error) (sharing.Found, error) {
	return s.find(ctx, c, q, show)
}

func (s *service) Retrieve(ctx context.Context, c access.Caller, r []metadata.DocumentRequest) (*sharing.Retrieved, error) {
	return s.retrieve(ctx, c, r)
}

// logged is a log that tests can read.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// server runs both doors over a service.
type server struct {
	*httptest.Server
	log     *logged
	c       *Client
	postbox *postbox // nil unless asynchronously
}

func serve(t testing.TB, s *service, o DoorOptions) *server {
	t.Helper()
	l := &logged{}
	o.Log = slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
	mux := http.NewServeMux()
	var post *postbox
	if asynchronously {
		post = newPostbox(t)
		o.Later = post
	}
	reg, repo := RegistryHandler(s, o), RepositoryHandler(s, o)
	mux.Handle("/registry", reg)
	mux.Handle("/repository", repo)
	srv := httptest.NewServer(mux)
	hc := srv.Client()
	t.Cleanup(func() {
		hc.CloseIdleConnections()
		srv.Close()
	})
	co := Options{RegistryURL: srv.URL + "/registry", RepositoryURL: srv.URL + "/repository", HTTP: hc}
	if post != nil {
		post.doors = map[string]Door{RegistryDoor: reg, RepositoryDoor: repo}
		co.Inbox = post.inbox
	}
	return &server{srv, l, NewClient(co), post}
}

// post sends a raw body and returns status, Content-Type and body of the answer.
func (s *server) post(t testing.TB, path, contentType, body string) (int, string, string) {
	t.Helper()
	return s.postReader(t, path, contentType, strings.NewReader(body))
}

func (s *server) postReader(t testing.TB, path, contentType string, body io.Reader) (int, string, string) {
	t.Helper()
	resp, err := s.Client().Post(s.URL+path, contentType, body)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("answer cut off after %d bytes: %v", len(b), err)
	}
	return resp.StatusCode, resp.Header.Get("Content-Type"), string(b)
}

// collect is a Provide that reads everything and keeps it.
type collect struct {
	sub   *metadata.Submission
	probs []string
	docs  map[metadata.ID]string
	order []metadata.ID
	c     access.Caller
}

func (k *collect) provide(_ context.Context, c access.Caller, p sharing.Provide) (sharing.Receipt, error) {
	*k = collect{sub: p.Submission, docs: map[metadata.ID]string{}, c: c}
	for _, problem := range p.Problems {
		k.probs = append(k.probs, string(problem.Code))
	}
	for {
		id, r, err := p.Documents.Next()
		if err == io.EOF {
			return sharing.Receipt{}, nil
		}
		if err != nil {
			return sharing.Receipt{}, err
		}
		b, err := io.ReadAll(r)
		if err != nil {
			return sharing.Receipt{}, err
		}
		k.docs[id] = string(b)
		k.order = append(k.order, id)
	}
}
