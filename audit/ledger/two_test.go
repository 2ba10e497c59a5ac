package ledger

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"samdok/audit"
)

// Two events that belong together lie one behind the other, over the ends of segments too,
// and cost one write; each is found by itself.
func TestTwoRecordsShareAWrite(t *testing.T) {
	for name, sealed := range map[string]bool{"sealed": true, "open": false} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t)
			var writes, waits atomic.Int64
			o := Options{SegmentSize: 6000, CheckpointEvery: -1, Watch: Watch{Wrote: func(int, int, time.Duration) { writes.Add(1) }, Waited: func(time.Duration) { waits.Add(1) }}}
			if sealed {
				o.Ring = ring(t, t.TempDir())
			}
			l := open(t, dir, o)
			two := func(id string) error {
				first, second := *typicalEvent(), *smallEvent()
				first.Part, second.Part = audit.PartThatWorked, audit.PartThatDidNot
				first.Request.Caller.EventID, second.Request.Caller.EventID = id+" worked", id+" did not"
				return l.RecordTwo(context.Background(), &first, &second)
			}
			if err := two("alone"); err != nil || writes.Load() != 1 || waits.Load() != 1 {
				t.Fatalf("%d writes, %d waits: %v", writes.Load(), waits.Load(), err)
			}
			var all sync.WaitGroup
			for w := range 8 {
				all.Go(func() {
					for i := range 10 {
						if err := two(fmt.Sprint(w, "/", i)); err != nil {
							t.Error(err)
						}
						record(t, l, "single")
					}
				})
			}
			all.Wait()
			l.Close()
			ids, altered := read(t, dir, o)
			ids = slices.DeleteFunc(ids, func(id string) bool { return id == "single" })
			if len(altered) > 0 || len(ids) != 2*81 {
				t.Fatal(len(ids), altered)
			}
			for i := 0; i < len(ids); i += 2 {
				id := strings.TrimSuffix(ids[i], " worked")
				if ids[i+1] != id+" did not" {
					t.Errorf("%q is followed by %q", ids[i], ids[i+1])
				}
			}
			if r := verify(t, dir, VerifyOptions{}); len(r.Findings) > 0 || r.Records != 2*81+80 {
				t.Errorf("%+v", r)
			}
		})
	}
}
