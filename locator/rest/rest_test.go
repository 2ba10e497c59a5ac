package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"samdok/access"
	"samdok/access/decider"
	"samdok/access/guard"
	"samdok/audit"
	"samdok/locator"
	"samdok/locator/rest"
	"samdok/metadata"
	"samdok/sharing"
	"samdok/storage/sqlite"
)

func TestMain(m *testing.M) {
	openapi3filter.RegisterBodyDecoder("application/x-ndjson", openapi3filter.FileBodyDecoder)
	goleak.VerifyTestMain(m)
}

const west = "urn:oid:2.16.578.1.12.4.5.100.9.21"

var (
	now     = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	patient = metadata.PatientID{ID: "13858599169", Authority: "2.16.578.1.12.4.1.4.1"}
)

type nowhere struct{}

func (nowhere) Record(context.Context, *audit.Event) (audit.Receipt, error) {
	return audit.Receipt{}, nil
}

func (nowhere) RecordTwo(context.Context, *audit.Event, *audit.Event) error { return nil }

// place is a locator behind its door, whose every exchange is held to the
// description.
type place struct {
	*httptest.Server
	client *rest.Client
	router routers.Router
	log    bytes.Buffer
	seen   map[string]bool // operations that were answered as described
}

func open(t testing.TB, d access.Decider) *place {
	t.Helper()
	cards, err := sqlite.OpenCards(t.Context(), filepath.Join(t.TempDir(), "locator.db"), sqlite.CardsOptions{})
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return now }
	p := &place{seen: map[string]bool{}}
	use := sharing.NewLocating(sharing.LocatingOptions{Tenant: "t", Guard: guard.New(guard.Options{Decider: d, Recorder: nowhere{}, Clock: clock}),
		Locator: locator.New(locator.Options{Cards: cards, Tenant: "t", Clock: clock})})
	h := rest.Handler(rest.Options{Use: use, Log: slog.New(slog.NewTextHandler(&p.log, nil)), Caller: func(*http.Request) access.Caller { return access.Caller{Loopback: true} },
		Name: func(home string) string { return map[string]string{west: "Region West"}[home] }})
	p.Server = httptest.NewServer(h)
	t.Cleanup(func() { p.Close(); cards.Close() })
	description, err := openapi3.NewLoader().LoadFromFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := description.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	description.Servers = nil
	for path, item := range description.Paths.Map() {
		description.Paths.Delete(path)
		description.Paths.Set(rest.Root+path, item)
	}
	if p.router, err = gorillamux.NewRouter(description); err != nil {
		t.Fatal(err)
	}
	p.client = rest.NewClient(p.URL, &http.Client{Transport: &described{t: t, p: p}})
	return p
}

// described holds what goes by to the description.
type described struct {
	t testing.TB
	p *place
}

func (d *described) RoundTrip(r *http.Request) (*http.Response, error) {
	d.t.Helper()
	var sent []byte
	if r.Body != nil {
		sent, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	a, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return a, err
	}
	body, _ := io.ReadAll(a.Body)
	a.Body.Close()
	a.Body = io.NopCloser(bytes.NewReader(body))
	route, params, err := d.p.router.FindRoute(r)
	if err != nil {
		d.t.Errorf("%s %s is not described: %v", r.Method, r.URL.Path, err)
		return a, nil
	}
	r.Body = io.NopCloser(bytes.NewReader(sent))
	in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route}
	if err := openapi3filter.ValidateRequest(r.Context(), in); (err != nil) != (a.StatusCode == 400 || a.StatusCode == 422) && a.StatusCode < 403 {
		d.t.Errorf("%s %s is answered %d, and the description says %v", r.Method, r.URL.Path, a.StatusCode, err)
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: a.StatusCode, Header: a.Header}
	out.SetBodyBytes(body)
	if err := openapi3filter.ValidateResponse(r.Context(), out); err != nil {
		d.t.Errorf("the answer of %s %s is not as described: %v\n%s", r.Method, r.URL.Path, err, body)
	} else if a.StatusCode < 300 {
		d.p.seen[route.Operation.OperationID] = true
	}
	if bytes.Contains(body, []byte(patient.ID)) {
		d.t.Errorf("the answer of %s names the patient: %s", r.URL.Path, body)
	}
	return a, nil
}

func statement(organisation string, at time.Time) locator.Statement {
	return locator.Statement{Patient: patient, Source: locator.Source{Community: west, System: "EPJ"}, AsOf: at, Held: []locator.Held{
		{Organisation: organisation, Kind: locator.KindDocuments, Class: metadata.CodeRef{Value: "A00-1", Scheme: "2.16.578.1.12.4.1.1.9602"}, First: now.AddDate(0, -3, -8).Truncate(24 * time.Hour), Last: now.Truncate(24 * time.Hour)},
		{Organisation: organisation, Kind: locator.KindCritical},
	}}
}

func TestEveryOperation(t *testing.T) {
	p := open(t, decider.NewOpen(decider.Options{}))
	c, ctx := p.client, t.Context()
	for _, step := range []struct {
		at   time.Time
		want string
	}{{now, "taken"}, {now, "known"}, {now.Add(-time.Minute), "outdated"}} {
		if got, err := c.State(ctx, statement("983974694", step.at)); err != nil || got != step.want {
			t.Errorf("%q, not %q: %v", got, step.want, err)
		}
	}
	report := locator.Coverage{Community: west, Level: locator.LevelSystem, AsOf: now}
	if err := c.Cover(ctx, report); err != nil {
		t.Error(err)
	}
	a, err := c.Locate(ctx, patient, true, false)
	want := statement("983974694", now)
	want.Held[1].First, want.Held[1].Last = now.Truncate(24*time.Hour), now.Truncate(24*time.Hour)
	report.Heard, report.Current = now, true
	if d := cmp.Diff(locator.Answer{Holdings: []locator.Holding{
		{Source: want.Source, Held: want.Held[0], Told: locator.ToldByAPI}, {Source: want.Source, Held: want.Held[1], Told: locator.ToldByAPI},
	}, Covered: []locator.Coverage{report}, Unanswered: []string{}}, a); err != nil || d != "" {
		t.Error(err, d)
	}
	places, err := c.Where(ctx, patient, "en")
	if err != nil || len(places.Places) != 2 || places.Places[0].Text != "Region West, organisation number 983974694, has documents. First seen 14 August 2026, last seen 22 November 2026." {
		t.Errorf("%+v %v", places, err)
	}
	places, err = c.Where(ctx, patient, "nb")
	if err != nil || len(places.Places) != 2 || places.Places[0].Text != "Region West, organisasjonsnummer 983974694, har dokumenter. Først sett 14. august 2026, sist sett 22. november 2026." {
		t.Errorf("%+v %v", places, err)
	}
	loaded, err := c.StateAll(ctx, []locator.Statement{statement("1", now.Add(time.Second)), statement("2", now)})
	if d := cmp.Diff(rest.Loaded{Lines: 2, Taken: 1, Outdated: 1}, loaded); err != nil || d != "" {
		t.Error(err, d)
	}
	s, err := c.Status(ctx)
	if err != nil || s.Patients != 1 || len(s.Coverage) != 1 {
		t.Error(s, err)
	}
	client := &http.Client{Transport: &described{t: t, p: p}}
	for _, ask := range []struct{ method, path, body string }{
		{"POST", "/holdings/withdraw", fmt.Sprintf(`{"patient":{"id":%q,"system":"urn:oid:2.16.578.1.12.4.1.4.1"},"community":%q,"system":"EPJ","asOf":"2026-11-22T10:00:05Z"}`, patient.ID, west)},
		{"GET", "/openapi.yaml", ""},
	} {
		r, err := http.NewRequestWithContext(ctx, ask.method, p.URL+rest.Root+ask.path, strings.NewReader(ask.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		answer, err := client.Do(r)
		if err != nil || answer.StatusCode != 200 {
			t.Fatal(err, answer)
		}
		answer.Body.Close()
	}
	if a, err = c.Locate(ctx, patient, false, true); err != nil || len(a.Holdings) != 0 || len(a.Covered) != 1 {
		t.Error(a, err)
	}
	if len(p.seen) != 8 {
		t.Errorf("operations that were answered: %v", p.seen)
	}
}

// A denied question looks like one that nobody has an answer to, and covers nobody.
func TestDenied(t *testing.T) {
	p := open(t, decider.DenyAll{})
	a, err := p.client.Locate(t.Context(), patient, false, false)
	if err != nil || len(a.Holdings)+len(a.Covered) != 0 {
		t.Error(a, err)
	}
	var problem *rest.Problem
	for name, err := range map[string]error{
		"state": second(p.client.State(t.Context(), statement("1", now))), "status": second(p.client.Status(t.Context())),
		"cover": p.client.Cover(t.Context(), locator.Coverage{Community: west, Level: locator.LevelSystem, AsOf: now}),
	} {
		if !asProblem(err, &problem) || problem.Status != http.StatusForbidden {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func asProblem(err error, to **rest.Problem) bool {
	p, ok := err.(*rest.Problem)
	*to = p
	return ok
}

// What is wrong is told: what, where, what to do; and never who it was about.
func TestProblems(t *testing.T) {
	p := open(t, decider.NewOpen(decider.Options{}))
	good := `{"patient":{"id":"13858599169","system":"2.16.578.1.12.4.1.4.1"},"community":"` + west + `","asOf":"2026-11-22T10:00:00Z","holdings":[{"kind":"documents"}]}`
	swap := func(from, to string) string { return strings.Replace(good, from, to, 1) }
	for _, c := range []struct {
		path, kind, body string
		status           int
		pointer, detail  string
	}{
		{"/holdings", "text/plain", good, 415, "", "application/json"},
		{"/holdings", "application/json", "", 400, "", "not JSON"},
		{"/holdings", "application/json", good + good, 400, "", "behind"},
		{"/holdings", "application/json", swap(`"kind"`, `"kin"`), 400, "", "spelling"},
		{"/holdings", "application/json", swap(`"13858599169"`, `13858599169`), 400, "/patient/id", "another type"},
		{"/holdings", "application/json", swap(`2026-11-22T10:00:00Z`, `yesterday`), 400, "/asOf", "2026"},
		{"/holdings", "application/json", swap(`[{"kind":"documents"}]`, `null`), 400, "/holdings", "empty list"},
		{"/holdings", "application/json", swap(`documents`, `letters`), 422, "/holdings/0/kind", "must be one of"},
		{"/holdings", "application/json", swap(`"documents"`, `"documents","first":"22.11.2026"`), 422, "/holdings/0/first", "2026-11-22"},
		{"/holdings", "application/json", swap(`urn:oid:`, ``), 422, "/community", "homeCommunityId"},
		{"/holdings", "application/json", swap(`"system":"2.16.578.1.12.4.1.4.1"`, `"system":"fnr"`), 422, "/patient/system", "OID"},
		{"/holdings", "application/json", strings.Repeat(" ", 1<<20+1), 413, "", "/holdings/load"},
		{"/holdings/load", "application/json", good, 415, "", "application/x-ndjson"},
		{"/holdings/load", "application/x-ndjson", strings.Repeat(" ", 1<<18+1), 413, "", "A line"},
		{"/search", "application/json", `{"patient":{}}`, 422, "/patient/id", "number"},
		{"/where", "application/json", `{"patient":{"id":"13858599169","system":"2.16.578.1.12.4.1.4.1"},"language":"fr"}`, 422, "/language", "nb or en"},
		{"/coverage", "application/json", `{"community":"` + west + `","level":"half","asOf":"2026-11-22T10:00:00Z"}`, 422, "/level", "organisation or system"},
		{"/nothing", "application/json", good, 404, "", "openapi.yaml"},
		{"/status", "application/json", good, 405, "", "Use GET"},
	} {
		answer, err := http.Post(p.URL+rest.Root+c.path, c.kind, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		var is rest.Problem
		if err := json.Unmarshal(b, &is); err != nil || answer.StatusCode != c.status || is.Status != c.status || is.Pointer != c.pointer || !strings.Contains(is.Detail, c.detail) ||
			!strings.HasPrefix(is.Type, "urn:samdok:locator:") || answer.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s with %.60q: %d %s %v", c.path, c.body, answer.StatusCode, b, err)
		}
		if bytes.Contains(b, []byte(patient.ID)) || strings.Contains(p.log.String(), patient.ID) {
			t.Errorf("the patient is named: %s", b)
		}
	}
}

// A load takes what is right, tells of the rest by line, and can go on where it was
// stopped.
func TestLoad(t *testing.T) {
	p := open(t, decider.NewOpen(decider.Options{}))
	var b strings.Builder
	for i := range 1200 {
		switch {
		case i%300 == 7:
			b.WriteString("{\"patient\":\n")
		case i%300 == 8:
			b.WriteString("\n")
		default:
			fmt.Fprintf(&b, `{"patient":{"id":"%d","system":"1.2.3"},"community":"%s","asOf":"2026-11-22T10:00:00Z","holdings":[{"kind":"images"}]}`+"\n", i, west)
		}
	}
	loaded, err := p.client.Load(t.Context(), strings.NewReader(strings.TrimSuffix(b.String(), "\n")))
	if err != nil || loaded.Lines != 1200 || loaded.Taken != 1192 || loaded.Refused != 4 || len(loaded.Problems) != 4 || loaded.Problems[1].Line != 308 {
		t.Errorf("%+v, %v", loaded, err)
	}
	for _, id := range []string{"6", "9", "1199"} {
		if a, err := p.client.Locate(t.Context(), metadata.PatientID{ID: id, Authority: "1.2.3"}, false, false); err != nil || len(a.Holdings) != 1 || a.Holdings[0].Told != locator.ToldByLoad {
			t.Errorf("%s: %+v, %v", id, a, err)
		}
	}
	long := b.String() + strings.Repeat("x", 1<<19)
	_, err = p.client.Load(t.Context(), strings.NewReader(long))
	var problem *rest.Problem
	if !asProblem(err, &problem) || problem.Line != 1201 || problem.Loaded == nil || problem.Loaded.Lines != 1200 || problem.Loaded.Known != 1192 {
		t.Errorf("%+v, %v", problem, err)
	}
}

// Whatever comes is answered as the description says, and nothing breaks.
func FuzzPosted(f *testing.F) {
	p := open(f, decider.NewOpen(decider.Options{}))
	good := `{"patient":{"id":"1","system":"1.2.3"},"community":"` + west + `","asOf":"2026-11-22T10:00:00Z","holdings":[{"kind":"documents","organisation":"1","class":{"code":"a","system":"b"},"first":"2026-01-01"}]}`
	paths := []string{"/holdings", "/holdings/load", "/holdings/withdraw", "/search", "/where", "/coverage"}
	for i := range paths {
		f.Add(i, []byte(good))
		f.Add(i, []byte(good+"\n"+good))
		f.Add(i, []byte(`{"patient":{"id":"1","system":"1.2.3"},"detail":true}`))
	}
	f.Add(5, []byte(`{"community":"`+west+`","level":"system","asOf":"2026-11-22T10:00:00Z","ended":true}`))
	f.Fuzz(func(t *testing.T, which int, body []byte) {
		path := paths[uint(which)%uint(len(paths))]
		kind := "application/json"
		if path == "/holdings/load" {
			kind = "application/x-ndjson"
		}
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", rest.Root+path, bytes.NewReader(body))
		r.Header.Set("Content-Type", kind)
		p.Config.Handler.ServeHTTP(w, r)
		if w.Code >= 500 || w.Code >= 300 && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s answers %d %s", path, w.Code, w.Body)
		}
	})
}

// The description that the server gives is the one that is kept.
func TestDescription(t *testing.T) {
	p := open(t, decider.NewOpen(decider.Options{}))
	answer, err := http.Get(p.URL + rest.Root + "/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	got, _ := io.ReadAll(answer.Body)
	want, err := os.ReadFile("openapi.yaml")
	if err != nil || !bytes.Equal(got, want) {
		t.Error("another description is given", err)
	}
}
