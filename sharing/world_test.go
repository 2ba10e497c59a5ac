package sharing_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"samdok/access"
	"samdok/access/guard"
	"samdok/audit"
	"samdok/fault"
	"samdok/mailbox"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/registry"
	"samdok/repository"
	"samdok/retention"
	"samdok/sharing"
	"samdok/storage"
	"samdok/subscription"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	own    = metadatatest.Root + ".42"
	home   = "urn:oid:" + metadatatest.Root + ".7"
	tenant = access.Tenant("test")
)

var caller = access.Caller{Subject: "dr.test", Organisation: "983975267", Loopback: true, Door: "test"}

// world is sharing over the real engines, with a decider, a recorder and faults
// that a test can set.
type world struct {
	*sharing.Sharing
	testing.TB
	gen     *metadatatest.Gen
	patient metadatatest.Patient
	engine  *engine
	docs    *documents
	policy  *policy
	records *recorder
	repo    *repository.Repository
	keeper  *retention.Keeper
	sent    string // uniqueId of a message that is there
	mail    *mailbox.Mailboxes
	stored  string             // uniqueId of a document that is there
	book    *subscription.Book // without faults
	broker  *subscription.Broker

	brokerOptions subscription.BrokerOptions
	outbox        storage.Outbox

	mu   sync.Mutex
	time time.Time
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.time
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.time = w.time.Add(d)
}

func newWorld(t testing.TB, change ...func(*sharing.Options)) *world {
	t.Helper()
	w := &world{TB: t, gen: metadatatest.New(1), time: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), policy: &policy{}, records: &recorder{}}
	w.patient = w.gen.Patient()
	e := openEngines(t, w.now)
	w.engine = &engine{Log: e.db, Index: e.db}
	w.docs = &documents{Documents: e.files}
	w.records.Recorder = e.records
	w.repo = repository.New(repository.Options{Documents: w.docs, Log: w.engine, ID: own, Clock: w.now})
	list, err := retention.OpenList(t.TempDir(), own)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { list.Close() })
	w.mail = mailbox.New(mailbox.Options{Log: w.engine, Index: w.engine, Clock: w.now, Organisations: []string{org}})
	w.book = subscription.NewBook(subscription.Options{Log: e.db, Tenant: tenant, Clock: w.now})
	w.keeper = retention.New(retention.Options{Log: e.db, Documents: w.docs, List: list, Clock: w.now, Letters: e.db, Subscriptions: w.book.Forget})
	o := sharing.Options{Mail: w.mail,
		Keeper:     w.keeper,
		Registry:   registry.New(registry.Options{Log: w.engine, Index: w.engine, Clock: w.now, Limits: registry.Limits{AcrossRange: 200 * 365 * 24 * time.Hour}}),
		Repository: w.repo,
		Guard:      guard.New(guard.Options{Decider: w.policy, Recorder: w.records, Clock: w.now}),
		Index:      w.engine, Tenant: tenant, Home: home,
	}
	book := subscription.NewBook(subscription.Options{Log: w.engine, Tenant: tenant, Clock: w.now})
	w.outbox = e.db
	w.brokerOptions = subscription.BrokerOptions{Book: book, Feed: e.db, Index: w.engine, Outbox: e.db, Tenant: tenant, Clock: w.now}
	w.broker = subscription.NewBroker(w.brokerOptions)
	o.Subscriptions = sharing.Subscriptions{Book: book, Broker: w.broker, Longest: 24 * time.Hour, Usual: time.Hour, Consumer: func(address string) error {
		if address != consumer {
			return errors.New("not this one")
		}
		return nil
	}}
	for _, f := range change {
		f(&o)
	}
	w.Sharing = sharing.New(o)
	return w
}

// engine is log and index with faults.
type engine struct {
	storage.Log
	storage.Index
	mu sync.Mutex
	// hook is called before each operation; its error is the operation's.
	hook func(op string) error
	// after is called after an Append that worked.
	after func() error
}

func (e *engine) trip(op string) error {
	e.mu.Lock()
	f := e.hook
	e.mu.Unlock()
	if f != nil {
		return f(op)
	}
	return nil
}

func (e *engine) Load(ctx context.Context, t access.Tenant, s storage.Stream, r storage.Refs) (storage.State, storage.Version, error) {
	if err := e.trip("load"); err != nil {
		return storage.State{}, 0, err
	}
	return e.Log.Load(ctx, t, s, r)
}

func (e *engine) Append(ctx context.Context, t access.Tenant, c []storage.Change) error {
	if err := e.trip("append"); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := e.Log.Append(ctx, t, c); err != nil || e.after == nil {
		return err
	}
	return e.after()
}

func (e *engine) Events(ctx context.Context, t access.Tenant, s storage.Stream, v storage.Version) iter.Seq2[storage.Event, error] {
	if err := e.trip("events"); err != nil {
		return func(yield func(storage.Event, error) bool) { yield(storage.Event{}, err) }
	}
	return e.Log.Events(ctx, t, s, v)
}

func (e *engine) Find(ctx context.Context, t access.Tenant, s storage.Stream, f storage.Filter, r access.Restriction) iter.Seq2[storage.Placed, error] {
	if err := e.trip("find"); err != nil {
		return func(yield func(storage.Placed, error) bool) { yield(storage.Placed{}, err) }
	}
	return e.Index.Find(ctx, t, s, f, r)
}

func (e *engine) Scan(ctx context.Context, t access.Tenant, f storage.Filter, r access.Restriction) iter.Seq2[storage.Placed, error] {
	if err := e.trip("scan"); err != nil {
		return func(yield func(storage.Placed, error) bool) { yield(storage.Placed{}, err) }
	}
	return e.Index.Scan(ctx, t, f, r)
}

func (e *engine) Lookup(ctx context.Context, t access.Tenant, r storage.Refs) (storage.State, error) {
	if err := e.trip("lookup"); err != nil {
		return storage.State{}, err
	}
	return e.Index.Lookup(ctx, t, r)
}

// documents counts what is open.
type documents struct {
	storage.Documents
	mu         sync.Mutex
	open, most int
	fail       error
}

func (d *documents) Open(ctx context.Context, k storage.DocumentKey, at int64) (io.ReadCloser, storage.DocumentInfo, error) {
	if d.fail != nil {
		return nil, storage.DocumentInfo{}, d.fail
	}
	rc, info, err := d.Documents.Open(ctx, k, at)
	if err == nil {
		d.mu.Lock()
		d.open++
		d.most = max(d.most, d.open)
		d.mu.Unlock()
		rc = &counted{ReadCloser: rc, d: d}
	}
	return rc, info, err
}

type counted struct {
	io.ReadCloser
	d    *documents
	once sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() { c.d.mu.Lock(); c.d.open--; c.d.mu.Unlock() })
	return c.ReadCloser.Close()
}

// keys are all committed documents.
func (w *world) keys() (keys []storage.DocumentKey) {
	w.Helper()
	for key, err := range w.docs.Keys(context.Background(), time.Time{}, w.now().Add(time.Hour)) {
		if err != nil {
			w.Fatal(err)
		}
		keys = append(keys, key)
	}
	return keys
}

// policy allows what it is not told to hide, and counts.
type policy struct {
	mu     sync.Mutex
	plans  int
	plan   func() (access.Plan, error)
	hide   func(access.Item) bool
	items  []access.Item // decided on
	err    error         // of Decide
	panics bool          // Decide
}

func (p *policy) Plan(context.Context, access.Request) (access.Plan, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plans++
	if p.plan != nil {
		return p.plan()
	}
	return access.Plan{Effect: access.Allow, Rules: []string{"test"}}, nil
}

func (p *policy) Decide(_ context.Context, _ access.Request, items []access.Item) ([]access.Decision, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.panics {
		panic("decide")
	}
	p.items = append(p.items, items...)
	out := make([]access.Decision, len(items))
	for i := range items {
		if p.hide == nil || !p.hide(items[i]) {
			out[i].Effect = access.Allow
		}
	}
	return out, p.err
}

func deny() (access.Plan, error) { return access.Plan{Rules: []string{"no"}}, nil }

// recorder keeps records and hands them on.
type recorder struct {
	audit.Recorder
	mu     sync.Mutex
	events []audit.Event
	err    error
}

func (r *recorder) Record(ctx context.Context, e *audit.Event) (audit.Receipt, error) {
	r.mu.Lock()
	r.events = append(r.events, *e)
	err := r.err
	r.mu.Unlock()
	if err != nil {
		return audit.Receipt{}, err
	}
	return r.Recorder.Record(ctx, e)
}

func (r *recorder) RecordTwo(ctx context.Context, first, second *audit.Event) error {
	r.mu.Lock()
	r.events = append(r.events, *first, *second)
	err := r.err
	r.mu.Unlock()
	if err != nil {
		return err
	}
	return r.Recorder.RecordTwo(ctx, first, second)
}

// last is the newest record.
func (w *world) last() audit.Event {
	w.Helper()
	w.records.mu.Lock()
	defer w.records.mu.Unlock()
	if len(w.records.events) == 0 {
		w.Fatal("nothing was recorded")
	}
	return w.records.events[len(w.records.events)-1]
}

// parts is the documents of a message.
type parts struct {
	ids   []metadata.ID
	bytes [][]byte
	next  int
	then  error // instead of io.EOF
	hook  func()
}

func (p *parts) Next() (metadata.ID, io.Reader, error) {
	if p.hook != nil {
		p.hook()
	}
	if p.next == len(p.ids) {
		if p.then != nil {
			return "", nil, p.then
		}
		return "", nil, io.EOF
	}
	p.next++
	return p.ids[p.next-1], bytes.NewReader(p.bytes[p.next-1]), nil
}

// message is a submission with its documents.
func message(sub *metadata.Submission, docs ...metadatatest.Document) (sharing.Provide, *parts) {
	p := &parts{}
	for _, d := range docs {
		p.ids, p.bytes = append(p.ids, d.Entry.ID), append(p.bytes, d.Bytes)
	}
	return sharing.Provide{Submission: sub, Documents: p}, p
}

func (w *world) document() metadatatest.Document {
	return w.gen.Document(w.patient, metadatatest.Kinds()[0])
}

// replacement replaces a registered document.
func (w *world) replacement(old metadata.ID) (*metadata.Submission, metadatatest.Document) {
	d := w.document()
	s := w.gen.Submission(w.patient, d)
	metadatatest.Relate(s, metadata.Replaces, d.Entry.ID, old)
	return s, d
}

// provided provides documents and returns them with their registered ids.
func (w *world) provided(docs ...metadatatest.Document) (sharing.Receipt, *metadata.Submission) {
	w.Helper()
	sub := w.gen.Submission(w.patient, docs...)
	p, _ := message(sub, docs...)
	r, err := w.Provide(context.Background(), caller, p)
	if err != nil {
		w.Fatal(err, fault.ProblemsOf(err))
	}
	return r, sub
}

// found are the objects of an answer.
func (w *world) found(q metadata.Query) ([]metadata.Object, sharing.Found) {
	w.Helper()
	var list []metadata.Object
	f, err := w.Find(context.Background(), caller, metadata.StoredQuery{Query: q}, func(o metadata.Object) error {
		list = append(list, o)
		return nil
	})
	if err != nil {
		w.Fatal(err, fault.ProblemsOf(err))
	}
	if f.Shown != len(list) {
		w.Errorf("Shown is %d, shown were %d", f.Shown, len(list))
	}
	return list, f
}

func (w *world) all() metadata.Query {
	both := []metadata.Status{metadata.Approved, metadata.Deprecated}
	return &metadata.GetAll{Patient: w.patient.CX(), DocumentStatus: both, SetStatus: both, FolderStatus: both}
}

// org has a mailbox.
const org = "974749025"

// across asks for everybody's documents.
func (w *world) across(created metadata.TimeRange) metadata.Query {
	return &metadata.FindDocumentsForMultiplePatients{Filter: metadata.DocumentFilter{
		Status: []metadata.Status{metadata.Approved}, Creation: created}}
}

func ask(ids ...string) []metadata.DocumentRequest {
	var r []metadata.DocumentRequest
	for _, id := range ids {
		r = append(r, metadata.DocumentRequest{RepositoryID: own, UniqueID: id})
	}
	return r
}

// read reads and closes what was retrieved.
func (w *world) read(r *sharing.Retrieved) (all [][]byte) {
	w.Helper()
	for _, d := range r.Documents {
		b, err := io.ReadAll(d.Body)
		if err != nil || int64(len(b)) != d.Size {
			w.Errorf("document %s: %d bytes of %d, %v", d.Request.UniqueID, len(b), d.Size, err)
		}
		all = append(all, b)
	}
	r.Close(nil)
	return all
}

func codesOf(problems []fault.Problem) (codes []fault.Code) {
	for _, p := range problems {
		codes = append(codes, p.Code)
	}
	return codes
}

func (w *world) wantCodes(err error, want ...fault.Code) {
	w.Helper()
	if got := codesOf(fault.ProblemsOf(err)); !slices.Equal(got, want) {
		w.Errorf("error %v with %v, want %v", err, fault.ProblemsOf(err), want)
	}
}

var errEngine = errors.New("engine down")
