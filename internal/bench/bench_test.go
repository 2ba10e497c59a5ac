package bench

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"samdok/internal/servertest"
)

func options(op Op, targets ...Target) Options {
	return Options{Targets: targets, Op: op, Concurrency: 4, Rounds: 2, Round: 200 * time.Millisecond, WarmUp: 100 * time.Millisecond,
		Patients: 20, Hits: 3, Docs: 1, Size: 5000, Writes: 0.3, Seed: 1}
}

// Every operation against a real server: no wrong answers, CPU measured.
func TestRealServer(t *testing.T) {
	s := servertest.Start(t, t.TempDir())
	to := Target{Name: "samdok", URL: strings.TrimSuffix(s.Registry, "/services/registry"), PID: s.PID}
	for _, op := range Ops {
		for _, others := range []int{0, 7} {
			o := options(op, to)
			o.Others = others
			r, err := Run(t.Context(), o)
			if err != nil {
				t.Fatalf("%s: %v", op, err)
			}
			m := r.Medians["samdok"]
			if m.Requests == 0 || m.Errors != 0 || m.Rate <= 0 {
				t.Errorf("%s with %d others: %+v %v", op, others, m, r.Errors)
			}
			if op == FindEntries && m.BytesIn == 0 {
				t.Errorf("%s read nothing", op)
			}
		}
	}
}

// Both feeds against a real server.
func TestFeeds(t *testing.T) {
	s := servertest.Start(t, t.TempDir(), "--mllp-listen", "127.0.0.1:0")
	for _, op := range Feeds {
		r, err := Run(t.Context(), options(op, Target{Name: "samdok", URL: strings.TrimSuffix(s.Registry, "/services/registry"), MLLP: s.MLLP, PID: s.PID}))
		if m := r.Medians["samdok"]; err != nil || m.Requests == 0 || m.Errors != 0 {
			t.Errorf("%s: %v %+v %v", op, err, m, r.Errors)
		}
	}
	if _, err := Run(t.Context(), options(FeedMLLP, Target{Name: "samdok", URL: s.Registry})); err == nil || !strings.Contains(err.Error(), "--mllp") {
		t.Error(err)
	}
}

func TestBigDocument(t *testing.T) {
	s := servertest.Start(t, t.TempDir())
	o := options(Retrieve, Target{Name: "samdok", URL: strings.TrimSuffix(s.Registry, "/services/registry"), PID: s.PID})
	o.Patients, o.Size, o.Concurrency = 2, 3<<20+17, 1
	r, err := Run(t.Context(), o)
	if err != nil || r.Medians["samdok"].Errors != 0 {
		t.Fatalf("%v %v", err, r.Errors)
	}
}

// A server that lies is found out.
func TestWrongAnswersAreCounted(t *testing.T) {
	for name, answer := range map[string]string{
		"refused": `<R status="urn:x:ResponseStatusType:Failure" errorCode="XDSRegistryError"/>`,
		"empty":   `<R status="urn:x:ResponseStatusType:Success"/>`,
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				b, _ := io.ReadAll(r.Body)
				if bytes.Contains(b, []byte("SubmitObjectsRequest")) {
					io.WriteString(w, `<R status="urn:x:ResponseStatusType:Success"/>`)
					return
				}
				io.WriteString(w, answer)
			}))
			defer s.Close()
			o := options(FindRefs, Target{Name: "liar", URL: s.URL, RepositoryID: "1.2.3"})
			r, err := Run(t.Context(), o)
			if err != nil && !strings.Contains(err.Error(), "wrong answers") {
				t.Fatal(err)
			}
			if err == nil && r.Medians["liar"].Errors == 0 {
				t.Error("a wrong server was measured and no answer counted as wrong")
			}
		})
	}
}

// The bytes of a retrieved document are compared to the last one.
func TestCheckDocument(t *testing.T) {
	m, err := newMessages(1, "1.2.3", 100, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	head := "--b\r\n\r\n<Envelope status=\"urn:x:ResponseStatusType:Success\"></Envelope>\r\n--b\r\nContent-ID: <x>\r\n\r\n"
	doc := string(m.document)
	for name, c := range map[string]struct {
		body string
		ok   bool
	}{
		"right":     {head + doc + "\r\n--b--\r\n", true},
		"altered":   {head + "X" + doc[1:] + "\r\n--b--\r\n", false},
		"cut":       {head + doc[:50], false},
		"too long":  {head + doc + "more\r\n--b--\r\n", false},
		"no answer": {"--b--", false},
	} {
		if _, err := m.checkDocument(strings.NewReader(c.body)); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMedian(t *testing.T) {
	m := Median([]Sample{{Rate: 1, P50: 30, Requests: 1}, {Rate: 3, P50: 10, Requests: 2}, {Rate: 2, P50: 20, Requests: 3}})
	if m.Rate != 2 || m.P50 != 20 || m.Requests != 6 {
		t.Errorf("%+v", m)
	}
	if Median(nil).Requests != 0 || percentile(nil, .5) != 0 {
		t.Error("nothing measured is not nothing")
	}
}

func TestOwnCPU(t *testing.T) {
	me := Target{PID: os.Getpid()}
	if _, err := me.cpu(); err != nil {
		t.Error(err)
	}
	if me.rss() < 1<<20 {
		t.Errorf("resident memory of this test is %d", me.rss())
	}
	if _, err := (Target{PID: 1 << 30}).cpu(); err == nil {
		t.Error("the CPU time of no process was read")
	}
}

// A rate is kept when the server can: no faster, and whoever waits for a client counts.
func TestPace(t *testing.T) {
	p := pace{begin: time.Now(), rate: 200}
	for range 20 {
		due := p.next(t.Context())
		if late := time.Since(due); late < 0 {
			t.Fatalf("a request was sent %s before it was due", -late)
		}
	}
	if d := time.Since(p.begin); d < 100*time.Millisecond {
		t.Errorf("20 requests of 200 a second took %s", d)
	}
	p = pace{begin: time.Now().Add(-time.Second), rate: 10}
	if due := p.next(t.Context()); time.Since(due) < 800*time.Millisecond {
		t.Errorf("a request that waited counts from %s ago", time.Since(due))
	}
}
