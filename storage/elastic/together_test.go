package elastic

import (
	"context"
	"errors"
	"sync"
	"testing"
)

// Callers who come while a call is under way share the next one; each gets its own
// answer, and never one to a call that began before it asked.
func TestTogether(t *testing.T) {
	began, goOn := make(chan []int), make(chan error)
	g := &together[int, int]{atOnce: 1, most: 3, call: func(_ context.Context, list []int) (answers []int, err error) {
		began <- list
		for _, q := range list {
			answers = append(answers, 10*q)
		}
		return answers, <-goOn
	}}
	var all sync.WaitGroup
	ask := func(q int, want error) {
		all.Go(func() {
			a, err := g.ask(t.Context(), q)
			if !errors.Is(err, want) || err == nil && a != 10*q {
				t.Errorf("%d was answered %d %v", q, a, err)
			}
		})
	}
	waiting := func(n int) { // until so many wait
		for {
			g.mu.Lock()
			have := 0
			for _, j := range g.waiting {
				have += len(j.list)
			}
			g.mu.Unlock()
			if have == n {
				return
			}
		}
	}
	ask(1, nil)
	if list := <-began; len(list) != 1 {
		t.Fatal(list)
	}
	failed := errors.New("failed")
	for n := range 3 {
		ask(2+n, failed)
		waiting(n + 1)
	}
	ask(5, nil) // one too many
	waiting(4)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.ask(canceled, 6); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	goOn <- nil
	if list := <-began; len(list) != 3 {
		t.Errorf("%v share a call", list)
	}
	goOn <- failed
	if list := <-began; len(list) != 2 {
		t.Errorf("%v share the last call", list)
	}
	goOn <- nil
	all.Wait()
	g.wait()
}
