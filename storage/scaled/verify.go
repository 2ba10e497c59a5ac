package scaled

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"samdok/access"
	"samdok/storage/elastic"
	"samdok/storage/keyring"
	"samdok/storage/s3"
	"samdok/storage/verify"
)

// Verify compares a tenant's journal with itself, and each of its changes with the
// index. The journal is read to where the index is; nodes may go on meanwhile. It
// holds a few batches in memory. An error is one of the check itself.
func (l *Log) Verify(ctx context.Context, t access.Tenant, report func(verify.Difference), progress func(part string, done, total int64)) (verify.Counts, error) {
	v := verifier{Log: l, tenant: t, report: report, progress: progress}
	err := v.journal(ctx)
	return v.counts, wrap("scaled.Verify", err, onlyRead)
}

type verifier struct {
	*Log
	tenant   access.Tenant
	report   func(verify.Difference)
	progress func(part string, done, total int64)
	counts   verify.Counts
	some     []elastic.Held // changes that are not compared yet
	keys     []uint64       // of some
}

func (v *verifier) say(ref string, format string, args ...any) {
	v.report(verify.Difference{Stream: ref, What: fmt.Sprintf(format, args...)})
}

// hashed is a batch with its hash; err tells what is wrong with it.
type hashed struct {
	raw  *rawBatch
	hash [sha256.Size]byte
	err  error
}

// errBatchGone: the index knows of a batch that the journal does not have.
var errBatchGone = errors.New("it is missing; restore the bucket from a backup")

// journal walks the chain.
func (v *verifier) journal(ctx context.Context) error {
	one, err := v.reading(ctx, v.tenant)
	if err != nil {
		return err
	}
	at, err := v.index.Watermark(ctx, v.tenant)
	if err != nil {
		return err
	}
	var prev [sha256.Size]byte
	seq := uint64(0)
	for b, err := range inOrder(ctx, 1, at.Seq, func(ctx context.Context, seq uint64) (hashed, error) {
		d, err := one.journal.Read(ctx, seq)
		if errors.Is(err, s3.ErrNone) {
			return hashed{err: errBatchGone}, nil
		}
		if err != nil {
			return hashed{}, err
		}
		raw, err := parseBatch(d)
		return hashed{raw, sha256.Sum256(d), err}, nil
	}) {
		if err != nil {
			return err
		}
		seq++
		switch {
		case b.err != nil:
			v.say("", "batch %d: %v", seq, b.err)
		case b.raw.seq != seq || seq > 1 && b.raw.prev != prev:
			v.say("", "batch %d does not follow the one before it", seq)
		}
		prev = b.hash
		if b.err == nil {
			if err := v.note(ctx, b.raw); err != nil {
				return err
			}
		}
		if v.progress != nil {
			v.progress(verify.PartLog, int64(seq), int64(at.Seq))
		}
	}
	return v.compare(ctx)
}

// comparedAtOnce is how many changes the index is asked about at a time.
const comparedAtOnce = 512

func (v *verifier) note(ctx context.Context, b *rawBatch) error {
	for i := range b.records {
		r := &b.records[i]
		if r.kind != recordChange {
			continue
		}
		v.counts.Changes++
		v.some, v.keys = append(v.some, elastic.Held{Ref: r.ref, Version: r.version}), append(v.keys, r.keyID)
		if len(v.some) == comparedAtOnce {
			if err := v.compare(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// compare asks the index about changes. One whose data key was destroyed may be
// missing.
func (v *verifier) compare(ctx context.Context) error {
	if err := v.index.Hold(ctx, v.tenant, v.some); err != nil {
		return err
	}
	for i := range v.some {
		c := &v.some[i]
		if c.Head >= c.Version && c.There {
			continue
		}
		if id := v.keys[i]; id != 0 {
			_, err := v.o.Keys.Key(ctx, id)
			if errors.Is(err, keyring.ErrDestroyed) {
				continue
			}
			if err != nil {
				return err
			}
		}
		ref := hex.EncodeToString(c.Ref[:])
		switch {
		case c.Head == 0:
			v.say(ref, "the stream is not in the index")
		case c.Head < c.Version:
			v.say(ref, "the journal is at version %d, the index at %d", c.Version, c.Head)
		default:
			v.say(ref, "version %d of the journal is not in the index", c.Version)
		}
	}
	v.some, v.keys = v.some[:0], v.keys[:0]
	return nil
}
