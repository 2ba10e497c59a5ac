package s3

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"samdok/internal/enginetest"
	"samdok/storage/keyring"
)

func master(t testing.TB, b byte) keyring.Master {
	t.Helper()
	m, err := keyring.NewMaster(bytes.Repeat([]byte{b}, keyring.MasterSize))
	must(t, err)
	return m
}

func openKeys(t testing.TB, s *Store, m ...keyring.Master) *Keys {
	t.Helper()
	if len(m) == 0 {
		m = append(m, master(t, 7))
	}
	k, err := s.OpenKeys(context.Background(), m[0], m[1:]...)
	must(t, err)
	t.Cleanup(func() { must(t, k.Close()) })
	return k
}

func newKeys(t testing.TB, k *Keys, n int) map[uint64]keyring.Key {
	t.Helper()
	all := map[uint64]keyring.Key{}
	for range n {
		id, key, err := k.New(context.Background())
		must(t, err)
		if _, ok := all[id]; ok || id == 0 || key == (keyring.Key{}) {
			t.Fatalf("key %x is given twice, or nothing", id)
		}
		all[id] = key
	}
	return all
}

func TestKeys(t *testing.T) {
	s, ctx := open(t), context.Background()
	k := openKeys(t, s)
	all := newKeys(t, k, 600)
	other := openKeys(t, s) // another node
	for id, key := range all {
		for _, k := range []*Keys{k, other} {
			if got, err := k.Key(ctx, id); got != key || err != nil {
				t.Fatalf("key %x: %v", id, err)
			}
		}
	}
	for id := range newKeys(t, other, 300) {
		if _, ok := all[id]; ok {
			t.Fatal("two nodes give out one number")
		}
	}
	for _, id := range []uint64{0, 1, 1 << 40, 1<<63 + 5} {
		if _, err := k.Key(ctx, id); !errors.Is(err, keyring.ErrUnknown) {
			t.Fatalf("%x: %v", id, err)
		}
		if err := k.Destroy(ctx, id); !errors.Is(err, keyring.ErrUnknown) {
			t.Fatalf("%x: %v", id, err)
		}
	}
	if _, err := s.OpenKeys(ctx, master(t, 8)); !errors.Is(err, keyring.ErrOtherMaster) {
		t.Fatal(err)
	}
	var off *Keys
	if id, key, err := off.New(ctx); id != 0 || key != (keyring.Key{}) || err != nil || off.Destroy(ctx, 1) != nil || off.Close() != nil {
		t.Fatal("off")
	}
	if _, err := off.Key(ctx, 1); !errors.Is(err, keyring.ErrUnknown) {
		t.Fatal(err)
	}
}

// Two nodes destroy keys of the same pages at the same time: all of them die on
// both, the rest lives.
func TestDestroy(t *testing.T) {
	s, ctx := open(t), context.Background()
	nodes := []*Keys{openKeys(t, s), openKeys(t, s)}
	all := newKeys(t, nodes[0], 256)
	for id := range all { // both know the page
		_, err := nodes[1].Key(ctx, id)
		must(t, err)
		break
	}
	dead := map[uint64]bool{}
	var wg sync.WaitGroup
	n := 0
	for id := range all {
		if n++; n%3 == 0 {
			continue
		}
		dead[id] = true
		node := nodes[n%2]
		wg.Go(func() {
			if err := node.Destroy(ctx, id); err != nil {
				t.Error(err)
			}
			if err := node.Destroy(ctx, id, id); err != nil {
				t.Error(err)
			}
			if _, err := node.Key(ctx, id); !errors.Is(err, keyring.ErrDestroyed) {
				t.Errorf("on the node that destroyed it: %v", err)
			}
		})
	}
	wg.Wait()
	for limit := time.Now().Add(keyLife + time.Second); ; time.Sleep(50 * time.Millisecond) {
		living, late := 0, time.Now().After(limit)
		for id, key := range all {
			got, err := nodes[1].Key(ctx, id)
			switch {
			case dead[id] && err == nil:
				living++
			case dead[id] && !errors.Is(err, keyring.ErrDestroyed), !dead[id] && (err != nil || got != key):
				t.Fatalf("key %x: %v", id, err)
			}
		}
		if living == 0 {
			break
		}
		if late {
			t.Fatalf("%d destroyed keys live on another node", living)
		}
	}
	k := openKeys(t, s)
	for id := range all {
		if _, err := k.Key(ctx, id); errors.Is(err, keyring.ErrDestroyed) != dead[id] {
			t.Fatal(err)
		}
	}
}

// Pages are wrapped anew while nodes that know both master keys serve; the former
// one is of no use then, and what was destroyed stays so.
func TestRewrap(t *testing.T) {
	s, ctx := open(t), context.Background()
	former, next := master(t, 7), master(t, 8)
	k := openKeys(t, s, former)
	all := newKeys(t, k, 700)
	var gone uint64
	for gone = range all {
		break
	}
	must(t, k.Destroy(ctx, gone))
	both := openKeys(t, s, next, former)
	cut, cancel := context.WithCancel(ctx)
	if _, err := both.Rewrap(cut, func(pages int64) { cancel() }); err == nil {
		t.Log("three pages were wrapped before the end")
	}
	pages := int64(0)
	_, err := both.Rewrap(ctx, func(n int64) { pages = max(pages, n) })
	must(t, err)
	if pages < 3 {
		t.Fatal(pages)
	}
	if _, err := s.OpenKeys(ctx, former); !errors.Is(err, keyring.ErrOtherMaster) {
		t.Fatal(err)
	}
	fresh := openKeys(t, s, next)
	for id, key := range all {
		got, err := fresh.Key(ctx, id)
		if id == gone && !errors.Is(err, keyring.ErrDestroyed) || id != gone && (got != key || err != nil) {
			t.Fatalf("key %x: %v", id, err)
		}
	}
}

// What a store lists while it replaces an object is not taken for one.
func TestUnfinishedObjectsAreNotListed(t *testing.T) {
	s, ctx := open(t), context.Background()
	newKeys(t, openKeys(t, s), 1)
	_, err := s.client.PutObject(ctx, s.Bucket, s.Prefix+"keys/.00de5e17773ab0.sgwtmp.1795391789850949911", strings.NewReader("x"), 1, "", "", minio.PutObjectOptions{})
	must(t, err)
	k := openKeys(t, s)
	if n, err := k.Rewrap(ctx, nil); err != nil {
		t.Error(n, err)
	}
}

// Who watches is told of each key once, by the node that destroyed it.
func TestWatchDestroyed(t *testing.T) {
	s, ctx := open(t), context.Background()
	k, other := openKeys(t, s), openKeys(t, s)
	var mu sync.Mutex
	told := map[uint64]int{}
	for _, node := range []*Keys{k, other} {
		node.Watch(func(id uint64) {
			mu.Lock()
			defer mu.Unlock()
			told[id]++
		})
	}
	all := newKeys(t, k, 5)
	for id := range all {
		must(t, k.Destroy(ctx, id, id))
		must(t, other.Destroy(ctx, id))
	}
	mu.Lock()
	defer mu.Unlock()
	for id := range all {
		if told[id] != 1 {
			t.Errorf("key %x was told of %d times", id, told[id])
		}
	}
}

// A page that was altered is noticed; keys cannot change places.
func TestPageDamage(t *testing.T) {
	s, ctx := open(t), context.Background()
	all := newKeys(t, openKeys(t, s), 1)
	var id uint64
	for id = range all {
		break
	}
	good, etag, err := s.get(ctx, "test", pageName(id>>8), pageBytes)
	must(t, err)
	slot := pageHead + int(id&0xff)*slotSize
	other := pageHead + int((id+1)&0xff)*slotSize
	for name, change := range map[string]func(b []byte) []byte{
		"a bit of the slot": func(b []byte) []byte { b[slot+20] ^= 1; return b },
		"the slot's state":  func(b []byte) []byte { b[slot+60] = 9; return b },
		"the head":          func(b []byte) []byte { b[20] ^= 1; return b },
		"another key":       func(b []byte) []byte { copy(b[slot:slot+slotSize], b[other:other+slotSize]); return b },
		"cut":               func(b []byte) []byte { return b[:len(b)-1] },
		"nothing":           func([]byte) []byte { return nil },
	} {
		etag, err = s.replace(ctx, "test", pageName(id>>8), change(bytes.Clone(good)), etag)
		must(t, err)
		k := &Keys{s: s, masters: []keyring.Master{master(t, 7)}, pages: map[uint64]*known{}}
		if _, err := k.Key(ctx, id); !errors.Is(err, keyring.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// In a bucket that keeps versions, nothing of a page with the destroyed key is left.
func TestDestroyVersions(t *testing.T) {
	b, ctx := enginetest.LockedS3(t), context.Background()
	s := open(t, func(o *Options) { o.Bucket = b.Name })
	k := openKeys(t, s)
	all := newKeys(t, k, 3)
	if !s.versioned {
		t.Fatal("the bucket does not keep versions")
	}
	for id := range all {
		must(t, k.Destroy(ctx, id))
	}
	if n := versions(t, s, "keys/"); n != 1 {
		t.Fatalf("%d versions of the page", n)
	}
}
