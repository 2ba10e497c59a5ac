package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"samdok/access"
	"samdok/audit"
	"samdok/audit/ledger"
	"samdok/fault"
	"samdok/internal/config"
	"samdok/internal/enginetest"
	"samdok/metadata"
	"samdok/storage/keyring"
	"samdok/storage/s3"
)

// bucketConfig are the settings of nodes that share a bucket.
func bucketConfig(t testing.TB, b enginetest.Bucket, more ...string) *config.Config {
	t.Helper()
	flags := map[string]string{"storage": "scaled", "s3-endpoint": b.Endpoint, "s3-region": b.Region, "s3-bucket": b.Name, "s3-access-key": b.AccessKey, "node": "one"}
	for i := 0; i < len(more); i += 2 {
		flags[more[i]] = more[i+1]
	}
	c, err := config.Load(config.Input{Flags: flags, Environment: []string{"SAMDOK_S3_SECRET_KEY=" + b.SecretKey}, StoreOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// nodeOf begins a node's ledger, and ends it when the test does.
func nodeOf(t testing.TB, c *config.Config) *ledgers {
	t.Helper()
	o, err := storeOf(c, unwatched(), time.Now, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	store, err := s3.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	master, err := keyring.NewMaster(bytes.Repeat([]byte{7}, keyring.MasterSize))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := store.OpenKeys(t.Context(), master)
	if err != nil {
		t.Fatal(err)
	}
	n, err := openLedgers(t.Context(), o, keys, c)
	if err == nil {
		_, err = n.begin(t.Context(), c)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n != nil {
			stop(t, n)
		}
		if err := errors.Join(keys.Close(), store.Close()); err != nil {
			t.Error(err)
		}
	})
	return n
}

// stop ends a node, once.
func stop(t testing.TB, n *ledgers) {
	t.Helper()
	if n.own == nil {
		return
	}
	if err := n.end(context.Background()); err != nil {
		t.Error(err)
	}
	n.own = nil
}

var patientOfRecords = metadata.PatientID{ID: "13920079912", Authority: "2.16.578.1.12.4.1.4.1"}

func recordOn(ctx context.Context, n *ledgers, id string) error {
	return recordAt(ctx, n, id, time.Now())
}

func recordAt(ctx context.Context, n *ledgers, id string, at time.Time) error {
	_, err := n.own.Record(ctx, &audit.Event{Time: at, Outcome: audit.Success, Request: access.Request{
		Caller: access.Caller{EventID: id, Subject: "nurse"}, Patients: []metadata.PatientID{patientOfRecords}}})
	return err
}

func verifyLedgers(t testing.TB, c *config.Config, o ledger.NodesOptions) *ledger.NodesReport {
	t.Helper()
	r, err := VerifyLedgers(t.Context(), c, slog.New(slog.NewTextHandler(io.Discard, nil)), time.Now, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Two nodes record at the same time. Both ledgers and the lists of them are right, a
// search finds the records of both, the newest first, also after the nodes have
// ended; a ledger that is taken away is named.
func TestLedgersOfManyNodes(t *testing.T) {
	c := bucketConfig(t, enginetest.S3(t))
	nodes := []*ledgers{nodeOf(t, c), nodeOf(t, c)}
	want := map[string]bool{}
	var mu sync.Mutex
	var group sync.WaitGroup
	for i, n := range nodes {
		for w := range 4 {
			group.Go(func() {
				for k := range 20 {
					id := fmt.Sprint(i, "/", w, "/", k)
					if err := recordOn(t.Context(), n, id); err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					want[id] = true
					mu.Unlock()
				}
			})
		}
	}
	group.Wait()
	for range 3 {
		for _, n := range nodes {
			if err := n.tend(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	state, err := nodes[0].state(t.Context())
	if err != nil || !strings.Contains(state.Checkpoint, nodes[0].node) || !strings.Contains(state.Checkpoint, nodes[1].node) {
		t.Fatalf("%+v %v", state, err)
	}
	check := func(what string, nodeCount int) *ledger.NodesReport {
		t.Helper()
		r := verifyLedgers(t, c, ledger.NodesOptions{Trusted: state.PublicKeys, Kept: [][]byte{[]byte(state.Checkpoint)}})
		if len(r.Findings) > 0 || !r.Trusted || len(r.Nodes) != nodeCount || r.Lists == 0 {
			t.Fatalf("%s: %+v", what, r)
		}
		return r
	}
	check("while they live", 2)
	if said, err := (&data{ledger: nodes[1].own, ledgers: nodes[1]}).testimony(t.Context(), 1); err != nil || len(said.Lists) == 0 || said.Newest != int64(len(said.Lists)) || len(said.Keys) != 1 {
		t.Errorf("%+v %v", said, err)
	}
	found := func(n *ledgers) {
		t.Helper()
		left := len(want)
		last := map[string]int64{}
		all, searched, err := (&data{ledger: n.own, ledgers: n}).find(t.Context(), ledger.Search{Patient: patientOfRecords}, place{})
		if err != nil || searched < len(nodes) {
			t.Fatal(searched, err)
		}
		for r, err := range all {
			if err != nil {
				t.Fatal(err)
			}
			before, more := last[r.node]
			if !want[r.Event.Request.Caller.EventID] || r.node == "" || more && r.Receipt.Index >= before {
				t.Fatalf("%+v after %d", r, before)
			}
			last[r.node] = r.Receipt.Index
			left--
		}
		if left != 0 || len(last) != len(nodes) {
			t.Errorf("%d records are not found", left)
		}
		if paged := inPages(t, &data{ledger: n.own, ledgers: n}); !maps.Equal(paged, want) {
			t.Errorf("page by page %d of %d records are found", len(paged), len(want))
		}
	}
	found(nodes[0])
	for _, n := range nodes {
		stop(t, n)
	}
	third := nodeOf(t, c)
	found(third)
	for _, n := range []*ledgers{nodes[0], third} {
		if err := recordOn(t.Context(), third, "proven"); err != nil {
			t.Fatal(err)
		}
		p, err := (&data{ledger: third.own, ledgers: third}).prove(t.Context(), ProofRequest{Node: n.node, Index: 1})
		if err != nil || p.Check() != nil || !strings.HasSuffix(p.Checkpoint.Origin, n.node) {
			t.Errorf("%+v %v", p, err)
		}
	}
	r := check("after they ended", 3)
	since := r.Verified
	if err := recordOn(t.Context(), third, "more"); err != nil {
		t.Fatal(err)
	}
	if _, err := third.state(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := verifyLedgers(t, c, ledger.NodesOptions{Since: &since}); len(r.Findings) > 0 || r.Lists != 1 {
		t.Fatalf("only what is new: %+v", r)
	}
	gone := nodes[0].node
	names, err := third.files.Names(ledgersDir + "/" + gone)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := third.files.Remove(filepath.Join(ledgersDir, gone, name)); err != nil {
			t.Fatal(err)
		}
	}
	r = verifyLedgers(t, c, ledger.NodesOptions{})
	if len(r.Findings) != 1 || r.Findings[0].Kind != ledger.Removed || r.Findings[0].Node != gone {
		t.Fatalf("%+v", r.Findings)
	}
}

// A store that does not answer lets no request through without its record: the
// sender is told to try again, and the next record after it answers succeeds.
func TestLedgerWithoutItsStore(t *testing.T) {
	b := enginetest.S3(t)
	way := enginetest.NewProxy(t, b.Endpoint)
	b.Endpoint = way.URL
	c := bucketConfig(t, b, "s3-timeout", "1s")
	n := nodeOf(t, c)
	if err := recordOn(t.Context(), n, "before"); err != nil {
		t.Fatal(err)
	}
	way.Shut()
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			if err := recordOn(t.Context(), n, fmt.Sprint("lost ", i)); fault.KindOf(err) != fault.Unavailable || fault.ProblemsOf(err)[0].Code != fault.RegistryBusy {
				t.Errorf("%v", err)
			}
		})
	}
	group.Wait()
	if err := n.own.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "S3 at") {
		t.Errorf("ready: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := recordOn(ctx, n, "hurried"); err == nil {
		t.Error("recorded")
	}
	way.Open()
	deadline := time.Now().Add(2 * time.Minute)
	for n.own.Ready(t.Context()) != nil {
		if time.Now().After(deadline) {
			t.Fatal("it does not come back")
		}
	}
	if err := recordOn(t.Context(), n, "after"); err != nil {
		t.Fatal(err)
	}
	stop(t, n)
	r := verifyLedgers(t, c, ledger.NodesOptions{})
	if len(r.Findings) > 0 || r.Nodes[0].Signed != r.Nodes[0].Leaves {
		t.Fatalf("%+v", r.Findings)
	}
}

// The key of all ledgers is replaced by one node and taken up by the others; what
// trusts the old key trusts all that follows. Records of nodes that have ended are
// destroyed by another one, under the new key.
func TestLedgersKeyAndDrop(t *testing.T) {
	c := bucketConfig(t, enginetest.S3(t))
	first, second := nodeOf(t, c), nodeOf(t, c)
	old, err := first.state(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []*ledgers{first, second} {
		if err := recordOn(t.Context(), n, "a"); err != nil {
			t.Fatal(err)
		}
	}
	stop(t, first)
	if _, err := second.rotate(t.Context(), "a key of somebody's own"); err == nil {
		t.Error("a given key takes the place of one in the store")
	}
	third := nodeOf(t, c)
	public, err := second.rotate(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := third.tend(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*ledgers{second, third, nodeOf(t, c)} {
		if err := recordOn(t.Context(), n, "b"); err != nil {
			t.Fatal(err)
		}
		if keys := n.own.PublicKeys(); keys[len(keys)-1] != public {
			t.Errorf("%v instead of %s", keys, public)
		}
	}
	d := &data{ledger: second.own, ledgers: second, clock: time.Now}
	a, err := d.drop(t.Context(), DropRequest{Before: time.Now(), Reason: "kept long enough"})
	if err != nil || len(a.Segments) != 1 || a.Segments[0].Node != first.node {
		t.Fatalf("%+v %v", a, err)
	}
	if err := d.rebuildIndexes(t.Context()); err != nil {
		t.Error(err)
	}
	r := verifyLedgers(t, c, ledger.NodesOptions{Trusted: old.PublicKeys})
	if len(r.Findings) > 0 || !r.Trusted || r.Newest != public {
		t.Fatalf("%+v", r)
	}
	if i := slices.IndexFunc(r.Nodes, func(n *ledger.NodeReport) bool { return n.Node == first.node }); i < 0 || len(r.Nodes[i].Dropped) != 1 {
		t.Errorf("%+v", r.Nodes)
	}
}

// Records that two nodes made in one moment, or wrote in another order than that of their
// times, are each on one page.
func TestPagesOfOneMoment(t *testing.T) {
	c := bucketConfig(t, enginetest.S3(t))
	nodes := []*ledgers{nodeOf(t, c), nodeOf(t, c)}
	at := time.Now()
	want := map[string]bool{}
	for i, seconds := range [][]int{{0, 0, 1, 5, 2, 5, 9, 8}, {0, 1, 0, 4, 3, 5, 5, 8}} {
		for k, s := range seconds {
			id := fmt.Sprint(i, "/", k)
			if err := recordAt(t.Context(), nodes[i], id, at.Add(time.Duration(s)*time.Second)); err != nil {
				t.Fatal(err)
			}
			want[id] = true
		}
	}
	for _, n := range nodes {
		if paged := inPages(t, &data{ledger: n.own, ledgers: n}); !maps.Equal(paged, want) {
			t.Errorf("page by page %v of %d records are found", paged, len(want))
		}
	}
	if _, err := parsePlace("node/7@yesterday"); err == nil {
		t.Error("a time that is none was taken")
	}
}

// inPages are the records of the patient, one to a page, each page behind the record of
// the one before.
func inPages(t *testing.T, d *data) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	q := LogRequest{Search: ledger.Search{Patient: patientOfRecords}, Limit: 1}
	for {
		a, err := d.findLog(t.Context(), &q)
		if err != nil {
			t.Fatal(err)
		}
		for i := range a.Records {
			if id := a.Records[i].EventID; all[id] {
				t.Fatalf("%s is on two pages; the next one goes on at %s", id, a.Next)
			} else {
				all[id] = true
			}
		}
		if !a.More {
			return all
		}
		q.From = a.Next
	}
}
