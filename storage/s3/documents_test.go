package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"samdok/internal/enginetest"
	"samdok/storage"
	"samdok/storage/body"
	"samdok/storage/keyring"
	"samdok/storage/storagetest"
)

// Variables that tell a child process which bucket its parent uses.
const (
	childEndpoint = "SAMDOK_S3_CHILD_ENDPOINT"
	childBucket   = "SAMDOK_S3_CHILD_BUCKET"
)

// optionsOf are those of a store in a bucket; dir stands for a prefix in it.
func optionsOf(b enginetest.Bucket, dir string) Options {
	sum := sha256.Sum256([]byte(dir))
	return Options{Endpoint: b.Endpoint, Region: b.Region, Bucket: b.Name, AccessKey: b.AccessKey, SecretKey: b.SecretKey,
		Prefix: hex.EncodeToString(sum[:6]) + "/", Proven: true}
}

func openDocuments(o Options, sealed bool) (*Documents, func() error, error) {
	ctx := context.Background()
	s, err := Open(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	var k *Keys
	if sealed {
		m, err := keyring.NewMaster(bytes.Repeat([]byte{7}, keyring.MasterSize))
		if err != nil {
			return nil, nil, err
		}
		if k, err = s.OpenKeys(ctx, m); err != nil {
			return nil, nil, err
		}
	}
	return s.Documents(k), func() error { return errors.Join(k.Close(), s.Close()) }, nil
}

func documentsEngine(t *testing.T, sealed bool) storagetest.DocumentsEngine {
	b := enginetest.S3(t)
	return storagetest.DocumentsEngine{
		Open: func(tb testing.TB, dir string) (storage.Documents, func() error) {
			tb.Helper()
			d, done, err := openDocuments(optionsOf(b, dir), sealed)
			must(tb, err)
			return d, done
		},
		Idle:  func(d storage.Documents) { d.(*Documents).s.idle() },
		Edges: []int64{threshold, body.BlockSize, 5 * body.BlockSize, partSize},
		Large: sealed, Allocate: 32 << 20,
		Damage: func(t *testing.T, dir string, key storage.DocumentKey, check func(string)) {
			damage(t, optionsOf(b, dir), key, check)
		},
	}
}

func TestDocuments(t *testing.T) {
	t.Run("sealed", func(t *testing.T) { storagetest.RunDocuments(t, documentsEngine(t, true)) })
	t.Run("open", func(t *testing.T) { storagetest.RunDocuments(t, documentsEngine(t, false)) })
}

// child is TestMain's part of the suites that kill.
func child() {
	if os.Getenv(childBucket) == "" {
		return
	}
	b := enginetest.Bucket{Endpoint: os.Getenv(childEndpoint), Region: "us-east-1", Name: os.Getenv(childBucket),
		AccessKey: os.Getenv("SAMDOK_S3_CHILD_KEY"), SecretKey: os.Getenv("SAMDOK_S3_CHILD_SECRET")}
	storagetest.OutboxChild(func(dir string) (storagetest.Mailroom, func() error, error) {
		return openMailroom(optionsOf(b, dir), dir, true, childStale)
	})
	storagetest.DocumentsChild(func(dir string) (storage.Documents, error) {
		d, _, err := openDocuments(optionsOf(b, dir), true)
		return d, err
	}, 0, 100, 10_240, 100_000, 300_000, partSize+600_000)
}

// killable is a bucket that child processes know.
func killable(t *testing.T) enginetest.Bucket {
	b := enginetest.S3(t)
	t.Setenv(childEndpoint, b.Endpoint)
	t.Setenv(childBucket, b.Name)
	t.Setenv("SAMDOK_S3_CHILD_KEY", b.AccessKey)
	t.Setenv("SAMDOK_S3_CHILD_SECRET", b.SecretKey)
	return b
}

func TestDocumentsKill(t *testing.T) {
	rounds := 10
	if storagetest.Long() {
		rounds = 100
	}
	b := killable(t)
	e := documentsEngine(t, true)
	e.Open = func(tb testing.TB, dir string) (storage.Documents, func() error) {
		tb.Helper()
		d, done, err := openDocuments(optionsOf(b, dir), true)
		must(tb, err)
		return d, done
	}
	storagetest.RunDocumentsKill(t, e, rounds)
}

// damage alters a bit at many places of an object, cuts it, grows it, puts that of
// another document in its place, and takes it away.
func damage(t *testing.T, o Options, key storage.DocumentKey, check func(string)) {
	s, err := Open(context.Background(), o)
	must(t, err)
	defer s.Close()
	p, ok := parsePlace(key)
	if !ok {
		t.Fatalf("%q is no key", key)
	}
	ctx := context.Background()
	good, _, err := s.get(ctx, "test", p.name(), maxObject)
	must(t, err)
	write := func(b []byte) {
		_, err := s.put(ctx, "test", p.name(), b, condition{}, minio.PutObjectOptions{})
		must(t, err)
	}
	try := func(what string, b []byte) {
		write(b)
		check(what)
	}
	info := len(good) - tailSize - body.InfoFixed - 10
	for _, at := range []int{0, len(good) / 5, len(good) / 2, info, len(good) - tailSize - 1, len(good) - tailSize,
		len(good) - 60, len(good) - 59, len(good) - 58, len(good) - 50, len(good) - 45, len(good) - 40, len(good) - 30, len(good) - 20, len(good) - 1} {
		bad := bytes.Clone(good)
		bad[at] ^= 4
		try("a bit altered", bad)
	}
	try("cut by a byte", good[:len(good)-1])
	try("first byte cut", good[1:])
	try("cut to half", good[:len(good)/2])
	try("cut to nothing", nil)
	try("grown", append(bytes.Clone(good), 0))
	try("grown before", append([]byte{0}, good...))
	if pkg := body.BlockSize + 32; p.letter == letterLarge && len(good) > 3*pkg {
		bad := bytes.Clone(good)
		copy(bad, good[pkg:2*pkg])
		copy(bad[pkg:], good[:pkg])
		try("blocks swapped", bad)
		try("a block cut out", append(bytes.Clone(good[:pkg]), good[2*pkg:]...))
	}
	if p.keyID == 0 { // a sound document that has another key
		q := p
		q.random[0]++
		was, err := parseTail(good, &p, int64(len(good)))
		must(t, err)
		end, _, err := q.end(keyring.Key{}, &storage.DocumentInfo{Size: was.size})
		must(t, err)
		try("another document", append(bytes.Clone(good[:was.stored]), end...))
	}
	if p.keyID != 0 { // a sound document that nobody has sealed
		q := p
		q.keyID, q.letter = 0, letterSmallOpen
		end, _, err := q.end(keyring.Key{}, &storage.DocumentInfo{Size: 3})
		must(t, err)
		try("an open document", append([]byte("abc\x00\x00\x00\x00"), end...))
		q = p
		q.time++
		end, _, err = q.end(keyring.Key{1}, &storage.DocumentInfo{Size: int64(len(good))})
		must(t, err)
		try("another document", append(bytes.Clone(good), end...))
	}
	must(t, s.remove(ctx, "test", p.name()))
	check("removed")
	write(good)
}

// A deletion that was cut off after the data key was gone is not listed, and the
// list ends it.
func TestDeleteCutOff(t *testing.T) {
	s, ctx := open(t), context.Background()
	k := openKeys(t, s)
	d := s.Documents(k)
	key, err := storagetest.PutDocument(ctx, d, []byte("to go"))
	must(t, err)
	p, _ := parsePlace(key)
	_, err = s.put(ctx, "test", deletingDir+string(key), nil, condition{}, minio.PutObjectOptions{})
	must(t, err)
	must(t, k.Destroy(ctx, p.keyID))
	if keys := storagetest.Keys(t, d, time.Time{}, time.Now().Add(time.Hour)); len(keys) != 0 {
		t.Fatal("a document without a data key is listed")
	}
	must(t, s.all(ctx, "test", "", "", func(l listed) error {
		if l.name != pageName(p.keyID>>8) {
			t.Errorf("left: %s", l.name)
		}
		return nil
	}))
}

// Parts of an intake that nobody ended are forgotten after a day.
func TestForgottenParts(t *testing.T) {
	now := time.Now()
	b, ctx := enginetest.S3(t), context.Background()
	o := optionsOf(b, "forgotten")
	o.Clock = func() time.Time { return now }
	s, err := Open(ctx, o)
	must(t, err)
	defer s.Close()
	d := s.Documents(nil)
	w, err := d.Create(ctx, storage.Owner{})
	must(t, err)
	_, err = w.Write(make([]byte, 3*partSize))
	must(t, err)
	must(t, w.(*intake).blocks.upload.land())
	uploads := func() int {
		storagetest.Keys(t, d, time.Time{}, now)
		list, err := s.client.ListMultipartUploads(ctx, s.Bucket, "", "", "", "", 10)
		must(t, err)
		return len(list.Uploads)
	}
	if uploads() != 1 {
		t.Fatal("a young upload was forgotten, or there was none")
	}
	now = now.Add(longestIntake + time.Hour)
	if n := uploads(); b.Server == enginetest.MinIO {
		if n != 1 { // it lists uploads by whole names only, and forgets them itself after a day
			t.Fatal("MinIO lists uploads by prefix now: let it forget them as the others do")
		}
		must(t, w.Cancel())
		return
	} else if n != 0 {
		t.Fatal("an old upload is left")
	}
	if _, err := w.Commit(ctx); err == nil {
		t.Fatal("it was committed all the same")
	}
	must(t, w.Cancel())
}

// With object lock nobody can take a document's bytes away, but it is gone for all
// who ask for it.
func TestLockedDocuments(t *testing.T) {
	t.Run("governance", func(t *testing.T) { lockedDocuments(t, true) })
	t.Run("compliance", func(t *testing.T) { lockedDocuments(t, false) })
}

func lockedDocuments(t *testing.T, governance bool) {
	b, ctx := enginetest.LockedS3(t), context.Background()
	o := optionsOf(b, "locked")
	o.Retention, o.Governance = time.Hour, governance
	s, err := Open(ctx, o)
	must(t, err)
	defer s.Close()
	k := openKeys(t, s)
	d := s.Documents(k)
	for _, n := range []int64{10, 300_000, partSize + 10} {
		want := storagetest.Bytes(1, n)
		key, err := storagetest.PutDocument(ctx, d, want)
		must(t, err)
		must(t, storagetest.CheckDocument(ctx, d, key, want))
		p, _ := parsePlace(key)
		locked(t, s, p.name(), governance)
		must(t, d.Delete(ctx, key))
		if _, err := d.Stat(ctx, key); err == nil {
			t.Fatal("a deleted document is found")
		}
		if n := versions(t, s, s.Prefix+p.name()); n < 1 {
			t.Fatal("the locked bytes are gone")
		}
	}
	must(t, s.Journal("t").Append(ctx, 1, []byte("a")))
	locked(t, s, s.Journal("t").name(1), governance)
}

// locked checks that an object has its retention, and that the store enforces it: with
// governance those who may lift the lock can delete a version, otherwise nobody can.
func locked(t *testing.T, s *Store, name string, governance bool) {
	t.Helper()
	info, err := s.client.StatObject(context.Background(), s.Bucket, s.Prefix+name, minio.StatObjectOptions{})
	must(t, err)
	until, err := time.Parse(time.RFC3339, info.Metadata.Get("X-Amz-Object-Lock-Retain-Until-Date"))
	mode := map[bool]string{true: "GOVERNANCE", false: "COMPLIANCE"}[governance]
	if is := info.Metadata.Get("X-Amz-Object-Lock-Mode"); err != nil || is != mode || time.Until(until) < 50*time.Minute {
		t.Fatalf("%q until %v: %v", is, until, err)
	}
	del := func(lift bool) error {
		return s.client.RemoveObject(t.Context(), s.Bucket, s.Prefix+name, minio.RemoveObjectOptions{VersionID: info.VersionID, GovernanceBypass: lift})
	}
	if info.VersionID == "" || del(false) == nil {
		t.Errorf("version %q of a locked object was deleted", info.VersionID)
	}
	if !governance && del(true) == nil {
		t.Error("the lock was lifted by somebody whom nobody may let do so")
	}
}
