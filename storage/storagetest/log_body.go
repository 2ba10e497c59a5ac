package storagetest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"samdok/metadata"
	"samdok/storage"
)

// bodies: streams that are not about documents change several at a time, all or
// none; their events keep their bodies, in Events and in the feed, also across a
// rebuild.
func (e LogEngine) bodies(t *testing.T) {
	l := e.open(t)
	stream := func(id string) storage.Stream { return storage.Stream{Kind: storage.StreamSubscription, ID: id} }
	change := func(id string, at storage.Version, kind storage.EventKind, body string) storage.Change {
		return storage.Change{Stream: stream(id), Expect: at, Events: []storage.Event{{Kind: kind, ID: metadata.NewUUID(), Time: mergeTime, Body: []byte(body)}}}
	}
	appendAll(t, l, change("one", 0, storage.EventSubscribed, "\x01begun"), change("list", 0, storage.EventSubscribed, "\x01one"))
	appendAll(t, l, change("two", 0, storage.EventSubscribed, ""), change("list", 1, storage.EventSubscribed, "\x01one two"))
	err := l.Append(context.Background(), tenant, []storage.Change{change("three", 0, storage.EventSubscribed, "x"), change("list", 1, storage.EventSubscribed, "x")})
	if !errors.Is(err, storage.ErrConflict) {
		t.Fatalf("a list that has changed meanwhile: %v", err)
	}
	appendAll(t, l, change("one", 1, storage.EventUnsubscribed, "\x01ended"), change("list", 2, storage.EventUnsubscribed, "\x01two"))
	want := map[string][]string{
		"one": {"begins begun", "ends ended"}, "two": {"begins "}, "three": nil, "list": {"begins one", "begins one two", "ends two"},
	}
	text := func(ev storage.Event) string {
		body := string(ev.Body)
		if body != "" {
			body = body[1:]
		}
		if ev.Kind == storage.EventUnsubscribed {
			return "ends " + body
		}
		return "begins " + body
	}
	rebuilt(t, l, func() {
		t.Helper()
		for id, events := range want {
			var got []string
			for ev, err := range l.Events(context.Background(), tenant, stream(id), 0) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, text(ev))
			}
			if !slices.Equal(got, events) {
				t.Errorf("%s: %q, want %q", id, got, events)
			}
		}
		fed := map[string][]string{"three": nil}
		for f, err := range l.Feed(context.Background(), tenant, "") {
			if err != nil {
				t.Fatal(err)
			}
			if f.Stream.Kind != storage.StreamSubscription {
				t.Errorf("fed %v", f.Stream)
			}
			for _, ev := range f.Events {
				fed[f.Stream.ID] = append(fed[f.Stream.ID], text(ev))
			}
		}
		for id, events := range want {
			if !slices.Equal(fed[id], events) {
				t.Errorf("fed of %s: %q, want %q", id, fed[id], events)
			}
		}
		if _, at, err := l.Load(context.Background(), tenant, stream("list"), storage.Refs{}); err != nil || at != 3 {
			t.Errorf("the list is at %d: %v", at, err)
		}
	})
}
