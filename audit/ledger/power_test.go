package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"samdok/audit"
	"samdok/internal/disk/crashdisk"
	"samdok/storage/keyring"
)

func crashRing(t *testing.T, d *crashdisk.Disk) *keyring.Ring {
	t.Helper()
	m, err := keyring.NewMaster(bytes.Repeat([]byte{3}, keyring.MasterSize))
	if err != nil {
		t.Fatal(err)
	}
	r, err := keyring.OpenOn(d, "/keys", m)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestPowerLoss cuts the power after every operation of the disk: acknowledged
// records are there, and what was torn is never taken for an alteration.
func TestPowerLoss(t *testing.T) {
	d := crashdisk.New()
	keys := crashRing(t, d)
	o := Options{FS: d, SegmentSize: 4_000, Ahead: 1_000, Ring: keys}
	d.Fail = func(op, _ string) error {
		if op == "sync" { // as slow as a disk, so that records meet in batches
			time.Sleep(300 * time.Microsecond)
		}
		return nil
	}
	r := open(t, "/audit", o)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 10 {
				e := smallEvent()
				e.Request.Caller.EventID = fmt.Sprint(w, "/", i)
				receipt, err := r.Record(context.Background(), e)
				if err != nil {
					t.Error(err)
					return
				}
				d.Mark(fmt.Sprintf("%s %d %d", e.Request.Caller.EventID, receipt.Segment, receipt.Offset))
			}
		})
	}
	wg.Wait()
	if err := errors.Join(r.Close(), keys.Close()); err != nil {
		t.Fatal(err)
	}
	d.Fail = nil
	rng := rand.New(rand.NewPCG(3, 4))
	for n := 0; n <= d.Len(); n++ {
		for fate, keep := range map[string]func() bool{
			"nothing": func() bool { return false }, "all": func() bool { return true },
			"half": func() bool { return rng.IntN(2) == 0 }, "most": func() bool { return rng.IntN(8) > 0 },
		} {
			afterPowerLoss(t, d.At(n, keep), d.Marks(n), o)
			if t.Failed() {
				t.Fatalf("after operation %d of %d, %s of what was unsynced kept", n, d.Len(), fate)
			}
		}
	}
	t.Logf("%d operations", d.Len())
}

func afterPowerLoss(t *testing.T, d *crashdisk.Disk, marks []string, o Options) {
	keys := crashRing(t, d)
	o.FS, o.Ring = d, keys
	r, err := Open(context.Background(), "/audit", o)
	if err != nil {
		t.Error(err)
		return
	}
	if len(r.Found()) > 0 {
		t.Errorf("torn records are taken for alterations: %v", r.Found())
	}
	later := record(t, r, "later")
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	got := map[string]audit.Receipt{}
	for r, err := range Read(context.Background(), "/audit", o) {
		if err != nil {
			t.Errorf("reading: %v", err)
			continue
		}
		got[r.Event.Request.Caller.EventID] = r.Receipt
	}
	for _, m := range marks {
		f := strings.Fields(m)
		if at, ok := got[f[0]]; !ok || fmt.Sprint(at.Segment, at.Offset) != f[1]+" "+f[2] {
			t.Errorf("acknowledged record %s: found %v at %v", m, ok, at)
		}
	}
	if report, err := Verify(context.Background(), "/audit", VerifyOptions{FS: d}); err != nil || len(report.Findings) > 0 || report.Torn || report.Signed <= later.Index {
		t.Errorf("Verify: %+v, %v", report, err)
	}
	if got["later"] != later {
		t.Error("the record made after the power came back is not there")
	}
	if err := keys.Close(); err != nil {
		t.Error(err)
	}
}

// TestFixtures opens folders written by every format there ever was. To write the
// one of a new format: SAMDOK_WRITE_FIXTURE=v2 go test -run Fixtures
func TestFixtures(t *testing.T) {
	qs := allQueries()[:15] // those that there were when the fixtures were made
	if name := os.Getenv("SAMDOK_WRITE_FIXTURE"); name != "" {
		dir := filepath.Join("testdata", name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		r := open(t, dir, Options{Ring: ring(t, dir)})
		for _, q := range qs {
			if _, err := r.Record(context.Background(), fullEvent(q)); err != nil {
				t.Fatal(err)
			}
		}
		r.Close()
	}
	for _, name := range []string{"v1", "v2"} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", name))); err != nil {
			t.Fatal(err)
		}
		i := 0
		for r, err := range Read(context.Background(), dir, Options{Ring: ring(t, dir)}) {
			if err != nil {
				t.Fatal(err)
			}
			if r.Event.Request.Tenant == "" || len(r.Event.Items) != 2 || queryKind(r.Event.Request.Query) != queryKind(qs[i]) {
				t.Fatalf("record %d: %+v", i, r.Event)
			}
			i++
		}
		if i != len(qs) {
			t.Fatalf("%d records, want %d", i, len(qs))
		}
		l := open(t, dir, Options{Ring: ring(t, dir)})
		record(t, l, "today")
		l.Close()
		if r := verify(t, dir, VerifyOptions{Trusted: l.PublicKeys()}); len(r.Findings) > 0 || r.Torn || r.Records != int64(i+1) {
			t.Fatalf("%+v", r)
		}
	}
}
