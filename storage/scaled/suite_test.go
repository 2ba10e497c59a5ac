package scaled_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
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
		return openNode(dir, nil)
	})
	storagetest.EraseChild(func(dir string, step func(string)) (storagetest.ErasingLog, error) {
		l, _, err := openNode(dir, func(o *scaled.Options) { o.Step = step })
		return l, err
	})
	goleak.VerifyTestMain(m)
}

// place is where the nodes of a test work together; its file is in their folder, for
// child processes.
type place struct {
	Bucket    enginetest.Bucket
	Index     enginetest.Index
	Encrypted bool
}

const placeFile = "place.json"

// newPlace makes a bucket and a prefix for a folder, unless it has them.
func newPlace(tb testing.TB, dir string, encrypted bool) place {
	tb.Helper()
	if p, err := readPlace(dir); err == nil {
		return p
	}
	p := place{enginetest.S3(tb), enginetest.Elasticsearch(tb), encrypted}
	p.write(tb, dir)
	return p
}

func (p place) write(tb testing.TB, dir string) {
	tb.Helper()
	b, err := json.Marshal(p)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, placeFile), b, 0o600)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

func readPlace(dir string) (p place, err error) {
	b, err := os.ReadFile(filepath.Join(dir, placeFile))
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal(b, &p)
}

// openNode opens a node at the place of a folder.
func openNode(dir string, options func(*scaled.Options)) (*scaled.Log, func() error, error) {
	p, err := readPlace(dir)
	if err != nil {
		return nil, nil, err
	}
	return p.open(options)
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
	if o.S3, err = s3.Open(ctx, s3.Options{Endpoint: p.Bucket.Endpoint, Region: p.Bucket.Region, Bucket: p.Bucket.Name,
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
	eo := elastic.Options{URLs: []string{p.Index.URL}, Prefix: p.Index.Prefix, Secret: secret, Transport: transport}
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

func engine(encrypted bool) storagetest.LogEngine {
	return storagetest.LogEngine{Open: func(tb testing.TB, dir string) (storagetest.LogIndex, func() error) {
		tb.Helper()
		l, done, err := newPlace(tb, dir, encrypted).open(nil)
		if err != nil {
			tb.Fatal(err)
		}
		return l, done
	}}
}

func TestLogIndex(t *testing.T) { storagetest.RunLogIndex(t, engine(true)) }

func TestErase(t *testing.T) { storagetest.RunErase(t, engine(true)) }

func TestLogKill(t *testing.T) {
	rounds := 3
	if storagetest.Long() {
		rounds = 50
	}
	storagetest.RunLogKill(t, engine(true), rounds)
}

func TestEraseKill(t *testing.T) { storagetest.RunEraseKill(t, engine(true)) }
