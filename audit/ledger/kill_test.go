package ledger

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// writerDir makes this test binary record until it is killed.
const writerDir = "SAMDOK_LEDGER_WRITER"

func recordUntilKilled(t *testing.T, dir string) {
	o := Options{Ring: ring(t, filepath.Join(dir, "keys")), SegmentSize: 50_000, CheckpointEvery: 20 * time.Millisecond}
	recordOn(open(t, filepath.Join(dir, "ledger"), o))
}

// recordOn records until the process is killed, and says what was acknowledged.
func recordOn(l *Ledger) {
	var mu sync.Mutex
	out := bufio.NewWriter(os.Stdout)
	start := time.Now().UnixNano()
	for w := range 16 {
		go func() {
			for i := 0; ; i++ {
				e := typicalEvent()
				e.Request.Caller.EventID = fmt.Sprint(start, "/", w, "/", i)
				r, err := l.Record(context.Background(), e)
				if err != nil {
					panic(err)
				}
				mu.Lock()
				fmt.Fprintf(out, "acknowledged %s %d\n", e.Request.Caller.EventID, r.Index)
				out.Flush()
				mu.Unlock()
			}
		}()
	}
	select {}
}

// TestKilled ends the process with SIGKILL at random moments under load: every
// acknowledged record is there at its index, every record is whole, and Verify has
// nothing to say.
func TestKilled(t *testing.T) {
	if dir := os.Getenv(writerDir); dir != "" {
		recordUntilKilled(t, dir)
	}
	rounds := 5
	if os.Getenv("SAMDOK_LONG") != "" {
		rounds = 50
	}
	dir := t.TempDir()
	want := map[string]string{}
	for range rounds {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), writerDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var kill *time.Timer // from the first acknowledgement on: a busy machine may start slowly
		for s := bufio.NewScanner(out); s.Scan(); {
			f := strings.Fields(s.Text())
			if len(f) == 3 && f[0] == "acknowledged" {
				want[f[1]] = f[2]
				if kill == nil {
					kill = time.AfterFunc(time.Duration(rand.IntN(300))*time.Millisecond, func() { cmd.Process.Signal(syscall.SIGKILL) })
				}
			}
		}
		cmd.Wait()
		// Before the next start: nothing but the end may be torn.
		if r := verify(t, filepath.Join(dir, "ledger"), VerifyOptions{}); len(r.Findings) > 0 {
			t.Fatalf("after the kill: %+v", r.Findings)
		}
	}
	o := Options{Ring: ring(t, filepath.Join(dir, "keys"))}
	l := open(t, filepath.Join(dir, "ledger"), o)
	if len(l.Found()) > 0 {
		t.Fatal(l.Found())
	}
	l.Close()
	r := verify(t, filepath.Join(dir, "ledger"), VerifyOptions{})
	if len(r.Findings) > 0 || r.Torn || r.Signed != r.Leaves {
		t.Fatalf("%+v", r)
	}
	total := len(want)
	for r, err := range Read(context.Background(), filepath.Join(dir, "ledger"), o) {
		if err != nil {
			t.Fatal(err)
		}
		id := r.Event.Request.Caller.EventID
		if at, ok := want[id]; ok && at != fmt.Sprint(r.Receipt.Index) {
			t.Fatalf("%s lies at %d, was acknowledged at %s", id, r.Receipt.Index, at)
		}
		delete(want, id)
	}
	if len(want) > 0 || total < rounds {
		t.Fatalf("%d of %d acknowledged records are lost", len(want), total)
	}
	t.Logf("%d acknowledged records in %d rounds", total, rounds)
}
