package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"samdok/access"
	"samdok/access/guard"
	"samdok/audit"
	"samdok/fault"
	"samdok/internal/config"
	"samdok/internal/jobs"
	"samdok/internal/xmlscan"
	"samdok/metadata"
	"samdok/metadata/ebrim"
	"samdok/registry"
	"samdok/repository"
	"samdok/soap/xds"
)

// settleEvery is how often submissions of unknown fate are looked at.
const settleEvery = 2 * time.Second

// elsewhere is somebody else's registry, as registry.Remote and readiness want it.
type elsewhere struct {
	client  *xds.Client
	url     *url.URL
	tls     *tls.Config
	timeout time.Duration
	rest    rest
}

// newElsewhere makes the way to the registry of the configuration.
func newElsewhere(c config.Registry, spool string, clock func() time.Time) (*elsewhere, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, fmt.Errorf("setting registry.url: %w", err)
	}
	e := &elsewhere{url: u, timeout: c.Timeout, rest: rest{clock: clock}}
	if e.tls, err = outgoingTLS(c); err != nil {
		return nil, err
	}
	transport := &http.Transport{
		DialContext:     (&net.Dialer{Timeout: min(c.Timeout, 10*time.Second), KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig: e.tls, TLSHandshakeTimeout: min(c.Timeout, 10*time.Second),
		MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second, ForceAttemptHTTP2: true,
	}
	// A registry that sends us on is configured wrongly: a message is not repeated
	// to an address that nobody chose.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	e.client = xds.NewClient(xds.Options{RegistryURL: c.URL, QueryURL: c.QueryURL, TempDir: spool,
		HTTP: &http.Client{Transport: transport, CheckRedirect: stay}})
	return e, nil
}

func outgoingTLS(c config.Registry) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		b, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("setting registry.ca: %w", err)
		}
		if t.RootCAs = x509.NewCertPool(); !t.RootCAs.AppendCertsFromPEM(b) {
			return nil, fmt.Errorf("setting registry.ca: %s holds no certificate in PEM", c.CA)
		}
	}
	if c.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("settings registry.cert and registry.key: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}

// Ready implements registry.Sender.
func (e *elsewhere) Ready() error { return e.rest.wait() }

// Register implements registry.Sender.
func (e *elsewhere) Register(ctx context.Context, s *metadata.Submission) ([]fault.Problem, error) {
	var answer ebrim.RegistryResponse
	err := e.ask(ctx, func(ctx context.Context) (err error) {
		answer, err = e.client.Register(ctx, s)
		return err
	})
	if err == nil && answer.Status != ebrim.Success {
		return nil, errors.New("the registry answered a status that ITI-42 does not have")
	}
	return answer.Problems, err
}

// Sets implements registry.Sender.
func (e *elsewhere) Sets(ctx context.Context, uniqueID string) ([]metadata.ID, error) {
	var answer *ebrim.QueryResponse
	err := e.ask(ctx, func(ctx context.Context) (err error) {
		answer, err = e.client.Find(ctx, metadata.StoredQuery{Query: &metadata.GetSubmissionSetAndContents{Set: metadata.Target{UniqueIDs: []string{uniqueID}}}})
		return err
	})
	if err != nil {
		return nil, err
	}
	if answer.Status != ebrim.Success {
		return nil, errors.New("the registry answered a part of what was asked")
	}
	var ids []metadata.ID
	for _, o := range answer.Objects {
		if set, ok := o.(*metadata.SubmissionSet); ok && set.UniqueID == uniqueID {
			ids = append(ids, set.ID)
		}
	}
	return ids, nil
}

// Encode implements registry.Sender.
func (e *elsewhere) Encode(s *metadata.Submission) []byte { return ebrim.AppendSubmission(nil, s) }

// Decode implements registry.Sender.
func (e *elsewhere) Decode(b []byte) (*metadata.Submission, error) {
	sc := xmlscan.New(b, xmlscan.Limits{Size: len(b), Text: len(b) + 1, Elements: 100_000_000})
	if _, err := sc.Next(); err != nil {
		return nil, err
	}
	s, problems, err := ebrim.DecodeSubmission(sc)
	if err != nil {
		return nil, err
	}
	return s, fault.Of("app.elsewhere", problems)
}

// ask sends one request and sorts its errors for registry.Sender. What came before
// the first byte of the request left changed nothing at the registry.
func (e *elsewhere) ask(ctx context.Context, send func(context.Context) error) error {
	if err := e.rest.wait(); err != nil {
		return errors.Join(registry.ErrNotSent, err)
	}
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	var left atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaderField: func(string, []string) { left.Store(true) },
		WroteHeaders:     func() { left.Store(true) },
	})
	err := send(ctx)
	var refused *xds.RefusedError
	var faulted *xds.FaultError
	var status *xds.HTTPError
	switch {
	case err == nil:
		e.rest.over()
		return nil
	case errors.As(err, &refused):
		e.rest.over()
		if !fault.HasErrors(refused.Problems) { // or the sender would look for a mistake that nobody named
			refused.Problems = append(refused.Problems, fault.Problem{Code: fault.RegistryError, Foreign: true,
				Context: "The registry that this repository registers documents with refused the submission and gave no reason. Ask those who run it."})
		}
		return &fault.Error{Op: "app.elsewhere", Kind: fault.Invalid, Problems: refused.Problems}
	case !left.Load():
		if ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
			e.rest.begin(err)
		}
		return errors.Join(registry.ErrNotSent, err)
	case errors.As(err, &faulted) && (faulted.Code != "Receiver" || faulted.Status == http.StatusServiceUnavailable),
		errors.As(err, &status) && (status.Status/100 == 4 && status.Status != http.StatusRequestTimeout || status.Status == http.StatusServiceUnavailable):
		// The message was turned away before anybody worked on it.
		return errors.Join(registry.ErrNotSent, err)
	}
	return err
}

// reach is the readiness of the registry: a connection, with TLS when it has it.
func (e *elsewhere) reach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, min(e.timeout, readyTimeout))
	defer cancel()
	host := e.url.Host
	if e.url.Port() == "" {
		host = net.JoinHostPort(e.url.Hostname(), map[string]string{"https": "443"}[e.url.Scheme])
		if e.url.Scheme != "https" {
			host = net.JoinHostPort(e.url.Hostname(), "80")
		}
	}
	var conn net.Conn
	var err error
	if e.url.Scheme == "https" {
		conn, err = (&tls.Dialer{Config: e.tls}).DialContext(ctx, "tcp", host)
	} else {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", host)
	}
	if err != nil {
		return fmt.Errorf("the registry %s cannot be reached (setting registry.url): %w", e.url.Redacted(), err)
	}
	return conn.Close()
}

// rest keeps a registry that cannot be reached from being tried for every
// submission: after a failure nobody tries for a while, then one does.
type rest struct {
	clock  func() time.Time
	mu     sync.Mutex
	until  time.Time
	length time.Duration
	why    error
}

const (
	shortRest = 500 * time.Millisecond
	longRest  = 15 * time.Second
)

func (r *rest) wait() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.clock().Before(r.until) {
		return fmt.Errorf("it could not be reached and is tried again in %v: %w", r.until.Sub(r.clock()).Round(time.Millisecond), r.why)
	}
	return nil
}

func (r *rest) begin(why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.length = min(max(2*r.length, shortRest), longRest)
	r.until, r.why = r.clock().Add(r.length), why
}

func (r *rest) over() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.until, r.length, r.why = time.Time{}, 0, nil
}

// remote is the registrar of a repository without a registry of its own, with the
// job that finds out what became of its submissions.
func (a *App) remote(g *guard.Guard, documents *repository.Repository, tenant access.Tenant) (*registry.Remote, error) {
	var err error
	if a.elsewhere, err = newElsewhere(a.Config.Registry, filepath.Join(a.data.dir, spoolName), a.Clock); err != nil {
		return nil, err
	}
	r := registry.NewRemote(registry.RemoteOptions{
		Log: a.data.log, Outbox: a.data.log, Sender: a.elsewhere, Clock: a.Clock, Destroy: documents.Remove,
		Patience: 2*a.Config.Registry.Timeout + 2*time.Minute, Logger: a.Log,
	})
	a.settle = &jobs.Job{Name: "register", Every: settleEvery, Do: func(ctx context.Context) error {
		return r.Settle(ctx, func(ctx context.Context, f registry.Fate) error { return recordFate(ctx, g, a.Log, tenant, f) })
	}}
	return r, nil
}

// recordFate records what became of a submission whose sender has had another
// answer: it was registered, or refused, by nobody's request.
func recordFate(ctx context.Context, g *guard.Guard, log *slog.Logger, tenant access.Tenant, f registry.Fate) error {
	set := &f.Submission.Set
	patient, err := set.PatientID.Patient()
	if err != nil {
		return err
	}
	outcome, said := audit.Success, "registered"
	if !f.Registered {
		outcome, said = audit.Failed, "refused; its documents are destroyed"
	}
	log.WarnContext(ctx, "the fate of a submission is known", "submission_set", string(set.ID), "fate", said)
	items := []access.Item{{Kind: access.ItemSubmissionSet, ID: set.ID, UniqueID: set.UniqueID, Patient: patient}}
	for _, e := range f.Submission.Entries {
		items = append(items, access.Item{Kind: access.ItemEntry, ID: e.ID, UniqueID: e.UniqueID, RepositoryID: e.RepositoryID, Patient: patient, ClassCode: e.ClassCode.Ref(), TypeCode: e.TypeCode.Ref()})
	}
	return g.Record(ctx, access.Request{Tenant: tenant, Action: access.ActionRegister, Transaction: "ITI-42",
		Caller: access.Caller{Subject: "samdok", Door: "system", Loopback: true}, Patients: []metadata.PatientID{patient}}, outcome, items, f.Problems)
}
