package ledger

import (
	"bufio"
	"context"
	crand "crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"samdok/internal/disk"
	"samdok/internal/enginetest"
	"samdok/storage/s3"
)

// held is the file system that tests keep ledgers in: the machine's, or for
// TestOverStore that of a store.
var held disk.FS = disk.OS{}

// on puts a ledger into the place.
func on(o Options) Options {
	if _, local := held.(disk.OS); !local && o.FS == nil {
		o.FS, o.Ahead = held, -1
	}
	return o
}

// folder is an empty folder in the place.
func folder(t testing.TB) string {
	t.Helper()
	if _, local := held.(disk.OS); local {
		return t.TempDir()
	}
	return "ledger/" + crand.Text()
}

// TestOverStore runs tests of ledgers again in an S3 store.
func TestOverStore(t *testing.T) {
	store := openStore(t, enginetest.S3(t))
	files := store.Files(Kept)
	held = files
	defer func() {
		held = disk.OS{}
		if err := files.Close(); err != nil {
			t.Error(err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	for name, test := range map[string]func(*testing.T){
		"many record at once": TestManyRecordAtOnce, "fails closed and recovers": TestFailsClosedAndRecovers, "searches": TestSearches,
		"index gathered": TestIndexGatheredIsIndexRead, "verified": TestVerifyIsContentWithWhatWasWritten, "verified while recording": TestVerifyWhileRecording,
		"incremental": TestIncrementalVerification, "proofs": TestProofs, "keys": TestKeysAreRotated, "given key": TestGivenKey, "deletion": TestLawfulDeletion,
		"drop cut off": TestDropCutOff, "witness": TestWitness,
	} {
		t.Run(name, test)
	}
}

// openStore opens a store in a bucket.
func openStore(t testing.TB, b enginetest.Bucket) *s3.Store {
	t.Helper()
	store, err := s3.Open(context.Background(), s3.Options{Endpoint: b.Endpoint, Region: b.Region, Bucket: b.Name, AccessKey: b.AccessKey, SecretKey: b.SecretKey, Proven: true})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// TestKilledOverStore ends processes that record in a store with SIGKILL under load:
// every acknowledged record is in the ledger that the process had.
func TestKilledOverStore(t *testing.T) {
	if text := os.Getenv(writerStore); text != "" {
		var w struct {
			Bucket       enginetest.Bucket
			Folder, Keys string
		}
		if err := json.Unmarshal([]byte(text), &w); err != nil {
			t.Fatal(err)
		}
		recordOn(open(t, w.Folder, Options{Ring: ring(t, w.Keys), SegmentSize: 50_000, CheckpointEvery: 100 * time.Millisecond, Ahead: -1, FS: openStore(t, w.Bucket).Files(Kept)}))
	}
	rounds := 3
	if os.Getenv("SAMDOK_LONG") != "" {
		rounds = 50
	}
	b := enginetest.S3(t)
	store := openStore(t, b)
	defer store.Close()
	o := Options{FS: store.Files(Kept)}
	for round := range rounds {
		folder, keys := fmt.Sprint("ledger/node ", round), t.TempDir()
		text, err := json.Marshal(map[string]any{"Bucket": b, "Folder": folder, "Keys": keys})
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledOverStore$")
		cmd.Env = append(os.Environ(), writerStore+"="+string(text))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		want, after := map[string]string{}, 50+rand.IntN(400)
		for s := bufio.NewScanner(out); s.Scan(); {
			if f := strings.Fields(s.Text()); len(f) == 3 && f[0] == "acknowledged" {
				want[f[1]] = f[2]
			}
			if len(want) == after {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("it ended by itself")
		}
		r, err := Verify(t.Context(), folder, VerifyOptions{FS: o.FS})
		if err != nil || len(r.Findings) > 0 {
			t.Fatalf("%+v %v", r, err)
		}
		total := len(want)
		o.Ring = ring(t, keys)
		for r, err := range Read(t.Context(), folder, o) {
			if err != nil {
				t.Fatal(err)
			}
			if id := r.Event.Request.Caller.EventID; want[id] == fmt.Sprint(r.Receipt.Index) {
				delete(want, id)
			}
		}
		if len(want) > 0 || total < after {
			t.Fatalf("%d of %d acknowledged records are lost", len(want), total)
		}
	}
}

// writerStore makes this test binary record in a store until it is killed.
const writerStore = "SAMDOK_LEDGER_WRITER_STORE"

// BenchmarkRecordOverStore is what 64 callers get of a store.
func BenchmarkRecordOverStore(b *testing.B) {
	for _, callers := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(callers, " callers"), func(b *testing.B) {
			store := openStore(b, enginetest.S3(b))
			files := store.Files(Kept)
			l := open(b, "ledger/one", Options{Ring: ring(b, b.TempDir()), FS: files, Ahead: -1, SegmentSize: 8 << 20})
			var left atomic.Int64
			left.Store(int64(b.N))
			var group sync.WaitGroup
			b.ResetTimer()
			began := cpu(b)
			for range callers {
				group.Go(func() {
					for left.Add(-1) >= 0 {
						if _, err := l.Record(b.Context(), typicalEvent()); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			group.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64((cpu(b)-began).Microseconds())/float64(b.N), "cpu-us/op")
			if err := errors.Join(l.Close(), files.Close(), store.Close()); err != nil {
				b.Error(err)
			}
		})
	}
}

// copyFolder copies a folder within the place.
func copyFolder(t testing.TB, from string) string {
	t.Helper()
	to := folder(t)
	names, err := held.Names(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := loadFile(held, from, name)
		if err == nil {
			err = writeWhole(held, to, name, b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// remove deletes a file of the place.
func remove(t fatal, path string) {
	if err := held.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func readFile(t fatal, path string) []byte {
	b, err := loadFile(held, filepath.Dir(path), filepath.Base(path))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t fatal, path string, b []byte) {
	if err := writeWhole(held, filepath.Dir(path), filepath.Base(path), b); err != nil {
		t.Fatal(err)
	}
}
