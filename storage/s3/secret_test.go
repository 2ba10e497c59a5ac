package s3

import (
	"context"
	"sync"
	"testing"

	"samdok/storage/keyring"
)

// All nodes have one secret, whoever makes it; it survives a new master key.
func TestSecret(t *testing.T) {
	s, ctx := open(t), context.Background()
	found := make([][32]byte, 8)
	keys := make([]*Keys, len(found))
	for i := range keys {
		keys[i] = openKeys(t, s)
	}
	var all sync.WaitGroup
	for i, k := range keys {
		all.Go(func() {
			var err error
			if found[i], err = s.Secret(ctx, k); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, secret := range found {
		if secret != found[0] || secret == ([32]byte{}) {
			t.Fatal("nodes have different secrets")
		}
	}
	if _, err := s.Secret(ctx, nil); err == nil {
		t.Fatal("read without keys")
	}
	plain := open(t)
	first, err := plain.Secret(ctx, nil)
	must(t, err)
	if again, err := plain.Secret(ctx, nil); err != nil || again != first || first == (keyring.Key{}) {
		t.Fatalf("%v", err)
	}
	if _, err := plain.Secret(ctx, openKeys(t, plain)); err == nil {
		t.Fatal("a store that began without encryption is used with it")
	}
}
