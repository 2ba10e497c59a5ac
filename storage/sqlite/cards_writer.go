package sqlite

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"samdok/access"
	"samdok/fault"
)

// revision is a change of cards on its way through the writer.
type revision struct {
	at     []cardPlace
	change func(i int, old []byte) (card []byte, unchanged bool, err error)
	// work is done in the transaction instead of at and change.
	work func(*cardSession) (wrote bool, err error)

	state atomic.Int32 // waiting, taken or given up, see submission
	done  chan error   // has room for one answer
	err   error        // of its own: the others of the batch are written
}

// sickness is why the last commit failed, and how closing went.
type sickness struct {
	last   atomic.Pointer[error]
	closed error
}

const (
	// cardBatch is how many revisions share a transaction, cardKeys how many cards
	// end it.
	cardBatch = 256
	cardKeys  = 20_000
)

// cardsUnknown is what a caller is told when a commit failed.
const cardsUnknown = "It is not known whether it was written; send it again."

// Revise implements storage.Cards.
func (c *Cards) Revise(ctx context.Context, t access.Tenant, keys []string, change func(i int, old []byte) ([]byte, bool, error)) error {
	if len(keys) == 0 {
		return nil
	}
	r := &revision{at: make([]cardPlace, len(keys)), change: change, done: make(chan error, 1)}
	for i, key := range keys {
		r.at[i] = c.box.place(t, key)
	}
	return c.submit(ctx, r)
}

// submit waits for the writer's answer.
func (c *Cards) submit(ctx context.Context, r *revision) error {
	const op = "sqlite.Revise"
	if err := c.enter(r); err != nil {
		return err
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		if r.state.CompareAndSwap(waiting, givenUp) {
			return wrap(op, ctx.Err(), nothingWritten)
		}
	}
	return <-r.done // change may use what is its caller's
}

func (c *Cards) enter(r *revision) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return errCardsClosed
	}
	select {
	case c.queue <- r:
		return nil
	default:
		return fault.New(fault.Busy, "sqlite.Revise", fault.RegistryBusy, "More than %d changes wait for the disk. %s Try again in a moment.", cap(c.queue), nothingWritten)
	}
}

// run is the one goroutine that changes the file.
func (c *Cards) run(w *cardSession) {
	defer close(c.ended)
	var batch []*revision
	for first := range c.queue {
		batch = append(batch[:0], first)
		for keys := len(first.at); len(batch) < cardBatch && keys < cardKeys; {
			var next *revision
			select {
			case next = <-c.queue:
			default:
			}
			if next == nil { // none waits, or the queue is closed
				break
			}
			batch = append(batch, next)
			keys += len(next.at)
		}
		batch = slices.DeleteFunc(batch, func(r *revision) bool { return !r.state.CompareAndSwap(waiting, taken) })
		c.write(w, batch)
		clear(batch)
	}
	c.sick.closed = errors.Join(w.exec("PRAGMA wal_checkpoint(TRUNCATE)"), w.close())
}

// write makes a batch durable and answers it.
func (c *Cards) write(w *cardSession, batch []*revision) {
	const op = "sqlite.Revise"
	outcome := nothingWritten
	written, err := c.apply(w, batch)
	if err == nil && written {
		outcome = cardsUnknown
		err = w.commit.run()
	}
	if w.inTransaction() {
		err = errors.Join(err, w.exec("ROLLBACK"))
	}
	switch {
	case err != nil:
		sick := wrap(op, err, outcome)
		c.sick.last.Store(&sick)
	case written:
		c.sick.last.Store(nil)
		c.words.add()
	}
	c.words.fresh = nil
	for _, r := range batch {
		if r.err != nil {
			r.done <- r.err
			continue
		}
		r.done <- wrap(op, err, outcome)
	}
}

// apply writes a batch into an open transaction. A revision whose change fails
// writes nothing; an error of the file ends the batch.
func (c *Cards) apply(w *cardSession, batch []*revision) (written bool, err error) {
	if len(batch) == 0 {
		return false, nil
	}
	if err := w.begin.run(); err != nil {
		return false, err
	}
	for _, r := range batch {
		var wrote bool
		if r.work != nil {
			wrote, err = r.work(w)
		} else {
			wrote, err = c.revise(w, r)
		}
		if err != nil {
			return false, err
		}
		written = written || wrote
	}
	return written, nil
}

// revise makes the new rows of a revision, then writes them, in the order in which
// they lie in the file.
func (c *Cards) revise(w *cardSession, r *revision) (wrote bool, err error) {
	order := make([]int, len(r.at))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(r.at[a].id, r.at[b].id) })
	type row struct {
		id      int64
		data    []byte
		changed bool
	}
	var rows []row
	var text []byte
	for _, i := range order {
		at := r.at[i]
		if len(rows) == 0 || rows[len(rows)-1].id != at.id {
			data, err := w.row(at.id)
			if err != nil {
				return false, err
			}
			rows = append(rows, row{id: at.id, data: data})
		}
		last := &rows[len(rows)-1]
		old, err := c.box.find(text[:0], at, last.data)
		if err != nil {
			return false, err
		}
		if old != nil {
			text = old
		}
		card, unchanged, err := r.change(i, old)
		if err != nil {
			r.err = err
			return false, nil
		}
		if unchanged {
			continue
		}
		if last.data, err = c.box.replace(last.data, at, card); err != nil {
			return false, err
		}
		last.changed = true
	}
	for _, row := range rows {
		if !row.changed {
			continue
		}
		wrote = true
		if err := w.store(row.id, row.data); err != nil {
			return false, err
		}
	}
	return wrote, nil
}

// row reads a copy of a row; nil when there is none.
func (s *cardSession) row(id int64) ([]byte, error) {
	ok, err := s.get.bind(id).step()
	if !ok || err != nil {
		return nil, err
	}
	defer s.get.reset()
	return bytes.Clone(s.get.bytes(0)), nil
}

func (s *cardSession) store(id int64, data []byte) error {
	if len(data) == 0 {
		return s.del.bind(id).run()
	}
	return errors.Join(s.put.bind(id).bindBytes(2, data), s.put.run())
}

// eachStep is how many rows Each looks at between two other writers.
const eachStep = 1024

// Each implements storage.Cards.
func (c *Cards) Each(ctx context.Context, visit func([]byte) ([]byte, bool, error)) error {
	var last int64
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		r := &revision{done: make(chan error, 1)}
		r.work = func(w *cardSession) (wrote bool, err error) {
			wrote, more, err = c.step(w, r, &last, visit)
			return wrote, err
		}
		if err := c.submit(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cards) step(w *cardSession, r *revision, last *int64, visit func([]byte) ([]byte, bool, error)) (wrote, more bool, err error) {
	type row struct {
		id   int64
		data []byte
	}
	var rows []row
	from := *last
	if from == 0 {
		from = -1
	}
	for q := w.next.bind(from, eachStep); ; {
		ok, err := q.step()
		if err != nil {
			return false, false, err
		}
		if !ok {
			break
		}
		rows = append(rows, row{q.int(0), bytes.Clone(q.bytes(1))})
	}
	for _, x := range rows {
		*last = x.id
		all, err := cut(x.data)
		if err != nil {
			return false, false, err
		}
		changed := false
		for _, s := range all {
			card, err := c.box.of(x.id).open(nil, x.id, s.text)
			if err != nil {
				return false, false, err
			}
			replaced, unchanged, err := visit(card)
			if err != nil {
				r.err = err
				return false, false, nil
			}
			if unchanged {
				continue
			}
			if x.data, err = c.box.replace(x.data, cardPlace{x.id, s.check}, replaced); err != nil {
				return false, false, err
			}
			changed = true
		}
		if !changed {
			continue
		}
		wrote = true
		if err := w.store(x.id, x.data); err != nil {
			return false, false, err
		}
	}
	return wrote, len(rows) == eachStep, nil
}

// words are all texts with their numbers; there are few.
type words struct {
	mu     sync.RWMutex
	number map[string]uint64
	text   []string // number n is at n-1
	fresh  []string // written, not committed; of the writer
}

// maxWords bounds them: they are kept in memory.
const maxWords = 1_000_000

func (w *words) load(c *conn) error {
	w.number = map[string]uint64{}
	return c.eachRow("SELECT id, text FROM word ORDER BY id", func(q *stmt) error {
		text := string(q.bytes(1))
		w.text = append(w.text, text)
		if q.int(0) != int64(len(w.text)) {
			return fmt.Errorf("%w: the numbers of words have a gap", ErrTampered)
		}
		w.number[text] = uint64(len(w.text))
		return nil
	})
}

// find are the numbers of texts; known is false when one has none.
func (w *words) find(texts []string) (numbers []uint64, known bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	numbers = make([]uint64, len(texts))
	known = true
	for i, text := range texts {
		numbers[i] = w.number[text]
		known = known && numbers[i] > 0
	}
	return numbers, known
}

// Words implements storage.Cards.
func (c *Cards) Words(ctx context.Context, texts []string) ([]uint64, error) {
	numbers, known := c.words.find(texts)
	if known {
		return numbers, nil
	}
	r := &revision{done: make(chan error, 1)}
	r.work = func(w *cardSession) (bool, error) { return c.newWords(w, r, texts) }
	if err := c.submit(ctx, r); err != nil {
		return nil, err
	}
	numbers, _ = c.words.find(texts)
	return numbers, nil
}

// newWords numbers texts that have no number. Only the writer calls it.
func (c *Cards) newWords(w *cardSession, r *revision, texts []string) (bool, error) {
	var fresh []string
	for _, text := range texts {
		if c.words.number[text] == 0 && !slices.Contains(c.words.fresh, text) && !slices.Contains(fresh, text) {
			fresh = append(fresh, text)
		}
	}
	next := len(c.words.text) + len(c.words.fresh)
	if next+len(fresh) > maxWords {
		r.err = fault.New(fault.TooLarge, "sqlite.Words", fault.RegistryOutOfResources, "There are %d different texts already, and at most %d may be. %s", next, maxWords, nothingWritten)
		return false, nil
	}
	for i, text := range fresh {
		if err := errors.Join(w.putWord.bind(int64(next+i+1)).bindBytes(2, []byte(text)), w.putWord.run()); err != nil {
			return false, err
		}
	}
	c.words.fresh = append(c.words.fresh, fresh...)
	return len(fresh) > 0, nil
}

// add gives what was committed to everybody.
func (w *words) add() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, text := range w.fresh {
		w.text = append(w.text, text)
		w.number[text] = uint64(len(w.text))
	}
}

// Word implements storage.Cards.
func (c *Cards) Word(n uint64) (string, bool) {
	c.words.mu.RLock()
	defer c.words.mu.RUnlock()
	if n == 0 || n > uint64(len(c.words.text)) {
		return "", false
	}
	return c.words.text[n-1], true
}
