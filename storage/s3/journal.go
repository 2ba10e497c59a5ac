package s3

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"samdok/access"
	"samdok/fault"
)

var (
	// ErrTaken: another batch has the number; errors.As with *Taken tells which.
	ErrTaken = errors.New("s3: the number is taken by another batch")
	// ErrNone: no batch has the number yet.
	ErrNone = errors.New("s3: no batch has this number yet")
)

// Taken is ErrTaken with the batch that has the number.
type Taken struct{ Batch []byte }

func (*Taken) Error() string { return ErrTaken.Error() }

// Is makes it ErrTaken.
func (*Taken) Is(target error) bool { return target == ErrTaken }

// MaxBatch is the longest batch, bytes.
const MaxBatch = maxObject

// Journal is the order of a tenant's batches, numbered from 1 without gaps. It is
// written by any number of nodes: each number once.
type Journal struct {
	s   *Store
	dir string // with a slash at its end
}

// Journal of a tenant; it need not have begun.
func (s *Store) Journal(t access.Tenant) *Journal {
	return &Journal{s, journalDir + escape(t) + "/"}
}

func (j *Journal) name(seq uint64) string { return fmt.Sprintf("%s%016x", j.dir, seq) }

// Append gives a number to a batch: durable, as the store understands it, and
// seen by all nodes when it returns nil. A writer appends at the number behind the
// last one it has read, so that there are no gaps. ErrTaken: somebody was first;
// never when the batch there is the same, for then an answer was lost. Of other
// errors, fault.Busy and fault.TooLarge mean that nothing was written; any other
// leaves the outcome unknown, and appending the same again settles it.
func (j *Journal) Append(ctx context.Context, seq uint64, batch []byte) error {
	const op = "s3.Append"
	if len(batch) > MaxBatch {
		return fault.New(fault.TooLarge, op, fault.RegistryOutOfResources, "A batch of changes may take at most %d MB.", MaxBatch>>20)
	}
	_, found, err := j.s.create(ctx, op, j.name(seq), batch, j.s.locked(minio.PutObjectOptions{}))
	if errors.Is(err, errCondition) {
		return &Taken{found}
	}
	return j.s.fault(op, err, writes)
}

// Read returns a batch. ErrNone.
func (j *Journal) Read(ctx context.Context, seq uint64) ([]byte, error) {
	const op = "s3.Read"
	b, _, err := j.s.get(ctx, op, j.name(seq), maxObject)
	if errors.Is(err, errMissing) {
		return nil, ErrNone
	}
	return b, j.s.fault(op, err, reads)
}

// End is the number behind the last batch: where to append. hint is a number that
// is known to have been used, or 0; a near one saves calls.
func (j *Journal) End(ctx context.Context, hint uint64) (next uint64, err error) {
	last, more, err := j.after(ctx, hint, pageSize)
	if err != nil {
		return 0, err
	}
	next = max(hint, last) + 1
	// The numbers have no gaps, so that leaps and halving find the end in a few
	// calls, however far it is.
	for leap := uint64(pageSize); more; leap *= 2 {
		far := next + leap
		if last, _, err = j.after(ctx, far, 1); err != nil {
			return 0, err
		}
		if more = last > 0; more {
			next = last + 1
			continue
		}
		return j.between(ctx, next, far+1)
	}
	return next, nil
}

// between finds the end: everything below low is used, nothing from high on.
func (j *Journal) between(ctx context.Context, low, high uint64) (uint64, error) {
	for low < high {
		mid := low + (high-low)/2
		last, _, err := j.after(ctx, mid-1, pageSize)
		switch {
		case err != nil:
			return 0, err
		case last == 0: // nothing from mid on
			high = mid
		case last < mid+pageSize-1: // the page reached the end
			return last + 1, nil
		default:
			low = last + 1
		}
	}
	return low, nil
}

// after lists numbers behind one: the last of at most so many, 0 when there are
// none, and whether there may be more.
func (j *Journal) after(ctx context.Context, seq uint64, most int) (last uint64, more bool, err error) {
	const op = "s3.End"
	list, err := j.s.page(ctx, op, j.dir, j.name(seq), false, most)
	if err != nil {
		return 0, false, j.s.fault(op, err, reads)
	}
	for _, l := range list {
		if n, ok := parseSeq(strings.TrimPrefix(l.name, j.dir)); ok {
			last = max(last, n)
		}
	}
	return last, len(list) >= most, nil
}

func parseSeq(s string) (n uint64, ok bool) {
	if len(s) != 16 {
		return 0, false
	}
	_, err := fmt.Sscanf(s, "%016x", &n)
	return n, err == nil && fmt.Sprintf("%016x", n) == s
}

// Tenants are those whose journal has begun.
func (s *Store) Tenants(ctx context.Context) (all []access.Tenant, err error) {
	const op, dir = "s3.Tenants", journalDir
	for after := ""; ; {
		list, err := s.page(ctx, op, dir, after, false, pageSize)
		if err != nil {
			return nil, s.fault(op, err, reads)
		}
		for _, l := range list {
			if t, ok := unescape(strings.TrimSuffix(strings.TrimPrefix(l.name, dir), "/")); ok {
				all = append(all, t)
			}
		}
		if len(list) < pageSize {
			return all, nil
		}
		// '0' follows the slash: everything in that folder is passed over.
		after = strings.TrimSuffix(list[len(list)-1].name, "/") + "0"
	}
}

// locked adds the lock against deletion, if one is asked for.
func (s *Store) locked(o minio.PutObjectOptions) minio.PutObjectOptions {
	if s.Retention > 0 {
		o.Mode = minio.Compliance
		if s.Governance {
			o.Mode = minio.Governance
		}
		o.RetainUntilDate = s.Clock().Add(s.Retention).UTC().Truncate(time.Second)
	}
	return o
}
