package storagetest

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"samdok/storage"
)

const (
	childDir   = "SAMDOK_DOCUMENTS_CHILD"
	childCount = "SAMDOK_DOCUMENTS_COUNT" // documents of each writer; endless when unset
)

// DocumentsChild stores documents and exits when this process was started to be
// killed or watched; otherwise it returns at once. It belongs at the beginning of
// TestMain. After each Commit it writes the line "ack KEY SEED SIZE" to standard
// output.
func DocumentsChild(open func(dir string) (storage.Documents, error), sizes ...int64) {
	dir := os.Getenv(childDir)
	if dir == "" {
		return
	}
	d, err := open(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	count, err := strconv.ParseUint(os.Getenv(childCount), 10, 64)
	if err != nil {
		count = math.MaxUint64
	}
	limit := time.Now().Add(time.Minute) // when nobody kills it
	var seed0 = uint64(time.Now().UnixNano())
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := uint64(0); i < count && time.Now().Before(limit); i++ {
				seed := seed0 + uint64(w)<<32 + i
				size := sizes[int(i+uint64(w))%len(sizes)]
				key, err := PutDocument(context.Background(), d, Bytes(seed, size))
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				// One write: lines of several writers never mix.
				if _, err := os.Stdout.WriteString(fmt.Sprintf("ack %s %d %d\n", key, seed, size)); err != nil {
					os.Exit(0)
				}
				if w == 0 && i%7 == 6 {
					os.Stdout.WriteString("deleting " + string(key) + "\n")
					if err := d.Delete(context.Background(), key); err != nil {
						os.Exit(1)
					}
					os.Stdout.WriteString("deleted " + string(key) + "\n")
				}
			}
		})
	}
	wg.Wait()
	os.Exit(0)
}

type acked struct {
	seed uint64
	size int64
}

// RunDocumentsKill kills a child process with 8 writers at random moments, opens
// its folder again and checks that all acknowledged documents are there and that
// every key that is listed can be read.
func RunDocumentsKill(t *testing.T, e DocumentsEngine, rounds int) {
	dir := t.TempDir()
	all := map[storage.DocumentKey]acked{}
	total := 0
	for round := range rounds {
		fresh, deleted := killedRun(t, dir, time.Duration(20+rand.IntN(180))*time.Millisecond)
		total += len(fresh)
		for key, a := range fresh {
			all[key] = a
		}
		d, done := e.Open(t, dir)
		for key, done := range deleted {
			if done {
				e.gone(t, d, key)
			}
			delete(all, key)
		}
		for key, a := range all {
			err := CheckDocument(context.Background(), d, key, Bytes(a.seed, a.size))
			if _, open := fresh[key]; err != nil {
				t.Fatalf("round %d: acknowledged document of %d bytes (this round: %v): %v", round, a.size, open, err)
			}
		}
		for key := range Keys(t, d, time.Time{}, time.Now().Add(time.Hour)) {
			_, ok := all[key]
			_, err := ReadSome(context.Background(), d, key)
			// Also after a deletion that was cut off: the next list ends it.
			if err != nil {
				t.Fatalf("round %d: a listed key cannot be read: %v", round, err)
			}
			if !ok { // committed and not acknowledged: the sweep's
				if err := d.Delete(context.Background(), key); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := done(); err != nil {
			t.Fatal(err)
		}
		if len(all) > 400 { // the rest of the rounds need not read all of it again
			clear(all)
			dir = t.TempDir()
		}
	}
	if total < rounds*5 {
		t.Fatalf("only %d documents in %d rounds: the test proves too little", total, rounds)
	}
	t.Logf("%d acknowledged documents in %d rounds", total, rounds)
}

// killedRun returns what was acknowledged and what was surely deleted. Documents
// whose deletion was under way are in neither.
func killedRun(t *testing.T, dir string, after time.Duration) (map[storage.DocumentKey]acked, map[storage.DocumentKey]bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	docs, deleted := map[storage.DocumentKey]acked{}, map[storage.DocumentKey]bool{}
	var timer *time.Timer
	for lines.Scan() {
		if timer == nil { // the first acknowledgement starts the clock
			timer = time.AfterFunc(after, func() { cmd.Process.Kill() })
		}
		f := strings.Fields(lines.Text())
		switch {
		case len(f) == 2 && f[0] == "deleting":
			delete(docs, storage.DocumentKey(f[1]))
			deleted[storage.DocumentKey(f[1])] = false
		case len(f) == 2 && f[0] == "deleted":
			deleted[storage.DocumentKey(f[1])] = true
		case len(f) == 4 && f[0] == "ack":
			var a acked
			if _, err := fmt.Sscan(f[2]+" "+f[3], &a.seed, &a.size); err != nil {
				t.Fatalf("the child wrote %q: %v", lines.Text(), err)
			}
			docs[storage.DocumentKey(f[1])] = a
		}
	}
	if timer == nil {
		t.Fatalf("the child acknowledged nothing: %v", cmd.Wait())
	}
	timer.Stop()
	cmd.Process.Kill()
	cmd.Wait() // killed: its state says nothing
	return docs, deleted
}
