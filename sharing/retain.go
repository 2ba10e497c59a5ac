package sharing

import (
	"context"
	"strconv"
	"time"

	"samdok/access"
	"samdok/access/guard"
	"samdok/fault"
	"samdok/metadata"
	"samdok/retention"
	"samdok/storage"
)

// Retain is a run of the rules.
type Retain struct {
	Rules  *retention.Rules
	Digest string // of the rules, for the record
	Reason string
	DryRun bool
	// At is the time that is held against the ages; zero: now.
	At time.Time
	// List says how many due documents the report names; the counts are of all.
	List int
	// Progress is called with the patients looked at.
	Progress func(patients int64)
}

// Report says what a run of the rules found and did. Names of its JSON are part of
// the interface.
type Report struct {
	DryRun      bool           `json:"dry_run"`
	At          time.Time      `json:"at"`
	Patients    int64          `json:"patients"`
	Documents   int64          `json:"documents"` // looked at
	Rules       []RuleCount    `json:"rules"`
	Controllers []RuleCount    `json:"controllers"`
	NoRule      int64          `json:"no_rule"` // kept, because no rule fits
	Undated     int64          `json:"undated"` // kept, because the rule's date is missing
	Hidden      int64          `json:"hidden"`  // the caller may not erase them
	Due         []DueDocument  `json:"due,omitempty"`
	More        bool           `json:"more,omitempty"` // Due does not name all
	rules       map[string]int // places in Rules and Controllers
	controllers map[string]int
}

// RuleCount counts documents of one rule or one controller.
type RuleCount struct {
	ID     string `json:"id"`
	Fits   int64  `json:"fits"`   // documents
	Due    int64  `json:"due"`    // of them
	Held   int64  `json:"held"`   // of the due: a hold stops their erasure
	Erased int64  `json:"erased"` // of the due
	Failed int64  `json:"failed"` // of the due: see the operator's log
}

// DueDocument is one that is due.
type DueDocument struct {
	Document   string    `json:"document"` // uniqueId
	Rule       string    `json:"rule"`
	Controller string    `json:"controller,omitempty"`
	Due        time.Time `json:"due"`
	Held       bool      `json:"held,omitempty"`
}

// Retain implements Keeping. It looks at every patient, one after another; the
// erasures of one patient are one erasure with a record of its own, and the run
// has one too.
func (s *Sharing) Retain(ctx context.Context, c access.Caller, r Retain) (Report, error) {
	if s.keeper == nil {
		return Report{}, errNoKeeper
	}
	if !r.DryRun && r.Reason == "" {
		return Report{}, fault.New(fault.Invalid, "sharing.Retain", fault.RegistryError, "A run that erases needs a reason.")
	}
	report, err := guard.Do(ctx, s.guard, s.request(c, access.ActionErase, ""), func(ctx context.Context, pass *guard.Pass) (Report, error) {
		pass.Note("reason", r.Reason)
		pass.Note("retention rules", r.Digest)
		if r.DryRun {
			pass.Note("dry run", "nothing was erased")
		}
		run := &retaining{s: s, c: c, pass: pass, Retain: r}
		run.begin(pass.Request().Time)
		err := run.all(ctx)
		pass.Note("patients", strconv.FormatInt(run.report.Patients, 10))
		for _, n := range run.report.Rules {
			pass.Note("rule "+n.ID, strconv.FormatInt(n.Due, 10)+" due, "+strconv.FormatInt(n.Held, 10)+" held, "+strconv.FormatInt(n.Erased, 10)+" erased")
		}
		return run.report, err
	})
	return report, refusal(err, fault.RegistryError)
}

// retaining is one run.
type retaining struct {
	Retain
	s      *Sharing
	c      access.Caller
	pass   *guard.Pass
	report Report
}

func (r *retaining) begin(now time.Time) {
	if r.At.IsZero() {
		r.At = now
	}
	r.report = Report{DryRun: r.DryRun, At: r.At.UTC(), rules: map[string]int{}, controllers: map[string]int{}}
	for i := range r.Rules.Rules {
		r.report.count(&r.report.Rules, r.report.rules, r.Rules.Rules[i].ID)
	}
}

// count is the row of an id.
func (*Report) count(rows *[]RuleCount, at map[string]int, id string) *RuleCount {
	i, ok := at[id]
	if !ok {
		i = len(*rows)
		at[id] = i
		*rows = append(*rows, RuleCount{ID: id})
	}
	return &(*rows)[i]
}

func (r *retaining) all(ctx context.Context) error {
	for stream, err := range r.s.keeper.Patients(ctx, r.s.tenant) {
		if err != nil {
			return lookupFailed(err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.patient(ctx, stream); err != nil {
			return err
		}
		r.report.Patients++
		if r.Progress != nil {
			r.Progress(r.report.Patients)
		}
	}
	return nil
}

// due is a document, in all its versions, whose time has come.
type due struct {
	entries []metadata.ID
	rule    *retention.Rule
	of      storage.Placed // its last version
	at      time.Time
	held    bool
}

// patient holds the rules against one patient's documents.
func (r *retaining) patient(ctx context.Context, stream storage.Stream) error {
	documents, err := r.s.keeper.DocumentsOf(ctx, r.s.tenant, stream)
	if err != nil {
		return lookupFailed(err)
	}
	holds, err := r.s.keeper.Holds(ctx, r.s.tenant)
	if err != nil {
		return lookupFailed(err)
	}
	var list []*due
	var known patients
	var items []access.Item
	for _, versions := range documents {
		r.report.Documents++
		if d := r.judge(versions, holds); d != nil {
			list = append(list, d)
			items = append(items, known.placed(d.of))
		}
	}
	if len(list) == 0 {
		return nil
	}
	decisions, err := r.pass.Decide(ctx, items)
	if err != nil {
		return err
	}
	byRule := map[*retention.Rule][]*due{}
	for i, d := range list {
		if decisions[i].Effect != access.Allow {
			r.report.Hidden++
			continue
		}
		r.tell(d)
		if !d.held {
			byRule[d.rule] = append(byRule[d.rule], d)
		}
	}
	if r.DryRun {
		return nil
	}
	for i := range r.Rules.Rules {
		if err := r.erase(ctx, byRule[&r.Rules.Rules[i]]); err != nil {
			return err
		}
	}
	return nil
}

// judge counts a document; nil when it is not due. It is due when all its versions
// are.
func (r *retaining) judge(versions []storage.Placed, holds []retention.Hold) *due {
	d := &due{of: versions[len(versions)-1]}
	last := r.verdict(d.of)
	if last.Rule == nil {
		r.report.NoRule++
		return nil
	}
	d.rule = last.Rule
	r.report.count(&r.report.Rules, r.report.rules, last.Rule.ID).Fits++
	r.report.count(&r.report.Controllers, r.report.controllers, d.of.Controller).Fits++
	for _, p := range versions {
		v := r.verdict(p)
		if v.Undated {
			r.report.Undated++
			return nil
		}
		if v.Rule == nil || v.Due.IsZero() || v.Due.After(r.At) {
			return nil
		}
		d.entries = append(d.entries, p.Object.ObjectID())
		if v.Due.After(d.at) {
			d.at = v.Due
		}
	}
	d.held = len(retention.HeldBy(holds, versions)) > 0
	return d
}

func (r *retaining) verdict(p storage.Placed) retention.Verdict {
	d, ok := p.Object.(*metadata.DocumentEntry)
	if !ok {
		return retention.Verdict{}
	}
	return r.Rules.Of(d, p.Controller)
}

// rows are where a due document is counted.
func (r *retaining) rows(d *due) [2]*RuleCount {
	return [2]*RuleCount{
		r.report.count(&r.report.Rules, r.report.rules, d.rule.ID),
		r.report.count(&r.report.Controllers, r.report.controllers, d.of.Controller),
	}
}

func (r *retaining) tell(d *due) {
	for _, row := range r.rows(d) {
		row.Due++
		if d.held {
			row.Held++
		}
	}
	if len(r.report.Due) >= r.List {
		r.report.More = r.List > 0
		return
	}
	e := d.of.Object.(*metadata.DocumentEntry)
	r.report.Due = append(r.report.Due, DueDocument{Document: e.UniqueID, Rule: d.rule.ID, Controller: d.of.Controller, Due: d.at, Held: d.held})
}

// erase erases one patient's documents of one rule.
func (r *retaining) erase(ctx context.Context, list []*due) error {
	if len(list) == 0 {
		return nil
	}
	e := Erase{Reason: r.Reason, Rule: list[0].rule.ID}
	for _, d := range list {
		e.Entries = append(e.Entries, d.entries...)
	}
	_, err := r.s.Erase(ctx, r.c, e)
	for _, d := range list {
		for _, row := range r.rows(d) {
			switch {
			case err == nil:
				row.Erased++
			case fault.KindOf(err) == fault.Conflict: // held since
				row.Held++
			default:
				row.Failed++
			}
		}
	}
	switch fault.KindOf(err) {
	case fault.Conflict, fault.NotFound, fault.Busy:
		return nil // the others go on
	}
	return err
}
