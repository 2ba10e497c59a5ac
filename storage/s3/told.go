package s3

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
)

// toldDir holds what each node tells the others about its ledger.
const toldDir = "ledger-told/"

// Told is what a node told last, and how long ago by the store's clock.
type Told struct {
	Node string
	Text []byte
	At   time.Time
}

// Tell replaces what a node tells the others about its ledger.
func (s *Store) Tell(ctx context.Context, node string, text []byte) error {
	const op = "s3.Tell"
	_, err := s.put(ctx, op, toldDir+node, text, condition{}, minio.PutObjectOptions{})
	return s.fault(op, err, writes)
}

// Untell takes away what a node told, after it has ended.
func (s *Store) Untell(ctx context.Context, node string) error {
	const op = "s3.Untell"
	if s.versioned {
		return s.fault(op, s.purge(ctx, op, toldDir+node, true), writes)
	}
	return s.fault(op, s.remove(ctx, op, toldDir+node), writes)
}

// Told is what all nodes told last, in the order of their names.
func (s *Store) Told(ctx context.Context) (all []Told, err error) {
	const op = "s3.Told"
	if err := s.all(ctx, op, toldDir, "", func(l listed) error {
		all = append(all, Told{Node: strings.TrimPrefix(l.name, toldDir), At: l.modified})
		return nil
	}); err != nil {
		return nil, s.fault(op, err, reads)
	}
	err = together(len(all), func(i int) (err error) {
		all[i].Text, _, err = s.get(ctx, op, toldDir+all[i].Node, maxObject)
		if errors.Is(err, errMissing) {
			return nil // it ended meanwhile
		}
		return err
	})
	return all, s.fault(op, err, reads)
}

// LedgerKeys is the journal of the keys that all nodes' ledgers are signed with.
func (s *Store) LedgerKeys() *Journal { return &Journal{s, "ledger-keys/"} }

// LedgerLists is the journal of the signed lists of all nodes' ledgers.
func (s *Store) LedgerLists() *Journal { return &Journal{s, "ledger-lists/"} }
