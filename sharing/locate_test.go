package sharing_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"samdok/access"
	"samdok/access/guard"
	"samdok/audit"
	"samdok/fault"
	"samdok/locator"
	"samdok/metadata"
	"samdok/sharing"
	"samdok/storage/sqlite"
)

const (
	northern = "urn:oid:2.16.578.1.12.4.5.100.9.22"
	southern = "urn:oid:2.16.578.1.12.4.5.100.9.23"
)

// locating is a Locating in a world, with peers that a test can set.
func (w *world) locating(peers ...sharing.LocatorPeer) (*sharing.Locating, *locator.Locator) {
	w.Helper()
	cards, err := sqlite.OpenCards(w.Context(), filepath.Join(w.TempDir(), "locator.db"), sqlite.CardsOptions{})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { cards.Close() })
	l := locator.New(locator.Options{Cards: cards, Tenant: tenant, Clock: w.now})
	return sharing.NewLocating(sharing.LocatingOptions{Locator: l, Tenant: tenant, Deadline: 100 * time.Millisecond,
		Guard: guard.New(guard.Options{Decider: w.policy, Recorder: w.records, Clock: w.now}), Peers: func() []sharing.LocatorPeer { return peers }}), l
}

func (w *world) statement(home, organisation string) locator.Statement {
	return locator.Statement{Patient: w.patient.ID(), Source: locator.Source{Community: home}, AsOf: w.now(), Told: locator.ToldByAPI,
		Held: []locator.Held{{Kind: locator.KindDocuments, Organisation: organisation}}}
}

func communities(a locator.Answer) (homes []string) {
	for _, h := range a.Holdings {
		homes = append(homes, h.Community+" "+h.Organisation)
	}
	return homes
}

// Every use is planned, decided and recorded once, also when the engine or the
// recorder fails; what is denied looks like what is not there.
func TestLocatingIsGuarded(t *testing.T) {
	w := newWorld(t)
	l, _ := w.locating()
	ctx := t.Context()
	uses := map[string]struct {
		action access.Action
		do     func() error
		silent bool
	}{
		"State": {access.ActionStateHoldings, func() error {
			_, err := l.State(ctx, caller, []locator.Statement{w.statement(northern, "1")})
			return err
		}, false},
		"Cover": {access.ActionStateHoldings, func() error {
			return l.Cover(ctx, caller, locator.Coverage{Community: northern, Level: locator.LevelSystem, AsOf: w.now()})
		}, false},
		"Locate": {access.ActionLocate, func() error { _, err := l.Locate(ctx, caller, sharing.Locate{Patient: w.patient.ID()}); return err }, true},
		"own": {access.ActionLocateOwn, func() error {
			_, err := l.Locate(ctx, caller, sharing.Locate{Patient: w.patient.ID(), Own: true})
			return err
		}, true},
		"status": {access.ActionLocate, func() error { _, err := l.Overview(ctx, caller); return err }, false},
	}
	for name, use := range uses {
		t.Run(name, func(t *testing.T) {
			check := func(what string, err error, want audit.Outcome, plans int) {
				t.Helper()
				if e := w.last(); e.Outcome != want || e.Request.Action != use.action || w.policy.plans != plans || len(w.records.events) != 1 {
					t.Errorf("%s: outcome %v of %v, %d plans, %d records, error %v", what, e.Outcome, e.Request.Action, w.policy.plans, len(w.records.events), err)
				}
				w.policy.plans, w.records.events = 0, nil
			}
			w.policy.plans, w.records.events = 0, nil
			err := use.do()
			check("good", err, audit.Success, 1)
			if err != nil {
				t.Error(err)
			}
			w.policy.plan = deny
			err = use.do()
			w.policy.plan = nil
			check("denied", err, audit.Denied, 1)
			if (err == nil) != use.silent || err != nil && fault.KindOf(err) != fault.Denied {
				t.Errorf("denied: %v", err)
			}
			w.records.err = errors.New("no")
			err = use.do()
			w.records.err, w.policy.plans, w.records.events = nil, 0, nil
			if fault.KindOf(err) != fault.Unavailable {
				t.Errorf("not recorded: %v", err)
			}
			usual := ctx
			canceled, cancel := context.WithCancel(ctx)
			cancel()
			ctx = canceled
			err = use.do()
			ctx = usual
			check("canceled", err, audit.Aborted, 0)
		})
	}
}

func TestLocateShowsWhatMayBeKnown(t *testing.T) {
	w := newWorld(t)
	l, _ := w.locating()
	outcomes, err := l.State(t.Context(), caller, []locator.Statement{w.statement(northern, "1"), w.statement(southern, "2")})
	if err != nil || outcomes[0].Result != locator.Taken || outcomes[1].Result != locator.Taken {
		t.Fatal(outcomes, err)
	}
	if e := w.last(); len(e.Items) != 2 || e.Items[0].Kind != access.ItemHolding || e.Items[0].Patient != w.patient.ID() || len(e.Request.Patients) != 1 {
		t.Errorf("recorded: %+v", e)
	}
	w.policy.hide = func(i access.Item) bool { return i.Controller == "2" }
	a, err := l.Locate(t.Context(), caller, sharing.Locate{Patient: w.patient.ID()})
	if got := communities(a); err != nil || !slices.Equal(got, []string{northern + " 1"}) {
		t.Error(got, err)
	}
	if e := w.last(); e.Hidden != 1 || len(e.Items) != 1 {
		t.Errorf("recorded: %+v", e)
	}
	// What may not be stated is refused, and the rest is taken.
	w.pass(time.Minute)
	outcomes, err = l.State(t.Context(), caller, []locator.Statement{w.statement(southern, "2"), w.statement(northern, "3")})
	if err != nil || outcomes[0].Result != locator.Refused || outcomes[1].Result != locator.Taken {
		t.Error(outcomes, err)
	}
}

// Communities that told too little are asked for the rest; who does not answer is
// named, and nobody is believed about others.
func TestLocateAsksPeers(t *testing.T) {
	w := newWorld(t)
	var mu sync.Mutex // peers are asked at the same time
	asked := map[string]int{}
	peer := func(home string, answer locator.Answer, err error) sharing.LocatorPeer {
		return sharing.LocatorPeer{Homes: []string{home}, Locate: func(ctx context.Context, _ metadata.PatientID) (locator.Answer, error) {
			mu.Lock()
			asked[home]++
			mu.Unlock()
			if err != nil {
				<-ctx.Done()
			}
			return answer, err
		}}
	}
	holding := func(home, organisation string) locator.Holding {
		return locator.Holding{Source: locator.Source{Community: home, System: "S"}, Held: locator.Held{Kind: locator.KindDocuments, Organisation: organisation}}
	}
	lying := locator.Answer{Holdings: []locator.Holding{holding(northern, "detail"), holding(southern, "a lie")},
		Covered: []locator.Coverage{{Community: northern, Level: locator.LevelSystem}, {Community: southern}}}
	l, own := w.locating(peer(northern, lying, nil), peer(southern, locator.Answer{}, errors.New("down")))
	ask := func(q sharing.Locate) locator.Answer {
		t.Helper()
		clear(asked)
		q.Patient = w.patient.ID()
		a, err := l.Locate(t.Context(), caller, q)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if a := ask(sharing.Locate{Alone: true}); len(asked) != 0 || len(a.Holdings) != 0 {
		t.Errorf("alone: %v, %v", asked, a)
	}
	a := ask(sharing.Locate{})
	if got := communities(a); len(asked) != 2 || !slices.Equal(got, []string{northern + " detail"}) || len(a.Covered) != 1 || !slices.Equal(a.Unanswered, []string{southern}) {
		t.Errorf("nothing told: asked %v, %+v", asked, a)
	}
	for _, home := range []string{northern, southern} {
		if err := own.Cover(t.Context(), locator.Coverage{Community: home, Level: locator.LevelOrganisation, AsOf: w.now()}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := own.State(t.Context(), []locator.Statement{w.statement(northern, "told")}); err != nil {
		t.Fatal(err)
	}
	if a := ask(sharing.Locate{}); len(asked) != 0 || !slices.Equal(communities(a), []string{northern + " told"}) {
		t.Errorf("organisations told: asked %v, %+v", asked, a)
	}
	if a := ask(sharing.Locate{Detail: true}); len(asked) != 1 || !slices.Equal(communities(a), []string{northern + " detail"}) || len(a.Covered) != 2 {
		t.Errorf("details wanted: asked %v, %+v", asked, a)
	}
}
