package scaled_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/internal/enginetest"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/storage"
	"samdok/storage/scaled"
	"samdok/storage/storagetest"
)

const tenant access.Tenant = "test"

var approved = storage.Filter{Documents: &metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}

func open(t testing.TB, p place, options ...func(*scaled.Options)) *scaled.Log {
	t.Helper()
	l, done, err := p.open(func(o *scaled.Options) {
		for _, f := range options {
			f(o)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := done(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func stream(p metadatatest.Patient) storage.Stream { return storage.PatientStream(p.ID()) }

// persist appends as a registry does: on a conflict it loads again.
func persist(l *scaled.Log, c storage.Change) error {
	for {
		_, v, err := l.Load(context.Background(), tenant, c.Stream, storage.Refs{})
		if err != nil {
			return err
		}
		c.Expect = v
		if err := l.Append(context.Background(), tenant, []storage.Change{c}); !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
}

func found(t testing.TB, l *scaled.Log, s storage.Stream) (ids []metadata.ID) {
	t.Helper()
	for p, err := range l.Find(context.Background(), tenant, s, approved, access.Restriction{}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, p.Object.ObjectID())
	}
	return ids
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func entry(c storage.Change) *metadata.DocumentEntry {
	for _, a := range c.Events[0].Added {
		if d, ok := a.Object.(*metadata.DocumentEntry); ok {
			return d
		}
	}
	return nil
}

// Writers at two nodes of one patient never interleave, and what one node has
// acknowledged the other finds at once.
func TestTwoNodesOnePatient(t *testing.T) {
	p := newPlace(t)
	nodes := []*scaled.Log{open(t, p), open(t, p)}
	g := metadatatest.New(1)
	patient := g.Patient()
	const each = 5
	var all sync.WaitGroup
	for w := range 6 {
		g := metadatatest.New(uint64(100 + w))
		all.Go(func() {
			mine, other := nodes[w%2], nodes[1-w%2]
			for range each {
				c := storagetest.NewChange(g.Metadata(patient, 1), 0)
				if err := persist(mine, c); err != nil {
					t.Error(err)
					return
				}
				if !slices.Contains(found(t, other, c.Stream), entry(c).ID) {
					t.Error("the other node does not find what was acknowledged")
				}
			}
		})
	}
	all.Wait()
	for _, l := range nodes {
		if n := len(found(t, l, stream(patient))); n != 6*each {
			t.Errorf("%d documents, want %d", n, 6*each)
		}
	}
}

// together runs a function for each node at once and counts who succeeded; the
// others were told of a conflict.
func together(t testing.TB, nodes []*scaled.Log, f func(i int, l *scaled.Log) error) (won int) {
	t.Helper()
	var n atomic.Int32
	var all sync.WaitGroup
	for i, l := range nodes {
		all.Go(func() {
			switch err := f(i, l); {
			case err == nil:
				n.Add(1)
			case !errors.Is(err, storage.ErrConflict):
				t.Error(err)
			}
		})
	}
	all.Wait()
	return int(n.Load())
}

// The same uniqueId, and a replacement of the same document, from two nodes at
// once: one wins.
func TestTwoNodesOneTruth(t *testing.T) {
	p := newPlace(t)
	nodes := []*scaled.Log{open(t, p), open(t, p)}
	ctx := context.Background()
	g := metadatatest.New(2)
	for range 5 {
		unique := g.OID()
		changes := make([]storage.Change, 2)
		for i := range changes {
			sub := g.Metadata(g.Patient(), 1)
			sub.Entries[0].UniqueID, sub.Entries[0].Hash = unique, strings.Repeat(fmt.Sprint(i), 40)
			changes[i] = storagetest.NewChange(sub, 0)
		}
		if won := together(t, nodes, func(i int, l *scaled.Log) error { return l.Append(ctx, tenant, changes[i:i+1]) }); won != 1 {
			t.Errorf("%d of two different documents of one uniqueId went in", won)
		}
		patient := g.Patient()
		old := storagetest.NewChange(g.Metadata(patient, 1), 0)
		must(t, nodes[0].Append(ctx, tenant, []storage.Change{old}))
		for i := range changes {
			changes[i] = storagetest.NewChange(g.Metadata(patient, 1), 1)
			ev := &changes[i].Events[0]
			ev.Touched = []storage.Touch{{ID: entry(old).ID, Status: metadata.Deprecated}}
		}
		if won := together(t, nodes, func(i int, l *scaled.Log) error { return l.Append(ctx, tenant, changes[i:i+1]) }); won != 1 {
			t.Errorf("a document was replaced %d times", won)
		}
		for _, l := range nodes {
			if n := len(found(t, l, stream(patient))); n != 1 {
				t.Errorf("%d approved documents after a replacement", n)
			}
		}
	}
}

// A merge at one node while another writes for the patient who goes: what was
// accepted is the survivor's.
func TestTwoNodesMerge(t *testing.T) {
	p := newPlace(t)
	a, b := open(t, p), open(t, p)
	ctx := context.Background()
	g := metadatatest.New(3)
	goes, stays := g.Patient(), g.Patient()
	accepted := 0
	var writing sync.WaitGroup
	writing.Go(func() {
		g := metadatatest.New(300)
		for {
			st, v, err := b.Load(ctx, tenant, stream(goes), storage.Refs{})
			if err != nil {
				t.Error(err)
				return
			}
			if st.Standing.Into != (storage.Stream{}) {
				return
			}
			err = b.Append(ctx, tenant, []storage.Change{storagetest.NewChange(g.Metadata(goes, 1), v)})
			if err == nil {
				accepted++
			} else if !errors.Is(err, storage.ErrConflict) {
				t.Error(err)
				return
			}
		}
	})
	time.Sleep(300 * time.Millisecond)
	for {
		_, v, err := a.Load(ctx, tenant, stream(goes), storage.Refs{})
		must(t, err)
		now := time.Now()
		err = a.Append(ctx, tenant, []storage.Change{
			{Stream: stream(goes), Expect: v, Events: []storage.Event{storage.MergedInto(stream(stays), now)}},
			{Stream: stream(stays), Events: []storage.Event{storage.Absorbed([]storage.Stream{stream(goes)}, now)}},
		})
		if err == nil {
			break
		}
		if !errors.Is(err, storage.ErrConflict) {
			t.Fatal(err)
		}
	}
	writing.Wait()
	for _, l := range []*scaled.Log{a, b} {
		if n := len(found(t, l, stream(stays))); n != accepted {
			t.Errorf("the survivor has %d of %d documents", n, accepted)
		}
	}
}

// A node is killed between the journal and the projection: another one makes up
// for it within seconds, and goes on.
func TestKilledBeforeProjection(t *testing.T) {
	p := newPlace(t)
	other := open(t, p)
	g := metadatatest.New(4)
	first := storagetest.NewChange(g.Metadata(g.Patient(), 1), 0)
	must(t, other.Append(context.Background(), tenant, []storage.Change{first}))
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), dieVariable+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	line, _ := bufio.NewReader(out).ReadString('\n')
	_ = cmd.Wait()
	written := time.Now()
	if strings.TrimSpace(line) != "written" {
		t.Fatalf("the child said %q", line)
	}
	c := dyingChange()
	for len(found(t, other, c.Stream)) == 0 {
		if time.Since(written) > time.Minute {
			t.Fatal("nobody made up for the node that was killed")
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Logf("healed after %s", time.Since(written).Round(10*time.Millisecond))
	must(t, persist(other, storagetest.NewChange(metadatatest.New(5).Metadata(dyingPatient(), 1), 0)))
	if n := len(found(t, other, c.Stream)); n != 2 {
		t.Errorf("%d documents", n)
	}
}

// dieVariable makes a child process append once and die before the projection.
const dieVariable = "SAMDOK_SCALED_DIE"

func dyingPatient() metadatatest.Patient { return metadatatest.New(666).Patient() }

func dyingChange() storage.Change {
	g := metadatatest.New(667)
	return storagetest.NewChange(g.Metadata(dyingPatient(), 1), 0)
}

func die() {
	if os.Getenv(dieVariable) == "" {
		return
	}
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var p place
	if err := p.fromEnvironment(); err != nil {
		fail(err)
	}
	l, _, err := p.open(func(o *scaled.Options) {
		o.Step = func(name string) {
			if name != "before a batch is projected" {
				return
			}
			_, _ = os.Stdout.WriteString("written\n")
			self, err := os.FindProcess(os.Getpid())
			if err == nil {
				_ = self.Kill()
			}
			select {}
		}
	})
	if err != nil {
		fail(err)
	}
	fail(l.Append(context.Background(), tenant, []storage.Change{dyingChange()}))
}

// Elasticsearch and S3 are gone for a while: what is refused says whether it was
// written, what is acknowledged is found.
func TestEnginesStop(t *testing.T) {
	p := newPlace(t)
	es, store := enginetest.NewProxy(t, p.Index.URL), enginetest.NewProxy(t, p.Bucket.Endpoint)
	through := p
	through.Index.URL, through.Bucket.Endpoint = es.URL, store.URL
	l := open(t, through)
	g := metadatatest.New(6)
	patients := []metadatatest.Patient{g.Patient(), g.Patient(), g.Patient()}
	acked := make([][]metadata.ID, len(patients))
	stop := make(chan struct{})
	var all sync.WaitGroup
	for w, patient := range patients {
		g := metadatatest.New(uint64(600 + w))
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				_, v, err := l.Load(ctx, tenant, stream(patient), storage.Refs{})
				if err == nil {
					c := storagetest.NewChange(g.Metadata(patient, 1), v)
					if err = l.Append(ctx, tenant, []storage.Change{c}); err == nil {
						acked[w] = append(acked[w], entry(c).ID)
					}
				}
				cancel()
				switch kind := fault.KindOf(err); {
				case err == nil, errors.Is(err, storage.ErrConflict):
				case kind != fault.Busy && kind != fault.Unavailable && kind != fault.Canceled:
					t.Errorf("not an error that says what to do: %v (%v)", err, kind)
					return
				}
			}
		})
	}
	pause := 2 * time.Second
	if storagetest.Long() {
		pause = 30 * time.Second
	}
	for _, engine := range []*enginetest.Proxy{es, store, es} {
		time.Sleep(time.Second)
		engine.Shut()
		time.Sleep(pause)
		engine.Open()
	}
	time.Sleep(2 * time.Second)
	close(stop)
	all.Wait()
	for deadline := time.Now().Add(2 * time.Minute); l.Ready(context.Background()) != nil; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not ready again: %v", l.Ready(context.Background()))
		}
	}
	n := 0
	for w, patient := range patients {
		must(t, persist(l, storagetest.NewChange(g.Metadata(patient, 1), 0)))
		ids := found(t, l, stream(patient))
		for _, id := range acked[w] {
			if !slices.Contains(ids, id) {
				t.Error("what was acknowledged is lost")
			}
		}
		n += len(acked[w])
	}
	if n == 0 {
		t.Error("nothing was acknowledged: the test proves too little")
	}
}

// A rebuild in the middle of load, and one after the index was lost: the answers
// stay the same.
func TestRebuildUnderLoad(t *testing.T) {
	p := newPlace(t)
	a, b := open(t, p), open(t, p)
	ctx := context.Background()
	g := metadatatest.New(7)
	patients := []metadatatest.Patient{g.Patient(), g.Patient(), g.Patient()}
	counts := make([]int, len(patients))
	stop := make(chan struct{})
	var all sync.WaitGroup
	for w, patient := range patients {
		g := metadatatest.New(uint64(700 + w))
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := persist(a, storagetest.NewChange(g.Metadata(patient, 1), 0)); err != nil {
					t.Error(err)
					return
				}
				if counts[w]++; len(found(t, b, stream(patient))) != counts[w] {
					t.Error("a document is missing while the index is rebuilt")
				}
			}
		})
	}
	time.Sleep(500 * time.Millisecond)
	err := b.Rebuild(ctx, nil)
	time.Sleep(500 * time.Millisecond)
	close(stop)
	all.Wait()
	must(t, err)
	check := func(l *scaled.Log) {
		t.Helper()
		for w, patient := range patients {
			if n := len(found(t, l, stream(patient))); n != counts[w] {
				t.Errorf("%d documents, want %d", n, counts[w])
			}
		}
	}
	check(a)
	check(b)
	t.Run("cut off", func(t *testing.T) {
		// A rebuild that ended while it made its indexes is gone on with by the next.
		made, err := scaled.Elastic(a).NewGeneration(ctx)
		must(t, err)
		for _, name := range []string{"streams", "ids"} {
			elasticsearch(t, http.MethodDelete, fmt.Sprintf("%s/%s%s-%06d", p.Index.URL, p.Index.Prefix, name, made), "")
		}
		must(t, a.Rebuild(ctx, nil))
		check(a)
		check(b)
	})
	t.Run("lost", func(t *testing.T) {
		// The same journal with an index that has nothing.
		empty := p
		empty.Index = enginetest.Elasticsearch(t)
		l := open(t, empty, func(o *scaled.Options) { o.MaxLag = 1 })
		if _, _, err := l.Load(ctx, tenant, stream(patients[0]), storage.Refs{}); fault.KindOf(err) != fault.Unavailable || !strings.Contains(fmt.Sprint(fault.ProblemsOf(err)), "samdok reindex") {
			t.Errorf("an index that was lost: %v", err)
		}
		must(t, l.Rebuild(ctx, nil))
		check(l)
		must(t, l.Ready(ctx))
	})
	t.Run("behind", func(t *testing.T) {
		empty := p
		empty.Index = enginetest.Elasticsearch(t)
		check(open(t, empty)) // what is missing is little enough to be made up for
	})
}
