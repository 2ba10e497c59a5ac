package courier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"samdok/storage"
)

// Options of a Courier. Outbox, Queue, Deliver, Clock and Log are required.
type Options struct {
	Outbox storage.Outbox
	Queue  storage.Queue
	// Deliver hands a letter over; nil means that it arrived. The text of its error
	// is kept with the letter for the operator, so that it must not tell of a patient
	// or hold a secret. See GiveUp.
	Deliver func(context.Context, storage.Letter) error
	// Destination is what shares a limit and rests together; nil: every letter is for
	// the same one.
	Destination func(storage.Letter) string
	Clock       func() time.Time
	Log         *slog.Logger
	// Watch is told of each attempt; nil is fine.
	Watch func(Outcome)

	Workers        int           // deliveries at the same time; 0: 16
	PerDestination int           // of them to one destination; 0: 4
	Timeout        time.Duration // of one delivery; 0: 15 minutes
	First, Most    time.Duration // wait after the first failure and at most; 0: 5 s, 15 minutes
	Poll           time.Duration // between two looks when nobody pokes; 0: 1 s
	Lease          time.Duration // renewed while a delivery lasts; 0: 1 minute
}

// Outcome of an attempt.
type Outcome uint8

const (
	Delivered Outcome = iota
	Failed            // it is tried again
	Dead              // it expired, or Deliver gave up
)

var outcomeNames = [...]string{"delivered", "failed", "dead"}

func (o Outcome) String() string { return outcomeNames[o] }

// Outcomes are all there are.
func Outcomes() []Outcome { return []Outcome{Delivered, Failed, Dead} }

type giveUp struct{ error }

func (g giveUp) Unwrap() error { return g.error }

// GiveUp marks an error of Deliver that no later try can mend.
func GiveUp(err error) error { return giveUp{err} }

// maxNote bounds what is kept of an error.
const maxNote = 300

// longestRest bounds how long one letter's failure holds up others to the same
// destination.
const longestRest = time.Minute

// Courier works one queue. Make one with Start.
type Courier struct {
	o       Options
	poke    chan struct{}
	ended   chan end
	taking  context.Context // ends first
	working context.Context // of deliveries
	stop    context.CancelFunc
	cancel  context.CancelFunc
	done    chan struct{}

	// Of the loop's goroutine.
	held    []storage.Letter // taken, waiting for a place
	places  map[string]*place
	running int
	failing bool // the outbox did not answer last time
}

// place is what is known of a destination while it has anything to tell.
type place struct {
	running, failures int
	rests             time.Time
}

// end is how a delivery ended.
type end struct {
	letter storage.Letter
	to     string
	err    error
}

// Start delivers until Stop.
func Start(o Options) *Courier {
	o.Workers = cmp.Or(o.Workers, 16)
	o.PerDestination = cmp.Or(o.PerDestination, 4)
	o.Timeout = cmp.Or(o.Timeout, 15*time.Minute)
	o.First, o.Most = cmp.Or(o.First, 5*time.Second), cmp.Or(o.Most, 15*time.Minute)
	o.Poll, o.Lease = cmp.Or(o.Poll, time.Second), cmp.Or(o.Lease, time.Minute)
	if o.Destination == nil {
		o.Destination = func(storage.Letter) string { return "" }
	}
	if o.Watch == nil {
		o.Watch = func(Outcome) {}
	}
	c := &Courier{o: o, poke: make(chan struct{}, 1), ended: make(chan end), done: make(chan struct{}), places: map[string]*place{}}
	c.taking, c.stop = context.WithCancel(context.Background())
	c.working, c.cancel = context.WithCancel(context.Background())
	go c.run()
	return c
}

// Poke makes the courier look at once: something was posted.
func (c *Courier) Poke() {
	select {
	case c.poke <- struct{}{}:
	default:
	}
}

// Stop takes no more letters, lets deliveries in work end until ctx does, then
// breaks them off, and puts back what was not delivered.
func (c *Courier) Stop(ctx context.Context) {
	c.stop()
	select {
	case <-c.done:
	case <-ctx.Done():
		c.cancel()
		<-c.done
	}
	c.cancel()
}

func (c *Courier) run() {
	defer close(c.done)
	tick := time.NewTicker(c.o.Poll)
	defer tick.Stop()
	for {
		for c.take() {
			c.begin()
		}
		c.begin()
		select {
		case <-c.taking.Done():
			c.finish()
			return
		case e := <-c.ended:
			c.settle(e)
		case <-c.poke:
		case <-tick.C:
		}
	}
}

// window is how many letters are held and delivered at the same time.
func (c *Courier) window() int { return 4 * c.o.Workers }

// take takes what is due as far as there is room. It tells whether more may be
// due that has a chance of being begun.
func (c *Courier) take() bool {
	room := c.window() - len(c.held) - c.running
	if room <= 0 || c.taking.Err() != nil {
		return false
	}
	now := c.o.Clock()
	letters, err := c.o.Outbox.Take(c.taking, c.o.Queue, now, c.o.Lease, room)
	if err != nil {
		if !c.failing && c.taking.Err() == nil {
			c.o.Log.Error("the outbox cannot be read; its letters wait", "queue", c.o.Queue.String(), "error", err)
		}
		c.failing = true
		return false
	}
	c.failing = false
	kept := false
	for _, l := range letters {
		p, waiting := c.places[c.o.Destination(l)], 0
		for i := range c.held {
			if c.o.Destination(c.held[i]) == c.o.Destination(l) {
				waiting++
			}
		}
		switch {
		case !now.Before(l.Expires):
			c.bury(l, cmp.Or(l.Note, "it expired before it was tried"))
		case p != nil && now.Before(p.rests):
			c.putBack(l, c.spread(p.rests))
		case waiting >= c.window()/2: // leave room for others
			c.putBack(l, c.spread(now.Add(c.o.First)))
		default:
			kept = true
			c.held = append(c.held, l)
		}
	}
	return kept && len(letters) == room
}

// begin begins deliveries of what is held as far as there are workers.
func (c *Courier) begin() {
	left := c.held[:0]
	now := c.o.Clock()
	for _, l := range c.held {
		to := c.o.Destination(l)
		p := c.places[to]
		if p == nil {
			p = &place{}
			c.places[to] = p
		}
		switch {
		case !now.Before(l.Due): // its lease is over: somebody else may have it
		case now.After(l.Due.Add(-c.o.Lease / 2)): // it waited too long for a place
			c.putBack(l, c.spread(now.Add(c.o.First)))
		case now.Before(p.rests):
			c.putBack(l, c.spread(p.rests))
		case c.running >= c.o.Workers || p.running >= c.o.PerDestination:
			left = append(left, l)
		default:
			c.running++
			p.running++
			go func() { c.ended <- c.deliver(l, to) }()
		}
	}
	clear(c.held[len(left):])
	c.held = left
}

// deliver runs one delivery and keeps its lease.
func (c *Courier) deliver(l storage.Letter, to string) end {
	ctx, cancel := context.WithTimeout(c.working, c.o.Timeout)
	defer cancel()
	body := l
	var renewing sync.WaitGroup
	stop := make(chan struct{})
	renewing.Go(func() {
		tick := time.NewTicker(c.o.Lease / 3)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			until := c.o.Clock().Add(c.o.Lease)
			if err := c.o.Outbox.Delay(c.working, l, until); err == nil {
				l.Due = until.UTC()
			}
		}
	})
	err := c.attempt(ctx, body)
	close(stop)
	renewing.Wait() // l.Due is the lease's end from here on
	return end{l, to, err}
}

// attempt turns a panic into an error; its text may quote a patient.
func (c *Courier) attempt(ctx context.Context, l storage.Letter) (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.o.Log.Error("a delivery ended in a panic", "queue", c.o.Queue.String(), "letter", l.ID.String(), "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			err = errors.New("something failed inside the server; its log says more")
		}
	}()
	return c.o.Deliver(ctx, l)
}

// settle notes how a delivery ended.
func (c *Courier) settle(e end) {
	c.running--
	p := c.places[e.to]
	p.running--
	now := c.o.Clock()
	var hopeless giveUp
	switch {
	case e.err == nil:
		p.failures, p.rests = 0, time.Time{}
		c.o.Watch(Delivered)
		c.note("settle", func(ctx context.Context) error { return c.o.Outbox.Settle(ctx, e.letter) })
	case c.working.Err() != nil: // broken off by Stop
		c.putBack(e.letter, now)
	case errors.As(e.err, &hopeless):
		c.bury(e.letter, clip(e.err.Error()))
	default:
		p.failures++
		p.rests = now.Add(min(c.backoff(p.failures), longestRest))
		c.o.Watch(Failed)
		e.letter.Note = clip(e.err.Error())
		c.o.Log.Warn("a delivery failed; it will be tried again", "queue", c.o.Queue.String(), "letter", e.letter.ID.String(), "attempts", e.letter.Attempts, "error", e.letter.Note)
		due := now.Add(c.backoff(e.letter.Attempts))
		if due.After(e.letter.Expires) && now.Before(e.letter.Expires) {
			due = e.letter.Expires // one look more, to bury it on time
		}
		c.note("delay", func(ctx context.Context) error { return c.o.Outbox.Delay(ctx, e.letter, due) })
	}
	if p.running == 0 && p.failures == 0 {
		delete(c.places, e.to)
	}
}

// backoff doubles from First to Most, with a fifth of chance either way, so that
// letters that failed together do not come back together.
func (c *Courier) backoff(attempts int) time.Duration {
	d := c.o.First
	for i := 1; i < attempts && d < c.o.Most; i++ {
		d *= 2
	}
	d = min(d, c.o.Most)
	return d*4/5 + rand.N(d*2/5+1)
}

// spread is a time shortly behind t.
func (c *Courier) spread(t time.Time) time.Time { return t.Add(rand.N(c.o.First + 1)) }

// putBack ends a lease without an attempt.
func (c *Courier) putBack(l storage.Letter, due time.Time) {
	l.Attempts--
	c.note("put back", func(ctx context.Context) error { return c.o.Outbox.Delay(ctx, l, due) })
}

func (c *Courier) bury(l storage.Letter, note string) {
	l.Note = note
	c.o.Watch(Dead)
	c.o.Log.Error("a letter was given up: see samdok outbox", "queue", c.o.Queue.String(), "letter", l.ID.String(), "attempts", l.Attempts, "error", note)
	c.note("bury", func(ctx context.Context) error { return c.o.Outbox.Bury(ctx, l) })
}

// note writes into the outbox. What it cannot write now becomes true when the
// lease ends: the letter is due again.
func (c *Courier) note(what string, write func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), c.o.Lease/2)
	defer cancel()
	if err := write(ctx); err != nil {
		c.o.Log.Error("the outbox cannot be written; the letter will be due again", "queue", c.o.Queue.String(), "what", what, "error", err)
	}
}

// finish waits for what runs and puts the rest back.
func (c *Courier) finish() {
	for _, l := range c.held {
		c.putBack(l, c.o.Clock())
	}
	c.held = nil
	for c.running > 0 {
		c.settle(<-c.ended)
	}
}

func clip(s string) string {
	if len(s) > maxNote {
		s = strings.ToValidUTF8(s[:maxNote], "") + " ..."
	}
	return s
}
