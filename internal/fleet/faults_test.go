package fleet

import (
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"samdok/audit/ledger"
	"samdok/internal/app"
	"samdok/internal/config"
	"samdok/internal/enginetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestFaults breaks one thing after another under load. SAMDOK_LONG: each for 30
// seconds instead of one.
func TestFaults(t *testing.T) {
	f := newFleet(t, false)
	stop := f.load(6)
	f.settled(5)
	for _, c := range []struct {
		name string
		way  *meddler
		fault
	}{
		{"connections to S3 are reset", f.s3, resets},
		{"connections to Elasticsearch are reset", f.elastic, resets},
		{"Elasticsearch answers 429 and 503", f.elastic, busy},
		{"the disk of S3 is full", f.s3, full},
		{"S3 is gone", f.s3, gone},
		{"Elasticsearch is gone", f.elastic, gone},
		{"S3 takes 2 s a call", f.s3, slow(2 * time.Second)},
	} {
		before, retried := f.acknowledged.Load(), f.retried.Load()
		span := time.Second
		if long() {
			span = 30 * time.Second
		}
		c.way.during(c.fault, func() { time.Sleep(span) })
		during := f.acknowledged.Load() - before
		begun := time.Now()
		f.settled(3)
		t.Logf("%s: %d acknowledged and %d calls to be repeated meanwhile; going on after %s", c.name, during, f.retried.Load()-retried, time.Since(begun).Round(10*time.Millisecond))
	}
	stop()
	f.whole()
}

// whole checks everything.
func (f *fleet) whole() {
	f.t.Helper()
	registered := f.check()
	f.fits()
	f.swept(registered)
	if n := f.check(); n != registered {
		f.t.Errorf("%d documents were registered before the sweep, %d after it", registered, n)
	}
	f.recorded()
	f.t.Logf("%d documents sent, %d acknowledged, %d calls repeated", len(f.documents), f.acknowledged.Load(), f.retried.Load())
}

// recorded checks the ledgers of all nodes that ever were: each acknowledged
// submission has a record, and nothing is missing or altered.
func (f *fleet) recorded() {
	f.t.Helper()
	c, err := config.Load(config.Input{Environment: []string{"SAMDOK_S3_SECRET_KEY=" + f.bucket.SecretKey}, StoreOnly: true,
		Flags: map[string]string{"storage": "scaled", "s3-endpoint": f.bucket.Endpoint, "s3-bucket": f.bucket.Name, "s3-access-key": f.bucket.AccessKey}})
	must(f.t, err)
	r, err := app.VerifyLedgers(f.t.Context(), c, slog.New(slog.DiscardHandler), time.Now, ledger.NodesOptions{})
	must(f.t, err)
	records := int64(0)
	for _, n := range r.Nodes {
		records += n.Records
	}
	if len(r.Findings) > 0 || records < f.acknowledged.Load() {
		f.t.Errorf("%d records of %d acknowledged submissions in %d ledgers: %+v", records, f.acknowledged.Load(), len(r.Nodes), r.Findings)
	}
}

// TestKillEngines kills the engines themselves, in turn, at random moments under load,
// and starts them again on what they have stored. SAMDOK_LONG: 12 times instead of 2.
func TestKillEngines(t *testing.T) {
	elastic, index := enginetest.OwnElasticsearch(t)
	store, bucket := enginetest.OwnS3(t)
	f := fleetOn(t, bucket, index, false)
	rounds := 2
	if long() {
		rounds = 12
	}
	if text := f.readiness(); strings.Contains(text, "loss of power") != (bucket.Server == enginetest.Versitygw) {
		t.Errorf("what is said of %s: %s", bucket.Server, text)
	}
	stop := f.load(6)
	for round := range rounds {
		f.settled(5)
		time.Sleep(mathrand.N(300 * time.Millisecond))
		engine, name, line := elastic, "Elasticsearch", "elasticsearch: not ready"
		if round%2 == 1 {
			engine, name, line = store, bucket.Server, "s3: not ready"
		}
		engine.Kill()
		if text := f.readiness(); !strings.Contains(text, line) {
			t.Errorf("%s is away: %s", name, text)
		}
		begun := time.Now()
		engine.Start()
		up := time.Since(begun)
		f.settled(5)
		t.Logf("%s was killed, and was back after %s; nodes went on after %s", name, up.Round(10*time.Millisecond), (time.Since(begun) - up).Round(10*time.Millisecond))
	}
	stop()
	f.whole()
}

// TestFrozenStore: while the store takes connections and says nothing, senders are told to
// come again by both nodes, readiness names the store, and work goes on when it speaks.
func TestFrozenStore(t *testing.T) {
	store, bucket := enginetest.OwnS3(t)
	f := fleetOn(t, bucket, enginetest.Elasticsearch(t), false)
	stop := f.load(2)
	f.settled(3)
	store.Freeze()
	begun := time.Now()
	for before := f.retried.Load(); f.retried.Load() < before+6; time.Sleep(20 * time.Millisecond) { // refused, not waiting
	}
	t.Logf("refused after %s", time.Since(begun).Round(10*time.Millisecond))
	if text := f.readiness(); !strings.Contains(text, "s3: not ready: ") || !strings.Contains(text, "elasticsearch: ready") {
		t.Errorf("the store is frozen: %s", text)
	}
	store.Thaw()
	begun = time.Now()
	f.settled(3)
	t.Logf("going on after %s", time.Since(begun).Round(10*time.Millisecond))
	stop()
	f.whole()
}

// readiness is what a node says of itself and of what it rests on.
func (f *fleet) readiness() string {
	f.t.Helper()
	answer, err := f.http.Get(f.nodes[0].Load().Internal + "/readyz")
	must(f.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	must(f.t, err)
	return string(text)
}

// TestKill kills nodes at random moments under load. SAMDOK_LONG: 50 rounds instead
// of 2.
func TestKill(t *testing.T) {
	f := newFleet(t, false)
	rounds := 2
	if long() {
		rounds = 50
	}
	stop := f.load(6)
	for round := range rounds {
		f.settled(2)
		time.Sleep(mathrand.N(300 * time.Millisecond))
		f.nodes[round%2].Load().Kill()
		f.settled(2) // the other one goes on
		f.start(round % 2)
	}
	stop()
	f.whole()
}
