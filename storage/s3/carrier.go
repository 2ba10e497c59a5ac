package s3

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"samdok/access"
	"samdok/metadata"
	"samdok/storage"
)

// A carrier is an object that brings several letters in one step. A cursor is one
// that stays and has a position too. After it is written its writer spreads it:
// each letter becomes an object of its own, and then the carrier loses them (a
// cursor) or goes. Until then nobody takes those letters, so that one that was
// settled does not come back. A writer has half of Outbox.stale to do so. Whoever
// sees a carrier unchanged for all of it claims it, by writing it anew, and spreads
// it in the writer's place.
//
// Format 1: magic "sCar", version 1, zeros 3, stamp 8 (another one each time it is
// written), position after its length (4), number of letters 4; of each queue 1,
// id 16, and the sealed letter after its length 4; a CRC-32C of all that.
type carrier struct {
	position storage.Position
	letters  []carried
	etag     string
}

type carried struct {
	queue  storage.Queue
	id     metadata.UUID
	sealed []byte
}

const (
	carrierMagic = "sCar"
	carriersDir  = "outbox/carriers/"
	cursorDir    = carriersDir + "cursor-"
	postDir      = carriersDir + "post-"
)

func cursorName(name string) string { return cursorDir + escape(access.Tenant(name)) }

func (c *carrier) encode() ([]byte, error) {
	b := append([]byte(carrierMagic), 1, 0, 0, 0)
	b = append(b, make([]byte, 8)...)
	if _, err := rand.Read(b[8:16]); err != nil {
		return nil, err
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(c.position)))
	b = append(b, c.position...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(c.letters)))
	for _, l := range c.letters {
		b = append(append(b, byte(l.queue)), l.id[:]...)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(l.sealed)))
		b = append(b, l.sealed...)
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli())), nil
}

var errCarrier = errors.New("an object of the outbox that brings letters is damaged; put it back from a backup")

func parseCarrier(b []byte) (c carrier, err error) {
	end := len(b) - 4
	if end < 24 || string(b[:4]) != carrierMagic || crc32.Checksum(b[:end], castagnoli()) != binary.LittleEndian.Uint32(b[end:]) {
		return c, errCarrier
	}
	if b[4] != 1 {
		return c, fmt.Errorf("outbox format %d, this samdok knows 1: use a newer samdok", b[4])
	}
	rest := b[16:end]
	take := func(n uint64) (part []byte) {
		if n > uint64(len(rest)) {
			err, n = errCarrier, uint64(len(rest))
		}
		part, rest = rest[:n], rest[n:]
		return part
	}
	number := func() uint64 {
		if p := take(4); len(p) == 4 {
			return uint64(binary.LittleEndian.Uint32(p))
		}
		return 0
	}
	c.position = storage.Position(take(number()))
	for n := number(); n > 0 && err == nil; n-- {
		var l carried
		if p := take(17); len(p) == 17 {
			l.queue, l.id = storage.Queue(p[0]), metadata.UUID(p[1:])
		}
		l.sealed = take(number())
		c.letters = append(c.letters, l)
	}
	if err == nil && len(rest) > 0 {
		err = errCarrier
	}
	return c, err
}

// post writes a carrier that has no position, and spreads it.
func (o *Outbox) post(ctx context.Context, letters []carried) error {
	const op = "s3.Post"
	var random [16]byte
	if _, err := rand.Read(random[:]); err != nil {
		return err
	}
	c := carrier{letters: letters}
	b, err := c.encode()
	if err != nil {
		return err
	}
	name, until := postDir+hex.EncodeToString(random[:]), o.until()
	if c.etag, _, err = o.s.create(ctx, op, name, b, minio.PutObjectOptions{}); err != nil {
		return err
	}
	o.spreadLater(ctx, op, name, &c, until)
	return nil
}

// until is when somebody who begins now to write and spread a carrier must stop.
func (o *Outbox) until() time.Time { return time.Now().Add(o.stale / 2) }

// spreadLater spreads what is durable already: if it cannot, others will.
func (o *Outbox) spreadLater(ctx context.Context, op, name string, c *carrier, until time.Time) {
	if err := o.spread(ctx, op, name, c, until); err != nil {
		o.s.Log.Warn("letters of the outbox are spread later", "err", o.s.fault(op, err, writes))
	}
}

// spread makes each letter of a carrier an object of its own, and takes them from
// the carrier, which the caller wrote or claimed.
func (o *Outbox) spread(ctx context.Context, op, name string, c *carrier, until time.Time) error {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	err := each(len(c.letters), func(i int) error {
		l := &c.letters[i]
		_, err := o.s.put(ctx, op, letterName(l.queue, l.id), l.sealed, condition{create: true}, minio.PutObjectOptions{})
		if errors.Is(err, errCondition) {
			return nil // known, or spread already
		}
		return err
	})
	if err != nil {
		return err
	}
	if strings.HasPrefix(name, postDir) {
		return o.remove(ctx, op, name)
	}
	bare := carrier{position: c.position}
	b, err := bare.encode()
	if err != nil {
		return err
	}
	etag, err := o.s.replace(ctx, op, name, b, c.etag)
	if err == nil {
		o.watch(name, etag, true)
	}
	return err
}

// watched is a carrier as it was seen last.
type watched struct {
	etag  string
	bare  bool // it has no letters
	since time.Time
}

// watch remembers a carrier and returns since when it is as it is.
func (o *Outbox) watch(name, etag string, bare bool) time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	w := o.carriers[name]
	if w == nil || w.etag != etag {
		w = &watched{etag, bare, time.Now()}
		o.carriers[name] = w
	}
	return w.since
}

// underWay are the letters that carriers have, by name. What somebody left is
// spread; spread tells whether there was such, so that letters were added.
func (o *Outbox) underWay(ctx context.Context, op string) (letters map[string]carried, spread bool, err error) {
	letters, here := map[string]carried{}, map[string]bool{}
	err = o.s.all(ctx, op, carriersDir, "", func(l listed) error {
		here[l.name] = true
		o.mu.Lock()
		w := o.carriers[l.name]
		bare := w != nil && w.bare && w.etag == l.etag
		o.mu.Unlock()
		if bare {
			return nil
		}
		c, err := o.carrier(ctx, op, l.name)
		if errors.Is(err, errMissing) {
			return nil
		}
		if err == nil && o.left(l.name, &c) {
			if err = o.claim(ctx, op, l.name, &c); err == nil {
				spread = true
				return nil
			}
			if ctx.Err() == nil { // not in time; the next one goes on
				o.s.Log.Warn("letters of the outbox are spread later", "err", o.s.fault(op, err, writes))
				err = nil
			}
		}
		for _, l := range c.letters {
			letters[letterName(l.queue, l.id)] = l
		}
		return err
	})
	o.mu.Lock()
	for name := range o.carriers {
		if err == nil && !here[name] {
			delete(o.carriers, name)
		}
	}
	o.mu.Unlock()
	return letters, spread, err
}

// left tells whether somebody did not spread a carrier in time.
func (o *Outbox) left(name string, c *carrier) bool {
	bare := len(c.letters) == 0 && !strings.HasPrefix(name, postDir)
	return time.Since(o.watch(name, c.etag, bare)) > o.stale && !bare
}

// claim spreads a carrier that somebody left, unless another one does it.
func (o *Outbox) claim(ctx context.Context, op, name string, c *carrier) error {
	b, err := c.encode() // with another stamp
	if err != nil {
		return err
	}
	until := o.until()
	if c.etag, err = o.s.replace(ctx, op, name, b, c.etag); err == nil {
		err = o.spread(ctx, op, name, c, until)
	}
	if errors.Is(err, errCondition) {
		return nil
	}
	return err
}

// carrier reads one. errMissing.
func (o *Outbox) carrier(ctx context.Context, op, name string) (c carrier, err error) {
	b, etag, err := o.s.get(ctx, op, name, maxObject)
	if err != nil {
		return c, err
	}
	c, err = parseCarrier(b)
	c.etag = etag
	return c, err
}

// Cursor implements storage.Outbox.
func (o *Outbox) Cursor(ctx context.Context, name string) (storage.Position, error) {
	const op = "s3.Cursor"
	c, err := o.carrier(ctx, op, cursorName(name))
	if err != nil && !errors.Is(err, errMissing) {
		return "", o.s.fault(op, err, reads)
	}
	return c.position, nil
}

// Advance implements storage.Outbox. It waits until the letters of the Advance
// before were spread.
func (o *Outbox) Advance(ctx context.Context, name string, from, to storage.Position, letters []storage.Letter) error {
	const op = "s3.Advance"
	o.posting.RLock()
	defer o.posting.RUnlock()
	sealed, err := o.seal(ctx, op, letters)
	if err != nil {
		return o.s.fault(op, err, reads)
	}
	object := cursorName(name)
	for {
		c, err := o.carrier(ctx, op, object)
		if err != nil && !errors.Is(err, errMissing) {
			return o.s.fault(op, err, reads)
		}
		if c.position != from {
			return storage.ErrConflict
		}
		if len(c.letters) > 0 {
			if err := o.await(ctx, op, object, &c); err != nil {
				return o.s.fault(op, err, reads)
			}
			continue
		}
		err = o.advance(ctx, op, object, &c, carrier{position: to, letters: sealed})
		if !errors.Is(err, errCondition) {
			return o.s.fault(op, err, writes)
		}
	}
}

// await gives whoever spreads a carrier some time, or does it when that is over.
func (o *Outbox) await(ctx context.Context, op, object string, c *carrier) error {
	if o.left(object, c) {
		return o.claim(ctx, op, object, c)
	}
	select {
	case <-time.After(20 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return gone(ctx)
	}
}

// advance writes a cursor in the place of another. errCondition: somebody was
// first.
func (o *Outbox) advance(ctx context.Context, op, object string, was *carrier, next carrier) error {
	b, err := next.encode()
	if err != nil {
		return err
	}
	until := o.until()
	if was.etag == "" {
		next.etag, _, err = o.s.create(ctx, op, object, b, minio.PutObjectOptions{})
	} else {
		next.etag, err = o.s.replace(ctx, op, object, b, was.etag)
	}
	if err == nil && len(next.letters) > 0 {
		o.spreadLater(ctx, op, object, &next, until)
	}
	return err
}
