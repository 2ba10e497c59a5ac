package s3

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"

	"samdok/storage/keyring"
)

// doom are the keys of a page that wait to be destroyed: those that are asked for
// while the page is being replaced go together with its next replacement.
type doom struct {
	slots []int
	done  chan struct{}
	err   error
	after *doom // the one before, which is being written
}

// Destroy destroys keys for good and returns when that is so: on this node at
// once, on others within 3 seconds. What is destroyed already is fine; a number
// that was never given out is keyring.ErrUnknown.
func (k *Keys) Destroy(ctx context.Context, ids ...uint64) error {
	if k == nil {
		return nil
	}
	pages := map[uint64][]int{}
	for _, id := range ids {
		pages[id>>8] = append(pages[id>>8], int(id&0xff))
	}
	var waits []*doom
	k.mu.Lock()
	if k.closed {
		k.mu.Unlock()
		return keyring.ErrClosed
	}
	for number, slots := range pages {
		waits = append(waits, k.doomed(number, slots))
	}
	k.mu.Unlock()
	var failures []error
	for _, d := range waits {
		select {
		case <-d.done:
			failures = append(failures, k.s.fault("s3.Destroy", d.err, writes))
		case <-ctx.Done():
			return k.s.fault("s3.Destroy", &failure{class: ended, err: context.Cause(ctx)}, writes)
		}
	}
	return errors.Join(failures...)
}

// doomed adds keys to those that wait. k.mu is held.
func (k *Keys) doomed(number uint64, slots []int) *doom {
	d := k.dooms[number]
	if d != nil && d.slots != nil {
		d.slots = append(d.slots, slots...)
		return d
	}
	d = &doom{slots: slots, done: make(chan struct{}), after: d}
	k.dooms[number] = d
	k.running.Add(1)
	go k.destroy(number, d)
	return d
}

func (k *Keys) destroy(number uint64, d *doom) {
	defer k.running.Done()
	if d.after != nil {
		<-d.after.done
	}
	k.mu.Lock()
	slots := d.slots
	d.slots, d.after = nil, nil // what comes from here on waits for the next one
	k.mu.Unlock()
	var gone []uint64
	d.err = k.replacePage(context.Background(), number, func(p *page) (*page, error) {
		gone = k.going(p, slots)
		return p.destroyed(slots)
	})
	k.told(gone, d.err)
	k.mu.Lock()
	if k.dooms[number] == d {
		delete(k.dooms, number)
	}
	k.mu.Unlock()
	close(d.done)
}

// going are the keys of some slots that were not destroyed before, as far as is
// known.
func (k *Keys) going(p *page, slots []int) (ids []uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, i := range slots {
		if id := p.id(i); (p.slot(i)[60] != slotDestroyed || k.unsure[id]) && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// told tells who watches of keys that are destroyed. When that is not known, it is
// told when they are asked for again.
func (k *Keys) told(ids []uint64, err error) {
	k.mu.Lock()
	for _, id := range ids {
		if delete(k.unsure, id); err != nil {
			k.unsure[id] = true
		}
	}
	k.mu.Unlock()
	if f := k.gone.Load(); f != nil && err == nil {
		for _, id := range ids {
			(*f)(id)
		}
	}
}

// replacePage writes what change makes of a page, however many others do the same.
// change returns nil when there is nothing to write.
func (k *Keys) replacePage(ctx context.Context, number uint64, change func(*page) (*page, error)) error {
	const op = "s3.Destroy"
	for {
		old, err := k.load(ctx, op, number)
		if err != nil {
			return err
		}
		p, err := change(old)
		if err != nil {
			return err
		}
		if p == nil { // what a crash left of earlier versions may still be there
			return k.purge(ctx, op, number)
		}
		p.etag, err = k.s.replace(ctx, op, pageName(number), p.raw, old.etag)
		if errors.Is(err, errCondition) {
			continue
		}
		if err != nil {
			return err
		}
		k.mu.Lock()
		k.remember(p, time.Now())
		k.mu.Unlock()
		return k.purge(ctx, op, number)
	}
}

// purge takes away the former versions of a page, which hold what was destroyed.
func (k *Keys) purge(ctx context.Context, op string, number uint64) error {
	if !k.s.versioned {
		return nil
	}
	return k.s.purge(ctx, op, pageName(number), false)
}

// purge takes away the former versions of an object, or all of them.
func (s *Store) purge(ctx context.Context, op, name string, all bool) error {
	name = s.Prefix + name
	return s.do(ctx, op, func(ctx context.Context) error {
		for v := range s.client.ListObjectsIter(ctx, s.Bucket, minio.ListObjectsOptions{Prefix: name, WithVersions: true, Recursive: true}) {
			if v.Err != nil {
				return v.Err
			}
			if v.Key != name || v.IsLatest && !all {
				continue
			}
			if err := s.client.RemoveObject(ctx, s.Bucket, name, minio.RemoveObjectOptions{VersionID: v.VersionID}); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
}

// rewrapAtOnce is how many pages are rewrapped at the same time.
const rewrapAtOnce = 8

// Rewrap wraps all pages that a former master key wraps under the first one, while
// nodes that know both serve. It may be cut off and run again. progress is called
// with pages done. keys counts the living keys that were wrapped anew.
func (k *Keys) Rewrap(ctx context.Context, progress func(pages int64)) (keys int64, err error) {
	const op = "s3.Rewrap"
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		all     sync.WaitGroup
		wrapped atomic.Int64
		mu      sync.Mutex
		done    int64
		numbers = make(chan uint64)
	)
	for range rewrapAtOnce {
		all.Go(func() {
			for n := range numbers {
				if err := k.rewrap(ctx, n, &wrapped); err != nil {
					cancel(err)
					return
				}
				mu.Lock()
				if done++; progress != nil {
					progress(done)
				}
				mu.Unlock()
			}
		})
	}
	err = k.s.all(ctx, op, "keys/", "", func(l listed) error {
		n, ok := parsePageName(l.name)
		if !ok {
			return errors.New("an object below keys/ is no page of data keys; take it away")
		}
		select {
		case numbers <- n:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	close(numbers)
	all.Wait()
	if first := context.Cause(ctx); first != nil {
		err = first
	}
	return wrapped.Load(), k.s.fault(op, err, writes)
}

func (k *Keys) rewrap(ctx context.Context, number uint64, wrapped *atomic.Int64) error {
	keys := int64(0)
	err := k.replacePage(ctx, number, func(p *page) (c *page, err error) {
		if keys = 0; p.master == 0 {
			return nil, nil
		}
		c, keys, err = p.rewrapped(k.masters[0])
		return c, err
	})
	if err == nil {
		wrapped.Add(keys)
	}
	return err
}
