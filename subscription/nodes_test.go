package subscription

import (
	"context"
	"iter"
	"strconv"
	"testing"
	"time"

	"samdok/access"
	"samdok/storage"
)

// oneLog is a feed of changes that nobody subscribes to, and its cursor.
type oneLog struct {
	storage.Outbox
	changes int
	cursor  storage.Position
	moved   int
}

func (l *oneLog) Feed(_ context.Context, _ access.Tenant, after storage.Position) iter.Seq2[storage.Fed, error] {
	return func(yield func(storage.Fed, error) bool) {
		from, _ := strconv.Atoi(string(after))
		for n := from + 1; n <= l.changes; n++ {
			if !yield(storage.Fed{Position: storage.Position(strconv.Itoa(n)), Stream: storage.Stream{Kind: storage.StreamMailbox, ID: "x"}}, nil) {
				return
			}
		}
	}
}

func (l *oneLog) Cursor(context.Context, string) (storage.Position, error) { return l.cursor, nil }

func (l *oneLog) Advance(_ context.Context, _ string, from, to storage.Position, _ []storage.Letter) error {
	if from != l.cursor {
		return storage.ErrConflict
	}
	l.cursor = to
	l.moved++
	return nil
}

// Of several nodes that follow one log the slower one finds that the cursor has
// moved: that is no failure, and it goes on from there.
func TestTwoNodesFollowOneLog(t *testing.T) {
	l := &oneLog{changes: 10}
	broker := func() *Broker {
		return NewBroker(BrokerOptions{Feed: l, Outbox: l, Clock: time.Now})
	}
	first, second := broker(), broker()
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	run := func(what string, b *Broker) {
		t.Helper()
		_, err := b.Run(t.Context())
		must(what, err)
	}
	run("first", first)
	run("second", second)
	must("first.Flush", first.Flush(t.Context()))
	must("second.Flush", second.Flush(t.Context()))
	if l.cursor != "10" || l.moved != 1 {
		t.Fatalf("the cursor is at %s after %d moves", l.cursor, l.moved)
	}
	run("second", second)
	run("first", first)
	l.changes += manyChanges + 1
	run("second", second)
	run("first", first) // is behind
	l.changes += manyChanges
	run("first", first)
	if want := strconv.Itoa(10 + 2*manyChanges); string(l.cursor) != want {
		t.Errorf("the cursor is at %s, expected %s", l.cursor, want)
	}
}

var _ Feed = (*oneLog)(nil)
