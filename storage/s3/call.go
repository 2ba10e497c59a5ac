package s3

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7"
)

// class is what an answer of the store, or the lack of one, means.
type class uint8

const (
	answered class = iota // also "no such object" and "the condition does not hold"
	refused               // nothing was done; may be tried again
	unknown               // perhaps done; may be tried again when that changes nothing
	full                  // nothing was done, and the store has no room
	barred                // nothing was done: wrong keys, rights, bucket or request
	ended                 // the caller went away
)

var (
	errMissing   = errors.New("no such object")
	errCondition = errors.New("the condition does not hold")
	errNoBucket  = errors.New("no such bucket")
	errPaused    = errors.New("it failed many times in a row, or was silent, and is left alone for a moment")
)

// failure is a call that was not answered, after all retries.
type failure struct {
	class class
	// unsettled: a write may have taken place.
	unsettled bool
	err       error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// unsettled is the error of a write that could not be read back.
func unsettled(err error) error {
	var f *failure
	if errors.As(err, &f) {
		return &failure{f.class, true, f.err}
	}
	return err
}

const (
	firstWait = 30 * time.Millisecond
	mostWait  = 2 * time.Second
)

// do calls f until the store answers, patience ends, or trying again is of no use.
// f must be safe to repeat. Its error is nil, errMissing, errCondition or a
// *failure.
func (s *Store) do(ctx context.Context, op string, f func(context.Context) error) error {
	unsettled := false
	limit := time.Now().Add(s.Patience)
	for wait, n := firstWait, 0; ; n++ {
		err := s.attempt(ctx, op, s.Timeout, f)
		if errors.Is(err, errPaused) && n == 0 && !s.Insist {
			return &failure{refused, false, err}
		}
		c := classify(ctx, err)
		unsettled = unsettled || c == unknown || c == ended
		switch c {
		case answered:
			return plain(err)
		case refused, unknown:
		default:
			return &failure{c, unsettled, err}
		}
		pause := rand.N(wait) + wait/2
		next := time.Now().Add(pause)
		if errors.Is(err, errSilent) { // it may be silent again, for as long
			next = next.Add(s.Timeout)
		}
		if next.After(limit) {
			return &failure{c, unsettled, err}
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return &failure{ended, unsettled, context.Cause(ctx)}
		}
		wait = min(2*wait, mostWait)
	}
}

// attempt is one call, if the breaker lets it, which may be silent for as long as
// timeout says.
func (s *Store) attempt(ctx context.Context, op string, timeout time.Duration, f func(context.Context) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	done, err := s.breaker.Allow()
	if err != nil {
		return errPaused
	}
	within, cancel := withPulse(ctx, timeout)
	defer cancel()
	began, heard := time.Now(), s.heard.Load()
	err = f(within)
	s.Watch(op, time.Since(began), err)
	if silent(within, err) && ctx.Err() == nil {
		err = fmt.Errorf("%w (%w)", errSilent, err)
		// One call may be slow. A store that answers nobody is left alone at once: each
		// caller would wait as long before it is refused.
		s.mute.Store(s.heard.Load() == heard)
	}
	if c := classify(ctx, err); c == refused || c == unknown {
		done(err)
	} else {
		done(nil)
	}
	return err
}

// plain is an answer in our words.
func plain(err error) error {
	if err == nil || errors.Is(err, errMissing) || errors.Is(err, errCondition) {
		return err
	}
	if minio.ToErrorResponse(err).StatusCode == http.StatusNotFound {
		return errMissing
	}
	return errCondition
}

// classify says what the error of a call means. ctx is the caller's.
func classify(ctx context.Context, err error) class {
	if err == nil || errors.Is(err, errMissing) || errors.Is(err, errCondition) {
		return answered
	}
	switch {
	case ctx.Err() != nil:
		return ended
	case errors.Is(err, errPaused):
		return refused
	case errors.Is(err, errUnsealed), errors.Is(err, errNoBucket), errors.Is(err, errTooLong), untrusted(err):
		return barred
	}
	var r minio.ErrorResponse
	if errors.As(err, &r) && r.StatusCode != 0 {
		return classifyAnswer(r)
	}
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return refused
	}
	var name *net.DNSError
	if errors.As(err, &name) {
		return refused
	}
	return unknown // cut off, or too late
}

// untrusted tells of a certificate that is refused: calling again changes nothing.
func untrusted(err error) bool {
	var refused *tls.CertificateVerificationError
	return errors.As(err, &refused) || errors.Is(err, http.ErrSchemeMismatch)
}

func classifyAnswer(r minio.ErrorResponse) class {
	switch r.Code {
	case "XMinioStorageFull", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage", "InsufficientCapacity":
		return full
	case "SlowDown", "SlowDownRead", "SlowDownWrite", "ConditionalRequestConflict", "OperationAborted", "RequestTimeout":
		return refused
	case "NoSuchBucket":
		return barred
	}
	switch r.StatusCode {
	case http.StatusPreconditionFailed, http.StatusNotModified:
		return answered
	case http.StatusNotFound:
		return classifyMissing(r.Code)
	case http.StatusInsufficientStorage:
		return full
	case http.StatusNotImplemented:
		return barred
	case http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusConflict:
		return refused
	}
	if r.StatusCode < 300 || r.StatusCode >= 500 || r.StatusCode == http.StatusRequestTimeout {
		return unknown
	}
	return barred
}

// classifyMissing says of what there is none. Only an object, a version or an upload
// that is not there answers the question: versitygw says 404 of an access key that it
// does not know, too, and a node must not take that for an empty store.
func classifyMissing(code string) class {
	switch code {
	case "NoSuchKey", "NoSuchVersion", "NoSuchUpload":
		return answered
	}
	return barred
}
