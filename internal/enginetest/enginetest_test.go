package enginetest

import (
	"errors"
	"strings"
	"testing"

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
