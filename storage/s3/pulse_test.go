package s3

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/minio/minio-go/v7"

	"samdok/fault"
)

// scripted is an open store whose answers a test writes, on the test's own clock.
func scripted(t *testing.T, change func(*Options)) (*Store, *atomic.Pointer[roundTrip]) {
	t.Helper()
	answer := &atomic.Pointer[roundTrip]{}
	says(answer, answers)
	o := Options{Endpoint: "http://store:9000", Bucket: "bucket", AccessKey: "a", SecretKey: "s", Proven: true,
		Transport: roundTrip(func(r *http.Request) (*http.Response, error) { return (*answer.Load())(r) })}
	if change != nil {
		change(&o)
	}
	s, err := Open(t.Context(), o)
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s, answer
}

func says(answer *atomic.Pointer[roundTrip], f roundTrip) { answer.Store(&f) }

// answers is a store that takes everything.
func answers(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return nil, err
		}
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Etag": {`"e"`}}, Body: io.NopCloser(strings.NewReader("<VersioningConfiguration/>"))}, nil
}

// frozen is a store that takes connections and says nothing.
func frozen(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func putOf(s *Store, n int) error {
	_, err := s.put(context.Background(), "s3.Test", "object", make([]byte, n), condition{}, minio.PutObjectOptions{})
	return s.fault("s3.Test", err, writes)
}

// Who first meets a store that went silent is refused after one time of silence, and the
// others at once; the store is used again as soon as it speaks.
func TestSilentStoreIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, answer := scripted(t, nil)
		says(answer, frozen)
		began := time.Now()
		if err := putOf(s, 10); !retryable(err) || !strings.Contains(err.Error(), "SAMDOK_S3_TIMEOUT") {
			t.Error(err)
		}
		if took := time.Since(began); took < s.Timeout || took > s.Timeout+time.Second {
			t.Errorf("the first one waited for %s", took)
		}
		began = time.Now()
		for range 10 {
			if err := putOf(s, 10); fault.KindOf(err) != fault.Busy {
				t.Error(err)
			}
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("the others waited for %s", took)
		}
		says(answer, answers)
		time.Sleep(s.Pause + time.Millisecond)
		if err := putOf(s, 10); err != nil {
			t.Error(err)
		}
	})
}

// One call that is silent says nothing of a store that answers others.
func TestOneSilentCallIsNoSilentStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, answer := scripted(t, nil)
		says(answer, func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPut {
				return frozen(r)
			}
			return answers(r)
		})
		slow := make(chan error)
		go func() { slow <- putOf(s, 10) }()
		time.Sleep(time.Second)
		must(t, s.Ready(t.Context()))
		if err := <-slow; !retryable(err) {
			t.Error(err)
		}
		must(t, s.Ready(t.Context()))
	})
}

// A command that has begun its work waits for a store that is silent for a while.
func TestInsist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, answer := scripted(t, func(o *Options) { o.Insist, o.Patience = true, 30*time.Second })
		says(answer, frozen)
		time.AfterFunc(12*time.Second, func() { says(answer, answers) })
		both := make(chan error)
		go func() { both <- putOf(s, 10) }()
		time.Sleep(6 * time.Second) // the other one has found it silent
		go func() { both <- putOf(s, 10) }()
		for range 2 {
			if err := <-both; err != nil {
				t.Error(err)
			}
		}
	})
}

// trickle moves a body slowly: a piece, then a pause.
type trickle struct {
	io.Reader
	pause time.Duration
	left  int // pieces; then nothing more comes
	ctx   context.Context
}

func (s *trickle) Read(p []byte) (int, error) {
	if s.left--; s.left < 0 {
		<-s.ctx.Done()
		return 0, s.ctx.Err()
	}
	time.Sleep(s.pause)
	if s.ctx.Err() != nil {
		return 0, s.ctx.Err()
	}
	return s.Reader.Read(p[:min(len(p), 64<<10)])
}

func (s *trickle) Close() error { return nil }

// What moves is not cut, however long it takes: bytes that are sent, and those that come.
func TestSlowObjectsMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, answer := scripted(t, nil)
		says(answer, func(r *http.Request) (*http.Response, error) {
			body := &trickle{strings.NewReader(strings.Repeat("a", 5<<20)), 4 * time.Second, 1000, r.Context()}
			if r.Method == http.MethodGet {
				return &http.Response{StatusCode: http.StatusOK, ContentLength: 5 << 20, Body: body,
					Header: http.Header{"Etag": {`"e"`}, "Content-Length": {"5242880"}, "Last-Modified": {"Mon, 02 Jan 2006 15:04:05 GMT"}}}, nil
			}
			with := *r
			with.Body = &trickle{r.Body, 4 * time.Second, 1000, r.Context()}
			return answers(&with)
		})
		began := time.Now()
		if err := putOf(s, 5<<20); err != nil || time.Since(began) < 4*time.Minute {
			t.Error(err, time.Since(began))
		}
		began = time.Now()
		if b, _, err := s.get(t.Context(), "s3.Test", "object", 8<<20); err != nil || len(b) != 5<<20 || time.Since(began) < 4*time.Minute {
			t.Error(len(b), err, time.Since(began))
		}
		// What stops to move is, some seconds later.
		says(answer, func(r *http.Request) (*http.Response, error) {
			with := *r
			with.Body = &trickle{r.Body, time.Second, 50, r.Context()}
			return answers(&with)
		})
		began = time.Now()
		if err := putOf(s, 5<<20); !retryable(err) || time.Since(began) > 50*time.Second+s.Timeout+5*time.Second {
			t.Error(err, time.Since(began))
		}
	})
}
