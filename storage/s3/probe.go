package s3

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/minio/minio-go/v7"
)

const (
	proofRounds = 3
	proofRacers = 8
)

// prove has writers race for the same objects. A store that lets two of them win
// would lose acknowledged changes: Open refuses it.
func (s *Store) prove(ctx context.Context) error {
	const op = "s3.Open"
	var name [8]byte
	if _, err := rand.Read(name[:]); err != nil {
		return err
	}
	for round := range proofRounds {
		object := "probe/" + hex.EncodeToString(name[:]) + "-" + strconv.Itoa(round)
		err := s.proveOn(ctx, op, object)
		if gone := s.remove(ctx, op, object); err == nil {
			err = gone
		}
		if err != nil {
			return s.fault(op, err, writes)
		}
	}
	return nil
}

func (s *Store) proveOn(ctx context.Context, op, object string) error {
	first, err := s.race(ctx, op, object, "If-None-Match", condition{create: true})
	if err != nil {
		return err
	}
	second, err := s.race(ctx, op, object, "If-Match", condition{etag: first})
	if err != nil {
		return err
	}
	// What was true once is not true again.
	for _, c := range []condition{{create: true}, {etag: first}} {
		if _, err := s.put(ctx, op, object, []byte("late"), c, s.probing()); err == nil {
			return s.unproven("a write whose condition does not hold is taken")
		} else if !errors.Is(err, errCondition) {
			return err
		}
	}
	data, etag, err := s.get(ctx, op, object, 100)
	if err == nil && (etag != second || string(data) == "late") {
		err = s.unproven("a refused write is stored")
	}
	return err
}

// race lets writers try the same at once; exactly one must win, whose ETag is
// returned and whose bytes stay.
func (s *Store) race(ctx context.Context, op, object, what string, c condition) (etag string, err error) {
	var (
		mu       sync.Mutex
		all      sync.WaitGroup
		winner   string
		won      int
		failures error
	)
	for i := range proofRacers {
		all.Go(func() {
			text := what + " " + strconv.Itoa(i)
			got, err := s.put(ctx, op, object, []byte(text), c, s.probing())
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				etag, winner, won = got, text, won+1
			case !errors.Is(err, errCondition):
				failures = err
			}
		})
	}
	all.Wait()
	if failures != nil {
		return "", failures
	}
	if won != 1 {
		return "", s.unproven(fmt.Sprintf("of %d writers that race with %s, %d win", proofRacers, what, won))
	}
	data, is, err := s.get(ctx, op, object, 100)
	if err == nil && (string(data) != winner || is != etag) {
		err = s.unproven("the winner's bytes are not what is stored")
	}
	return etag, err
}

// probing writes in the storage class of documents: one that the store does not have,
// or does not read at once, is found out before a document is lost from sight.
func (s *Store) probing() minio.PutObjectOptions {
	return minio.PutObjectOptions{StorageClass: s.StorageClass}
}

func (s *Store) unproven(what string) error {
	return fmt.Errorf("S3 at %s, bucket %s, does not keep the conditions of writes (%s): acknowledged changes would be lost; use a store that supports If-None-Match and If-Match", s.Endpoint, s.Bucket, what)
}
