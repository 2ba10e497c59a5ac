package sharing_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"samdok/access"
	"samdok/access/guard"
	"samdok/audit"
	"samdok/fault"
	"samdok/gateway"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/sharing"
)

const elsewhereHome = "urn:oid:1.2.3.99"

// neighbour is another community with one document.
type neighbour struct {
	entry *metadata.DocumentEntry
	err   error
}

func (n *neighbour) Find(_ context.Context, _ access.Caller, _ metadata.StoredQuery, show func(metadata.Object) error) ([]fault.Problem, error) {
	if n.err != nil {
		return nil, n.err
	}
	return nil, show(n.entry)
}

func (n *neighbour) Retrieve(_ context.Context, _ access.Caller, r []metadata.DocumentRequest) (*gateway.Retrieved, error) {
	if n.err != nil {
		return nil, n.err
	}
	return &gateway.Retrieved{Documents: []gateway.Document{{Request: r[0], MimeType: "text/plain", Size: 1, Body: strings.NewReader("x")}}}, nil
}

// Asking other communities is one use too: whatever happens, one plan and one record,
// two of a partial success; also when an answer that has begun breaks off.
func TestFederationOnePlanOneRecord(t *testing.T) {
	for _, use := range []string{"Find", "Retrieve"} {
		for _, c := range []struct {
			name    string
			set     func(w *world, n *neighbour)
			cancel  bool
			abort   error
			want    []audit.Outcome
			noPlans bool
		}{
			{name: "success", want: []audit.Outcome{audit.Success}},
			{name: "one community away", set: func(_ *world, n *neighbour) { n.err = errEngine }, want: []audit.Outcome{audit.Success, audit.Failed}},
			{name: "own engine fails", set: func(w *world, _ *neighbour) {
				w.engine.hook = func(string) error { return errEngine }
			}, want: []audit.Outcome{audit.Success, audit.Failed}},
			{name: "denied", set: func(w *world, _ *neighbour) { w.policy.plan = deny }, want: []audit.Outcome{audit.Denied}},
			{name: "no decision", set: func(w *world, _ *neighbour) { w.policy.err = errEngine }, want: []audit.Outcome{audit.Errored}},
			{name: "panic in the plan", set: func(w *world, _ *neighbour) { w.policy.plan = func() (access.Plan, error) { panic("x") } }, want: []audit.Outcome{audit.Panicked}},
			{name: "caller gone", cancel: true, noPlans: true, want: []audit.Outcome{audit.Aborted}},
			{name: "no record", set: func(w *world, _ *neighbour) { w.records.err = errEngine }, want: []audit.Outcome{audit.Success}},
			{name: "broken off", abort: io.ErrClosedPipe, want: []audit.Outcome{audit.Success, audit.Aborted}},
		} {
			if use == "Find" && c.abort != nil {
				continue
			}
			t.Run(use+"/"+c.name, func(t *testing.T) {
				var o sharing.Options
				w := newWorld(t, func(own *sharing.Options) { o = *own })
				d := w.document()
				w.provided(d)
				other := w.gen.Document(w.patient, metadatatest.Note).Entry
				other.PatientID, other.Home, other.UniqueID, other.RepositoryID = w.patient.CX(), elsewhereHome, "1.2.3.99.1", "1.2.3.98"
				n := &neighbour{entry: other}
				g, err := gateway.New(gateway.Options{Clock: w.now}, []gateway.Member{{Home: elsewhereHome, Name: "elsewhere", Limits: gateway.Limits{Retries: -1}, Community: n}})
				if err != nil {
					t.Fatal(err)
				}
				f := sharing.NewFederation(sharing.FederationOptions{Gateway: g, Guard: guard.New(guard.Options{Decider: w.policy, Recorder: w.records, Clock: w.now}), Tenant: o.Tenant, Own: w.Sharing})
				w.policy.plans, w.records.events = 0, nil
				if c.set != nil {
					c.set(w, n)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if c.cancel {
					cancel()
				}
				err = useFederation(ctx, f, use, w, d.Entry.UniqueID, c.abort)
				if c.name == "no record" && fault.KindOf(err) != fault.Unavailable {
					t.Errorf("answered without a record: %v", err)
				}
				if !c.noPlans && w.policy.plans != 1 {
					t.Errorf("%d plans", w.policy.plans)
				}
				var got []audit.Outcome
				for _, e := range w.records.events {
					got = append(got, e.Outcome)
					if e.Request.Caller != caller || e.Request.Transaction == "" {
						t.Errorf("record of %+v", e.Request)
					}
				}
				if len(got) != len(c.want) {
					t.Fatalf("recorded %v, want %v; %v", got, c.want, err)
				}
				for i := range got {
					if got[i] != c.want[i] {
						t.Errorf("recorded %v, want %v; %v", got, c.want, err)
					}
				}
				for _, id := range []string{d.Entry.UniqueID, "1.2.3.99.1"} {
					if c.name == "success" && !slices.ContainsFunc(w.records.events[0].Items, func(i access.Item) bool { return i.UniqueID == id }) {
						t.Errorf("%s is not in the record: %+v", id, w.records.events[0].Items)
					}
				}
				if w.docs.open != 0 {
					t.Errorf("%d documents are still open", w.docs.open)
				}
			})
		}
	}
}

// A list of target communities goes to all their gateways: each answers for its own and
// says nothing of the others, but a consumer hears of a community that nobody knows.
func TestTargetCommunities(t *testing.T) {
	var o sharing.Options
	w := newWorld(t, func(own *sharing.Options) { o = *own })
	w.provided(w.document())
	for responding, want := range map[bool]int{true: 0, false: 1} {
		g, err := gateway.New(gateway.Options{Clock: w.now}, nil)
		if err != nil {
			t.Fatal(err)
		}
		f := sharing.NewFederation(sharing.FederationOptions{Gateway: g, Guard: guard.New(guard.Options{Decider: w.policy, Recorder: w.records, Clock: w.now}),
			Tenant: o.Tenant, Own: w.Sharing, Responding: responding, Alone: responding})
		q := metadata.StoredQuery{Query: w.all(), Extra: []metadata.Slot{{Name: "$targetCommunityIdList", Values: []string{"('" + home + "','" + elsewhereHome + "')"}}}}
		found, err := f.Find(t.Context(), caller, q, func(metadata.Object) error { return nil })
		if err != nil || found.Shown == 0 || len(found.Problems) != want {
			t.Errorf("responding %v: %d shown, problems %v, %v; want the own objects and %d problems", responding, found.Shown, found.Problems, err, want)
		}
	}
}

func useFederation(ctx context.Context, f *sharing.Federation, use string, w *world, unique string, abort error) error {
	if use == "Find" {
		_, err := f.Find(ctx, caller, metadata.StoredQuery{Query: w.all()}, func(metadata.Object) error { return nil })
		return err
	}
	r, err := f.Retrieve(ctx, caller, []metadata.DocumentRequest{{Home: home, RepositoryID: own, UniqueID: unique}, {Home: elsewhereHome, RepositoryID: "1.2.3.98", UniqueID: "1.2.3.99.1"}})
	if err != nil {
		return err
	}
	for _, d := range r.Documents {
		_, rerr := io.Copy(io.Discard, d.Body)
		err = errors.Join(err, rerr)
	}
	r.Close(abort)
	return err
}

// What stands beside the own registry under its home is decided on and recorded like
// what others hold: the own registry knows nothing of it.
func TestSharedHomeIsDecidedOn(t *testing.T) {
	var o sharing.Options
	w := newWorld(t, func(own *sharing.Options) { o = *own })
	n := &neighbour{}
	g, err := gateway.New(gateway.Options{Clock: w.now}, []gateway.Member{{Home: home, Name: "beside", Repositories: []string{"1.2.3.97"}, Community: n}})
	if err != nil {
		t.Fatal(err)
	}
	f := sharing.NewFederation(sharing.FederationOptions{Gateway: g, Guard: guard.New(guard.Options{Decider: w.policy, Recorder: w.records, Clock: w.now}), Tenant: o.Tenant, Own: w.Sharing})
	w.policy.hide = func(i access.Item) bool { return i.UniqueID == "hidden" }
	w.records.events = nil
	for _, id := range []string{"shown", "hidden"} {
		r, err := f.Retrieve(t.Context(), caller, []metadata.DocumentRequest{{Home: home, RepositoryID: "1.2.3.97", UniqueID: id}})
		if err != nil {
			t.Fatal(err)
		}
		if want := id == "shown"; (len(r.Documents) == 1) != want || (len(r.Problems) == 0) != want {
			t.Errorf("%s: %+v", id, r)
		}
		items := w.records.events[len(w.records.events)-1].Items
		if want := id == "shown"; (len(items) == 1 && items[0].UniqueID == id) != want {
			t.Errorf("%s: recorded %+v", id, items)
		}
		r.Close(nil)
	}
}

// What the plan forbids is not shown of others either, however they write the code.
func TestRestrictionOfOthers(t *testing.T) {
	var o sharing.Options
	w := newWorld(t, func(own *sharing.Options) { o = *own })
	other := w.gen.Document(w.patient, metadatatest.Note).Entry
	other.PatientID, other.Home, other.UniqueID, other.RepositoryID = w.patient.CX(), elsewhereHome, "1.2.3.99.1", "1.2.3.98"
	g, err := gateway.New(gateway.Options{Clock: w.now}, []gateway.Member{{Home: elsewhereHome, Name: "elsewhere", Limits: gateway.Limits{Retries: -1}, Community: &neighbour{entry: other}}})
	if err != nil {
		t.Fatal(err)
	}
	f := sharing.NewFederation(sharing.FederationOptions{Gateway: g, Guard: guard.New(guard.Options{Decider: w.policy, Recorder: w.records, Clock: w.now}), Tenant: o.Tenant})
	for _, c := range []struct {
		value, scheme string
		shown         int
	}{{"NORS", "1.2.3", 1}, {"NORN", "1.2.3.4", 1}, {"NORN", "1.2.3", 0}, {"NORN", "urn:oid:1.2.3", 0}, {" NORN\n", "1.2.3", 0}, {"NORN", "1.2.3 ", 0}} {
		other.Confidential = []metadata.Code{{Value: "N", Scheme: "1.2.3"}, {Value: c.value, Scheme: c.scheme}}
		w.policy.plan = func() (access.Plan, error) {
			return access.Plan{Effect: access.Allow, Restriction: access.Restriction{WithoutCodes: []metadata.CodeRef{{Value: "NORN", Scheme: "1.2.3"}}}}, nil
		}
		found, err := f.Find(t.Context(), caller, metadata.StoredQuery{Query: w.all()}, func(metadata.Object) error { return nil })
		if err != nil || found.Shown != c.shown {
			t.Errorf("%q of %q: %d shown, want %d: %v", c.value, c.scheme, found.Shown, c.shown, err)
		}
	}
}
