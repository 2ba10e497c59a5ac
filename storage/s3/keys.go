package s3

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"

	"samdok/storage/keyring"
)

const (
	keysAheadLow = 64              // write another page when fewer keys are left
	keysMost     = 1024            // pages that are remembered, 16 KiB each
	keyLife      = 3 * time.Second // after that a page is asked for again; see Keys
)

// Keys are the data keys of a store, 256 to a page, each page an object. Pages are
// written ahead, so that handing out a key costs no call; those that were not
// handed out when the process ends are wasted and harmless. A key that one node
// has destroyed is gone on all others within 3 seconds, for that is how long a page
// is believed without asking the store again.
//
// A nil *Keys means that encryption is off.
type Keys struct {
	s       *Store
	masters []keyring.Master // the first one wraps what is written

	gone atomic.Pointer[func(id uint64)] // see Watch

	mu      sync.Mutex
	ready   []numberedKey
	making  *making
	pages   map[uint64]*known
	dooms   map[uint64]*doom
	unsure  map[uint64]bool // keys that may be destroyed: the store did not answer
	closed  bool
	running sync.WaitGroup
}

type numberedKey struct {
	id  uint64
	key keyring.Key
}

// making is a page that is being written.
type making struct {
	done chan struct{}
	err  error
}

// known is a page as of a time.
type known struct {
	asking sync.Mutex // held while the store is asked
	page   *page      // nil before the first answer; Keys.mu
	at     time.Time  // Keys.mu
}

// OpenKeys opens the data keys of a store. master wraps new ones; former are
// those that may still wrap pages while a rotation lasts (see Rewrap). A store
// whose keys are wrapped by others is refused.
func (s *Store) OpenKeys(ctx context.Context, master keyring.Master, former ...keyring.Master) (*Keys, error) {
	const op = "s3.OpenKeys"
	k := &Keys{s: s, masters: append([]keyring.Master{master}, former...), pages: map[uint64]*known{}, dooms: map[uint64]*doom{}, unsure: map[uint64]bool{}}
	if err := k.checkBucket(ctx); err != nil {
		return nil, err
	}
	list, err := s.page(ctx, op, "keys/", "", true, 1)
	if err != nil {
		return nil, s.fault(op, err, reads)
	}
	if len(list) > 0 {
		n, ok := parsePageName(list[0].name)
		if !ok {
			return nil, fmt.Errorf("S3 at %s, bucket %s: an object below keys/ is no page of data keys; take it away", s.Endpoint, s.Bucket)
		}
		if _, err := k.load(ctx, op, n); err != nil {
			return nil, s.fault(op, err, reads)
		}
	}
	return k, nil
}

// checkBucket refuses a bucket that keeps what is to be destroyed.
func (k *Keys) checkBucket(ctx context.Context) error {
	const op = "s3.OpenKeys"
	s := k.s
	if !s.versioned {
		return nil
	}
	_, byDefault, err := s.lockConfig(ctx, op)
	if err == nil && byDefault {
		return fmt.Errorf("S3 at %s, bucket %s locks every object by default, so that data keys could not be destroyed: take the default retention away; samdok locks what is to be kept by itself", s.Endpoint, s.Bucket)
	}
	return s.fault(op, err, reads)
}

func pageName(n uint64) string { return fmt.Sprintf("keys/%014x", n) }

func parsePageName(name string) (uint64, bool) {
	n, err := strconv.ParseUint(strings.TrimPrefix(name, "keys/"), 16, 56)
	return n, err == nil && pageName(n) == name
}

// New hands out a new random key, which the store holds already. A nil receiver
// returns number 0 and no error: encryption is off.
func (k *Keys) New(ctx context.Context) (id uint64, key keyring.Key, err error) {
	if k == nil {
		return 0, keyring.Key{}, nil
	}
	for {
		k.mu.Lock()
		if k.closed {
			k.mu.Unlock()
			return 0, keyring.Key{}, keyring.ErrClosed
		}
		if len(k.ready) < keysAheadLow && k.making == nil {
			k.making = &making{done: make(chan struct{})}
			k.running.Add(1)
			go k.makeAhead(k.making)
		}
		if n := len(k.ready); n > 0 {
			last := k.ready[n-1]
			k.ready[n-1] = numberedKey{}
			k.ready = k.ready[:n-1]
			k.mu.Unlock()
			return last.id, last.key, nil
		}
		m := k.making
		k.mu.Unlock()
		select {
		case <-m.done:
			if m.err != nil {
				return 0, keyring.Key{}, k.s.fault("s3.New", m.err, reads) // nothing of the caller's was written
			}
		case <-ctx.Done():
			return 0, keyring.Key{}, k.s.fault("s3.New", &failure{class: ended, err: context.Cause(ctx)}, reads)
		}
	}
}

func (k *Keys) makeAhead(m *making) {
	defer k.running.Done()
	p, keys, err := k.writePage(context.Background())
	k.mu.Lock()
	defer k.mu.Unlock()
	if m.err = err; err == nil {
		for i := range keys {
			k.ready = append(k.ready, numberedKey{p.id(i), keys[i]})
		}
		k.remember(p, time.Now())
	}
	k.making = nil
	close(m.done)
}

// writePage writes a page under a number that no other has.
func (k *Keys) writePage(ctx context.Context) (*page, []keyring.Key, error) {
	for {
		var b [8]byte
		if _, err := rand.Read(b[:6]); err != nil {
			return nil, nil, err
		}
		number := binary.LittleEndian.Uint64(b[:])
		if number == 0 {
			continue
		}
		p, keys, err := newPage(number, k.masters[0])
		if err != nil {
			return nil, nil, err
		}
		p.etag, _, err = k.s.create(ctx, "s3.New", pageName(number), p.raw, minio.PutObjectOptions{})
		if errors.Is(err, errCondition) {
			continue
		}
		return p, keys, err
	}
}

// entry is what is known of a page. k.mu is held.
func (k *Keys) entry(number uint64) *known {
	e := k.pages[number]
	if e == nil {
		for n := range k.pages { // any other one
			if len(k.pages) < keysMost {
				break
			}
			delete(k.pages, n)
		}
		e = &known{}
		k.pages[number] = e
	}
	return e
}

// remember keeps a page as of a time, unless a newer one is known. k.mu is held.
func (k *Keys) remember(p *page, at time.Time) {
	if e := k.entry(p.number); e.page == nil || at.After(e.at) {
		e.page, e.at = p, at
	}
}

// Key finds a key by its number. keyring.ErrDestroyed, ErrUnknown, ErrDamaged.
func (k *Keys) Key(ctx context.Context, id uint64) (keyring.Key, error) {
	if k == nil {
		return keyring.Key{}, fmt.Errorf("%w %x: encryption is off, so there are no keys; start with the master key that the data was written with", keyring.ErrUnknown, id)
	}
	p, err := k.fresh(ctx, id>>8)
	if err != nil {
		return keyring.Key{}, k.s.fault("s3.Key", err, reads)
	}
	return p.key(int(id & 0xff))
}

// fresh is a page no older than keyLife.
func (k *Keys) fresh(ctx context.Context, number uint64) (*page, error) {
	e, p := k.lately(number)
	if p != nil {
		return p, nil
	}
	e.asking.Lock() // one question at a time
	defer e.asking.Unlock()
	if _, p = k.lately(number); p != nil {
		return p, nil
	}
	return k.reload(ctx, number)
}

// lately is what is known of a page, and the page when it may be believed.
func (k *Keys) lately(number uint64) (*known, *page) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.entry(number)
	if e.page != nil && time.Since(e.at) < keyLife {
		return e, e.page
	}
	return e, nil
}

// reload asks whether a page is still the same.
func (k *Keys) reload(ctx context.Context, number uint64) (*page, error) {
	const op = "s3.Key"
	k.mu.Lock()
	old := k.entry(number).page
	k.mu.Unlock()
	if old == nil {
		return k.load(ctx, op, number)
	}
	asked := time.Now()
	err := k.s.do(ctx, op, func(ctx context.Context) error {
		o := minio.StatObjectOptions{}
		if err := o.SetMatchETagExcept(old.etag); err != nil {
			return err
		}
		info, err := k.s.client.StatObject(ctx, k.s.Bucket, k.s.Prefix+pageName(number), o)
		if minio.ToErrorResponse(err).StatusCode == http.StatusNotModified {
			return nil
		}
		if err == nil && info.ETag != old.etag {
			return errCondition
		}
		return err
	})
	switch {
	case errors.Is(err, errCondition):
		return k.load(ctx, op, number)
	case errors.Is(err, errMissing):
		return nil, fmt.Errorf("%w: page %x of data keys is gone; put it back from a backup", keyring.ErrUnknown, number)
	case err != nil:
		return nil, err
	}
	k.mu.Lock()
	if e := k.pages[number]; e != nil && e.page == old {
		e.at = asked
	}
	k.mu.Unlock()
	return old, nil
}

// load reads a page.
func (k *Keys) load(ctx context.Context, op string, number uint64) (*page, error) {
	asked := time.Now()
	raw, etag, err := k.s.get(ctx, op, pageName(number), pageBytes)
	if errors.Is(err, errMissing) {
		return nil, fmt.Errorf("%w: there is no page %x of data keys", keyring.ErrUnknown, number)
	}
	if err != nil {
		return nil, err
	}
	p, err := parsePage(number, raw, k.masters)
	if err != nil {
		return nil, err
	}
	p.etag = etag
	k.mu.Lock()
	k.remember(p, asked)
	k.mu.Unlock()
	return p, nil
}

// Fingerprint names the master key that wraps new keys, without telling it.
func (k *Keys) Fingerprint() (string, error) {
	if k == nil {
		return "", nil
	}
	return k.masters[0].Fingerprint()
}

// Watch has f called with the number of each key that this node has destroyed,
// after that is durable. f must not block.
func (k *Keys) Watch(f func(id uint64)) {
	if k != nil {
		k.gone.Store(&f)
	}
}

// Close waits for what is being written.
func (k *Keys) Close() error {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.running.Wait()
	return nil
}
