package s3

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/encrypt"
	"github.com/minio/minio-go/v7/pkg/s3utils"
	"github.com/sony/gobreaker/v2"
)

// Options of a Store. Endpoint, Bucket, AccessKey and SecretKey are required.
type Options struct {
	Endpoint  string // http://HOST:PORT or https://HOST
	Region    string // default us-east-1
	Bucket    string
	Prefix    string // of all names, so that several stores share a bucket; "" or like "one/"
	AccessKey string
	SecretKey string

	// SSE asks the store to encrypt at rest, on top of samdok's own sealing: "",
	// "AES256" (its own keys) or "aws:kms:KEY". An answer without it is an error.
	SSE string
	// StorageClass of documents, as STANDARD_IA. "" is the bucket's own.
	StorageClass string
	// Retention locks batches and documents for so long against deletion by anybody
	// (object lock; the bucket must have been made with it). 0: no lock.
	Retention time.Duration
	// Governance: those with the right to it may lift the lock. Otherwise nobody
	// (COMPLIANCE).
	Governance bool

	Timeout  time.Duration // of silence: nothing moves either way; default 5 s
	Patience time.Duration // with all retries; default 10 s
	Insist   bool          // within Patience also when others were just not answered: nobody else waits
	Failures int           // one after another until calls are refused at once; default 20
	Pause    time.Duration // for how long; default 1 s

	// Proven leaves out the proof of conditional writes at Open, which costs some
	// hundred milliseconds: this process has just opened the same store.
	Proven bool
	// Create makes the bucket when it is missing, with object lock when Retention
	// is not 0.
	Create bool
	// TLS of the connection; nil: the system's authorities.
	TLS *tls.Config
	// Wrap sees every call, for metrics and traces.
	Wrap func(http.RoundTripper) http.RoundTripper
	// Transport replaces the connection, for tests.
	Transport http.RoundTripper
	// Watch is told of each attempt: what for, how long it took, how it ended.
	Watch func(op string, took time.Duration, err error)
	Clock func() time.Time // default time.Now
	Log   *slog.Logger     // default: nobody
}

// Store is a bucket. Its methods may be called at the same time.
type Store struct {
	Options
	client  *minio.Core
	sse     encrypt.ServerSide
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]
	idle    func()
	// versioned: the bucket keeps what is replaced and deleted, so that what must
	// not be kept is taken away.
	versioned bool
	server    atomic.Pointer[string] // what the store calls itself
	heard     atomic.Uint64          // answers
	mute      atomic.Bool            // it said nothing to anybody for as long as a call may be silent
}

// Open connects to a bucket, which must exist unless it is to be made, and proves that its conditional
// writes hold when many race, that it can lock when it shall, and that it has the storage class.
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{Options: o}
	if err := s.configure(); err != nil {
		return nil, err
	}
	err := s.do(ctx, "s3.Open", s.exists)
	if errors.Is(err, errNoBucket) && o.Create {
		err = s.makeBucket(ctx)
	}
	err = s.fault("s3.Open", err, reads)
	if err == nil {
		err = s.learnVersioning(ctx)
	}
	if err == nil && !o.Proven {
		if err = s.lockable(ctx); err == nil {
			err = s.prove(ctx)
		}
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Reach asks once, without trying again, whether the bucket answers: for somebody who
// waits for the store and wants to know soon what is wrong with it.
func Reach(ctx context.Context, o Options) error {
	s := &Store{Options: o}
	if err := s.configure(); err != nil {
		return err
	}
	return errors.Join(s.Ready(ctx), s.Close())
}

func (s *Store) configure() error {
	s.Region = cmp.Or(s.Region, "us-east-1")
	s.Timeout, s.Patience = cmp.Or(s.Timeout, 5*time.Second), cmp.Or(s.Patience, 10*time.Second)
	s.Failures, s.Pause = cmp.Or(s.Failures, 20), cmp.Or(s.Pause, time.Second)
	if s.Clock == nil {
		s.Clock = time.Now
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	if s.Watch == nil {
		s.Watch = func(string, time.Duration, error) {}
	}
	u, err := url.Parse(s.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" {
		return fmt.Errorf("the S3 endpoint %q is not of the form https://HOST or http://HOST:PORT", s.Endpoint)
	}
	if s.Bucket == "" || s.AccessKey == "" || s.SecretKey == "" {
		return errors.New("S3 needs a bucket, an access key and a secret key")
	}
	if err := s3utils.CheckValidBucketName(s.Bucket); err != nil {
		return fmt.Errorf("S3 bucket %q: %w", s.Bucket, err)
	}
	if s.sse, err = parseSSE(s.SSE); err != nil {
		return err
	}
	w := &wire{next: s.Transport, server: &s.server, heard: s.answered}
	if s.sse != nil {
		h := http.Header{}
		s.sse.Marshal(h)
		w.sse = h.Get(sseHeader)
	}
	if w.next == nil {
		t := newTransport(s.Timeout)
		t.TLSClientConfig = s.TLS
		w.next, s.idle = t, t.CloseIdleConnections
	}
	if s.Wrap != nil {
		w.next = s.Wrap(w.next)
	}
	s.client, err = minio.NewCore(u.Host, &minio.Options{
		Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""), Secure: u.Scheme == "https",
		Region: s.Region, Transport: w, MaxRetries: 1, // retries are ours: call.go
	})
	if err != nil {
		return fmt.Errorf("S3 at %s: %w", s.Endpoint, err)
	}
	s.breaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name: "S3", Timeout: s.Pause,
		ReadyToTrip: func(c gobreaker.Counts) bool { return int(c.ConsecutiveFailures) >= s.Failures || s.mute.Load() },
	})
	return nil
}

func (s *Store) learnVersioning(ctx context.Context) error {
	const op = "s3.Open"
	return s.fault(op, s.do(ctx, op, func(ctx context.Context) error {
		v, err := s.client.GetBucketVersioning(ctx, s.Bucket)
		if c := minio.ToErrorResponse(err).Code; c == "NotImplemented" || c == "VersioningNotConfigured" {
			return nil // it keeps nothing
		}
		s.versioned = v.Status != ""
		return err
	}), reads)
}

// lockable refuses a bucket that cannot lock what is to be locked: it takes nothing
// that is to be, and the first to notice would be whoever sends a document.
func (s *Store) lockable(ctx context.Context) error {
	const op = "s3.Open"
	if s.Retention == 0 {
		return nil
	}
	locks, _, err := s.lockConfig(ctx, op)
	if err == nil && !locks {
		return fmt.Errorf("S3 at %s, bucket %s cannot lock objects, as SAMDOK_S3_LOCK asks: it was made without object lock, or the store has none; make a new bucket with object lock (SAMDOK_S3_CREATE_BUCKET=on does) and copy the objects into it, or turn SAMDOK_S3_LOCK off", s.Endpoint, s.Bucket)
	}
	return s.fault(op, err, reads)
}

// lockConfig tells whether the bucket can lock objects, and whether it locks all of
// them by itself.
func (s *Store) lockConfig(ctx context.Context, op string) (locks, byDefault bool, err error) {
	err = s.do(ctx, op, func(ctx context.Context) error {
		enabled, mode, _, _, err := s.client.GetObjectLockConfig(ctx, s.Bucket)
		if c := minio.ToErrorResponse(err).Code; c == "ObjectLockConfigurationNotFoundError" || c == "NotImplemented" {
			return nil
		}
		locks, byDefault = enabled == "Enabled", mode != nil && *mode != ""
		return err
	})
	return locks, byDefault, err
}

func parseSSE(text string) (encrypt.ServerSide, error) {
	switch key, kms := strings.CutPrefix(text, "aws:kms:"); {
	case text == "":
		return nil, nil //nolint:nilnil // nothing is asked for
	case text == "AES256":
		return encrypt.NewSSE(), nil
	case kms && key != "":
		return encrypt.NewSSEKMS(key, nil)
	}
	return nil, fmt.Errorf("server-side encryption %q is not AES256 or aws:kms:KEY", text)
}

// Close lets go of idle connections.
func (s *Store) Close() error {
	if s.idle != nil {
		s.idle()
	}
	return nil
}

// answered notes that the store has said something.
func (s *Store) answered() {
	s.heard.Add(1)
	s.mute.Store(false)
}

// Ready is nil when the bucket answers, with one call; the error says what mends it.
func (s *Store) Ready(ctx context.Context) error {
	const op = "s3.Ready"
	timeout := s.Timeout
	if end, ok := ctx.Deadline(); ok { // time is left to say which store is silent
		timeout = min(timeout, time.Until(end)*4/5)
	}
	err := s.attempt(ctx, op, timeout, s.exists)
	if c := classify(ctx, err); c != answered {
		err = &failure{class: c, err: err}
	}
	return s.fault(op, err, reads)
}

func (s *Store) exists(ctx context.Context) error {
	found, err := s.client.BucketExists(ctx, s.Bucket)
	if err != nil || found {
		return err
	}
	// The answer to HEAD has no words. What is said to GET tells a bucket that is
	// missing from a key that is not known.
	_, err = s.client.GetBucketVersioning(ctx, s.Bucket)
	if err == nil || minio.ToErrorResponse(err).Code == minio.NoSuchBucket {
		return errNoBucket
	}
	return err
}

// makeBucket makes the bucket; another node may be first.
func (s *Store) makeBucket(ctx context.Context) error {
	const op = "s3.Open"
	err := s.do(ctx, op, func(ctx context.Context) error {
		err := s.client.MakeBucket(ctx, s.Bucket, minio.MakeBucketOptions{Region: s.Region, ObjectLocking: s.Retention > 0})
		if code := minio.ToErrorResponse(err).Code; code == "BucketAlreadyOwnedByYou" || code == "BucketAlreadyExists" {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	return s.do(ctx, op, s.exists)
}

// Doubts are what is not known of this store's promises, for readiness; each is a
// sentence.
func (s *Store) Doubts() []string {
	name := "an unknown server"
	if p := s.server.Load(); p != nil && *p != "" {
		name = *p
	}
	if strings.HasPrefix(name, "AmazonS3") || strings.HasPrefix(name, "MinIO") {
		return nil
	}
	return []string{fmt.Sprintf("S3 at %s calls itself %s: it is not known whether what it acknowledges survives a loss of power.", s.Endpoint, name)}
}
