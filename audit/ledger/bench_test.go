package ledger

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"samdok/internal/disk"
	"samdok/metadata"
)

// unsynced is the machine's file system without its fsync, so that large ledgers
// are made in a bearable time.
type unsynced struct{ disk.FS }

type unsyncedFile struct{ disk.File }

func (u unsynced) Open(name string, flag int, perm os.FileMode) (disk.File, error) {
	f, err := u.FS.Open(name, flag, perm)
	return unsyncedFile{f}, err
}

func (unsyncedFile) Sync() error { return nil }

func (f unsyncedFile) WriteSync(b []byte, off int64) error {
	_, err := f.WriteAt(b, off)
	return err
}

// many makes a ledger of n records about 10,000 patients.
func many(b testing.TB, dir string, o Options, n int64) {
	o.FS = unsynced{disk.OS{}}
	l := open(b, dir, o)
	var group sync.WaitGroup
	var left atomic.Int64
	left.Store(n)
	for range 64 {
		group.Go(func() {
			for {
				i := left.Add(-1)
				if i < 0 {
					return
				}
				e := smallEvent()
				e.Time = time.Unix(1e9+i, 0)
				e.Request.Patients = []metadata.PatientID{{ID: fmt.Sprint("patient ", i%10_000), Authority: "1.2"}}
				if _, err := l.Record(context.Background(), e); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	if err := l.makeIndexes(context.Background()); err != nil {
		b.Fatal(err)
	}
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}

// records is how many records the benchmarks verify and search; SAMDOK_RECORDS
// says another number.
func records(b *testing.B) int64 {
	if s := os.Getenv("SAMDOK_RECORDS"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	return 50_000
}

func BenchmarkLarge(b *testing.B) {
	n := records(b)
	dir, o := b.TempDir(), Options{Ring: ring(b, b.TempDir())}
	start := time.Now()
	many(b, dir, o, n)
	b.Logf("%d records made and indexed in %s", n, time.Since(start))
	b.Run("verify", func(b *testing.B) {
		for b.Loop() {
			if r := verify(b, dir, VerifyOptions{}); len(r.Findings) > 0 || r.Records != n {
				b.Fatalf("%+v", r)
			}
		}
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
	})
	l := open(b, dir, o)
	b.Run("find a patient", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			found := 0
			for _, err := range l.Find(context.Background(), Search{Patient: metadata.PatientID{ID: fmt.Sprint("patient ", i%10_000), Authority: "1.2"}}) {
				if err != nil {
					b.Fatal(err)
				}
				found++
			}
			if found == 0 {
				b.Fatal("nothing found")
			}
		}
	})
}
