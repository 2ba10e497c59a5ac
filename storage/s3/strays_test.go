package s3

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/minio/minio-go/v7"

	"samdok/access"
	"samdok/storage/storagetest"
)

// What somebody puts below documents/ and journal/ is named; what nodes write meanwhile
// is not.
func TestStrays(t *testing.T) {
	s, ctx := open(t), context.Background()
	d := s.Documents(openKeys(t, s))
	write := func(from, to uint64) {
		for seq := from; seq <= to; seq++ {
			for _, tenant := range []string{"t", "t/2"} {
				if err := s.Journal(access.Tenant(tenant)).Append(ctx, seq, []byte{byte(seq)}); err != nil {
					t.Error(err)
				}
			}
			if _, err := storagetest.PutDocument(ctx, d, []byte("a document")); err != nil {
				t.Error(err)
			}
		}
	}
	strays := func() (names []string) {
		t.Helper()
		looked := int64(0)
		for stray, err := range s.Strays(ctx, func(n int64) { looked = n }) {
			must(t, err)
			if stray.Missing {
				stray.Name += " without the one before"
			}
			names = append(names, stray.Name)
		}
		if looked == 0 {
			t.Error("nothing was looked at")
		}
		return names
	}
	write(1, 3)
	var writer sync.WaitGroup
	writer.Go(func() { write(4, 20) })
	for range 5 {
		if names := strays(); len(names) > 0 {
			t.Errorf("of what nodes write: %v", names)
		}
	}
	writer.Wait()
	key, err := storagetest.PutDocument(ctx, d, []byte("a document"))
	must(t, err)
	want := []string{
		"documents/2026010100/" + string(key), "documents/epikrise.pdf", // of another hour; of no form
		"journal/README", "journal/not=a=tenant/0000000000000001", "journal/t/0000000000000000", "journal/t/000000000000001F", "journal/t/note",
		"journal/t/0000000000000020 without the one before",
	}
	for _, name := range want {
		if name == want[len(want)-1] {
			name = "journal/t/0000000000000020"
		}
		_, err := s.put(ctx, "s3.Test", name, []byte("x"), condition{}, minio.PutObjectOptions{})
		must(t, err)
	}
	names := strays()
	slices.Sort(names)
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("%v\ninstead of\n%v", names, want)
	}
}
