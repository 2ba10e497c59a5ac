package s3

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"

	"samdok/fault"
	"samdok/metadata"
	"samdok/storage"
	"samdok/storage/body"
	"samdok/storage/keyring"
)

const (
	takeBytes  = 16 << 20 // ends a Take early: the letters of one call fit in memory
	maxLetter  = 16 << 20 // the longest body, bytes
	callsAtOne = 16       // calls that one operation makes at the same time
)

// Outbox implements storage.Outbox. A letter is an object; who replaces it under
// the condition that it is unchanged has it. What letters say is remembered by
// their ETags, so that looking costs one list and a read for each letter that
// changed.
type Outbox struct {
	s       *Store
	keys    *Keys
	stale   time.Duration // how long a carrier is its writer's, see carrier
	posting sync.RWMutex  // read by whoever writes letters under the key of the day
	taking  sync.Mutex    // takers of one process do not get in each other's way
	key     letterKeys

	mu       sync.Mutex
	known    map[string]*seen // letters, by name
	carriers map[string]*watched
}

// staleAfter: letters of a node that died in the middle of a step wait so long.
const staleAfter = 10 * time.Second

var _ storage.Outbox = (*Outbox)(nil)

// seen is a letter as it was read last, without its body.
type seen struct {
	written
	etag   string
	size   int64
	broken error // it cannot be opened
}

// Outbox of the store; keys nil: encryption off.
func (s *Store) Outbox(keys *Keys) *Outbox {
	return &Outbox{s: s, keys: keys, stale: staleAfter, known: map[string]*seen{}, carriers: map[string]*watched{}}
}

// each calls f for all numbers below n, some at the same time.
func each(n int, f func(i int) error) error {
	var (
		all  sync.WaitGroup
		mu   sync.Mutex
		next int
		err  error
	)
	for range min(n, callsAtOne) {
		all.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				stop := err != nil
				mu.Unlock()
				if i >= n || stop {
					return
				}
				if failed := f(i); failed != nil {
					mu.Lock()
					err = failed
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	return err
}

// remove deletes an object with its former versions.
func (o *Outbox) remove(ctx context.Context, op, name string) error {
	if err := o.s.remove(ctx, op, name); err != nil || !o.s.versioned {
		return err
	}
	return o.s.purge(ctx, op, name, true)
}

// Post implements storage.Outbox.
func (o *Outbox) Post(ctx context.Context, letters []storage.Letter) error {
	const op = "s3.Post"
	if len(letters) == 0 {
		return nil
	}
	o.posting.RLock()
	defer o.posting.RUnlock()
	sealed, err := o.seal(ctx, op, letters)
	if err != nil {
		return o.s.fault(op, err, reads)
	}
	if len(sealed) > 1 {
		return o.s.fault(op, o.post(ctx, sealed), writes)
	}
	l := sealed[0]
	_, _, err = o.s.create(ctx, op, letterName(l.queue, l.id), l.sealed, minio.PutObjectOptions{})
	if errors.Is(err, errCondition) {
		return nil // it is known
	}
	return o.s.fault(op, err, writes)
}

// seal makes objects of letters.
func (o *Outbox) seal(ctx context.Context, op string, letters []storage.Letter) (list []carried, err error) {
	total := 0
	for i := range letters {
		l := &letters[i]
		if total += len(l.Body) + 1000; len(l.Body) > maxLetter || total > maxObject {
			return nil, fault.New(fault.TooLarge, op, fault.RegistryOutOfResources,
				"A message in the outbox may take at most %d MB, those of one step %d MB.", maxLetter>>20, maxObject>>20)
		}
		if l.Queue == storage.QueueUnknown || l.ID.IsZero() {
			return nil, fault.New(fault.Internal, op, fault.RegistryError, "A message for the outbox has no queue or no id.")
		}
		keyID, key, err := o.key.of(ctx, o)
		if err != nil {
			return nil, err
		}
		w := written{Letter: *l, posted: o.s.Clock().Add(time.Duration(i)), keyID: keyID}
		w.Note, w.Dead = "", false
		b, err := o.encode(&w, key)
		if err != nil {
			return nil, err
		}
		list = append(list, carried{l.Queue, l.ID, b})
	}
	return list, nil
}

func (o *Outbox) encode(w *written, key keyring.Key) ([]byte, error) {
	if w.keyID == 0 {
		return w.encode(nil)
	}
	aead, err := body.AEAD(key)
	if err != nil {
		return nil, err
	}
	return w.encode(aead)
}

// read reads a letter. errMissing.
func (o *Outbox) read(ctx context.Context, op, name string) (l *seen, text []byte, err error) {
	b, etag, err := o.s.get(ctx, op, name, maxObject)
	if err != nil {
		return nil, nil, err
	}
	if l, text, err = o.unseal(ctx, name, b); err != nil {
		return nil, nil, err
	}
	l.etag = etag
	o.mu.Lock()
	o.known[name] = l
	o.mu.Unlock()
	return l, text, nil
}

// unseal opens a letter and sets its body apart. When it can never be opened,
// broken says why.
func (o *Outbox) unseal(ctx context.Context, name string, b []byte) (l *seen, text []byte, err error) {
	q, id, ok := parseLetterName(name)
	if !ok {
		return nil, nil, errMissing
	}
	l = &seen{size: int64(len(b))}
	l.Queue, l.ID = q, id
	if l.broken = o.open(ctx, l, b); l.broken != nil {
		if !lasting(l.broken) {
			return nil, nil, l.broken
		}
		l.Dead, l.Note = true, "It cannot be opened: "+l.broken.Error()
	}
	text, l.Body = l.Body, nil
	return l, text, nil
}

// lasting tells whether a letter can never be opened.
func lasting(err error) bool {
	return slices.ContainsFunc([]error{errLetter, errNewer, keyring.ErrDestroyed, keyring.ErrUnknown, keyring.ErrDamaged},
		func(target error) bool { return errors.Is(err, target) })
}

func (o *Outbox) open(ctx context.Context, l *seen, b []byte) (err error) {
	if l.keyID, err = letterKeyOf(b); err != nil {
		return err
	}
	if l.keyID == 0 {
		if o.keys != nil {
			return errLetter // somebody put an open one in its place
		}
		return l.decode(b, nil)
	}
	key, err := o.keys.Key(ctx, l.keyID)
	if err != nil {
		return err
	}
	aead, err := body.AEAD(key)
	if err != nil {
		return err
	}
	return l.decode(b, aead)
}

// letters are those of a queue, in no order. busy are the names of those that
// nobody may take yet, since a carrier has them.
func (o *Outbox) letters(ctx context.Context, op string, q storage.Queue) (list []*seen, busy map[string]carried, err error) {
	for {
		if list, err = o.look(ctx, op, q); err != nil {
			return nil, nil, err
		}
		// After the list: what is in it may be in a carrier still.
		under, spread, err := o.underWay(ctx, op)
		if err != nil {
			return nil, nil, err
		}
		if spread {
			continue
		}
		here := map[string]bool{}
		for _, l := range list {
			here[letterName(l.Queue, l.ID)] = true
		}
		for name, c := range under {
			if c.queue != q || here[name] {
				continue
			}
			l, _, err := o.unseal(ctx, name, c.sealed)
			if err != nil {
				return nil, nil, err
			}
			list = append(list, l)
		}
		return list, under, nil
	}
}

// look lists a queue and reads what is new or changed.
func (o *Outbox) look(ctx context.Context, op string, q storage.Queue) (list []*seen, err error) {
	here := map[string]bool{}
	var unread []string
	err = o.s.all(ctx, op, queueDir(q), "", func(l listed) error {
		here[l.name] = true
		o.mu.Lock()
		defer o.mu.Unlock()
		if s := o.known[l.name]; s != nil && s.etag == l.etag {
			list = append(list, s)
		} else {
			unread = append(unread, l.name)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	fresh := make([]*seen, len(unread))
	err = each(len(unread), func(i int) error {
		l, _, err := o.read(ctx, op, unread[i])
		if errors.Is(err, errMissing) {
			return nil
		}
		fresh[i] = l
		return err
	})
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	for name, l := range o.known {
		if l.Queue == q && !here[name] {
			delete(o.known, name)
		}
	}
	o.mu.Unlock()
	for _, l := range fresh {
		if l != nil {
			list = append(list, l)
		}
	}
	return list, nil
}

// Take implements storage.Outbox. A letter that cannot be opened any more is dead.
func (o *Outbox) Take(ctx context.Context, q storage.Queue, now time.Time, lease time.Duration, limit int) ([]storage.Letter, error) {
	const op = "s3.Take"
	o.taking.Lock()
	defer o.taking.Unlock()
	list, busy, err := o.letters(ctx, op, q)
	if err != nil {
		return nil, o.s.fault(op, err, reads)
	}
	list = slices.DeleteFunc(list, func(l *seen) bool {
		_, wait := busy[letterName(l.Queue, l.ID)]
		return wait || l.Dead || l.Due.After(now)
	})
	slices.SortFunc(list, func(a, b *seen) int {
		return cmp.Or(a.Due.Compare(b.Due), a.posted.Compare(b.posted), cmp.Compare(a.ID.String(), b.ID.String()))
	})
	var taken []storage.Letter
	for bytes := int64(0); len(list) > 0 && len(taken) < limit && bytes < takeBytes; {
		n := 0
		for n < len(list) && len(taken)+n < limit && (n == 0 || bytes < takeBytes) {
			bytes += list[n].size
			n++
		}
		got := make([]*storage.Letter, n)
		err := each(n, func(i int) (err error) {
			got[i], err = o.lease(ctx, op, list[i], now.Add(lease))
			return err
		})
		if err != nil { // some are perhaps leased all the same: due again after that
			return nil, o.s.fault(op, err, reads)
		}
		for _, l := range got {
			if l != nil {
				taken = append(taken, *l)
			}
		}
		list = list[n:]
	}
	return taken, nil
}

// lease takes one letter; nil when somebody else was first.
func (o *Outbox) lease(ctx context.Context, op string, was *seen, until time.Time) (taken *storage.Letter, err error) {
	_, err = o.change(ctx, op, letterName(was.Queue, was.ID), func(l *seen) bool {
		if l.etag != was.etag {
			return false
		}
		l.Due, l.Attempts = until.UTC(), l.Attempts+1
		c := l.Letter
		taken = &c
		return true
	})
	if errors.Is(err, errCondition) {
		return nil, nil //nolint:nilnil // see above
	}
	if err != nil {
		return nil, err
	}
	return taken, nil
}

// change replaces a letter by what f makes of it, unless f returns false. found is
// false when there is no such letter. errCondition: somebody else was first.
func (o *Outbox) change(ctx context.Context, op, name string, f func(*seen) bool) (found bool, err error) {
	old, text, err := o.read(ctx, op, name)
	if errors.Is(err, errMissing) {
		return false, nil
	}
	if err != nil || old.broken != nil {
		return false, err
	}
	l := *old
	l.Body = text
	if !f(&l) {
		return true, nil
	}
	var key keyring.Key
	if l.keyID != 0 {
		if key, err = o.keys.Key(ctx, l.keyID); err != nil {
			return false, err
		}
	}
	b, err := o.encode(&l.written, key)
	if err != nil {
		return false, err
	}
	if l.etag, err = o.s.replace(ctx, op, name, b, old.etag); err != nil {
		return true, err
	}
	l.Body = nil
	o.mu.Lock()
	o.known[name] = &l
	o.mu.Unlock()
	return true, nil
}

// Settle implements storage.Outbox.
func (o *Outbox) Settle(ctx context.Context, l storage.Letter) error {
	return o.s.fault("s3.Settle", o.remove(ctx, "s3.Settle", letterName(l.Queue, l.ID)), writes)
}

// Delay implements storage.Outbox.
func (o *Outbox) Delay(ctx context.Context, l storage.Letter, due time.Time) error {
	return o.release(ctx, "s3.Delay", l, func(now *seen) { now.Due = due.UTC() })
}

// Bury implements storage.Outbox.
func (o *Outbox) Bury(ctx context.Context, l storage.Letter) error {
	return o.release(ctx, "s3.Bury", l, func(now *seen) { now.Dead = true })
}

// release ends a lease, if l still has it.
func (o *Outbox) release(ctx context.Context, op string, l storage.Letter, f func(*seen)) error {
	for {
		_, err := o.change(ctx, op, letterName(l.Queue, l.ID), func(now *seen) bool {
			if now.Dead || !now.Due.Equal(l.Due) {
				return false
			}
			now.Attempts, now.Note = l.Attempts, l.Note
			f(now)
			return true
		})
		if !errors.Is(err, errCondition) {
			return o.s.fault(op, err, writes)
		}
	}
}

// Revive implements storage.Outbox.
func (o *Outbox) Revive(ctx context.Context, id metadata.UUID, due, expires time.Time) (bool, error) {
	const op = "s3.Revive"
	under, _, err := o.underWay(ctx, op)
	if err != nil {
		return false, o.s.fault(op, err, reads)
	}
	for _, q := range storage.Queues() {
		if _, busy := under[letterName(q, id)]; busy {
			return false, fault.New(fault.Busy, op, fault.RegistryBusy, "The message was posted a moment ago; try again in a little while.")
		}
		for {
			found, err := o.change(ctx, op, letterName(q, id), func(l *seen) bool {
				l.Due, l.Expires, l.Dead = due.UTC(), expires.UTC(), false
				return true
			})
			if errors.Is(err, errCondition) {
				continue
			}
			if err != nil || found {
				return found && err == nil, o.s.fault(op, err, writes)
			}
			break
		}
	}
	return false, nil
}

// Count implements storage.Outbox.
func (o *Outbox) Count(ctx context.Context, q storage.Queue) (b storage.Backlog, err error) {
	const op = "s3.Count"
	list, _, err := o.letters(ctx, op, q)
	if err != nil {
		return b, o.s.fault(op, err, reads)
	}
	for _, l := range list {
		if l.Dead {
			b.Dead++
			continue
		}
		if b.Waiting++; b.Waiting == 1 || l.Created.Before(b.Oldest) {
			b.Oldest = l.Created
		}
	}
	return b, nil
}

// Letters implements storage.Outbox. It holds the queue in memory, without bodies.
func (o *Outbox) Letters(ctx context.Context, q storage.Queue) iter.Seq2[storage.Letter, error] {
	return func(yield func(storage.Letter, error) bool) {
		list, _, err := o.letters(ctx, "s3.Letters", q)
		if err != nil {
			yield(storage.Letter{}, o.s.fault("s3.Letters", err, reads))
			return
		}
		slices.SortFunc(list, func(a, b *seen) int {
			return cmp.Or(a.posted.Compare(b.posted), cmp.Compare(a.ID.String(), b.ID.String()))
		})
		for _, l := range list {
			if !yield(l.Letter, nil) {
				return
			}
		}
	}
}
