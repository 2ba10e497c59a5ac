package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patient = metadata.CX("13879999999^^^&2.16.578.1.12.4.1.4.1&ISO")

func home(n int) string { return fmt.Sprintf("urn:oid:1.2.%d", n) }

// community is a Community made of functions.
type community struct {
	find     func(ctx context.Context, q metadata.StoredQuery, show func(metadata.Object) error) ([]fault.Problem, error)
	retrieve func(ctx context.Context, r []metadata.DocumentRequest) (*Retrieved, error)
	asked    atomic.Int32
}

func (c *community) Find(ctx context.Context, _ access.Caller, q metadata.StoredQuery, show func(metadata.Object) error) ([]fault.Problem, error) {
	c.asked.Add(1)
	return c.find(ctx, q, show)
}

func (c *community) Retrieve(ctx context.Context, _ access.Caller, r []metadata.DocumentRequest) (*Retrieved, error) {
	c.asked.Add(1)
	return c.retrieve(ctx, r)
}

// holder answers n entries that say they are of a home.
func holder(n int, home string) *community {
	list := entries(n, home)
	return &community{find: func(_ context.Context, _ metadata.StoredQuery, show func(metadata.Object) error) ([]fault.Problem, error) {
		for _, o := range list {
			if err := show(o); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}}
}

func entries(n int, home string) []metadata.Object {
	g := metadatatest.New(3)
	var list []metadata.Object
	for _, e := range g.Metadata(g.Patient(), n).Entries {
		e.ID, e.Home, e.Status = metadata.ID(metadata.NewUUID().String()), home, metadata.Approved
		list = append(list, e)
	}
	return list
}

func failing(err error) *community {
	return &community{find: func(context.Context, metadata.StoredQuery, func(metadata.Object) error) ([]fault.Problem, error) {
		return nil, err
	}, retrieve: func(context.Context, []metadata.DocumentRequest) (*Retrieved, error) { return nil, err }}
}

// silent answers when it is given up.
func silent() *community {
	return &community{find: func(ctx context.Context, _ metadata.StoredQuery, _ func(metadata.Object) error) ([]fault.Problem, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}, retrieve: func(ctx context.Context, _ []metadata.DocumentRequest) (*Retrieved, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
}

func newGateway(t *testing.T, o Options, members ...Member) *Gateway {
	t.Helper()
	o.Clock, o.TempDir = time.Now, t.TempDir()
	g, err := New(o, members)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

var findDocuments = metadata.StoredQuery{Query: &metadata.FindDocuments{Patient: patient, Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}}

// ask is the homes of what was found and the codes with their locations.
func ask(t *testing.T, g *Gateway, q metadata.StoredQuery, own *Leg) (found []string, problems []string) {
	t.Helper()
	list, err := g.Find(context.Background(), access.Caller{}, q, own, Sink{Show: func(o metadata.Object, isOwn bool) error {
		switch o := o.(type) {
		case *metadata.DocumentEntry:
			found = append(found, o.Home)
		case *metadata.ObjectReference:
			found = append(found, o.Home)
		}
		return nil
	}})
	if err != nil {
		list = fault.ProblemsOf(err)
	}
	for _, p := range list {
		problems = append(problems, string(p.Code)+" "+p.Location)
	}
	return found, problems
}

func TestFindBringsTogether(t *testing.T) {
	unknown := fault.New(fault.Invalid, "x", fault.UnknownPatientID, "unknown")
	refusal := fault.New(fault.Invalid, "x", fault.RegistryError, "no")
	warning := &community{find: func(_ context.Context, _ metadata.StoredQuery, show func(metadata.Object) error) ([]fault.Problem, error) {
		return []fault.Problem{{Code: fault.ExtraMetadataNotSaved, Severity: fault.SeverityWarning, Location: "urn:oid:far"}, {Code: fault.UnknownPatientID}}, nil
	}}
	panicking := &community{find: func(context.Context, metadata.StoredQuery, func(metadata.Object) error) ([]fault.Problem, error) {
		panic("x")
	}}
	for name, c := range map[string]struct {
		c        *community
		found    int
		problems []string
	}{
		"answers":         {holder(3, home(1)), 3, nil},
		"nothing":         {holder(0, home(1)), 0, nil},
		"unknown patient": {failing(unknown), 0, nil},
		"refuses":         {failing(refusal), 0, []string{"XDSRegistryError " + home(1)}},
		"warns":           {warning, 0, []string{"XDSExtraMetadataNotSaved urn:oid:far"}},
		"is away":         {failing(errors.New("dial")), 0, []string{"XDSUnavailableCommunity " + home(1)}},
		"is silent":       {silent(), 0, []string{"XDSUnavailableCommunity " + home(1)}},
		"panics":          {panicking, 0, []string{"XDSUnavailableCommunity " + home(1)}},
		"no home":         {holder(12, ""), 0, []string{"XDSMissingHomeCommunityId " + home(1)}},
		"another's home":  {holder(2, home(2)), 0, []string{"XDSUnknownCommunity " + home(1)}},
		"nobody's home":   {holder(2, home(7)), 0, []string{"XDSUnknownCommunity " + home(1)}},
		"our home":        {holder(2, home(0)), 0, []string{"XDSUnknownCommunity " + home(1)}},
		"another of its":  {holder(2, home(5)), 2, nil},
	} {
		t.Run(name, func(t *testing.T) {
			limits := Limits{Deadline: time.Minute, Retries: -1}
			if name == "is silent" {
				limits.Deadline = 100 * time.Millisecond
			}
			g := newGateway(t, Options{}, Member{Home: home(1), Others: []string{home(5)}, Limits: limits, Community: c.c},
				Member{Home: home(2), Limits: Limits{Deadline: time.Minute}, Community: holder(2, home(2))})
			own := &Leg{Homes: []string{home(0)}, Community: holder(1, home(0))}
			start := time.Now()
			found, problems := ask(t, g, findDocuments, own)
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
			if len(found) != c.found+3 || !slices.Equal(problems, c.problems) {
				t.Errorf("found %v, problems %q", found, problems)
			}
			if found[0] != home(0) {
				t.Errorf("order: %v", found)
			}
		})
	}
}

func TestBridge(t *testing.T) {
	bridge := holder(2, home(9))
	g := newGateway(t, Options{}, Member{Home: home(1), Bridge: true, Community: bridge}, Member{Home: home(2), Community: holder(1, home(2))})
	if found, problems := ask(t, g, findDocuments, nil); len(found) != 3 || problems != nil {
		t.Errorf("%v %v", found, problems)
	}
	own := &Leg{Homes: []string{home(9)}, Community: holder(0, "")}
	if found, problems := ask(t, g, findDocuments, own); len(found) != 1 || len(problems) != 1 {
		t.Errorf("a bridge answered for our own community: %v %v", found, problems)
	}
	byID := metadata.StoredQuery{Query: &metadata.GetDocuments{}, Home: home(42)}
	if found, problems := ask(t, g, byID, nil); len(found) != 2 || problems != nil {
		t.Errorf("%v %v", found, problems)
	}
}

func TestRouting(t *testing.T) {
	for name, c := range map[string]struct {
		q        metadata.StoredQuery
		known    Located
		unsure   error
		found    string
		problems string
	}{
		"all":                {q: findDocuments, found: "0 1 2"},
		"one":                {q: metadata.StoredQuery{Query: findDocuments.Query, Home: home(2)}, found: "2"},
		"own":                {q: metadata.StoredQuery{Query: findDocuments.Query, Home: home(0)}, found: "0"},
		"unknown":            {q: metadata.StoredQuery{Query: findDocuments.Query, Home: home(8)}, problems: "XDSUnknownCommunity "},
		"by id":              {q: metadata.StoredQuery{Query: &metadata.GetDocuments{}, Home: home(1)}, found: "1"},
		"by id, homeless":    {q: metadata.StoredQuery{Query: &metadata.GetDocuments{}}, problems: "XDSMissingHomeCommunityId "},
		"listed":             {q: listing("('" + home(2) + "','" + home(0) + "')"), found: "0 2"},
		"listed in values":   {q: listing("('"+home(2)+"')", "('"+home(2)+"','"+home(1)+"')"), found: "1 2"},
		"listed barely":      {q: listing("('" + metadata.BareOID(home(2)) + "')"), found: "2"},
		"listed unknown":     {q: listing("('" + home(2) + "','" + home(8) + "')"), found: "2", problems: "XDSUnknownCommunity " + home(8)},
		"located":            {q: findDocuments, known: Located{Named: []string{home(2)}, Silent: []string{home(1)}}, found: "0 2"},
		"located nowhere":    {q: findDocuments, known: Located{Silent: []string{home(1), home(2)}}, found: "0"},
		"one is not known":   {q: findDocuments, known: Located{Silent: []string{home(2)}}, found: "0 1"},
		"the locator doubts": {q: findDocuments, known: Located{Named: []string{home(2)}}, found: "0 1 2"},
		"the locator is out": {q: findDocuments, known: Located{Silent: []string{home(1), home(2)}}, unsure: errors.New("out"), found: "0 1 2"},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Locate: func(_ context.Context, _ access.Caller, p metadata.PatientID) (Located, error) {
				if p.ID != "13879999999" {
					t.Errorf("asked for %v", p)
				}
				return c.known, c.unsure
			}}
			g := newGateway(t, o, Member{Home: home(1), Community: holder(1, home(1))}, Member{Home: home(2), Community: holder(1, home(2))})
			found, problems := ask(t, g, c.q, &Leg{Homes: []string{home(0)}, Community: holder(1, home(0))})
			slices.Sort(found)
			if got := strings.ReplaceAll(strings.Join(found, " "), "urn:oid:1.2.", ""); got != c.found || strings.Join(problems, " ") != c.problems {
				t.Errorf("found %q, problems %q", got, problems)
			}
		})
	}
}

// A responding gateway passes over communities of the list that others answer for.
func TestSupported(t *testing.T) {
	g := newGateway(t, Options{}, Member{Home: home(1), Community: holder(1, home(1))})
	own := &Leg{Homes: []string{home(0)}, Community: holder(1, home(0))}
	alone := &Leg{Homes: own.Homes, Community: own.Community, Alone: true}
	for name, c := range map[string]struct {
		q     metadata.StoredQuery
		own   *Leg
		found string
	}{
		"no list":           {q: findDocuments, own: own, found: "0 1"},
		"some are others'":  {q: listing("('" + home(0) + "','" + home(8) + "')"), own: own, found: "0"},
		"over several":      {q: listing("('"+home(8)+"')", "('"+home(1)+"','"+home(0)+"')"), own: own, found: "0 1"},
		"all are others'":   {q: listing("('" + home(8) + "')"), own: own},
		"only the own here": {q: listing("('" + home(0) + "','" + home(1) + "')"), own: alone, found: "0"},
	} {
		t.Run(name, func(t *testing.T) {
			found, problems := ask(t, g, g.Supported(c.q, c.own), c.own)
			slices.Sort(found)
			if got := strings.ReplaceAll(strings.Join(found, " "), "urn:oid:1.2.", ""); got != c.found || len(problems) > 0 {
				t.Errorf("found %q, problems %q; want %q and none", got, problems, c.found)
			}
		})
	}
}

func listing(values ...string) metadata.StoredQuery {
	return metadata.StoredQuery{Query: findDocuments.Query, Extra: []metadata.Slot{{Name: targetList, Values: values}}}
}

func TestPatientIsTranslated(t *testing.T) {
	var got metadata.CX
	c := &community{find: func(_ context.Context, q metadata.StoredQuery, _ func(metadata.Object) error) ([]fault.Problem, error) {
		got = *patientOf(q.Query)
		return nil, nil
	}}
	g := newGateway(t, Options{}, Member{Home: home(1), Authority: "1.2.3.4", Community: c})
	for _, q := range []metadata.Query{&metadata.FindDocuments{Patient: patient}, &metadata.FindDocumentsByReferenceID{Patient: patient},
		&metadata.FindSubmissionSets{Patient: patient}, &metadata.FindFolders{Patient: patient}, &metadata.GetAll{Patient: patient}} {
		ask(t, g, metadata.StoredQuery{Query: q}, nil)
		if got != "13879999999^^^&1.2.3.4&ISO" || *patientOf(q) != patient {
			t.Errorf("%T: sent %q, kept %q", q, got, *patientOf(q))
		}
	}
}

// A large answer waits encrypted on disk and comes back the same.
func TestLargeAnswers(t *testing.T) {
	const n = 3000
	list := entries(n, home(1))
	c := &community{find: func(_ context.Context, _ metadata.StoredQuery, show func(metadata.Object) error) ([]fault.Problem, error) {
		for i, o := range list {
			if i%10 == 0 {
				o = &metadata.ObjectReference{ID: o.ObjectID(), Home: home(1)}
			}
			if err := show(o); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}}
	g := newGateway(t, Options{}, Member{Home: home(1), Community: c})
	i := 0
	_, err := g.Find(context.Background(), access.Caller{}, findDocuments, nil, Sink{Show: func(o metadata.Object, _ bool) error {
		if i < 3 || o.ObjectID() != list[i%n].ObjectID() { // references come behind: a spool keeps the order
			if o.ObjectID() != list[i].ObjectID() {
				t.Fatalf("object %d is %s", i, o.ObjectID())
			}
		}
		i++
		return nil
	}})
	if err != nil || i != n {
		t.Fatalf("%d objects, %v", i, err)
	}

	g = newGateway(t, Options{}, Member{Home: home(1), Limits: Limits{Quota: 100_000}, Community: c}, Member{Home: home(2), Community: holder(1, home(2))})
	found, problems := ask(t, g, findDocuments, nil)
	if len(found) != 1 || !slices.Equal(problems, []string{"XDSTooManyResults " + home(1)}) {
		t.Errorf("over the quota: %v, %v", found, problems)
	}
}

// What has come is shown while others are still under way, each answer as a whole, and
// worked on before anything is waited for.
func TestAnswersAreShownAsTheyCome(t *testing.T) {
	shown := make(chan struct{})
	slow := &community{find: func(ctx context.Context, _ metadata.StoredQuery, show func(metadata.Object) error) ([]fault.Problem, error) {
		select {
		case <-shown:
			return nil, show(entries(1, home(1))[0])
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
	g := newGateway(t, Options{}, Member{Home: home(1), Community: slow}, Member{Home: home(2), Community: holder(3, home(2))})
	var order []string
	pending := 0
	problems, err := g.Find(context.Background(), access.Caller{}, findDocuments, nil, Sink{
		Show: func(o metadata.Object, _ bool) error {
			order = append(order, metadata.HomeOf(o))
			pending++
			return nil
		},
		Idle: func() error {
			if pending == 3 {
				close(shown)
			}
			pending = 0
			return nil
		},
	})
	if err != nil || len(problems) != 0 || pending != 0 || !slices.Equal(order, []string{home(2), home(2), home(2), home(1)}) {
		t.Errorf("%v, %v, %v; %d were not worked on", order, problems, err, pending)
	}
}

// An error of who takes the answers ends the other questions.
func TestUnwantedAnswers(t *testing.T) {
	unwanted := errors.New("unwanted")
	g := newGateway(t, Options{}, Member{Home: home(1), Community: silent()}, Member{Home: home(2), Community: holder(1, home(2))})
	for name, to := range map[string]Sink{
		"show": {Show: func(metadata.Object, bool) error { return unwanted }},
		"idle": {Show: func(metadata.Object, bool) error { return nil }, Idle: func() error { return unwanted }},
	} {
		if _, err := g.Find(context.Background(), access.Caller{}, findDocuments, nil, to); !errors.Is(err, unwanted) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A panic of the own community reaches the guard, and nobody keeps a place.
func TestOwnPanics(t *testing.T) {
	closed := make(chan struct{})
	far := holder(1, home(1))
	far.retrieve = func(context.Context, []metadata.DocumentRequest) (*Retrieved, error) {
		r := &Retrieved{}
		r.OnClose(func() error { close(closed); return nil })
		return r, nil
	}
	own := &Leg{Homes: []string{home(0)}, Community: &community{
		find: func(context.Context, metadata.StoredQuery, func(metadata.Object) error) ([]fault.Problem, error) {
			panic("own")
		},
		retrieve: func(context.Context, []metadata.DocumentRequest) (*Retrieved, error) { panic("own") },
	}}
	g := newGateway(t, Options{}, Member{Home: home(1), Community: far})
	panics := func(f func() error) {
		t.Helper()
		defer func() {
			if v := recover(); v != "own" {
				t.Errorf("recovered %v", v)
			}
		}()
		t.Errorf("returned %v", f())
	}
	panics(func() error {
		_, err := g.Find(context.Background(), access.Caller{}, findDocuments, own, Sink{Show: func(metadata.Object, bool) error { return nil }})
		return err
	})
	panics(func() error {
		_, err := g.Retrieve(context.Background(), access.Caller{}, []metadata.DocumentRequest{{Home: home(1), UniqueID: "1"}, {Home: home(0), UniqueID: "2"}}, own)
		return err
	})
	<-closed
	if n := g.Status()[0].InWork; n != 0 {
		t.Errorf("%d in work", n)
	}
}

func TestRetriesAndBreaker(t *testing.T) {
	var times int
	c := &community{}
	c.find = func(_ context.Context, _ metadata.StoredQuery, show func(metadata.Object) error) ([]fault.Problem, error) {
		if times++; times == 1 {
			show(entries(1, home(1))[0]) // half an answer is not kept
			return nil, errors.New("reset")
		}
		return nil, show(entries(1, home(1))[0])
	}
	g := newGateway(t, Options{}, Member{Home: home(1), Community: c})
	if found, problems := ask(t, g, findDocuments, nil); len(found) != 1 || problems != nil || times != 2 {
		t.Errorf("%v %v after %d requests", found, problems, times)
	}

	dead := failing(errors.New("refused"))
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, Options{}, Member{Home: home(1), Limits: Limits{Failures: 3, Pause: time.Minute, Retries: -1}, Community: dead})
		for range 6 {
			ask(t, g, findDocuments, nil)
		}
		if n := dead.asked.Load(); n != 3 {
			t.Errorf("a dead community was asked %d times", n)
		}
		if s := g.Status()[0]; s.State != "open" || s.Refused != 3 || s.Failed != 3 || s.Asked != 6 {
			t.Errorf("%+v", s)
		}
		time.Sleep(time.Minute + time.Second)
		dead.find = holder(1, home(1)).find
		for range 2 {
			if found, problems := ask(t, g, findDocuments, nil); len(found) != 1 {
				t.Errorf("back again: %v %v", found, problems)
			}
		}
	})
	// A refusal is an answer: it opens nothing.
	refuses := failing(fault.New(fault.Invalid, "x", fault.RegistryError, "no"))
	g = newGateway(t, Options{}, Member{Home: home(1), Limits: Limits{Failures: 1}, Community: refuses})
	for range 3 {
		ask(t, g, findDocuments, nil)
	}
	if n := refuses.asked.Load(); n != 3 {
		t.Errorf("asked %d times", n)
	}
}

// One community has no more requests than it may; those that wait too long are told
// so, and the others are not held up.
func TestBulkhead(t *testing.T) {
	slow, inside, most := silent(), atomic.Int32{}, atomic.Int32{}
	wait := slow.find
	slow.find = func(ctx context.Context, q metadata.StoredQuery, show func(metadata.Object) error) ([]fault.Problem, error) {
		most.Store(max(most.Load(), inside.Add(1)))
		defer inside.Add(-1)
		return wait(ctx, q, show)
	}
	g := newGateway(t, Options{}, Member{Home: home(1), Limits: Limits{Deadline: 80 * time.Millisecond, Concurrent: 1, Retries: -1, Failures: 100}, Community: slow},
		Member{Home: home(2), Community: holder(1, home(2))})
	done := make(chan struct{})
	for range 5 {
		go func() {
			defer func() { done <- struct{}{} }()
			if found, problems := ask(t, g, findDocuments, nil); len(found) != 1 || len(problems) != 1 {
				t.Errorf("%v %v", found, problems)
			}
		}()
	}
	for range 5 {
		<-done
	}
	if n := most.Load(); n != 1 {
		t.Errorf("%d requests at once", n)
	}
}

// A caller who leaves takes his requests with him, and nobody is blamed.
func TestAbandoned(t *testing.T) {
	g := newGateway(t, Options{}, Member{Home: home(1), Limits: Limits{Failures: 1}, Community: silent()})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := g.Find(ctx, access.Caller{}, findDocuments, nil, Sink{Show: func(metadata.Object, bool) error { return nil }})
	if fault.KindOf(err) != fault.Canceled {
		t.Error(err)
	}
	if s := g.Status()[0]; s.State != "closed" || s.Failed+s.Slow != 0 {
		t.Errorf("%+v", s)
	}
}

func TestWrongDirectories(t *testing.T) {
	for name, members := range map[string][]Member{
		"twice":     {{Home: home(1)}, {Home: home(1)}},
		"as others": {{Home: home(1)}, {Home: home(2), Others: []string{home(1)}}},
		"no OID":    {{Home: "1.2.3"}},
	} {
		if _, err := New(Options{Clock: time.Now}, members); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// docs answers documents with bodies.
func docs(bodies map[string]io.Reader, closed *atomic.Int32) *community {
	return &community{retrieve: func(_ context.Context, r []metadata.DocumentRequest) (*Retrieved, error) {
		out := &Retrieved{}
		for _, d := range r {
			if b := bodies[d.UniqueID]; b != nil {
				out.Documents = append(out.Documents, Document{Request: d, MimeType: "text/plain", Size: -1, Body: b})
			} else {
				out.Problems = append(out.Problems, fault.Problem{Code: fault.DocumentUniqueIDError, Location: d.UniqueID})
			}
		}
		out.OnClose(func() error { closed.Add(1); return nil })
		return out, nil
	}}
}

func TestRetrieve(t *testing.T) {
	var closed atomic.Int32
	g := newGateway(t, Options{},
		Member{Home: home(1), Community: docs(map[string]io.Reader{"a": strings.NewReader("aa"), "c": strings.NewReader("cc")}, &closed)},
		Member{Home: home(2), Limits: Limits{Deadline: 50 * time.Millisecond}, Community: silent()},
		Member{Home: home(3), Community: failing(errors.New("dial"))},
		Member{Home: home(4), Community: docs(map[string]io.Reader{"x": strings.NewReader("xx")}, &closed)})
	ask := func(home, id string) metadata.DocumentRequest {
		return metadata.DocumentRequest{Home: home, RepositoryID: "1.9", UniqueID: id}
	}
	r, err := g.Retrieve(context.Background(), access.Caller{}, []metadata.DocumentRequest{ask(home(1), "a"), ask(home(4), "x"), ask(home(1), "c"), ask(home(1), "gone"),
		ask(home(2), "slow"), ask(home(3), "away"), ask("", "homeless"), ask(home(9), "nowhere")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range r.Documents {
		b, err := io.ReadAll(d.Body)
		got = append(got, d.Request.UniqueID+"="+string(b))
		if err != nil {
			t.Error(err)
		}
	}
	var problems []string
	for _, p := range r.Problems {
		problems = append(problems, string(p.Code)+" "+p.Location)
	}
	slices.Sort(problems)
	if strings.Join(got, " ") != "a=aa c=cc x=xx" || strings.Join(problems, ", ") !=
		"XDSDocumentUniqueIdError gone, XDSMissingHomeCommunityId homeless, XDSUnavailableCommunity away, XDSUnavailableCommunity slow, XDSUnknownCommunity nowhere" {
		t.Errorf("%q %q", got, problems)
	}
	if g.Status()[0].InWork != 1 {
		t.Errorf("a document on its way takes no place: %+v", g.Status()[0])
	}
	if err := r.Close(); err != nil || closed.Load() != 2 || g.Status()[0].InWork != 0 {
		t.Errorf("%v, %d closed, %+v", err, closed.Load(), g.Status()[0])
	}
}

// stuck gives a byte and then nothing until its request is given up.
type stuck struct {
	ctx  context.Context
	sent bool
}

func (s *stuck) Read(p []byte) (int, error) {
	if !s.sent {
		s.sent = true
		p[0] = 'x'
		return 1, nil
	}
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func TestStalledDocument(t *testing.T) {
	c := &community{retrieve: func(ctx context.Context, r []metadata.DocumentRequest) (*Retrieved, error) {
		return &Retrieved{Documents: []Document{{Request: r[0], Size: -1, Body: past(&stuck{ctx: ctx})}}}, nil
	}}
	g := newGateway(t, Options{}, Member{Home: home(1), Limits: Limits{Stall: 50 * time.Millisecond}, Community: c})
	r, err := g.Retrieve(context.Background(), access.Caller{}, []metadata.DocumentRequest{{Home: home(1), UniqueID: "a"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if b, err := io.ReadAll(r.Documents[0].Body); err == nil || len(b) != aheadBytes+1 {
		t.Errorf("%d octets, %v", len(b), err)
	}
}
