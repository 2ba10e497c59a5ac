package s3

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"samdok/fault"
	"samdok/internal/enginetest"
)

// refusal is an answer of a store that does nothing.
func refusal(status int, code string) *http.Response {
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {"application/xml"}},
		Body: io.NopCloser(strings.NewReader("<Error><Code>" + code + "</Code><Message>no</Message></Error>")), ContentLength: -1,
	}
}

func TestOpenProves(t *testing.T) {
	b := enginetest.S3(t)
	o := optionsOf(b, "proven")
	o.Proven = false
	s, err := Open(t.Context(), o)
	must(t, err)
	defer s.Close()
	want := map[string]int{enginetest.Versitygw: 1, enginetest.MinIO: 0}[b.Server] // versitygw never syncs
	if d := s.Doubts(); len(d) != want || want > 0 && !strings.Contains(d[0], "loss of power") {
		t.Fatal(d)
	}
}

// A store that ignores a condition is refused.
func TestOpenRefusesUnproven(t *testing.T) {
	for _, header := range []string{"If-None-Match", "If-Match"} {
		o := options(t)
		o.Proven = false
		meddle(t, &meddler{after: func(r *http.Request, resp *http.Response) error {
			if r.Header.Get(header) != "" && resp.StatusCode == http.StatusPreconditionFailed {
				resp.StatusCode = http.StatusOK
			}
			return nil
		}})(&o)
		_, err := Open(context.Background(), o)
		if err == nil || !strings.Contains(err.Error(), "conditions") {
			t.Errorf("%s ignored: %v", header, err)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"endpoint":   {func(o *Options) { o.Endpoint = "127.0.0.1:9000" }, "http://HOST:PORT"},
		"name":       {func(o *Options) { o.Bucket = "A bucket" }, "invalid characters"},
		"bucket":     {func(o *Options) { o.Bucket = "missing" }, "make it"},
		"secret key": {func(o *Options) { o.SecretKey = "wrong" }, "SAMDOK_S3_SECRET_KEY"},
		"access key": {func(o *Options) { o.AccessKey = "nobody" }, "SAMDOK_S3_ACCESS_KEY"},
		"no keys":    {func(o *Options) { o.AccessKey = "" }, "access key"},
		"nobody":     {func(o *Options) { o.Endpoint, o.Patience = "http://127.0.0.1:1", 200*time.Millisecond }, "SAMDOK_S3_ENDPOINT"},
		"SSE":        {func(o *Options) { o.SSE = "ROT13" }, "AES256"},
	} {
		o := options(t)
		c.change(&o)
		if _, err := Open(context.Background(), o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// After many failures calls are refused at once, and let through again later.
func TestBreaker(t *testing.T) {
	m := &meddler{}
	s, ctx := open(t, meddle(t, m), func(o *Options) {
		o.Failures, o.Pause, o.Patience = 5, 2*time.Second, 300*time.Millisecond
	}), context.Background()
	m.before = func(*http.Request) (*http.Response, error) { return nil, syscall.ECONNRESET }
	for range 5 {
		if err := s.Ready(ctx); fault.KindOf(err) != fault.Busy {
			t.Fatal(err)
		}
	}
	before := m.calls.Load()
	for range 100 {
		if err := s.Ready(ctx); err == nil {
			t.Fatal("a store that does not answer is ready")
		}
	}
	if n := m.calls.Load() - before; n > 30 {
		t.Fatalf("%d calls of a store that is left alone", n)
	}
	m.before = nil
	for limit := time.Now().Add(time.Minute); s.Ready(ctx) != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("never let through again")
		}
	}
}

// A store that takes connections and says nothing ends within the deadline, and a
// caller who goes away at once.
func TestSilence(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	o := options(t)
	o.Endpoint, o.Timeout, o.Patience = "http://"+l.Addr().String(), 100*time.Millisecond, 300*time.Millisecond
	began := time.Now()
	if _, err := Open(context.Background(), o); fault.KindOf(err) != fault.Busy || time.Since(began) > 20*time.Second {
		t.Fatal(err, time.Since(began))
	}
	o.Timeout, o.Patience = time.Minute, time.Minute
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := Open(ctx, o); fault.KindOf(err) != fault.Canceled || time.Since(began) > 40*time.Second {
		t.Fatal(err, time.Since(began))
	}
}

// A bucket that is missing is made only when that is asked for.
func TestBucketIsMade(t *testing.T) {
	o := options(t)
	o.Bucket += "-new"
	if s, err := Open(t.Context(), o); err == nil {
		s.Close()
		t.Fatal("a bucket that is missing was taken")
	}
	o.Create = true
	for range 2 {
		s, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.client.RemoveBucket(context.Background(), o.Bucket); s.Close() })
	}
}

// A store that does not know the access key any more has not lost what was written.
func TestUnknownKeyIsNotEmptiness(t *testing.T) {
	m := &meddler{}
	s, ctx := open(t, meddle(t, m)), t.Context()
	must(t, s.Journal("t").Append(ctx, 1, []byte("a")))
	m.before = func(*http.Request) (*http.Response, error) {
		return refusal(http.StatusNotFound, "XAdminUserNotFound"), nil
	}
	if b, err := s.Journal("t").Read(ctx, 1); errors.Is(err, ErrNone) || err == nil || !strings.Contains(err.Error(), "SAMDOK_S3_ACCESS_KEY") {
		t.Fatalf("%q, %v", b, err)
	}
}

// A bucket that cannot lock is refused when it shall lock: it would take nothing.
func TestOpenRefusesUnlockable(t *testing.T) {
	o := options(t)
	o.Bucket, o.Create = o.Bucket+"-unlocked", true
	s, err := Open(t.Context(), o)
	must(t, err)
	t.Cleanup(func() { _ = s.client.RemoveBucket(context.Background(), o.Bucket); s.Close() })
	o.Retention, o.Proven = time.Hour, false
	if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "SAMDOK_S3_LOCK") {
		t.Fatal(err)
	}
	locking := options(t)
	locking.Bucket, locking.Create, locking.Retention, locking.Proven = locking.Bucket+"-locked", true, time.Hour, false
	l, err := Open(t.Context(), locking)
	must(t, err)
	t.Cleanup(func() { _ = l.client.RemoveBucket(context.Background(), locking.Bucket); l.Close() })
}

// A storage class that the store does not have, or does not read at once, is refused
// before a document is in it.
func TestOpenRefusesStorageClass(t *testing.T) {
	for method, refused := range map[string]struct {
		status int
		code   string
	}{
		http.MethodPut: {http.StatusBadRequest, "InvalidStorageClass"},
		http.MethodGet: {http.StatusForbidden, "InvalidObjectState"},
	} {
		o := options(t)
		o.StorageClass, o.Proven = "STANDARD_IA", false
		var classed atomic.Bool
		meddle(t, &meddler{before: func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("X-Amz-Storage-Class") == o.StorageClass {
				classed.Store(true)
			}
			if classed.Load() && r.Method == method && strings.Contains(r.URL.Path, "/probe/") {
				return refusal(refused.status, refused.code), nil
			}
			return nil, nil
		}})(&o)
		if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "SAMDOK_S3_STORAGE_CLASS") {
			t.Errorf("%s: %v", method, err)
		}
	}
}

// A certificate that nobody vouches for is told of at once: calling again would not
// help.
func TestRefusedCertificate(t *testing.T) {
	var dialed atomic.Int32
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			dialed.Add(1)
		}
	}
	s.StartTLS()
	defer s.Close()
	o := Options{Endpoint: s.URL, Bucket: "bucket", AccessKey: "a", SecretKey: "s"}
	if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "certificate") || !strings.Contains(err.Error(), "SAMDOK_S3_CA") {
		t.Error(err)
	}
	if n := dialed.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	o.Endpoint = strings.Replace(plain.URL, "http:", "https:", 1)
	if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "SAMDOK_S3_ENDPOINT") {
		t.Error(err)
	}
}
