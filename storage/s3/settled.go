package s3

import (
	"context"
	"errors"

	"github.com/minio/minio-go/v7"
)

// Settle writes what is settled once for all nodes, under a name of its own, and
// returns what is settled: b, or what another node was first with.
func (s *Store) Settle(ctx context.Context, name string, b []byte) (settled []byte, first bool, err error) {
	const op = "s3.Settle"
	_, found, err := s.create(ctx, op, settledName(name), b, minio.PutObjectOptions{})
	if errors.Is(err, errCondition) && found != nil {
		return found, false, nil
	}
	if err != nil {
		return nil, false, s.fault(op, err, writes)
	}
	return b, true, nil
}

// Settled is what was settled under a name; ErrNone.
func (s *Store) Settled(ctx context.Context, name string) ([]byte, error) {
	const op = "s3.Settled"
	b, _, err := s.get(ctx, op, settledName(name), maxObject)
	if errors.Is(err, errMissing) {
		return nil, ErrNone
	}
	return b, s.fault(op, err, reads)
}

func settledName(name string) string { return "settled/" + name }

// Erasures is the journal of what was erased, in the order of all nodes.
func (s *Store) Erasures() *Journal { return &Journal{s, "erasures/"} }
