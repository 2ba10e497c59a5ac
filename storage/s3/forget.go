package s3

import (
	"context"
	"errors"
	"fmt"

	"samdok/access"
	"samdok/storage"
)

var _ storage.Forgetter = (*Outbox)(nil)

// Forget implements storage.Forgetter. The objects of the letters go at once, with
// their former versions. Copies of the bucket can be read until the key of their
// day is destroyed: at once when this process gave it to them, since the letters
// that shared it are written anew here; otherwise when that day is over for all
// nodes. A process that dies meanwhile may have dropped some: Forget is to be called
// again.
func (o *Outbox) Forget(ctx context.Context, t access.Tenant, about func(*storage.Letter) bool) (n int, err error) {
	const op = "s3.Forget"
	o.taking.Lock()
	defer o.taking.Unlock()
	own := o.newDay() // after that nobody here writes under the old key
	shared := map[uint64]bool{}
	err = o.everyLetter(ctx, op, func(name string, l *seen, text []byte) error {
		letter := l.Letter
		letter.Body = text
		if l.broken != nil || l.Tenant != t || !about(&letter) {
			return nil
		}
		n++
		shared[l.keyID] = true
		return o.remove(ctx, op, name)
	})
	if err != nil || n == 0 || o.keys == nil {
		return n, o.s.fault(op, err, writes)
	}
	keyID, _, err := o.key.of(ctx, o)
	if err == nil {
		err = o.everyLetter(ctx, op, func(name string, l *seen, _ []byte) error {
			if l.broken != nil || !shared[l.keyID] {
				return nil
			}
			return o.rekey(ctx, op, name, keyID)
		})
	}
	if err == nil && own != 0 && shared[own] {
		err = o.keys.Destroy(ctx, own)
	}
	return n, o.s.fault(op, err, writes)
}

// newDay makes the next letter begin a data key, once those that are being written
// are. It returns the one before; 0: there was none.
func (o *Outbox) newDay() (before uint64) {
	o.posting.Lock()
	defer o.posting.Unlock()
	o.key.mu.Lock()
	defer o.key.mu.Unlock()
	before, o.key.day, o.key.id = o.key.id, "", 0
	return before
}

// everyLetter reads all letters of all queues, one at a time.
func (o *Outbox) everyLetter(ctx context.Context, op string, visit func(name string, l *seen, text []byte) error) error {
	for _, q := range storage.Queues() {
		list, _, err := o.letters(ctx, op, q)
		if err != nil {
			return err
		}
		for _, l := range list {
			name := letterName(q, l.ID)
			now, text, err := o.read(ctx, op, name)
			if errors.Is(err, errMissing) {
				continue // it was settled meanwhile
			}
			if err == nil {
				err = visit(name, now, text)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// rekey seals a letter under another key, whoever else changes it.
func (o *Outbox) rekey(ctx context.Context, op, name string, keyID uint64) error {
	for range 16 {
		_, err := o.change(ctx, op, name, func(l *seen) bool { l.keyID = keyID; return true })
		if !errors.Is(err, errCondition) {
			return err
		}
	}
	return fmt.Errorf("a letter of the outbox changes all the time: %w", errCondition)
}
