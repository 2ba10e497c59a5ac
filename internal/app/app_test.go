package app

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"samdok/fault"
	"samdok/internal/config"
	"samdok/internal/servertest"
	"samdok/internal/telemetry"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/soap"
	"samdok/soap/xds"
)

func TestMain(m *testing.M) {
	if unrecordedChild() {
		return
	}
	goleak.VerifyTestMain(m)
}

func settings(t *testing.T, dir string, more ...string) *config.Config {
	t.Helper()
	flags := map[string]string{"data": dir, "listen": "127.0.0.1:0", "internal-listen": "127.0.0.1:0"}
	for i := 0; i < len(more); i += 2 {
		flags[more[i]] = more[i+1]
	}
	c, err := config.Load(config.Input{Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func open(t *testing.T, c *config.Config, log io.Writer) (*App, error) {
	t.Helper()
	l, err := telemetry.NewLog(io.MultiWriter(log, servertest.Keep("app")), "debug", "text")
	if err != nil {
		t.Fatal(err)
	}
	return Open(context.Background(), Options{Config: c, Log: l, Clock: time.Now, Version: "test"})
}

// serve runs a server until the test ends; stop ends it earlier.
func serve(t *testing.T, c *config.Config, log io.Writer) (a *App, stop func()) {
	t.Helper()
	a, err := open(t, c, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Serve(ctx, func() error { return nil }) }()
	done := false
	stop = func() {
		if done {
			return
		}
		done = true
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return a, stop
}

func client(t *testing.T, i Info) (*xds.Client, *http.Client) {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	h := &http.Client{Transport: transport}
	return xds.NewClient(xds.Options{RegistryURL: i.Registry, RepositoryURL: i.Repository, HTTP: h}), h
}

// One document through the whole server, and after a restart; on the way no
// identity number reaches the log, the metrics or a file in the clear.
func TestWholeWay(t *testing.T) {
	for _, encryption := range []string{"on", "off"} {
		t.Run("encryption "+encryption, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			var log bytes.Buffer
			a, stop := serve(t, settings(t, dir, "encryption", encryption), &log)
			x, h := client(t, a.Info())
			g := metadatatest.New(7)
			p := g.Patient()
			d := g.Document(p, metadatatest.EpikriseCDA)
			s := g.Submission(p, d)
			part := []xds.Attachment{xds.BytesAttachment(d.Entry.ID, d.Entry.MimeType, d.Bytes)}
			if _, err := x.Provide(t.Context(), s, part); err != nil {
				t.Fatal(err)
			}
			if _, err := x.Provide(t.Context(), s, part); err == nil {
				t.Error("the same submission was taken twice")
			}
			metrics := get(t, h, a.Info().Internal+"/metrics")
			for _, want := range []string{`samdok_transactions_total{outcome="success",transaction="ITI-41"} 1`, `samdok_transactions_total{outcome="refused",transaction="ITI-41"} 1`, `samdok_http_requests_total{endpoint="/services/repository",status="200"} 2`, "samdok_log_queue 0"} {
				if !strings.Contains(metrics, want) {
					t.Errorf("no %s", want)
				}
			}
			for _, counted := range []string{"samdok_ledger_records_count ", "samdok_ledger_write_seconds_count ", "samdok_ledger_wait_seconds_count "} {
				if !strings.Contains(metrics, counted) || strings.Contains(metrics, counted+"0\n") {
					t.Errorf("nothing is counted as %s", counted)
				}
			}
			if ready := get(t, h, a.Info().Internal+"/readyz"); !strings.Contains(ready, "log: ready") {
				t.Error(ready)
			}
			first := a.Info()
			stop()

			a, stop = serve(t, settings(t, dir, "encryption", encryption), &log)
			if i := a.Info(); i.HomeCommunityID != first.HomeCommunityID || i.RepositoryUniqueID != first.RepositoryUniqueID || i.Created {
				t.Errorf("the identity changed: %+v", i)
			}
			x, _ = client(t, a.Info())
			var got []byte
			request := metadata.DocumentRequest{RepositoryID: first.RepositoryUniqueID, UniqueID: d.Entry.UniqueID}
			if _, err := x.Retrieve(t.Context(), []metadata.DocumentRequest{request}, func(d xds.Document) (err error) { got, err = io.ReadAll(d.Body); return err }); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, d.Bytes) {
				t.Error("other bytes after a restart")
			}
			stop()
			for _, text := range []string{log.String(), metrics} {
				if strings.Contains(text, p.FNR) || strings.Contains(text, p.Family) {
					t.Error("a patient stands in the log or the metrics")
				}
			}
			if found := grep(t, dir, p.FNR); encryption == "on" && found != "" {
				t.Errorf("the identity number stands in %s in the clear", found)
			}
		})
	}
}

func get(t *testing.T, h *http.Client, url string) string {
	t.Helper()
	r, err := h.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// grep names a file below dir that holds text; "" for none.
func grep(t *testing.T, dir, text string) (found string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(text)) {
			found = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestSettledThingsCannotChange(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	a, err := open(t, settings(t, dir), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if i := a.Info(); !strings.HasPrefix(i.HomeCommunityID, "urn:oid:2.25.") || !metadata.ValidOID(i.RepositoryUniqueID) || !i.Created {
		t.Errorf("%+v", i)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tc := range [][]string{
		{"tenant", "other", "made with default"}, {"encryption", "off", "made with on"},
		{"repository-unique-id", "1.2.3", "made with 2.25."}, {"home-community-id", "1.2.3", "made with urn:oid:2.25."},
	} {
		a, err := open(t, settings(t, dir, tc[0], tc[1]), io.Discard)
		if err == nil || !strings.Contains(err.Error(), tc[2]) || !strings.Contains(err.Error(), "--"+tc[0]) {
			t.Errorf("%s: %v", tc[0], err)
		}
		if err == nil {
			a.Close()
		}
	}
	for _, change := range []string{`{"format": 2}`, `{`} {
		if err := os.WriteFile(filepath.Join(dir, identityName), []byte(change), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := open(t, settings(t, dir), io.Discard); err == nil {
			t.Errorf("%s was taken", change)
		}
	}
}

func TestTwoFoldersNeverShareAnOID(t *testing.T) {
	seen := map[string]bool{}
	for range 2 {
		a, err := open(t, settings(t, t.TempDir()), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		i := a.Info()
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		for _, id := range []string{i.HomeCommunityID, i.RepositoryUniqueID} {
			if seen[id] {
				t.Errorf("%s twice", id)
			}
			seen[id] = true
		}
	}
}

// Whatever goes wrong at start, everything is given back: the same folder and
// port can be used at once.
func TestFailedStartLeavesNothingOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, more := range map[string][]string{
		"public port":   {"listen", taken.Addr().String()},
		"internal port": {"internal-listen", taken.Addr().String()},
		"certificate":   {"tls-cert", "/does/not/exist", "tls-key", "/does/not/exist"},
	} {
		if _, err := open(t, settings(t, dir, more...), io.Discard); err == nil {
			t.Errorf("%s: it started", name)
		}
	}
	other := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(other, []byte("c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MTI="), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, settings(t, dir, "master-key-file", other), io.Discard); err == nil {
		t.Error("another master key was taken")
	}
	a, err := open(t, settings(t, dir), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

// The open decider answers this machine only; a proxy on this machine does not
// make its clients local.
func TestOpenMeansThisMachine(t *testing.T) {
	for _, tc := range []struct {
		remote, header string
		want           bool
	}{
		{"127.0.0.1:5", "", true}, {"[::1]:5", "", true}, {"192.0.2.1:5", "", false}, {"", "", false},
		{"127.0.0.1:5", "X-Forwarded-For", false}, {"127.0.0.1:5", "Forwarded", false}, {"127.0.0.1:5", "Via", false}, {"127.0.0.1:5", "X-Real-Ip", false},
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.RemoteAddr = tc.remote
		if tc.header != "" {
			r.Header.Set(tc.header, "192.0.2.1")
		}
		if got := caller(r, soap.Header{}).Loopback; got != tc.want {
			t.Errorf("%q %s: %v", tc.remote, tc.header, got)
		}
	}
}

func TestDenyRefusesEverything(t *testing.T) {
	a, _ := serve(t, settings(t, t.TempDir(), "access-decider", "deny"), io.Discard)
	x, _ := client(t, a.Info())
	g := metadatatest.New(9)
	p := g.Patient()
	d := g.Document(p, metadatatest.Note)
	if _, err := x.Provide(t.Context(), g.Submission(p, d), []xds.Attachment{xds.BytesAttachment(d.Entry.ID, d.Entry.MimeType, d.Bytes)}); err == nil {
		t.Error("a document was taken")
	}
	answer, err := x.Find(t.Context(), metadata.StoredQuery{Query: &metadata.FindDocuments{Patient: p.CX(), Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}})
	if err == nil && len(answer.Objects) > 0 {
		t.Error("something was found")
	}
}

func TestOutcomes(t *testing.T) {
	warning := []fault.Problem{{Severity: fault.SeverityWarning}}
	failing := []fault.Problem{{}}
	for _, tc := range []struct {
		err      error
		problems []fault.Problem
		shown    int
		want     telemetry.Outcome
	}{
		{nil, nil, 0, telemetry.Success}, {nil, warning, 0, telemetry.Success}, {nil, failing, 3, telemetry.Partial}, {nil, failing, 0, telemetry.Refused},
		{&fault.Error{Kind: fault.Denied}, nil, 0, telemetry.Denied}, {&fault.Error{Kind: fault.Invalid}, nil, 0, telemetry.Refused},
		{&fault.Error{Kind: fault.Busy}, nil, 0, telemetry.Error}, {errors.New("x"), nil, 0, telemetry.Error},
	} {
		if got := outcome(tc.err, tc.problems, tc.shown); got != tc.want {
			t.Errorf("%v %v: %d, want %d", tc.err, tc.problems, got, tc.want)
		}
	}
}

// The control socket works from a folder whose path is longer than a socket's may
// be, and only its owner may use it.
func TestBackupThroughTheServer(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30), "data")
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	c := settings(t, dir)
	a, stop := serve(t, c, io.Discard)
	info, err := os.Stat(filepath.Join(dir, controlName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v", info, err)
	}
	l := slog.New(slog.DiscardHandler)
	var with, without bytes.Buffer
	for b, key := range map[*bytes.Buffer]bool{&with: true, &without: false} {
		if err := Backup(t.Context(), c, l, time.Now, b, key, func(int64) {}); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	for b, key := range map[*bytes.Buffer]bool{&with: true, &without: false} {
		r, err := Restore(t.Context(), b, filepath.Join(t.TempDir(), "restored"), RestoreOptions{Without: "test"}, nil)
		if err != nil || r.WithKey != key || r.Files < 3 {
			t.Errorf("%+v, %v", r, err)
		}
	}
	_ = a
	if err := Backup(t.Context(), c, l, time.Now, failing{}, true, func(int64) {}); err == nil {
		t.Error("a backup that nobody could keep was fine")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("disk full") }

// A lost master key is never replaced by a new one, which could open nothing.
func TestLostMasterKeyIsNotMadeAnew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	_, stop := serve(t, settings(t, dir), io.Discard)
	stop()
	master := filepath.Join(dir, masterName)
	kept, err := os.ReadFile(master)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(master); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, settings(t, dir), io.Discard); err == nil || !strings.Contains(err.Error(), "put it back") {
		t.Errorf("started without its master key: %v", err)
	}
	if _, err := os.Stat(master); !errors.Is(err, os.ErrNotExist) {
		t.Error("another master key was made")
	}
	if err := os.WriteFile(master, kept, 0o600); err != nil {
		t.Fatal(err)
	}
	_, stop = serve(t, settings(t, dir), io.Discard)
	stop()
}
