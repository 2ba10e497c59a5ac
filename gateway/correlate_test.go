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

// far is a community that knows the patient under an id of its own.
type far struct {
	*community
	id       string // "" for nobody
	keep     time.Duration
	answer   discovery.Answer // in the place of the one that id means
	err      error
	asked    atomic.Int32
	patients []metadata.CX // of queries
	unknown  string        // an id that is no longer known there
}

func newFar(id string) *far {
	f := &far{id: id}
	f.community = &community{find: func(_ context.Context, q metadata.StoredQuery, show func(metadata.Object) error) ([]fault.Problem, error) {
		p := *patientOf(q.Query)
		f.patients = append(f.patients, p)
		if f.unknown != "" && p == metadata.CX(f.unknown+"^^^&1.7&ISO") {
			return nil, fault.New(fault.NotFound, "x", fault.UnknownPatientID, "unknown")
		}
		return nil, show(entries(1, home(1))[0])
	}}
	return f
}

func (f *far) discover(_ context.Context, _ access.Caller, q discovery.Query) (discovery.Answer, time.Duration, error) {
	f.asked.Add(1)
	if len(q.IDs) != 1 || q.Birth != "19800131" {
		return discovery.Answer{}, 0, errors.New("asked about nobody")
	}
	a := f.answer
	if f.id != "" {
		a.Candidates = append(a.Candidates, discovery.Candidate{ID: metadata.PatientID{ID: f.id, Authority: "1.7"}, Home: home(1)})
	}
	return a, f.keep, f.err
}

func correlating(t *testing.T, f *far, now *time.Time) *Gateway {
	t.Helper()
	o := Options{Clock: func() time.Time { return *now }, TempDir: t.TempDir(), CorrelationTime: time.Hour,
		Person: func(context.Context, metadata.PatientID) (discovery.Person, error) {
			return discovery.Person{Birth: "19800131"}, nil
		}}
	g, err := New(o, []Member{{Home: home(1), Others: []string{home(5)}, Community: f, Discover: f.discover, Limits: Limits{Retries: -1}}, {Home: home(2), Community: holder(1, home(2))}})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestCorrelation(t *testing.T) {
	other := discovery.Candidate{ID: metadata.PatientID{ID: "z", Authority: "1.7"}, Home: home(1)}
	elsewhere := other
	elsewhere.Home = home(9)
	for name, c := range map[string]struct {
		change   func(*far)
		found    int
		problems []string
	}{
		"found":                  {func(*far) {}, 2, nil},
		"nobody":                 {func(f *far) { f.id = "" }, 1, nil},
		"several":                {func(f *far) { f.answer.Candidates = []discovery.Candidate{other} }, 1, []string{"XDSUnavailableCommunity " + home(1)}},
		"another community's":    {func(f *far) { f.answer.Candidates = []discovery.Candidate{elsewhere} }, 2, nil},
		"only another community": {func(f *far) { f.id, f.answer.Candidates = "", []discovery.Candidate{elsewhere} }, 1, nil},
		"more is asked for":      {func(f *far) { f.id, f.answer.More = "", []discovery.Attribute{discovery.GenderRequested} }, 1, []string{"XDSUnavailableCommunity " + home(1)}},
		"trouble":                {func(f *far) { f.err = &discovery.Error{Trouble: discovery.Busy} }, 1, []string{"XDSUnavailableCommunity " + home(1)}},
		"away":                   {func(f *far) { f.err = errors.New("dial") }, 1, []string{"XDSUnavailableCommunity " + home(1)}},
	} {
		t.Run(name, func(t *testing.T) {
			f, now := newFar("x"), time.Now()
			c.change(f)
			found, problems := ask(t, correlating(t, f, &now), findDocuments, nil)
			if len(found) != c.found || !slices.Equal(problems, c.problems) {
				t.Errorf("found %v, problems %q", found, problems)
			}
			for _, p := range f.patients {
				if p != "x^^^&1.7&ISO" {
					t.Errorf("asked about %s", p)
				}
			}
		})
	}
}

// What a community said of a patient is remembered as long as it allows, and no longer
// than the patient, or the community, is the same.
func TestCorrelationsAreRemembered(t *testing.T) {
	f, now := newFar("x"), time.Now()
	g := correlating(t, f, &now)
	patientID := metadata.PatientID{ID: "13879999999", Authority: "2.16.578.1.12.4.1.4.1"}
	asks := func(want int32, found int) {
		t.Helper()
		f.asked.Store(0)
		if got, problems := ask(t, g, findDocuments, nil); len(got) != found || len(problems) != 0 || f.asked.Load() != want {
			t.Errorf("found %v (%q), asked %d times who it is, want %d", got, problems, f.asked.Load(), want)
		}
	}
	asks(1, 2)
	asks(1, 2) // nothing was said of remembering
	f.keep = time.Minute
	asks(1, 2)
	asks(0, 2)
	if e := g.Elsewhere(patientID); len(e) != 1 || e[0].Home != home(1) || e[0].ID.ID != "x" {
		t.Errorf("%+v", e)
	}
	now = now.Add(time.Minute)
	asks(1, 2) // its time is over
	g.Forget(patientID)
	asks(1, 2) // who the patient is has changed
	asks(0, 2)
	f.id, f.unknown = "y", "x"
	asks(1, 2) // the community no longer knows the id: asked again, in the same query
	if last := f.patients[len(f.patients)-1]; last != "y^^^&1.7&ISO" {
		t.Errorf("asked about %s", last)
	}
	f.unknown, f.id = "y", ""
	asks(1, 1) // and it has nobody any more
	asks(1, 1)
	if s := g.Status()[0]; s.Discovered != 8 || s.Strangers != 2 || s.Unclear != 0 || s.Remembered != 4 {
		t.Errorf("asked %d times who it is, %d strangers, %d unclear, %d remembered", s.Discovered, s.Strangers, s.Unclear, s.Remembered)
	}
}
