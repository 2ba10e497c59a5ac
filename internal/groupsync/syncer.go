package groupsync

import (
	"context"
	"runtime"
	"sync"
)

// Syncer shares runs of a commit function. It needs no Close: its goroutine
// lives only while somebody waits.
type Syncer struct {
	commit func() error
	gather func() // waits for more callers before a run; nil: none

	mu      sync.Mutex
	next    *run // the run that new callers wait for
	running bool
	idle    *sync.Cond
}

type run struct {
	done chan struct{}
	err  error
}

// NewSyncer shares runs of commit, which is never run twice at the same time.
func NewSyncer(commit func() error) *Syncer {
	s := &Syncer{commit: commit}
	s.idle = sync.NewCond(&s.mu)
	return s
}

// Sync returns the result of a run that began after the call. When ctx ends
// first the run goes on and its outcome is unknown to the caller.
func (s *Syncer) Sync(ctx context.Context) error {
	r := s.join()
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *Syncer) join() *run {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		s.next = &run{done: make(chan struct{})}
	}
	if !s.running {
		s.running = true
		go s.loop()
	}
	return s.next
}

func (s *Syncer) loop() {
	for {
		// Those who can run now may have something that this run can take along. On an
		// idle machine this returns at once.
		runtime.Gosched()
		if s.gather != nil {
			s.gather()
		}
		s.mu.Lock()
		r := s.next
		s.next = nil
		if r == nil {
			s.running = false
			s.idle.Broadcast()
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		r.err = s.commit()
		close(r.done)
	}
}

// Wait returns when nothing runs and nobody waits.
func (s *Syncer) Wait() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.running {
		s.idle.Wait()
	}
}
