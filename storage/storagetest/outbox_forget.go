package storagetest

import (
	"bytes"
	"context"
	"testing"
	"time"

	"samdok/storage"
)

// forget: letters that speak of somebody go, whatever their state; all others stay
// as they are, with their leases and notes, and more can be posted.
func (e OutboxEngine) forget(t *testing.T) {
	m, reopen := e.open(t)
	ctx := context.Background()
	forget := func(words string) int {
		t.Helper()
		var o storage.Outbox = m.(*reopened).Mailroom
		n, err := o.(storage.Forgetter).Forget(ctx, tenant, func(l *storage.Letter) bool { return bytes.Contains(l.Body, []byte(words)) })
		must(t, err)
		return n
	}
	if n := forget("infarkt"); n != 0 {
		t.Fatalf("%d of an empty outbox", n)
	}
	noted, dead, plain, foreign := letter("noted"), letter("dead, infarkt"), letter("plain"), letter("infarkt of others")
	foreign.Tenant, foreign.Queue = "another", storage.QueueNotify
	waiting, leased := letter("infarkt, waiting"), letter("infarkt, leased")
	must(t, m.Post(ctx, []storage.Letter{noted, dead, plain, foreign, waiting, leased}))
	at := map[string]storage.Letter{}
	for _, l := range take(t, m, noon, 10) {
		at[string(l.Body)] = l
	}
	l := at["noted"]
	l.Note = "it did not answer"
	must(t, m.Delay(ctx, l, noon))
	l = at["dead, infarkt"]
	l.Note = "no such address"
	must(t, m.Bury(ctx, l))
	must(t, m.Delay(ctx, at["infarkt, waiting"], noon.Add(time.Hour)))
	for i, n := range []int{3, 0} {
		if got := forget("infarkt"); got != n {
			t.Fatalf("%d were dropped, want %d", got, n)
		}
		if i == 0 {
			reopen()
		}
	}
	must(t, m.Delay(ctx, at["infarkt, leased"], noon)) // its holder goes on
	left := list(t, m, storage.QueueAnswers)
	if len(left) != 2 || left[0].Note != "it did not answer" || count(t, m, storage.QueueNotify).Waiting != 1 {
		t.Fatalf("left: %+v", left)
	}
	fresh := letter("fresh")
	must(t, m.Post(ctx, []storage.Letter{fresh}))
	reopen()
	for _, l := range take(t, m, noon.Add(time.Hour), 10) {
		if s := string(l.Body); s != "noted" && s != "plain" && s != "fresh" {
			t.Fatalf("taken: %q", s)
		}
		delete(at, string(l.Body))
	}
	if len(at) != 3 {
		t.Fatalf("not taken: %d", len(at))
	}
	if others, err := m.Take(ctx, storage.QueueNotify, noon, time.Minute, 1); err != nil || len(others) != 1 || string(others[0].Body) != "infarkt of others" {
		t.Fatalf("the letter of another tenant: %v, %v", others, err)
	}
}
