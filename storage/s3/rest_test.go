package s3

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/minio/minio-go/v7"

	"samdok/internal/enginetest"
	"samdok/storage/storagetest"
)

// asked notes the writes that do not ask for encryption, and those that do not name a
// storage class. It answers for a store that does not encrypt, when pretend is set.
type asked struct {
	next    *http.Transport
	pretend bool

	mu      sync.Mutex
	open    []string
	classes map[string]string
}

func (a *asked) RoundTrip(r *http.Request) (*http.Response, error) {
	begins := r.Method == http.MethodPost && r.URL.Query().Has("uploads")
	a.mu.Lock()
	if begins || r.Method == http.MethodPut && !r.URL.Query().Has("uploadId") {
		if r.Header.Get(sseHeader) == "" {
			a.open = append(a.open, r.Method+" "+r.URL.Path)
		}
		a.classes[r.URL.Path] = r.Header.Get("X-Amz-Storage-Class")
	}
	a.mu.Unlock()
	resp, err := a.next.RoundTrip(r)
	if err == nil && a.pretend && !begins && r.Method == http.MethodPut { // as MinIO does
		resp.Header.Set(sseHeader, "AES256")
	}
	return resp, err
}

// Everything that is written asks for encryption at rest, and documents for their
// storage class. A store that encrypts (MinIO) has done so.
func TestEncryptedAtRest(t *testing.T) {
	b, ctx := enginetest.S3(t), context.Background()
	a := &asked{next: newTransport(0), pretend: b.Server == enginetest.Versitygw, classes: map[string]string{}}
	defer a.next.CloseIdleConnections()
	o := optionsOf(b, "encrypted")
	o.SSE, o.StorageClass, o.Transport, o.Proven = "AES256", "REDUCED_REDUNDANCY", a, false
	s, err := Open(ctx, o)
	must(t, err)
	defer s.Close()
	k := openKeys(t, s)
	_, err = s.Secret(ctx, k)
	must(t, err)
	must(t, s.Journal("t").Append(ctx, 1, []byte("a")))
	_, _, err = s.Settle(ctx, "x", []byte("y"))
	must(t, err)
	must(t, s.Outbox(k).Post(ctx, letters(3)))
	h, err := s.Files(nil).Open("dir/file", os.O_RDWR|os.O_CREATE, 0)
	must(t, err)
	_, err = h.WriteAt([]byte("record"), 0)
	must(t, errors.Join(err, h.Sync(), h.Close()))
	d := s.Documents(k)
	for _, n := range []int64{10, 300_000, 2*partSize + 10} {
		want := storagetest.Bytes(1, n)
		key, err := storagetest.PutDocument(ctx, d, want)
		must(t, err)
		must(t, storagetest.CheckDocument(ctx, d, key, want))
	}
	if b.Server == enginetest.MinIO {
		stored(t, s)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.open) > 0 {
		t.Errorf("written without asking for encryption: %q", a.open)
	}
	documents := 0
	for path, class := range a.classes {
		if strings.Contains(path, "/"+documentsDir) {
			documents++
			if class != o.StorageClass {
				t.Errorf("%s has storage class %q", path, class)
			}
		}
	}
	if documents != 3 {
		t.Errorf("%d documents were written", documents)
	}
}

// stored checks what the store says of each object.
func stored(t *testing.T, s *Store) {
	t.Helper()
	n := 0
	for l := range s.client.ListObjectsIter(t.Context(), s.Bucket, minio.ListObjectsOptions{Recursive: true}) {
		must(t, l.Err)
		info, err := s.client.StatObject(t.Context(), s.Bucket, l.Key, minio.StatObjectOptions{})
		must(t, err)
		if got := info.Metadata.Get(sseHeader); got != "AES256" {
			t.Errorf("%s has encryption %q", l.Key, got)
		}
		if want := s.StorageClass; strings.Contains(l.Key, documentsDir) && l.StorageClass != want {
			t.Errorf("%s has storage class %q", l.Key, l.StorageClass)
		}
		n++
	}
	if n < 8 {
		t.Errorf("%d objects", n)
	}
}

// A store that ignores what is asked of encryption, as versitygw does without a word, is
// refused.
func TestIgnoredEncryption(t *testing.T) {
	b := enginetest.S3(t)
	for _, sse := range []string{"AES256", "aws:kms:samdok"} {
		o := optionsOf(b, sse)
		o.SSE, o.Proven = sse, false
		s, err := Open(t.Context(), o)
		if b.Server == enginetest.MinIO {
			must(t, err)
			must(t, s.Close())
		} else if err == nil || !strings.Contains(err.Error(), "ignores") {
			t.Fatal(err)
		}
	}
}
