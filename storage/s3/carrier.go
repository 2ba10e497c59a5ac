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

	"github.com/minio/minio-go/v7"

	"samdok/access"
	"samdok/metadata"
	"samdok/storage"
)

// A carrier is an object that brings several letters in one step. A cursor is one
// that stays and has a position too. After it is written its letters are spread:
// each becomes an object of its own, and then the carrier loses them (a cursor) or
// goes. Whoever is about to look at letters first spreads the carriers that
// somebody left; nobody acts on a letter while a carrier still has it, so that one
// that was settled does not come back.
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
	o.spreading.Lock()
	defer o.spreading.Unlock()
	name := postDir + hex.EncodeToString(random[:])
	if c.etag, _, err = o.s.create(ctx, op, name, b, minio.PutObjectOptions{}); err != nil {
		return err
	}
	o.spreadLater(ctx, op, name, &c)
	return nil
}

// spreadLater spreads what is durable already: if it cannot, others will.
func (o *Outbox) spreadLater(ctx context.Context, op, name string, c *carrier) {
	if err := o.spread(ctx, op, name, c); err != nil {
		o.s.Log.Warn("letters of the outbox are spread later", "err", o.s.fault(op, err, writes))
	}
}

// spread makes each letter of a carrier an object of its own, and takes them from
// the carrier. o.spreading is held.
func (o *Outbox) spread(ctx context.Context, op, name string, c *carrier) error {
	if len(c.letters) > 0 {
		err := each(len(c.letters), func(i int) error {
			l := &c.letters[i]
			_, _, err := o.s.create(ctx, op, letterName(l.queue, l.id), l.sealed, minio.PutObjectOptions{})
			if errors.Is(err, errCondition) {
				return nil // known, or changed since somebody else spread it
			}
			return err
		})
		if err != nil {
			return err
		}
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
	if errors.Is(err, errCondition) {
		return nil // somebody else did it
	}
	if err == nil {
		o.mu.Lock()
		o.bare[name] = etag
		o.mu.Unlock()
	}
	return err
}

// heal spreads the carriers that somebody left. more tells whether there were any:
// letters were added.
func (o *Outbox) heal(ctx context.Context, op string) (more bool, err error) {
	err = o.s.all(ctx, op, carriersDir, "", func(l listed) error {
		o.mu.Lock()
		bare := o.bare[l.name] == l.etag
		o.mu.Unlock()
		if bare {
			return nil
		}
		o.spreading.Lock() // not while this process is doing it
		defer o.spreading.Unlock()
		c, err := o.carrier(ctx, op, l.name)
		if errors.Is(err, errMissing) {
			return nil
		}
		if err == nil && (len(c.letters) > 0 || strings.HasPrefix(l.name, postDir)) {
			more = true
			err = o.spread(ctx, op, l.name, &c)
		}
		return err
	})
	return more, err
}

// carrier reads one. errMissing.
func (o *Outbox) carrier(ctx context.Context, op, name string) (c carrier, err error) {
	b, etag, err := o.s.get(ctx, op, name, maxObject)
	if err != nil {
		return c, err
	}
	if c, err = parseCarrier(b); err != nil {
		return c, err
	}
	if c.etag = etag; len(c.letters) == 0 {
		o.mu.Lock()
		o.bare[name] = etag
		o.mu.Unlock()
	}
	return c, nil
}

// Cursor implements storage.Outbox.
func (o *Outbox) Cursor(ctx context.Context, name string) (storage.Position, error) {
	const op = "s3.Cursor"
	if _, err := o.heal(ctx, op); err != nil {
		return "", o.s.fault(op, err, reads)
	}
	c, err := o.carrier(ctx, op, cursorName(name))
	if err != nil && !errors.Is(err, errMissing) {
		return "", o.s.fault(op, err, reads)
	}
	return c.position, nil
}

// Advance implements storage.Outbox.
func (o *Outbox) Advance(ctx context.Context, name string, from, to storage.Position, letters []storage.Letter) error {
	const op = "s3.Advance"
	sealed, err := o.seal(ctx, op, letters)
	if err != nil {
		return o.s.fault(op, err, reads)
	}
	o.spreading.Lock()
	defer o.spreading.Unlock()
	object := cursorName(name)
	for {
		c, err := o.carrier(ctx, op, object)
		switch {
		case errors.Is(err, errMissing):
		case err != nil:
			return o.s.fault(op, err, reads)
		}
		if c.position != from {
			return storage.ErrConflict
		}
		if len(c.letters) > 0 { // of somebody who died
			if err := o.spread(ctx, op, object, &c); err != nil {
				return o.s.fault(op, err, reads)
			}
			continue
		}
		next := carrier{position: to, letters: sealed}
		b, err := next.encode()
		if err != nil {
			return err
		}
		if c.etag == "" {
			next.etag, _, err = o.s.create(ctx, op, object, b, minio.PutObjectOptions{})
		} else {
			next.etag, err = o.s.replace(ctx, op, object, b, c.etag)
		}
		if errors.Is(err, errCondition) {
			continue // somebody was first, or spread meanwhile
		}
		if err == nil && len(sealed) > 0 {
			o.spreadLater(ctx, op, object, &next)
		}
		return o.s.fault(op, err, writes)
	}
}
