package s3

import (
	"context"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"samdok/fault"
	"samdok/storage"
	"samdok/storage/body"
	"samdok/storage/keyring"
)

// longestIntake is how old the parts of an uncommitted document may get.
const longestIntake = 24 * time.Hour

// intake is one document on its way in. A small one is held in memory; of a large
// one two parts are.
type intake struct {
	d      *Documents
	ctx    context.Context
	owner  storage.Owner
	small  []byte
	size   int64
	blocks *blocks // nil while it is small
	key    storage.DocumentKey
	err    error // why nothing more is taken
}

// blocks is a document that grew beyond the threshold.
type blocks struct {
	place  place
	key    keyring.Key
	body   io.WriteCloser
	sha1   hash.Hash
	sha256 hash.Hash
	upload *upload
}

var errEnded = errors.New("s3: the intake has ended")

// Create implements storage.Documents. ctx also bounds writes that must wait.
func (d *Documents) Create(ctx context.Context, owner storage.Owner) (storage.DocumentWriter, error) {
	if len(owner.Tenant)+len(owner.UniqueID) > storage.MaxOwner {
		return nil, fault.New(fault.TooLarge, "s3.Create", fault.RepositoryError,
			"tenant and uniqueId of a document are longer than the limit of %d bytes", storage.MaxOwner)
	}
	return &intake{d: d, ctx: ctx, owner: owner}, nil
}

func (w *intake) Key() storage.DocumentKey { return w.key }

// Write implements io.Writer.
func (w *intake) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if w.blocks == nil {
		if len(w.small)+len(p) <= threshold {
			w.small = append(w.small, p...)
			w.size += int64(len(p))
			return len(p), nil
		}
		if err := w.grow(); err != nil {
			w.err = w.d.fault("s3.Write", err, writes)
			return 0, w.err
		}
	}
	n, err := w.blocks.write(p)
	w.size += int64(n)
	if err != nil {
		w.err = w.d.fault("s3.Write", err, writes)
	}
	return n, w.err
}

func (b *blocks) write(p []byte) (int, error) {
	b.sha1.Write(p) // hashes never fail
	b.sha256.Write(p)
	return b.body.Write(p)
}

// begin is the place of a new document.
func (w *intake) begin(ctx context.Context, sealed, open byte) (p place, key keyring.Key, err error) {
	p.letter = open
	if w.d.keys != nil {
		p.letter = sealed
		if p.keyID, key, err = w.d.keys.New(ctx); err != nil {
			return p, key, err
		}
	}
	p.time = w.d.s.Clock().UnixNano()
	_, err = rand.Read(p.random[:])
	return p, key, err
}

// bodyKey is another one than the document's own, which seals the info.
func bodyKey(key keyring.Key) (keyring.Key, error) { return body.Derive(key, "samdok s3 1 body") }

// grow makes a small document a large one.
func (w *intake) grow() error {
	if w.ctx.Err() != nil {
		return gone(w.ctx)
	}
	b := &blocks{sha1: sha1.New(), sha256: sha256.New()}
	var err error
	if b.place, b.key, err = w.begin(w.ctx, letterLarge, letterLargeOpen); err != nil {
		return err
	}
	b.upload = w.d.s.newUpload(w.ctx, b.place.name())
	key, err := bodyKey(b.key)
	if err != nil {
		return err
	}
	if b.body, err = b.place.kind().NewWriter(b.upload, &key); err != nil {
		return err
	}
	w.blocks = b
	_, err = b.write(w.small)
	w.small = nil
	return err
}

// Commit implements storage.DocumentWriter.
func (w *intake) Commit(ctx context.Context) (storage.DocumentInfo, error) {
	const op = "s3.Commit"
	if w.err != nil {
		return storage.DocumentInfo{}, w.err
	}
	info := storage.DocumentInfo{Owner: w.owner, Size: w.size}
	var p place
	var err error
	switch {
	case ctx.Err() != nil:
		err = gone(ctx)
	case w.blocks != nil:
		p, err = w.blocks.commit(ctx, w.d.s.Clock(), &info)
	default:
		p, err = w.commitSmall(ctx, &info)
	}
	if err != nil {
		w.err = w.d.fault(op, err, writes)
		return storage.DocumentInfo{}, w.err
	}
	info.Modified = time.Unix(0, p.time).UTC()
	w.key, w.err = p.key(), errEnded
	return info, nil
}

// commitSmall writes a document in one go.
func (w *intake) commitSmall(ctx context.Context, info *storage.DocumentInfo) (place, error) {
	p, key, err := w.begin(ctx, letterSmall, letterSmallOpen)
	if err != nil {
		return p, err
	}
	info.SHA1, info.SHA256 = sha1.Sum(w.small), sha256.Sum256(w.small)
	end, aead, err := p.end(key, info)
	if err != nil {
		return p, err
	}
	object := buffer{}
	if p.letter == letterSmall {
		object = body.Seal(make([]byte, 0, len(w.small)+body.TagSize+len(end)), w.small, end[len(end)-tailSize:], aead)
	} else {
		checked, err := p.kind().NewWriter(&object, nil)
		if err == nil {
			_, err = checked.Write(w.small)
		}
		if err = errors.Join(err, checked.Close()); err != nil {
			return p, err
		}
	}
	_, err = w.d.s.put(ctx, "s3.Commit", p.name(), append(object, end...), condition{}, w.d.s.kept())
	return p, err
}

// commit ends a large document.
func (b *blocks) commit(ctx context.Context, now time.Time, info *storage.DocumentInfo) (place, error) {
	if now.Sub(time.Unix(0, b.place.time)) > longestIntake/2 {
		return b.place, fmt.Errorf("the document took longer than %s to come in", longestIntake/2)
	}
	if err := b.body.Close(); err != nil {
		return b.place, err
	}
	b.sha1.Sum(info.SHA1[:0])
	b.sha256.Sum(info.SHA256[:0])
	end, _, err := b.place.end(b.key, info)
	if err != nil {
		return b.place, err
	}
	return b.place, b.upload.finish(ctx, end)
}

// Cancel implements storage.DocumentWriter.
func (w *intake) Cancel() error {
	if w.key != "" {
		return nil
	}
	w.err, w.small = errEnded, nil
	if w.blocks == nil {
		return nil
	}
	up := w.blocks.upload
	w.blocks = nil
	return w.d.fault("s3.Cancel", up.cancel(), writes)
}

// buffer takes what is written.
type buffer []byte

func (b *buffer) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}
