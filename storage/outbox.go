package storage

import (
	"context"
	"iter"
	"time"

	"samdok/access"
	"samdok/metadata"
)

// Queue is what letters are about; each has a courier of its own. Numbers are
// stored.
type Queue uint8

const (
	QueueUnknown Queue = iota
	// QueueAnswers: answers of asynchronous requests (WS-Addressing).
	QueueAnswers
	// QueueNotify: notifications to subscribers (ITI-53).
	QueueNotify
	// QueueRegister: submissions whose fate at another registry is not known.
	QueueRegister
	// QueueLocate: patients whose holdings another locator is to be told.
	QueueLocate
)

var queueNames = [...]string{"unknown", "answers", "notify", "register", "locate"}

func (q Queue) String() string {
	if int(q) < len(queueNames) {
		return queueNames[q]
	}
	return queueNames[0]
}

// Queues are all queues there are.
func Queues() []Queue { return []Queue{QueueAnswers, QueueNotify, QueueRegister, QueueLocate} }

// Letter is a message that is owed to somebody. Times are kept to the nanosecond,
// in UTC.
type Letter struct {
	ID     metadata.UUID
	Tenant access.Tenant
	Queue  Queue
	// Body is in the form of the package that owns the queue, a version first. It
	// may hold personal data: engines seal it.
	Body    []byte
	Created time.Time
	// Due is when it may be taken. A taken letter's Due is the end of its lease,
	// which Delay and Bury know the holder by.
	Due time.Time
	// Expires is when its courier gives up.
	Expires time.Time
	// Attempts is how often it was taken.
	Attempts int
	// Note says how the last attempt ended, for the operator; no personal data.
	Note string
	// Dead: nobody takes it any more, until it is revived.
	Dead bool
}

// Backlog is what a queue holds.
type Backlog struct {
	Waiting, Dead int
	Oldest        time.Time // when the oldest that waits was created; zero when none waits
}

// Outbox keeps letters until they are settled. What its methods have done is
// durable when they return nil.
type Outbox interface {
	// Post adds letters, all or none. One whose ID the outbox holds, waiting or dead,
	// is ignored.
	Post(ctx context.Context, letters []Letter) error
	// Take gives the letters that are due, the longest due first, and leases them:
	// nobody else gets them before now plus lease. A letter whose holder died is due
	// again after that.
	Take(ctx context.Context, q Queue, now time.Time, lease time.Duration, limit int) ([]Letter, error)
	// Settle forgets a letter, whoever holds it; unknown ones are fine.
	Settle(ctx context.Context, l Letter) error
	// Delay ends a lease: the letter is due again at a time, with l's Attempts and
	// Note. It does nothing when the lease was lost.
	Delay(ctx context.Context, l Letter, due time.Time) error
	// Bury ends a lease for ever, with l's Note. It does nothing when the lease was
	// lost.
	Bury(ctx context.Context, l Letter) error
	// Count tells how much a queue holds.
	Count(ctx context.Context, q Queue) (Backlog, error)

	// Letters yields what a queue holds, without bodies, the oldest first.
	Letters(ctx context.Context, q Queue) iter.Seq2[Letter, error]
	// Revive makes a letter due at a time, with a new end, dead or not; false: the
	// outbox does not hold it.
	Revive(ctx context.Context, id metadata.UUID, due, expires time.Time) (bool, error)

	// Cursor is how far the projector of a name has come in the feed; "" before its
	// first Advance.
	Cursor(ctx context.Context, name string) (Position, error)
	// Advance moves a cursor and posts what its projector made of the changes
	// between, in one step. ErrConflict: the cursor is not at from.
	Advance(ctx context.Context, name string, from, to Position, letters []Letter) error
}

// Position is a place in the feed of a log: behind the change it came with. ""
// is the beginning. It holds across rebuilds, and in backups with their log.
type Position string

// Fed is one change as the feed tells it.
type Fed struct {
	Position Position
	Stream   Stream
	Version  Version
	Events   []Event
}
