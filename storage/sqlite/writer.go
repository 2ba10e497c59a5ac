package sqlite

import (
	"context"
	"errors"
	"sync"

	"samdok/fault"
	"samdok/storage"
)

// writer is the one goroutine that changes the file. It takes all submissions
// that wait into one transaction, so that they share an fsync.
type writer struct {
	*session
	queue chan *submission

	mu     sync.RWMutex // guards closed against senders
	closed bool
	ended  chan struct{}

	seq, nextKey                                int64 // last used, next free
	begin, insertStream, insertLog, insertTouch *stmt
	insertID, insertKnown, insertMerged         *stmt
	letters                                     letterStmts

	replaceLog *stmt

	versions map[int64]storage.Version // of streams changed in this transaction
	merged   map[int64]int64           // streams merged into others in this transaction
	rekeyed  map[int64]*stream         // since the file was opened, as they are now
	effects  []effect
	sealed   []byte
}

const (
	maxBatch      = 256
	maxBatchBytes = 16 << 20
)

// use makes the writer work on a connection.
func (w *writer) use(c *conn) error {
	if err := c.watchWAL(); err != nil {
		return err
	}
	if _, err := c.number("PRAGMA user_version"); err != nil { // opens the log
		return err
	}
	if err := c.gatherWAL(w.session.db.path); err != nil {
		return err
	}
	return w.prepareWrites(c, "")
}

func (w *writer) prepareWrites(c *conn, prefix string) error {
	s, err := newSession(w.session.db, c, prefix)
	if err != nil {
		return err
	}
	s.writing = true
	for _, p := range []struct {
		to  **stmt
		sql string
	}{
		{&w.begin, "BEGIN IMMEDIATE"},
		{&w.insertStream, "INSERT INTO " + prefix + "stream (key, hash) VALUES (?, ?)"},
		{&w.insertLog, "INSERT INTO log (id, seq, data) VALUES (?, ?, ?)"},
		{&w.replaceLog, "UPDATE log SET data = ?2 WHERE id = ?1"},
		{&w.insertID, "INSERT OR IGNORE INTO " + prefix + "ids (h, at, n) VALUES (?, ?, ?)"},
		{&w.insertKnown, "INSERT OR IGNORE INTO " + prefix + "known (key) VALUES (?)"},
		{&w.insertMerged, "INSERT INTO " + prefix + "merged (key, survivor) VALUES (?, ?)"},
		{&w.insertTouch, "INSERT INTO " + prefix + "touch (at, n, seq, by, what) VALUES (?, ?, ?, ?, ?)"},
	} {
		if *p.to, err = c.prepare(p.sql); err != nil {
			return err
		}
	}
	if err := w.letters.prepare(c); err != nil {
		return err
	}
	w.session = s
	return nil
}

// enter queues a submission.
func (w *writer) enter(sub *submission) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return fault.New(fault.Unavailable, "sqlite.Append", fault.RegistryError, "The registry is shutting down. %s", nothingWritten)
	}
	select {
	case w.queue <- sub:
		return nil
	default:
		return fault.New(fault.Busy, "sqlite.Append", fault.RegistryBusy, "More than %d submissions wait for the registry's disk. %s Try again in a moment.", cap(w.queue), nothingWritten)
	}
}

// Waiting is the number of submissions that wait for the writer, for metrics.
func (db *DB) Waiting() int { return len(db.writer.queue) }

// stop lets what waits be done and ends the goroutine.
func (w *writer) stop() {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.queue)
	}
	w.mu.Unlock()
	<-w.ended
}

func (w *writer) run() {
	defer close(w.ended)
	var batch []*submission
	for first := range w.queue {
		batch = batch[:0]
		alone := w.take(&batch, first)
		for size := 0; alone == nil && len(batch) < maxBatch && size < maxBatchBytes; {
			var next *submission
			select {
			case next = <-w.queue:
			default:
			}
			if next == nil { // none waits, or the queue is closed
				break
			}
			if alone = w.take(&batch, next); alone == nil {
				size += next.size
				for i := range next.changes {
					size += len(next.changes[i].text)
				}
			}
		}
		w.write(batch)
		clear(batch)
		if alone != nil {
			alone.done <- alone.alone()
		}
	}
}

// take puts a submission into the batch unless its caller has given up; one that
// must run alone is returned.
func (w *writer) take(batch *[]*submission, sub *submission) *submission {
	if !sub.state.CompareAndSwap(waiting, taken) {
		return nil
	}
	if sub.alone != nil {
		return sub
	}
	*batch = append(*batch, sub)
	return nil
}

// write makes a batch durable and answers it.
func (w *writer) write(batch []*submission) {
	if len(batch) == 0 {
		return
	}
	const op = "sqlite.Append"
	seq, nextKey := w.seq, w.nextKey
	written, err := w.apply(batch)
	outcome := nothingWritten
	if err == nil && written {
		outcome = unknownOutcome
		err = w.commit.run()
	} else if w.inTransaction() {
		err = errors.Join(err, w.rollback())
	}
	if err != nil {
		w.seq, w.nextKey = seq, nextKey
		if w.inTransaction() {
			err = errors.Join(err, w.rollback())
		}
		if sick := wrap(op, err, outcome); fault.KindOf(sick) != fault.Busy {
			w.db.sick.Store(&sick)
		}
	} else if written {
		w.db.sick.Store(nil)
		w.db.cache.committed(w.effects, w.seq)
		w.db.seq.Store(w.seq)
		w.db.checkpoint.wake(w)
	}
	for _, sub := range batch {
		switch {
		case sub.err != nil:
			sub.done <- wrap(op, sub.err, nothingWritten)
		default:
			sub.done <- wrap(op, err, outcome)
		}
	}
}

// apply writes a batch into an open transaction. A submission that is refused
// gets its error and writes nothing; an error of the file ends the batch. written
// is false when there is nothing to commit.
func (w *writer) apply(batch []*submission) (written bool, err error) {
	clear(w.versions)
	clear(w.merged)
	clear(w.effects)
	w.effects = w.effects[:0]
	if err := w.begin.run(); err != nil {
		return false, err
	}
	for _, sub := range batch {
		if sub.work != nil {
			wrote, err := sub.work(w)
			if err != nil {
				return false, err
			}
			written = written || wrote
			continue
		}
		targets, err := w.check(sub)
		var e *Error
		if errors.As(err, &e) {
			return false, err
		}
		if err != nil {
			sub.err = err
			continue
		}
		if err := w.put(sub, targets); err != nil {
			return false, err
		}
		written = true
	}
	return written, nil
}

// rollback leaves the transaction. If even that fails the connection is of no
// use any more and is made anew.
func (w *writer) rollback() error {
	err := w.exec("ROLLBACK")
	if err == nil || !w.inTransaction() {
		return nil
	}
	c, openErr := w.db.open()
	if openErr != nil {
		return errors.Join(err, openErr)
	}
	old := w.session.conn
	if useErr := w.use(c); useErr != nil {
		return errors.Join(err, useErr, c.close())
	}
	return errors.Join(err, old.close())
}

// between runs a function between two transactions.
func (w *writer) between(ctx context.Context, op string, f func() error) error {
	return w.submit(ctx, op, &submission{alone: f, done: make(chan error, 1)})
}
