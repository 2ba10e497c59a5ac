package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"samdok/access"
	"samdok/audit"
	"samdok/audit/ledger"
	"samdok/fault"
	"samdok/internal/config"
	"samdok/metadata"
)

// LedgerDir is the ledger's folder in a data folder.
func LedgerDir(data string) string { return filepath.Join(data, ledgerName) }

// LogRequest asks for records of the ledger.
type LogRequest struct {
	ledger.Search
	Limit int // records, the newest first
	// From is a record that those wanted come after, as LogAnswer.Next names it; "": the
	// newest come first.
	From string
	// Reader is who asks on this machine, for the record of the reading itself.
	Reader string
	Reason string
}

// LogAnswer are records, and how much could not be read.
type LogAnswer struct {
	Records []LogRecord
	More    bool // there are more than Limit
	// Next is what LogRequest.From goes on with when there are more.
	Next string
	// Numbers is how many ids the patient has had, who was asked about.
	Numbers int
	// Ledgers is how many were searched.
	Ledgers int
	// Unreadable says what could not be read: a key destroyed by law, or damage.
	Unreadable []string
}

// An answer is held in memory, here and by the command: it ends early when it shows
// very many items, and Next goes on.
const (
	mostLogRecords = 100_000
	mostLogItems   = 200_000
)

// ReadLog reads the ledger, through the server that runs on the data folder or,
// when none does, by itself. The reading is recorded before anything is answered.
func ReadLog(ctx context.Context, c *config.Config, l *slog.Logger, clock func() time.Time, q LogRequest) (answer LogAnswer, err error) {
	err = operate(ctx, c, l, clock, "/log", q, &answer, func(ctx context.Context, d *data) (err error) {
		answer, err = d.readLog(ctx, q, clock)
		return err
	})
	return answer, err
}

// operate lets the server on a data folder do something with it, or does it by
// itself when no server runs. Personal data goes in the body, never in the address.
func operate(ctx context.Context, c *config.Config, l *slog.Logger, clock func() time.Time, path string, request, answer any, self func(context.Context, *data) error) (err error) {
	if err := hasData(c); err != nil {
		return err
	}
	conn, err := dialControl(ctx, c.Data)
	if err == nil {
		return askServer(ctx, conn, path, request, answer)
	}
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("the server on %s cannot be asked: %w", c.Data, err)
	}
	d, err := openData(ctx, c, l, clock)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	return self(ctx, d)
}

func askServer(ctx context.Context, conn net.Conn, path string, request, answer any) (err error) {
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
	defer transport.CloseIdleConnections()
	body, w := io.Pipe()
	go func() { w.CloseWithError(json.NewEncoder(w).Encode(request)) }()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://control"+path, body)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	a, err := transport.RoundTrip(r)
	if err != nil {
		return fmt.Errorf("the server did not answer; its log tells why: %w", err)
	}
	defer a.Body.Close()
	if a.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(a.Body, 4096))
		return errors.Join(fmt.Errorf("the server refused: %s", text), err)
	}
	return json.NewDecoder(a.Body).Decode(answer)
}

// serveOperation is the server's end of operate.
func serveOperation[Q, A any](l *slog.Logger, do func(context.Context, Q) (A, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var q Q
		err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&q)
		var a A
		if err == nil {
			a, err = do(r.Context(), q)
		}
		if err != nil {
			l.Error("an operator's command failed", "command", r.URL.Path, "error", err)
			http.Error(w, operatorText(err), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(a); err != nil {
			l.Error("an operator's command could not be answered", "command", r.URL.Path, "error", err)
			panic(http.ErrAbortHandler) // the answer must not look whole
		}
	}
}

func operatorText(err error) string {
	if problems := fault.ProblemsOf(err); len(problems) > 0 && problems[0].Context != "" {
		return problems[0].Context
	}
	return err.Error()
}

// readLog finds records and records that they were read, before it returns them; also
// that somebody tried to.
func (d *data) readLog(ctx context.Context, q LogRequest, clock func() time.Time) (a LogAnswer, err error) {
	if q.Limit <= 0 || q.Limit > mostLogRecords {
		q.Limit = mostLogRecords
	}
	numbers := d.numbersOf(ctx, &q)
	e := d.readingOf(&q, clock())
	err = d.attempted(ctx, e, func() (err error) {
		a, err = d.findLog(ctx, &q)
		if numbers != nil {
			a.Unreadable = append(a.Unreadable, "other numbers of the patient: "+operatorText(numbers))
		}
		e.Details = append(e.Details, audit.Detail{Name: "records", Value: strconv.Itoa(len(a.Records))})
		return err
	})
	if err != nil {
		return LogAnswer{}, err
	}
	return a, nil
}

// numbersOf adds to a search what else the patient was called: a person who asks what was
// done with the journal asks about all numbers that were merged. An error keeps nobody
// from what is recorded under the number itself.
func (d *data) numbersOf(ctx context.Context, q *LogRequest) error {
	if q.Patient == (metadata.PatientID{}) {
		return nil
	}
	all, err := d.keeper.NumbersOf(ctx, access.Tenant(d.identity.Tenant), q.Patient)
	q.Also = slices.DeleteFunc(all, func(p metadata.PatientID) bool { return p == q.Patient })
	return err
}

func (d *data) findLog(ctx context.Context, q *LogRequest) (a LogAnswer, err error) {
	var from place
	if q.From != "" {
		if from, err = parsePlace(q.From); err != nil {
			return a, err
		}
	}
	records, ledgers, err := d.find(ctx, q.Search, from)
	if err != nil {
		return a, err
	}
	a.Ledgers, a.Numbers = ledgers, 1+len(q.Also)
	items := 0
	var last foundRecord
	for r, err := range records {
		var u *ledger.Unreadable
		switch {
		case errors.As(err, &u):
			if !slices.Contains(a.Unreadable, err.Error()) {
				a.Unreadable = append(a.Unreadable, err.Error())
			}
			continue
		case err != nil:
			return a, err
		}
		items += len(r.Event.Items)
		if n := len(a.Records); n == q.Limit || n > 0 && items > mostLogItems {
			a.More, a.Next = true, last.place().String()
			break
		}
		v, err := logRecord(r)
		if err != nil {
			return a, err
		}
		a.Records, last = append(a.Records, v), r
	}
	return a, nil
}

// readingOf is the event of reading the ledger.
func (d *data) readingOf(q *LogRequest, now time.Time) *audit.Event {
	e := d.event(audit.KindReadLog, now)
	e.Request.Caller.Door, e.Request.Caller.Subject = "cli", q.Reader
	if q.Patient != (metadata.PatientID{}) {
		e.Request.Patients = append([]metadata.PatientID{q.Patient}, q.Also...)
	}
	add := func(name, value string) {
		if value != "" {
			e.Details = append(e.Details, audit.Detail{Name: name, Value: value})
		}
	}
	add("person", q.Person)
	add("organisation", q.Organisation)
	add("decision_ref", q.DecisionRef)
	if !q.Since.IsZero() {
		add("since", q.Since.UTC().Format(time.RFC3339))
	}
	if !q.Until.IsZero() {
		add("until", q.Until.UTC().Format(time.RFC3339))
	}
	add("from record", q.From)
	add("reason", q.Reason)
	return e
}

// LedgerState is what the operator sees of a ledger that is open.
type LedgerState struct {
	PublicKeys []string
	Size       int64
	Checkpoint string // the signed note; of many nodes, the newest list of their ledgers
}

// LedgerCommand is what to do before LedgerState is answered.
type LedgerCommand struct {
	Rotate bool
	NewKey config.Secret `json:"-"` // of a ledger whose key is given
	Given  string        // NewKey on its way through the control socket
	Reader string
}

// Ledger signs a checkpoint of everything that is durable, after it replaced the
// key if asked to.
func Ledger(ctx context.Context, c *config.Config, l *slog.Logger, clock func() time.Time, q LedgerCommand) (s LedgerState, err error) {
	q.Given = string(q.NewKey)
	err = operate(ctx, c, l, clock, "/ledger", q, &s, func(ctx context.Context, d *data) (err error) {
		s, err = d.ledgerState(ctx, q, clock)
		return err
	})
	return s, err
}

func (d *data) ledgerState(ctx context.Context, q LedgerCommand, clock func() time.Time) (s LedgerState, err error) {
	if q.Rotate {
		if err := d.rotate(ctx, &q, clock()); err != nil {
			return s, err
		}
	}
	if d.ledgers != nil {
		return d.ledgers.state(ctx)
	}
	c, err := d.ledger.Checkpoint()
	return LedgerState{d.ledger.PublicKeys(), c.Size, string(c.Note)}, err
}

func (d *data) rotate(ctx context.Context, q *LedgerCommand, now time.Time) error {
	d.copying.Lock()
	defer d.copying.Unlock()
	rotate := d.ledger.RotateKey
	if d.ledgers != nil {
		rotate = d.ledgers.rotate
	}
	e := d.event(audit.KindKey, now)
	e.Request.Caller.Door, e.Request.Caller.Subject = "cli", q.Reader
	return d.attempted(ctx, e, func() error {
		public, err := rotate(ctx, q.Given)
		if err != nil {
			e.Details = []audit.Detail{{Name: "ledger key", Value: "not replaced"}}
			return err
		}
		e.Details = []audit.Detail{{Name: "ledger key", Value: "replaced by " + public}}
		return nil
	})
}

// ProofRequest names a record as samdok log shows it.
type ProofRequest struct {
	Node  string // whose ledger; "" when there is only one
	Index int64
}

// ProveRecord proves that a record is in the ledger.
func ProveRecord(ctx context.Context, c *config.Config, l *slog.Logger, clock func() time.Time, q ProofRequest) (p ledger.Proof, err error) {
	err = operate(ctx, c, l, clock, "/ledger/prove", q, &p, func(ctx context.Context, d *data) (err error) {
		p, err = d.prove(ctx, q)
		return err
	})
	return p, err
}

func (d *data) prove(_ context.Context, q ProofRequest) (ledger.Proof, error) {
	switch {
	case d.ledgers == nil && q.Node == "":
		return d.ledger.Prove(q.Index)
	case d.ledgers == nil:
		return ledger.Proof{}, errors.New("there is only one ledger here; leave the node out")
	case q.Node == "":
		return ledger.Proof{}, errors.New("each node has a ledger of its own: name the node, as samdok log --json shows it")
	}
	of, err := d.ledgers.view(q.Node)
	if err != nil {
		return ledger.Proof{}, err
	}
	return of.Prove(q.Index)
}

// Testify asks the ledger what a witness that has seen size leaves must know.
func Testify(ctx context.Context, c *config.Config, l *slog.Logger, clock func() time.Time, size int64) (t ledger.Testimony, err error) {
	err = operate(ctx, c, l, clock, "/ledger/testify", size, &t, func(ctx context.Context, d *data) (err error) {
		t, err = d.testimony(ctx, size)
		return err
	})
	return t, err
}

// testimony is what the ledger, or those of all nodes, tell a witness.
func (d *data) testimony(ctx context.Context, seen int64) (ledger.Testimony, error) {
	if d.ledgers != nil {
		return d.ledgers.testimony(ctx, uint64(max(seen, 0)))
	}
	return d.ledger.Testify(seen)
}

// TestimonyPath is where the internal listener answers witnesses: hashes and
// signatures only.
const TestimonyPath = "/ledger/testimony"

// testify answers a witness over HTTP: ?seen=SIZE.
func (d *data) testify(w http.ResponseWriter, r *http.Request) {
	size, err := strconv.ParseInt(r.URL.Query().Get("seen"), 10, 64)
	if err != nil || size < 0 {
		http.Error(w, "seen must be how many records the witness has seen, 0 at first", http.StatusBadRequest)
		return
	}
	t, err := d.testimony(r.Context(), size)
	if err != nil {
		http.Error(w, "the ledger cannot answer now; the server's log tells why", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(t); err != nil {
		panic(http.ErrAbortHandler) // the answer must not look whole
	}
}
