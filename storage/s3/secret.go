package s3

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/minio/minio-go/v7"

	"samdok/storage/keyring"
)

// The object "secret": magic 7, form 1 byte, then
//
//	form 1: the number of a data key (8 bytes, big-endian), which is the secret
//	form 2: the secret, 32 bytes; without encryption
const (
	secretName   = "secret"
	secretMagic  = "samdokS"
	secretSealed = 1
	secretPlain  = 2
)

// Secret is a random key that is the same on all nodes for as long as the store
// lives: that of the hashes which stand for identifiers in the index. The first
// node makes it.
func (s *Store) Secret(ctx context.Context, k *Keys) (secret [32]byte, err error) {
	const op = "s3.Secret"
	d, _, err := s.get(ctx, op, secretName, pageBytes)
	if errors.Is(err, errMissing) {
		d, err = s.makeSecret(ctx, op, k)
	}
	if err != nil {
		return secret, s.fault(op, err, reads)
	}
	form, rest := byte(0), []byte(nil)
	if len(d) > len(secretMagic) && string(d[:len(secretMagic)]) == secretMagic {
		form, rest = d[len(secretMagic)], d[len(secretMagic)+1:]
	}
	switch {
	case form == secretSealed && len(rest) == 8:
		return k.Key(ctx, binary.BigEndian.Uint64(rest))
	case form == secretPlain && len(rest) == len(secret) && k == nil:
		copy(secret[:], rest)
		return secret, nil
	case form == secretPlain && len(rest) == len(secret):
		return secret, fmt.Errorf("S3 at %s, bucket %s was begun without encryption; go on without it, or begin with an empty bucket", s.Endpoint, s.Bucket)
	}
	return secret, fmt.Errorf("S3 at %s, bucket %s: the object %q: %w; put it back from a backup", s.Endpoint, s.Bucket, secretName, keyring.ErrDamaged)
}

// makeSecret creates the object; another node may be first.
func (s *Store) makeSecret(ctx context.Context, op string, k *Keys) ([]byte, error) {
	d := append([]byte(secretMagic), secretPlain)
	if k != nil {
		id, _, err := k.New(ctx)
		if err != nil {
			return nil, err
		}
		d[len(secretMagic)] = secretSealed
		d = binary.BigEndian.AppendUint64(d, id)
	} else {
		d = append(d, make([]byte, 32)...)
		if _, err := rand.Read(d[len(secretMagic)+1:]); err != nil {
			return nil, err
		}
	}
	_, found, err := s.create(ctx, op, secretName, d, minio.PutObjectOptions{})
	if errors.Is(err, errCondition) && found != nil {
		return found, nil
	}
	return d, err
}
