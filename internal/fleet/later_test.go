package fleet

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"samdok/internal/enginetest"
	"samdok/internal/servertest"
)

// late is a node that was started before its engines.
type late struct {
	*servertest.Server
	t         *testing.T
	http      *http.Client
	Readiness string `json:"readiness"`
	Address   string `json:"address"`
}

// begin starts a node and waits until it says what it waits for.
func (f *fleet) begin(t *testing.T, more ...string) *late {
	t.Helper()
	n := &late{Server: servertest.Begin(t, t.TempDir(), append(f.args, more...)...), t: t, http: f.http}
	for begun := time.Now(); n.Readiness == ""; time.Sleep(20 * time.Millisecond) {
		for line := range bytes.Lines([]byte(n.Log())) {
			if bytes.Contains(line, []byte("waiting for an engine")) && bytes.HasSuffix(line, []byte("\n")) {
				must(t, json.Unmarshal(line, n))
			}
		}
		if time.Since(begun) > 2*time.Minute {
			t.Fatalf("nothing is waited for:\n%s", n.Log())
		}
	}
	return n
}

// get is one answer; header is of interest when it refuses.
func (n *late) get(url string) (status int, text string, header http.Header) {
	n.t.Helper()
	answer, err := n.http.Get(url)
	must(n.t, err)
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	must(n.t, err)
	return answer.StatusCode, string(b), answer.Header
}

// unready waits until readiness says all the lines.
func (n *late) unready(lines ...string) {
	n.t.Helper()
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		status, text, _ := n.get(n.Readiness)
		missing := ""
		for _, line := range lines {
			if !strings.Contains(text, line) {
				missing = line
			}
		}
		if status == http.StatusServiceUnavailable && missing == "" {
			return
		}
		if time.Since(begun) > 2*time.Minute {
			n.t.Fatalf("%d without %q:\n%s", status, missing, text)
		}
	}
}

// TestEnginesComeLater: a node that is started before its engines says which is away and
// what mends it, tells clients to come again, and serves when the engines are there. That
// it never saw them makes no difference.
func TestEnginesComeLater(t *testing.T) {
	elastic, index := enginetest.OwnElasticsearch(t)
	store, bucket := enginetest.OwnS3(t)
	elastic.Kill()
	store.Kill()
	f := prepare(t, bucket, index, false)
	f.args = append(f.args, "--s3-endpoint", bucket.Endpoint, "--elasticsearch-url", index.URL) // no way between, which would answer
	n := f.begin(t)
	n.unready("s3: not ready: ", bucket.Endpoint+", bucket "+bucket.Name, "connection refused", "see that it runs, can be reached (SAMDOK_S3_ENDPOINT)",
		"elasticsearch: not ready: it is asked when s3 has answered", "node: not ready: it starts, waits for s3 since ")
	if status, text, _ := n.get(strings.Replace(n.Readiness, "readyz", "healthz", 1)); status != http.StatusOK {
		t.Errorf("alive: %d %s", status, text)
	}
	for _, path := range []string{"", "/services/registry"} {
		answer, err := f.http.Post(n.Address+path, "application/soap+xml", strings.NewReader("<a/>"))
		must(t, err)
		answer.Body.Close()
		if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
			t.Errorf("a client is answered %s, Retry-After %q", answer.Status, answer.Header.Get("Retry-After"))
		}
	}
	if _, text, _ := n.get(strings.Replace(n.Readiness, "readyz", "metrics", 1)); !strings.Contains(text, `samdok_http_refused_total{reason="starting"} 2`) {
		t.Error("metrics do not count who was told to come again")
	}
	store.Start()
	n.unready("s3: ready", "elasticsearch: not ready: ", index.URL, "SAMDOK_ELASTICSEARCH_URL", "waits for elasticsearch since ")
	elastic.Start()
	n.Await(t)
	if status, text, _ := n.get(n.Internal + "/readyz"); status != http.StatusOK || n.Internal+"/readyz" != n.Readiness {
		t.Errorf("%s: %d %s", n.Internal, status, text)
	}
	for i := range f.nodes {
		f.nodes[i].Store(n.Server)
	}
	stop := f.load(2)
	f.settled(2)
	stop()
	f.whole()
}

// TestStoppedWhileWaiting: a node that waits ends at once, and in order.
func TestStoppedWhileWaiting(t *testing.T) {
	f := prepare(t, enginetest.S3(t), enginetest.Elasticsearch(t), false)
	f.s3.fault.Store(during(gone))
	n := f.begin(t)
	must(t, syscall.Kill(n.PID, syscall.SIGTERM))
	if err := n.Ended(t); err != nil {
		t.Errorf("%v\n%s", err, n.Log())
	}
}

// TestMistakesEndTheStart: what only a person can mend ends the start, as soon as the
// engine answers that was away before; what can be known without it, at once.
func TestMistakesEndTheStart(t *testing.T) {
	f := prepare(t, enginetest.S3(t), enginetest.Elasticsearch(t), false)
	f.start(0)
	f.nodes[0].Load().Stop()
	other := make([]byte, 32)
	_, err := rand.Read(other)
	must(t, err)
	for _, c := range []struct {
		name string
		args []string
		want []string
	}{
		{"wrong credentials", []string{"--s3-access-key", "nobody"}, []string{"SAMDOK_S3_ACCESS_KEY"}},
		{"no such bucket", []string{"--s3-bucket", f.bucket.Name + "-none"}, []string{"there is no such bucket", "SAMDOK_S3_BUCKET"}},
		{"another tenant", []string{"--tenant", "elsewhere"}, []string{"setting tenant is elsewhere"}},
		{"another master key", []string{"--master-key-file", fileOf(t, base64.StdEncoding.EncodeToString(other))}, []string{"master"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.s3.fault.Store(during(gone))
			n := f.begin(t, c.args...)
			f.s3.fault.Store(nil)
			f.ends(t, n.Server, c.want...)
		})
	}
	t.Run("indexes of somebody else", func(t *testing.T) {
		bucket := enginetest.S3(t)
		f.elastic.fault.Store(during(gone))
		n := f.begin(t, "--s3-bucket", bucket.Name)
		f.elastic.fault.Store(nil)
		f.ends(t, n.Server, "SAMDOK_ELASTICSEARCH_PREFIX")
	})
	t.Run("refused by the index", func(t *testing.T) {
		f.elastic.fault.Store(during(gone))
		n := f.begin(t)
		f.elastic.fault.Store(during(unauthorized))
		f.ends(t, n.Server, "SAMDOK_ELASTICSEARCH_USER")
		f.elastic.fault.Store(nil)
	})
	t.Run("no authority of the index, while the store is away", func(t *testing.T) {
		f.s3.fault.Store(during(gone))
		f.ends(t, servertest.Begin(t, t.TempDir(), append(f.args, "--elasticsearch-ca", fileOf(t, "nothing"))...), "setting elasticsearch.ca")
		f.s3.fault.Store(nil)
	})
}

// ends waits for the end of a node, which must say why.
func (f *fleet) ends(t *testing.T, n *servertest.Server, want ...string) {
	t.Helper()
	if err := n.Ended(t); err == nil {
		t.Error("it ended as if all were well")
	}
	for _, w := range want {
		if !strings.Contains(n.Log(), w) {
			t.Errorf("no %q in\n%s", w, n.Log())
		}
	}
}

func during(f fault) *fault { return &f }

// unauthorized is an Elasticsearch that knows nobody.
func unauthorized(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = w.Write([]byte(`{"error":{"type":"security_exception","reason":"unable to authenticate user"}}`))
	return true
}

func fileOf(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}
