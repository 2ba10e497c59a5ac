package s3

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"go.uber.org/goleak"

	"samdok/internal/enginetest"
)

func TestMain(m *testing.M) {
	child()
	goleak.VerifyTestMain(m)
}

// options of a store in a bucket of the test's own.
func options(t testing.TB) Options {
	t.Helper()
	b := enginetest.S3(t)
	return Options{Endpoint: b.Endpoint, Region: b.Region, Bucket: b.Name, AccessKey: b.AccessKey, SecretKey: b.SecretKey, Proven: true}
}

func open(t testing.TB, change ...func(*Options)) *Store {
	t.Helper()
	o := options(t)
	for _, c := range change {
		c(&o)
	}
	s, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// meddler is a connection that something happens to.
type meddler struct {
	next   *http.Transport
	before func(*http.Request) (*http.Response, error) // may answer itself
	after  func(*http.Request, *http.Response) error   // may lose the answer
	calls  atomic.Int64
}

func (m *meddler) RoundTrip(r *http.Request) (*http.Response, error) {
	m.calls.Add(1)
	if m.before != nil {
		if resp, err := m.before(r); resp != nil || err != nil {
			return resp, err
		}
	}
	resp, err := m.next.RoundTrip(r)
	if err == nil && m.after != nil {
		if err := m.after(r, resp); err != nil {
			resp.Body.Close()
			return nil, err
		}
	}
	return resp, err
}

func meddle(t testing.TB, m *meddler) func(*Options) {
	m.next = newTransport(5 * time.Second)
	t.Cleanup(m.next.CloseIdleConnections)
	return func(o *Options) { o.Transport = m }
}

// versions counts all versions of what is below a prefix.
func versions(t testing.TB, s *Store, prefix string) (n int) {
	t.Helper()
	for v := range s.client.ListObjectsIter(context.Background(), s.Bucket, minio.ListObjectsOptions{Prefix: prefix, WithVersions: true, Recursive: true}) {
		must(t, v.Err)
		n++
	}
	return n
}
