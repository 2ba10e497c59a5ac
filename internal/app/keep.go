package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"

	"samdok/access"
	"samdok/audit"
	"samdok/fault"
	"samdok/internal/config"
	"samdok/internal/telemetry"
	"samdok/retention"
	"samdok/sharing"
)

// KeepRequest is one command of whoever answers for the data: exactly one of its
// pointers is set, or List.
type KeepRequest struct {
	Who     string // on this machine, for the record
	Erase   *sharing.Erase
	Hold    *retention.Hold
	Release *Release
	Retain  *RetainRequest
	List    bool // the holds
	// Subscriptions lists, Cancel ends one.
	Subscriptions *sharing.Supervise
	Cancel        *Release
}

// Release ends a hold, or a subscription.
type Release struct{ ID, Reason string }

// RetainRequest is a run of the rules. Rules is their text; "": those of the
// setting retention.rules.
type RetainRequest struct {
	Rules  string
	Reason string
	DryRun bool
	At     time.Time
	List   int
}

// KeepAnswer is one line of the answer: progress, or the end.
type KeepAnswer struct {
	Patients int64 `json:",omitempty"` // looked at so far
	End      bool  `json:",omitempty"`
	Refused  *Refused
	Erased   sharing.Erased
	Hold     retention.Hold
	Holds    []retention.Hold
	Report   *sharing.Report

	Subscriptions []SubscriptionView `json:",omitempty"`
}

// Refused is an error that a person can do something about.
type Refused struct {
	Kind fault.Kind
	Text string
}

func (r *Refused) Error() string { return r.Text }

// Keep lets the server on a data folder do a KeepRequest, or does it by itself when
// no server runs. progress is called with the patients looked at by a run of the
// rules. A Refused is in the error's chain when the order itself is at fault.
func Keep(ctx context.Context, c *config.Config, l *slog.Logger, clock func() time.Time, q KeepRequest, progress func(int64)) (KeepAnswer, error) {
	if err := hasData(c); err != nil {
		return KeepAnswer{}, err
	}
	conn, err := dialControl(ctx, c.Data)
	if err == nil {
		return keepThere(ctx, conn, q, progress)
	}
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
		return KeepAnswer{}, fmt.Errorf("the server on %s cannot be asked: %w", c.Data, err)
	}
	return keepHere(ctx, c, l, clock, q, progress)
}

// keepHere opens the folder, without any listener.
func keepHere(ctx context.Context, c *config.Config, l *slog.Logger, clock func() time.Time, q KeepRequest, progress func(int64)) (answer KeepAnswer, err error) {
	a := &App{Options: Options{Config: c, Log: l, Clock: clock}}
	if a.data, err = openData(ctx, c, l, clock); err != nil {
		return answer, err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	if a.metrics, err = telemetry.NewMetrics(""); err != nil {
		return answer, err
	}
	if err := a.useCases(); err != nil {
		return answer, err
	}
	answer = a.keep(ctx, q, progress)
	if answer.Refused != nil {
		return answer, answer.Refused
	}
	return answer, nil
}

// keepThere asks the server.
func keepThere(ctx context.Context, conn net.Conn, q KeepRequest, progress func(int64)) (KeepAnswer, error) {
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
	defer transport.CloseIdleConnections()
	body, w := io.Pipe()
	go func() { w.CloseWithError(json.NewEncoder(w).Encode(q)) }()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://control/keep", body)
	if err != nil {
		return KeepAnswer{}, errors.Join(err, conn.Close())
	}
	a, err := transport.RoundTrip(r)
	if err != nil {
		return KeepAnswer{}, fmt.Errorf("the server did not answer; its log tells why: %w", err)
	}
	defer a.Body.Close()
	if a.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(a.Body, 4096))
		return KeepAnswer{}, errors.Join(fmt.Errorf("the server refused: %s", text), err)
	}
	for d := json.NewDecoder(a.Body); ; {
		var answer KeepAnswer
		if err := d.Decode(&answer); err != nil {
			return answer, fmt.Errorf("the server's answer broke off; its log tells why: %w", err)
		}
		switch {
		case !answer.End:
			progress(answer.Patients)
		case answer.Refused != nil:
			return answer, answer.Refused
		default:
			return answer, nil
		}
	}
}

// serveKeep is the server's end of Keep.
func (a *App) serveKeep(w http.ResponseWriter, r *http.Request) {
	var q KeepRequest
	if err := json.NewDecoder(io.LimitReader(r.Body, 16<<20)).Decode(&q); err != nil {
		http.Error(w, "the command cannot be read", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := json.NewEncoder(w)
	last := a.Clock()
	answer := a.keep(r.Context(), q, func(patients int64) {
		if now := a.Clock(); now.Sub(last) >= 200*time.Millisecond {
			last = now
			_ = out.Encode(KeepAnswer{Patients: patients}) // a client that went away shows at the end
			_ = http.NewResponseController(w).Flush()
		}
	})
	answer.End = true
	if err := out.Encode(answer); err != nil {
		a.Log.Error("an operator's command could not be answered", "command", r.URL.Path, "error", err)
		panic(http.ErrAbortHandler) // the answer must not look whole
	}
}

// keep does one command.
func (a *App) keep(ctx context.Context, q KeepRequest, progress func(int64)) (answer KeepAnswer) {
	c := access.Caller{Subject: q.Who, Door: "cli", Loopback: true}
	var err error
	switch {
	case q.Erase != nil:
		answer.Erased, err = a.keeping.Erase(ctx, c, *q.Erase)
	case q.Hold != nil:
		answer.Hold, err = a.keeping.Hold(ctx, c, *q.Hold)
	case q.Release != nil:
		answer.Hold, err = a.keeping.Release(ctx, c, q.Release.ID, q.Release.Reason)
	case q.Retain != nil:
		answer.Report, err = a.retain(ctx, c, q.Retain, progress)
	case q.Subscriptions != nil:
		answer.Subscriptions, err = a.supervise(ctx, c, *q.Subscriptions)
	case q.Cancel != nil:
		err = a.cancel(ctx, c, q.Cancel)
	case q.List:
		answer.Holds, err = a.keeping.Holds(ctx, c)
	default:
		err = fault.New(fault.Invalid, "app.keep", fault.RegistryError, "The command is not known; is the server older than the command?")
	}
	if err != nil {
		a.Log.Error("an operator's command failed", "error", err)
		answer.Refused = &Refused{fault.KindOf(err), operatorText(err)}
	}
	return answer
}

func (a *App) retain(ctx context.Context, c access.Caller, q *RetainRequest, progress func(int64)) (*sharing.Report, error) {
	text := []byte(q.Rules)
	if q.Rules == "" {
		if a.Config.RetentionRules == "" {
			return nil, fault.New(fault.Invalid, "app.retain", fault.RegistryError, "There are no rules: give --rules FILE, or set retention.rules.")
		}
		var err error
		if text, err = os.ReadFile(a.Config.RetentionRules); err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "app.retain", fault.RegistryError, "The rules of the setting retention.rules cannot be read: %v", err)
		}
	}
	rules, err := retention.ParseRules(text)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "app.retain", fault.RegistryError, "%v", err)
	}
	r, err := a.keeping.Retain(ctx, c, sharing.Retain{Rules: rules, Digest: digest(text), Reason: q.Reason, DryRun: q.DryRun, At: q.At, List: q.List, Progress: progress})
	return &r, err
}

// digest names a text in records.
func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// rulesDigest checks the rules of the setting; "" when there are none.
func rulesDigest(c *config.Config) (string, error) {
	if c.RetentionRules == "" {
		return "", nil
	}
	b, err := os.ReadFile(c.RetentionRules)
	if err != nil {
		return "", fmt.Errorf("setting retention.rules: %w", err)
	}
	if _, err := retention.ParseRules(b); err != nil {
		return "", fmt.Errorf("setting retention.rules (%s): %w", c.RetentionRules, err)
	}
	return digest(b), nil
}

// resumeErasures ends what a crash cut off. In a folder that was restored, and on a
// store whose log is older than its list of erasures, it also does again what was
// erased after the copy was made.
func (d *data) resumeErasures(ctx context.Context, now time.Time) error {
	restored, err := loadRestored(d.dir)
	if err != nil {
		return err
	}
	older := restored != nil
	if d.embedded == nil { // a store can be put back by anybody's means, and says nothing of it
		if older, err = d.keeper.Behind(ctx, access.Tenant(d.identity.Tenant)); err != nil {
			return err
		}
	}
	if restored != nil {
		e := d.event(audit.KindErase, now)
		e.Request.Caller.Subject, e.Request.Caller.Door = restored.Who, "cli"
		e.Details = []audit.Detail{{Name: "step", Value: "restored from a backup"}, {Name: "backup of", Value: restored.Made.UTC().Format(time.RFC3339)},
			{Name: "list of erasures", Value: restored.Erasures}}
		if err := d.record(ctx, e); err != nil {
			return err
		}
	}
	step := "ended after a restart"
	if older {
		step = "done again after a restore"
	}
	if err := d.keeper.Resume(ctx, access.Tenant(d.identity.Tenant), older, func(done retention.Done) error {
		e := d.event(audit.KindErase, now)
		e.Details = []audit.Detail{{Name: "erasure", Value: done.ID}, {Name: "step", Value: step},
			{Name: "objects", Value: strconv.Itoa(done.Objects)}, {Name: "documents", Value: strconv.Itoa(done.Documents)}}
		if len(done.Keys) > 0 {
			e.Details = append(e.Details, audit.Detail{Name: "data keys of the log destroyed", Value: sharing.Numbers(done.Keys)})
		}
		return d.record(ctx, e)
	}); err != nil {
		return err
	}
	return forgetRestored(d.dir, restored)
}
