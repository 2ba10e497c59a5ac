package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"samdok/access"
	"samdok/audit"
	"samdok/audit/ledger"
	"samdok/internal/datadir"
	"samdok/metadata"
	"samdok/storage"
	"samdok/storage/files"
	"samdok/storage/keyring"
	"samdok/storage/sqlite"
	"samdok/storage/storagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is the storage of a server.
type node struct {
	dir     string
	ring    *keyring.Ring
	log     *sqlite.DB
	docs    *files.Store
	records *ledger.Ledger
}

func start(t *testing.T, dir string) *node {
	t.Helper()
	n := &node{dir: dir}
	m, _, err := keyring.LoadOrCreateMaster(filepath.Join(dir, "master.key"))
	if err == nil {
		n.ring, err = keyring.Open(filepath.Join(dir, "keys"), m)
	}
	if err == nil {
		n.log, err = sqlite.Open(context.Background(), filepath.Join(dir, "log.db"), sqlite.Options{Ring: n.ring})
	}
	if err == nil {
		n.docs, err = files.Open(filepath.Join(dir, "documents"), files.Options{Ring: n.ring, PackSize: 1 << 20})
	}
	if err == nil {
		n.records, err = ledger.Open(context.Background(), filepath.Join(dir, "ledger"), ledger.Options{Ring: n.ring, SegmentSize: 20_000, CheckpointEvery: 50 * time.Millisecond})
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *node) stop(t *testing.T) {
	t.Helper()
	if err := errors.Join(n.records.Close(), n.docs.Close(), n.log.Close(), n.ring.Close()); err != nil {
		t.Fatal(err)
	}
}

func (n *node) source() Source {
	return Source{
		Dir: n.dir, Log: n.log, LogName: "log.db", Trees: []string{"ledger/checkpoints", "ledger/tree", "documents", "ledger"}, Leave: []string{"documents/incoming"},
		Last: []string{"keys", "identity.json", "master.key"}, Temp: filepath.Dir(n.dir), Clock: time.Now,
	}
}

type submitted struct {
	stream storage.Stream
	unique string
	event  string
	key    storage.DocumentKey
	bytes  []byte
}

// submit does what a submission does to storage: bytes, entry, record.
func (n *node) submit(w, i int) (submitted, error) {
	ctx := context.Background()
	size := int64(1000 * (i%20 + 1))
	if i%10 == 9 {
		size = 400_000
	}
	s := submitted{stream: storage.PatientStream(metadata.PatientID{ID: fmt.Sprint(w), Authority: "2.1"}), unique: fmt.Sprintf("1.2.%d.%d", w+1, i+1), event: fmt.Sprint(w, "/", i), bytes: storagetest.Bytes(uint64(w*1e6+i), size)}
	var err error
	if s.key, err = storagetest.PutDocument(ctx, n.docs, s.bytes); err != nil {
		return s, err
	}
	doc := &metadata.DocumentEntry{ID: metadata.NewUUID().ID(), UniqueID: s.unique, Status: metadata.Approved, Kind: metadata.Stable}
	e := storage.Event{Kind: storage.EventSubmitted, ID: metadata.NewUUID(), Time: time.Now().UTC(), Added: []storage.Added{{Object: doc, Document: s.key}}}
	if err := n.log.Append(ctx, "t", []storage.Change{{Stream: s.stream, Expect: storage.Version(i), Events: []storage.Event{e}, Claims: []storage.Claim{{ID: string(doc.ID), Exclusive: true}}}}); err != nil {
		return s, err
	}
	_, err = n.records.Record(ctx, &audit.Event{Request: access.Request{Tenant: "t", Caller: access.Caller{EventID: s.event}}})
	return s, err
}

func (n *node) checkSubmitted(t *testing.T, s submitted) {
	t.Helper()
	st, err := n.log.Lookup(context.Background(), "t", storage.Refs{UniqueIDs: []string{s.unique}})
	if err != nil || len(st.Objects) != 1 || st.Objects[0].Document != s.key {
		t.Fatalf("entry of %s: %d found, %v", s.event, len(st.Objects), err)
	}
	if err := storagetest.CheckDocument(context.Background(), n.docs, s.key, s.bytes); err != nil {
		t.Fatalf("document of %s: %v", s.event, err)
	}
}

// checkLog reads the document of every entry in the log.
func (n *node) checkLog(t *testing.T, writers int) (entries int) {
	t.Helper()
	for w := range writers {
		stream := storage.PatientStream(metadata.PatientID{ID: fmt.Sprint(w), Authority: "2.1"})
		for e, err := range n.log.Events(context.Background(), "t", stream, 0) {
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range e.Added {
				if _, err := storagetest.ReadSome(context.Background(), n.docs, a.Document); err != nil {
					t.Fatalf("an entry of the restored log has no document: %v", err)
				}
				entries++
			}
		}
	}
	return entries
}

func TestBackupWhileServing(t *testing.T) {
	const writers = 4
	n := start(t, filepath.Join(t.TempDir(), "data"))
	var mu sync.Mutex
	var all []submitted
	quit := make(chan struct{})
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-quit:
					return
				default:
				}
				s, err := n.submit(w, i)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				all = append(all, s)
				mu.Unlock()
			}
		})
	}
	acked := func() []submitted {
		mu.Lock()
		defer mu.Unlock()
		return append([]submitted(nil), all...)
	}
	for round := range 3 {
		for len(acked()) < 60*(round+1) && !t.Failed() {
			time.Sleep(time.Millisecond)
		}
		before := acked()
		var b bytes.Buffer
		var last, total int64
		m, err := Write(context.Background(), n.source(), slow{&b}, func(d, of int64) { last, total = d, of })
		if err != nil {
			t.Fatal(err)
		}
		if last != total || last == 0 || m.Format != Format {
			t.Fatalf("progress ended at %d of %d", last, total)
		}
		t.Logf("%d acknowledged before, %d after; %d bytes in %d files", len(before), len(acked()), b.Len(), len(m.Files))
		if len(acked()) == len(before) {
			t.Fatal("nothing was submitted while the backup was made: the test proves nothing")
		}
		checkRestored(t, &b, before, writers)
	}
	close(quit)
	wg.Wait()
	n.stop(t)
}

// slow takes its time, so that writers go on meanwhile.
type slow struct{ w io.Writer }

func (s slow) Write(p []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return s.w.Write(p)
}

func checkRestored(t *testing.T, b io.Reader, before []submitted, writers int) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "restored")
	if _, err := Restore(context.Background(), b, dir, nil); err != nil {
		t.Fatal(err)
	}
	// Whose data it is stands in every backup of a server, which this one is not of.
	if err := os.WriteFile(filepath.Join(dir, datadir.Identity), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := datadir.Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	if r, err := ledger.Verify(context.Background(), filepath.Join(dir, "ledger"), ledger.VerifyOptions{}); err != nil || len(r.Findings) > 0 {
		t.Fatalf("the restored ledger: %+v, %v", r, err)
	}
	n := start(t, dir)
	defer n.stop(t)
	for _, s := range before {
		n.checkSubmitted(t, s)
	}
	if entries := n.checkLog(t, writers); entries < len(before) {
		t.Fatalf("%d entries restored, %d were acknowledged", entries, len(before))
	}
	seen := map[string]bool{}
	for r, err := range ledger.Read(context.Background(), filepath.Join(dir, "ledger"), ledger.Options{Ring: n.ring}) {
		if err != nil {
			t.Fatal(err)
		}
		seen[r.Event.Request.Caller.EventID] = true
	}
	for _, s := range before {
		if !seen[s.event] {
			t.Fatalf("no record of %s", s.event)
		}
	}
	if _, err := n.submit(99, 0); err != nil {
		t.Fatalf("the restored folder takes nothing: %v", err)
	}
}

func smallBackup(t *testing.T) []byte {
	t.Helper()
	n := start(t, filepath.Join(t.TempDir(), "data"))
	for i := range 5 {
		if _, err := n.submit(0, i); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := Write(context.Background(), n.source(), &b, nil); err != nil {
		t.Fatal(err)
	}
	n.stop(t)
	return b.Bytes()
}

func TestRestoreRefuses(t *testing.T) {
	good := smallBackup(t)
	refused := func(name string, b []byte, want error) {
		t.Helper()
		dir := filepath.Join(t.TempDir(), "r")
		if _, err := Restore(context.Background(), bytes.NewReader(b), dir, nil); !errors.Is(err, want) {
			t.Fatalf("%s: %v", name, err)
		}
		if names, err := os.ReadDir(dir); err == nil && len(names) > 0 {
			t.Fatalf("%s: left %s behind", name, names[0].Name())
		}
	}
	for n := 0; n < len(good)-2048; n += 10_007 {
		refused(fmt.Sprint("cut to ", n), good[:n], ErrBroken)
	}
	r := tar.NewReader(bytes.NewReader(good))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if h.Size == 0 || h.Name == ManifestName {
			continue
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(good, content)
		bad := bytes.Clone(good)
		bad[at+len(content)/2] ^= 1
		refused("a bit of "+h.Name, bad, ErrBroken)
	}
	for _, name := range []string{"../evil", "/etc/evil", "a/../../evil"} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := w.WriteHeader(&tar.Header{Name: name, Size: 0, Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		w.Close()
		refused(name, b.Bytes(), ErrBroken)
	}
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(context.Background(), bytes.NewReader(good), full, nil); !errors.Is(err, ErrNotEmpty) || !strings.Contains(err.Error(), full) {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Restore(ctx, bytes.NewReader(good), filepath.Join(t.TempDir(), "r"), nil); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	empty := t.TempDir() // there, and empty: a disk of its own
	if _, err := Restore(context.Background(), bytes.NewReader(good), empty, nil); err != nil {
		t.Fatal(err)
	}
}

func TestCanceledBackup(t *testing.T) {
	n := start(t, filepath.Join(t.TempDir(), "data"))
	defer n.stop(t)
	if _, err := n.submit(0, 0); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Write(ctx, n.source(), io.Discard, nil); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(n.dir), "backup-*")); err != nil || len(left) > 0 {
		t.Fatal("the copy of the log was left behind", left, err)
	}
}
