package scaled_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"samdok/internal/enginetest"
	"samdok/storage/elastic"
	"samdok/storage/keyring"
	"samdok/storage/s3"
	"samdok/storage/scaled"
	"samdok/storage/storagetest"
)

func TestMain(m *testing.M) {
	storagetest.LogChild(func(dir string) (storagetest.LogIndex, func() error, error) {
		return openChild(dir, nil)
	})
	storagetest.EraseChild(func(dir string, step func(string)) (storagetest.ErasingLog, error) {
		l, _, err := openChild(dir, func(o *scaled.Options) { o.Step = step })
		return l, err
	})
	die()
	goleak.VerifyTestMain(m)
}

// place is where the nodes of a test work together. The suites name folders; each is a
// part of the bucket and of the names of indexes.
type place struct {
	Bucket    enginetest.Bucket
	Index     enginetest.Index
	Encrypted bool
	Dir       string // "": the whole place
}

// placeVariable tells child processes of a test where its place is.
const placeVariable = "SAMDOK_SCALED_PLACE"

func newPlace(tb testing.TB) place {
	tb.Helper()
	p := place{Bucket: enginetest.S3(tb), Index: enginetest.Elasticsearch(tb), Encrypted: true}
	b, err := json.Marshal(p)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Setenv(placeVariable, string(b))
	return p
}

// in is the part of a place that a folder stands for.
func (p place) in(dir string) place {
	sum := sha256.Sum256([]byte(dir))
	p.Dir = hex.EncodeToString(sum[:6])
	return p
}

// prefix of names in the bucket and of indexes.
func (p place) prefix(after string) string {
	if p.Dir == "" {
		return ""
	}
	return p.Dir + after
}

func (p *place) fromEnvironment() error { return json.Unmarshal([]byte(os.Getenv(placeVariable)), p) }

// openChild opens a node in a child process.
func openChild(dir string, options func(*scaled.Options)) (*scaled.Log, func() error, error) {
	var p place
	if err := p.fromEnvironment(); err != nil {
		return nil, nil, err
	}
	return p.in(dir).open(options)
}

func (p place) open(options func(*scaled.Options)) (_ *scaled.Log, _ func() error, err error) {
	ctx := context.Background()
	var ends []func() error
	end := func() (err error) {
		for i := len(ends) - 1; i >= 0; i-- {
			err = errors.Join(err, ends[i]())
		}
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, end())
		}
	}()
	var o scaled.Options
	if o.S3, err = s3.Open(ctx, s3.Options{Endpoint: p.Bucket.Endpoint, Region: p.Bucket.Region, Bucket: p.Bucket.Name, Prefix: p.prefix("/"),
		AccessKey: p.Bucket.AccessKey, SecretKey: p.Bucket.SecretKey, Proven: true}); err != nil {
		return nil, nil, err
	}
	ends = append(ends, o.S3.Close)
	if p.Encrypted {
		m, err := keyring.NewMaster([]byte(strings.Repeat("k", keyring.MasterSize)))
		if err != nil {
			return nil, nil, err
		}
		if o.Keys, err = o.S3.OpenKeys(ctx, m); err != nil {
			return nil, nil, err
		}
		ends = append(ends, o.Keys.Close)
	}
	secret, err := o.S3.Secret(ctx, o.Keys)
	if err != nil {
		return nil, nil, err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second}
	eo := elastic.Options{URLs: []string{p.Index.URL}, Prefix: p.Index.Prefix + p.prefix("-"), Secret: secret, Transport: transport}
	if o.Keys != nil {
		eo.Keys = o.Keys
	}
	if o.Elastic, err = elastic.Open(ctx, eo); err != nil {
		return nil, nil, err
	}
	ends = append(ends, func() error { o.Elastic.Close(); transport.CloseIdleConnections(); return nil })
	if os.Getenv("SAMDOK_LOG_LEVEL") != "" {
		o.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	if options != nil {
		options(&o)
	}
	l, err := scaled.Open(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	ends = append(ends, l.Close)
	return l, end, nil
}

// engine opens one node in the part of a new place that a folder stands for.
func engine(t *testing.T) storagetest.LogEngine {
	p := newPlace(t)
	return storagetest.LogEngine{Pace: 10, Open: func(tb testing.TB, dir string) (storagetest.LogIndex, func() error) {
		tb.Helper()
		l, done, err := p.in(dir).open(nil)
		if err != nil {
			tb.Fatal(err)
		}
		return l, done
	}}
}

func TestLogIndex(t *testing.T) { storagetest.RunLogIndex(t, engine(t)) }

func TestErase(t *testing.T) { storagetest.RunErase(t, engine(t)) }

func TestLogKill(t *testing.T) {
	rounds := 3
	if storagetest.Long() {
		rounds = 50
	}
	storagetest.RunLogKill(t, engine(t), rounds)
}

func TestEraseKill(t *testing.T) { storagetest.RunEraseKill(t, engine(t)) }
