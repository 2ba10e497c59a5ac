package enginetest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestElasticsearch(t *testing.T) {
	var x Index
	t.Run("used", func(t *testing.T) {
		x = Elasticsearch(t)
		if _, err := call("PUT", x.URL+"/"+x.Prefix+"a"); err != nil {
			t.Fatal(err)
		}
	})
	if body, err := call("GET", x.URL+"/_cat/indices/"+x.Prefix+"*"); err != nil || len(body) > 0 {
		t.Errorf("left after the test: %s %v", body, err)
	}
}

func TestS3(t *testing.T) {
	for name, make := range map[string]func(testing.TB) Bucket{"plain": S3, "locked": LockedS3} {
		var b Bucket
		t.Run(name, func(t *testing.T) {
			b = make(t)
			c, err := b.client()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.PutObject(t.Context(), b.Name, "a/b", strings.NewReader("x"), 1, minio.PutObjectOptions{}); err != nil {
				t.Fatal(err)
			}
		})
		c, err := b.client()
		if err != nil {
			t.Fatal(err)
		}
		if there, err := c.BucketExists(t.Context(), b.Name); err != nil || there {
			t.Errorf("%s: left after the test: %v", name, err)
		}
	}
}

// An engine that cannot start says why.
func TestEngineThatEnds(t *testing.T) {
	e := engine{name: "nothing", ready: func(string) error { return errNever }}
	if _, err := e.share(); err == nil || !strings.Contains(err.Error(), "interop/nothing/run build") {
		t.Errorf("%v", err)
	}
	dir := t.TempDir()
	if _, err := e.start("false", dir); err == nil || !strings.Contains(err.Error(), "ended instead of starting") {
		t.Errorf("%v", err)
	}
}

// That an engine of the same port ended some day says nothing about this one.
func TestPortAgain(t *testing.T) {
	dir, asked := t.TempDir(), 0
	e := engine{name: "slow", ready: func(string) error {
		if asked++; asked < 3 {
			return errNever
		}
		return nil
	}}
	ended, run := filepath.Join(dir, "1.ended"), filepath.Join(dir, "run")
	if err := errors.Join(os.WriteFile(ended, nil, 0o600), os.WriteFile(run, []byte("#!/bin/sh\nexec sleep 3\n"), 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := e.startAt(run, dir, "1"); err != nil {
		t.Error(err)
	}
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) { // until its keeper has gone too
		if _, err := os.Stat(ended); err == nil {
			return
		} else if time.Since(begun) > time.Minute {
			t.Fatal(err)
		}
	}
}

var errNever = errors.New("never")

func TestProxy(t *testing.T) {
	x := Elasticsearch(t)
	p := NewProxy(t, x.URL)
	for _, open := range []bool{true, false, true} {
		if open {
			p.Open()
		} else {
			p.Shut()
		}
		if _, err := call("GET", p.URL); (err == nil) != open {
			t.Errorf("open %v: %v", open, err)
		}
	}
}
