package gateway

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"samdok/access"
	"samdok/discovery"
	"samdok/fault"
	"samdok/metadata"
)

var asked = metadata.PatientID{ID: "13879999999", Authority: "2.16.578.1.12.4.1.4.1"}

func there(id string) metadata.PatientID { return metadata.PatientID{ID: id, Authority: "1.7"} }

// guide is a Health Data Locator.
type guide struct {
	says  []discovery.Location
	err   error
	wait  time.Duration
	asked atomic.Int32
}

func (h *guide) where(ctx context.Context, _ access.Caller, p metadata.PatientID) ([]discovery.Location, error) {
	h.asked.Add(1)
	if p != asked {
		return nil, errors.New("asked about somebody else")
	}
	if h.wait > 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return h.says, h.err
}

// Who asks a Health Data Locator asks only those that it names, each under the id that
// it says, and everybody as soon as it is not sure.
func TestHealthDataLocator(t *testing.T) {
	at := func(n int, id string) discovery.Location { return discovery.Location{Home: home(n), ID: there(id)} }
	for name, c := range map[string]struct {
		guide        *guide
		found, asked int // asked: how often far was asked who the patient is
		ids          []metadata.CX
		skipped      int64
	}{
		"named with its id":     {&guide{says: []discovery.Location{at(1, "x")}}, 2, 0, []metadata.CX{"x^^^&1.7&ISO"}, 2},
		"an id of no use there": {&guide{says: []discovery.Location{at(1, "old")}}, 2, 1, []metadata.CX{"old^^^&1.7&ISO", "x^^^&1.7&ISO"}, 2},
		"two ids":               {&guide{says: []discovery.Location{at(1, "a"), at(1, "b")}}, 2, 1, []metadata.CX{"x^^^&1.7&ISO"}, 2},
		"another named":         {&guide{says: []discovery.Location{at(2, "y")}}, 2, 0, nil, 2},
		"nobody named":          {&guide{says: nil}, 1, 0, nil, 3},
		"not about this one":    {&guide{err: &fault.Error{Kind: fault.NotFound}}, 4, 1, []metadata.CX{"x^^^&1.7&ISO"}, 0},
		"away":                  {&guide{err: errors.New("dial")}, 4, 1, []metadata.CX{"x^^^&1.7&ISO"}, 0},
		"slow":                  {&guide{wait: time.Hour}, 4, 1, []metadata.CX{"x^^^&1.7&ISO"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f, h := newFar("x"), c.guide
			f.unknown = "old"
			within := time.Minute
			if h.wait > 0 {
				within = 50 * time.Millisecond
			}
			f.keep = time.Hour
			g, err := New(Options{Clock: time.Now, TempDir: t.TempDir(), LocateWithin: within, Person: func(context.Context, metadata.PatientID) (discovery.Person, error) {
				return discovery.Person{Birth: "19800131"}, nil
			}}, []Member{
				{Home: home(1), Community: f, Discover: f.discover},
				{Home: home(2), Community: holder(1, home(2))},
				{Home: home(3), Community: holder(1, home(3))},
				{Home: home(4), Community: holder(1, home(4)), Where: h.where, Knows: []string{home(1), home(2), home(3)}},
			})
			if err != nil {
				t.Fatal(err)
			}
			found, problems := ask(t, g, findDocuments, nil)
			if len(found) != c.found || len(problems) != 0 || int(f.asked.Load()) != c.asked || !slices.Equal(f.patients, c.ids) {
				t.Errorf("found %v (%q), far was asked %d times who, and for documents of %v", found, problems, f.asked.Load(), f.patients)
			}
			var skipped, located int64
			for _, s := range g.Status() {
				skipped, located = skipped+s.Skipped, located+s.Located
			}
			if skipped != c.skipped || located != 1 || h.asked.Load() != 1 {
				t.Errorf("%d not asked, located %d times", skipped, located)
			}
			if g.ids.Len() != c.asked {
				t.Errorf("%d ids are remembered; a locator allows nobody to remember", g.ids.Len())
			}
		})
	}
}

// A locator that is slow again and again is not waited for, and keeps its documents.
func TestSlowLocatorIsLeftAlone(t *testing.T) {
	h := &guide{wait: time.Hour}
	g := newGateway(t, Options{LocateWithin: 10 * time.Millisecond}, Member{Home: home(1), Community: holder(1, home(1)), Where: h.where, Limits: Limits{Failures: 2, Pause: time.Hour}})
	for range 5 {
		if found, problems := ask(t, g, findDocuments, nil); len(found) != 1 || len(problems) != 0 {
			t.Fatal(found, problems)
		}
	}
	if h.asked.Load() != 2 || g.Status()[0].State != "closed" {
		t.Errorf("asked %d times, %+v", h.asked.Load(), g.Status()[0])
	}
}

// Where a patient is, is what locators say and what communities said before, each once.
func TestWhere(t *testing.T) {
	h, f, now := &guide{says: []discovery.Location{{Home: home(1), ID: there("x")}, {Home: home(1), ID: there("y")}}}, newFar("z"), time.Now()
	f.keep = time.Hour
	g := correlating(t, f, &now)
	ask(t, g, findDocuments, nil)
	if all, problems := g.Where(t.Context(), access.Caller{}, asked); len(all) != 1 || all[0].ID.ID != "z" || len(problems) != 0 {
		t.Errorf("%+v %+v", all, problems)
	}
	if err := g.Replace([]Member{{Home: home(1), Community: f, Where: h.where}, {Home: home(2), Community: f, Where: (&guide{err: errors.New("dial")}).where}}); err != nil {
		t.Fatal(err)
	}
	if all, problems := g.Where(t.Context(), access.Caller{}, asked); len(all) != 1 || all[0].ID.ID != "x" || len(problems) != 1 || problems[0].Location != home(2) {
		t.Errorf("%+v %+v", all, problems)
	}
}

// What a consumer asks of who a patient is serves its queries too, until time, a merge or
// the community ends it; and only when it is sure that the same patient is meant.
func TestConsumersDiscoveryIsRemembered(t *testing.T) {
	f, now := newFar("x"), time.Now()
	f.keep = time.Minute
	g := correlating(t, f, &now)
	q := discovery.Query{IDs: []metadata.PatientID{asked}, Person: discovery.Person{Birth: "19800131"}}
	discovered := func(patient *metadata.PatientID) {
		t.Helper()
		if d := g.Discover(t.Context(), access.Caller{}, q, patient); len(d.Candidates) != 1 || d.Candidates[0].ID != there("x") || len(d.Problems) != 0 {
			t.Fatalf("%+v", d)
		}
		f.asked.Store(0)
	}
	finds := func(why string, questions int32) {
		t.Helper()
		if found, _ := ask(t, g, findDocuments, nil); len(found) != 2 || f.asked.Load() != questions {
			t.Errorf("%s: found %v after %d questions, want %d", why, found, f.asked.Load(), questions)
		}
		g.Forget(asked)
	}
	discovered(&asked)
	finds("remembered", 0)
	discovered(nil)
	finds("not sure whom it was about", 1)
	discovered(&asked)
	now = now.Add(time.Minute)
	finds("its time is over", 1)
	discovered(&asked)
	g.Forget(asked)
	finds("the patient was merged", 1)
	discovered(&asked)
	if err := g.Replace([]Member{{Home: home(1), Community: f, Discover: f.discover}, {Home: home(2), Community: holder(1, home(2))}}); err != nil {
		t.Fatal(err)
	}
	finds("the file was read again", 0)
	f.keep = 0
	discovered(&asked)
	finds("the community lets nobody remember", 1)
	f.err = errors.New("dial")
	if d := g.Discover(t.Context(), access.Caller{}, q, &asked); len(d.Candidates) != 0 || len(d.Problems) != 1 || d.Problems[0].Location != home(1) {
		t.Errorf("%+v", d)
	}
}

// A bridge may name a patient once for each community behind it.
func TestOneIDOfSeveralCommunities(t *testing.T) {
	f, now := newFar(""), time.Now()
	f.answer.Candidates = []discovery.Candidate{{ID: there("x"), Home: home(1)}, {ID: there("x"), Home: home(5)}}
	if found, problems := ask(t, correlating(t, f, &now), findDocuments, nil); len(found) != 2 || len(problems) != 0 {
		t.Errorf("%v %q", found, problems)
	}
}
