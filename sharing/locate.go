package sharing

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"samdok/access"
	"samdok/access/guard"
	"samdok/audit"
	"samdok/fault"
	"samdok/locator"
	"samdok/metadata"
)

// LocatingOptions of a Locating. Guard and Tenant are required.
type LocatingOptions struct {
	// Locator is the own one; nil: there is none, and only Tell may be used.
	Locator *locator.Locator
	Guard   *guard.Guard
	Tenant  access.Tenant
	// Peers are the locators of communities, which know more of their own; nil: none.
	Peers func() []LocatorPeer
	// Deadline bounds how long peers are waited for; 0: 2 seconds.
	Deadline time.Duration
	// Logger is the operator's; nil: none.
	Logger *slog.Logger
}

// LocatorPeer is the locator of a community.
type LocatorPeer struct {
	// Homes are the communities it answers for; what it says of others is dropped.
	Homes []string
	// Locate asks it, and it asks nobody else.
	Locate func(ctx context.Context, p metadata.PatientID) (locator.Answer, error)
}

// Locating are the use cases of the patient information locator. It is safe for
// concurrent use.
type Locating struct{ o LocatingOptions }

// NewLocating makes a Locating.
func NewLocating(o LocatingOptions) *Locating {
	if o.Peers == nil {
		o.Peers = func() []LocatorPeer { return nil }
	}
	if o.Deadline <= 0 {
		o.Deadline = 2 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Locating{o}
}

// Locate is a question to the locator.
type Locate struct {
	Patient metadata.PatientID
	// Detail: which systems hold what; communities that told of organisations only are
	// asked.
	Detail bool
	// Alone: no other locator is asked.
	Alone bool
	// Own: the patient asks.
	Own bool
}

// State takes what sources say that they hold (locator.Locator.State). One record
// tells of all of them. What a caller may not state is refused like what is wrong.
func (l *Locating) State(ctx context.Context, c access.Caller, all []locator.Statement) ([]locator.Outcome, error) {
	req := access.Request{Tenant: l.o.Tenant, Caller: c, Action: access.ActionStateHoldings}
	var p patients
	var items []access.Item
	of := make([]int, 0, len(all)) // the statement of each item
	for i := range all {
		s := &all[i]
		if !slices.Contains(p.all, s.Patient) && s.Check() == nil {
			p.all = append(p.all, s.Patient)
		}
		if len(s.Held) == 0 { // a withdrawal
			items, of = append(items, holdingItem(s.Patient, s.Source, nil)), append(of, i)
		}
		for k := range s.Held {
			items, of = append(items, holdingItem(s.Patient, s.Source, &s.Held[k])), append(of, i)
		}
	}
	req.Patients = p.all
	var outcomes []locator.Outcome
	_, err := guard.Do(ctx, l.o.Guard, req, func(ctx context.Context, pass *guard.Pass) (struct{}, error) {
		pass.Touched(items)
		decisions, err := pass.Decide(ctx, items)
		if err != nil {
			return struct{}{}, err
		}
		denied := map[int]bool{}
		for i := range decisions {
			if decisions[i].Effect != access.Allow {
				denied[of[i]] = true
			}
		}
		if outcomes, err = l.state(ctx, all, denied); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, noteRefused(pass, outcomes)
	})
	switch {
	case errors.Is(err, errNoneTaken):
		return outcomes, nil // each says why
	case isDenied(err):
		return nil, &fault.Error{Op: "sharing.State", Kind: fault.Denied}
	case err != nil:
		return nil, err
	}
	return outcomes, nil
}

// errNoneTaken makes the record of statements that were all refused one of what failed.
var errNoneTaken = errors.New("sharing: no statement was taken")

// noteRefused puts into the record that statements were refused.
func noteRefused(pass *guard.Pass, outcomes []locator.Outcome) error {
	var problems []fault.Problem
	kind := fault.Denied
	for _, o := range outcomes {
		if o.Problem == nil {
			continue
		}
		problems = append(problems, fault.Problem{Context: o.Problem.Text})
		if !o.Denied {
			kind = fault.Invalid
		}
	}
	if len(problems) == 0 {
		return nil
	}
	pass.Note("refused", problems[0].Context)
	if len(problems) == len(outcomes) {
		return &fault.Error{Op: "sharing.State", Kind: kind, Problems: problems[:1], Err: errNoneTaken}
	}
	pass.SetProblems(problems)
	return nil
}

func (l *Locating) state(ctx context.Context, all []locator.Statement, denied map[int]bool) ([]locator.Outcome, error) {
	if len(denied) == 0 {
		return l.o.Locator.State(ctx, all)
	}
	var allowed []locator.Statement
	for i := range all {
		if !denied[i] {
			allowed = append(allowed, all[i])
		}
	}
	taken, err := l.o.Locator.State(ctx, allowed)
	if err != nil {
		return nil, err
	}
	outcomes := make([]locator.Outcome, len(all))
	for i := range all {
		if denied[i] {
			outcomes[i] = locator.Outcome{Result: locator.Refused, Denied: true, Problem: &locator.Problem{Text: "The caller may not state this."}}
			continue
		}
		outcomes[i], taken = taken[0], taken[1:]
	}
	return outcomes, nil
}

func holdingItem(p metadata.PatientID, s locator.Source, h *locator.Held) access.Item {
	item := access.Item{Kind: access.ItemHolding, UniqueID: s.Community, RepositoryID: s.System, Patient: p, Controller: s.Community}
	if h == nil {
		return item
	}
	item.ID, item.ClassCode = metadata.ID(h.Kind.String()), h.Class
	if h.Organisation != "" {
		item.Controller = h.Organisation
	}
	return item
}

// Locate tells who holds something about a patient. What a caller may not know looks
// like what is not there; a caller who may know nothing gets an answer that covers no
// community, so that a gateway goes on to ask all.
func (l *Locating) Locate(ctx context.Context, c access.Caller, q Locate) (locator.Answer, error) {
	req := access.Request{Tenant: l.o.Tenant, Caller: c, Action: access.ActionLocate, Patients: []metadata.PatientID{q.Patient}}
	if q.Own {
		req.Action = access.ActionLocateOwn
	}
	answer, err := guard.Do(ctx, l.o.Guard, req, func(ctx context.Context, pass *guard.Pass) (locator.Answer, error) {
		a, err := l.o.Locator.Locate(ctx, q.Patient)
		if err != nil {
			return a, err
		}
		if !q.Alone {
			l.ask(ctx, q, &a)
		}
		a.Holdings, err = visible(ctx, pass, q.Patient, a.Holdings)
		return a, err
	})
	if isDenied(err) {
		return locator.Answer{}, nil
	}
	return answer, err
}

// visible are the holdings that the caller may know of.
func visible(ctx context.Context, pass *guard.Pass, p metadata.PatientID, all []locator.Holding) ([]locator.Holding, error) {
	items := make([]access.Item, len(all))
	for i := range all {
		items[i] = holdingItem(p, all[i].Source, &all[i].Held)
	}
	decisions, err := pass.Decide(ctx, items)
	if err != nil {
		return nil, err
	}
	shown := all[:0]
	for i := range all {
		if decisions[i].Effect == access.Allow {
			pass.Showed(items[i])
			shown = append(shown, all[i])
		}
	}
	return shown, nil
}

// ask asks the locators of communities that told too little: nothing that can be
// relied upon, or, when the question is for details, only which organisations hold
// something. Their answers take the place of what was told.
func (l *Locating) ask(ctx context.Context, q Locate, a *locator.Answer) {
	var asked []LocatorPeer
	for _, peer := range l.o.Peers() {
		if slices.ContainsFunc(peer.Homes, func(home string) bool { return knowsMore(a, home, q.Detail) }) {
			asked = append(asked, peer)
		}
	}
	if len(asked) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, l.o.Deadline)
	defer cancel()
	answers, errs := make([]locator.Answer, len(asked)), make([]error, len(asked))
	var wait sync.WaitGroup
	for i := range asked {
		wait.Go(func() { answers[i], errs[i] = asked[i].Locate(ctx, q.Patient) })
	}
	wait.Wait()
	for i, peer := range asked {
		if errs[i] != nil {
			l.o.Logger.WarnContext(ctx, "a community's locator did not answer", "community", peer.Homes[0], "error", errs[i].Error())
			a.Unanswered = append(a.Unanswered, peer.Homes[0])
			continue
		}
		a.Merge(peer.Homes, answers[i])
	}
}

// knowsMore tells whether the locator of a community may know more than a.
func knowsMore(a *locator.Answer, home string, detail bool) bool {
	covered, ok := a.Covers(home)
	return !ok || detail && covered.Level == locator.LevelOrganisation && a.Names(home)
}

// Cover takes a community's report that the locator knows everything of it.
func (l *Locating) Cover(ctx context.Context, c access.Caller, report locator.Coverage) error {
	req := access.Request{Tenant: l.o.Tenant, Caller: c, Action: access.ActionStateHoldings}
	item := access.Item{Kind: access.ItemHolding, UniqueID: report.Community, Controller: report.Community}
	_, err := guard.Do(ctx, l.o.Guard, req, func(ctx context.Context, pass *guard.Pass) (struct{}, error) {
		pass.Touched([]access.Item{item})
		pass.Note("everything was told up to", report.AsOf.UTC().Format(time.RFC3339))
		if err := decided(ctx, pass, item); err != nil {
			return struct{}{}, err
		}
		err := l.o.Locator.Cover(ctx, report)
		var wrong *locator.Problem
		if errors.As(err, &wrong) {
			return struct{}{}, &fault.Error{Op: "sharing.Cover", Kind: fault.Invalid, Err: err}
		}
		return struct{}{}, err
	})
	return err
}

// Located is how much a locator knows.
type Located struct {
	Patients int64
	Coverage []locator.Coverage
}

// Overview tells how much the locator knows, and nothing of anybody.
func (l *Locating) Overview(ctx context.Context, c access.Caller) (Located, error) {
	req := access.Request{Tenant: l.o.Tenant, Caller: c, Action: access.ActionLocate}
	return guard.Do(ctx, l.o.Guard, req, func(ctx context.Context, _ *guard.Pass) (Located, error) {
		patients, err := l.o.Locator.Patients(ctx)
		if err != nil {
			return Located{}, err
		}
		coverage, err := l.o.Locator.Coverage(ctx)
		return Located{patients, coverage}, err
	})
}

// Follow takes what the own log says. No decision is asked for: what was registered
// was decided on. The record tells that the locator knows it.
func (l *Locating) Follow(ctx context.Context, all []locator.Statement) error {
	if _, err := l.o.Locator.State(ctx, all); err != nil {
		return err
	}
	return l.record(ctx, all, audit.Detail{Name: "told", Value: "the own locator"})
}

// Tell records that another locator is told of statements, then has them sent. The
// operator's configuration allows it.
func (l *Locating) Tell(ctx context.Context, to string, all []locator.Statement, send func(context.Context, []locator.Statement) error) error {
	if err := l.record(ctx, all, audit.Detail{Name: "told", Value: to}); err != nil {
		return err
	}
	return send(ctx, all)
}

func (l *Locating) record(ctx context.Context, all []locator.Statement, how audit.Detail) error {
	req := access.Request{Tenant: l.o.Tenant, Caller: access.Caller{Door: "system", Loopback: true}, Action: access.ActionStateHoldings}
	var items []access.Item
	for i := range all {
		req.Patients = append(req.Patients, all[i].Patient)
		for k := range all[i].Held {
			items = append(items, holdingItem(all[i].Patient, all[i].Source, &all[i].Held[k]))
		}
	}
	return l.o.Guard.Record(ctx, req, audit.Success, items, nil, how)
}
