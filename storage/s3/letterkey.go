package s3

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/minio/minio-go/v7"

	"samdok/storage"
	"samdok/storage/keyring"
)

// letterKeys gives letters a data key for each day, of each process. A letter that
// was settled is deleted, but a copy of the bucket may still have it: it is gone
// for good when the key of its day is destroyed.
type letterKeys struct {
	mu  sync.Mutex
	day string
	id  uint64
	key keyring.Key
}

// letterKeysDir lists the keys: an empty object <day>-<number> for each.
const letterKeysDir = "outbox/keys/"

// of is the data key for letters that are written now; 0 without encryption.
func (k *letterKeys) of(ctx context.Context, o *Outbox) (uint64, keyring.Key, error) {
	if o.keys == nil {
		return 0, keyring.Key{}, nil
	}
	const op = "s3.Post"
	day := o.s.Clock().UTC().Format("20060102")
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.day == day {
		return k.id, k.key, nil
	}
	id, key, err := o.keys.New(ctx)
	if err != nil {
		return 0, key, err
	}
	name := fmt.Sprintf("%s%s-%x", letterKeysDir, day, id)
	if _, err := o.s.put(ctx, op, name, nil, condition{}, minio.PutObjectOptions{}); err != nil {
		return 0, key, err
	}
	k.day, k.id, k.key = day, id, key
	if err := o.destroyLetterKeys(ctx); err != nil {
		o.s.Log.Warn("data keys of former letters are destroyed later", "err", o.s.fault(op, err, writes))
	}
	return id, key, nil
}

// destroyLetterKeys destroys the keys of days that are over for all nodes, and
// that no letter has.
func (o *Outbox) destroyLetterKeys(ctx context.Context) error {
	const op = "s3.Post"
	old := letterKeysDir + o.s.Clock().UTC().AddDate(0, 0, -1).Format("20060102")
	ids := map[uint64]string{}
	err := o.s.all(ctx, op, letterKeysDir, "", func(l listed) error {
		if l.name >= old {
			return nil
		}
		_, number, _ := strings.Cut(l.name[len(letterKeysDir):], "-")
		id, err := strconv.ParseUint(number, 16, 64)
		if err == nil {
			ids[id] = l.name
		}
		return nil
	})
	if err != nil || len(ids) == 0 {
		return err
	}
	for _, q := range storage.Queues() {
		list, _, err := o.letters(ctx, op, q)
		if err != nil {
			return err
		}
		for _, l := range list {
			delete(ids, l.keyID)
		}
	}
	for id, name := range ids {
		if err := o.keys.Destroy(ctx, id); err != nil {
			return err
		}
		if err := o.s.remove(ctx, op, name); err != nil {
			return err
		}
	}
	return nil
}
