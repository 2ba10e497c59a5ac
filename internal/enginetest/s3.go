package enginetest

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Servers that may hold a test's bucket.
const (
	Versitygw = "versitygw" // never syncs, ignores what is asked of encryption
	MinIO     = "minio"     // syncs, encrypts at rest
)

// Bucket is one that a test may fill.
type Bucket struct {
	Server               string // Versitygw or MinIO
	Endpoint             string // http://127.0.0.1:PORT
	Region               string
	AccessKey, SecretKey string
	Name                 string
}

// S3 makes a bucket on the shared server. It is deleted with everything in it when
// the test ends.
func S3(t testing.TB) Bucket {
	t.Helper()
	return bucket(t, minio.MakeBucketOptions{})
}

// LockedS3 is S3 with object lock. What is under retention when the test ends
// stays, until the shared server does.
func LockedS3(t testing.TB) Bucket {
	t.Helper()
	return bucket(t, minio.MakeBucketOptions{ObjectLocking: true})
}

func bucket(t testing.TB, o minio.MakeBucketOptions) Bucket {
	t.Helper()
	endpoint, err := sharedS3()
	if err != nil {
		t.Fatal(err)
	}
	b, client := makeBucket(t, server(), endpoint, o)
	t.Cleanup(func() {
		if err := b.remove(client, o.ObjectLocking); err != nil {
			t.Errorf("enginetest: the test's bucket is left: %v", err)
		}
	})
	return b
}

func makeBucket(t testing.TB, server, endpoint string, o minio.MakeBucketOptions) (Bucket, *minio.Client) {
	t.Helper()
	b := bucketAt(endpoint)
	b.Server, b.Name = server, "t"+strings.ToLower(rand.Text()[:16])
	client, err := b.client()
	if err != nil {
		t.Fatal(err)
	}
	o.Region = b.Region
	if err := client.MakeBucket(t.Context(), b.Name, o); err != nil {
		t.Fatalf("enginetest: %s: %v", endpoint, err)
	}
	return b, client
}

func bucketAt(endpoint string) Bucket {
	return Bucket{Endpoint: endpoint, Region: "us-east-1",
		AccessKey: cmp.Or(os.Getenv("SAMDOK_TEST_S3_ACCESS_KEY"), "samdok"),
		SecretKey: cmp.Or(os.Getenv("SAMDOK_TEST_S3_SECRET_KEY"), "samdok-secret")}
}

func (b Bucket) client() (*minio.Client, error) {
	u, err := url.Parse(b.Endpoint)
	if err != nil {
		return nil, err
	}
	return minio.New(u.Host, &minio.Options{Creds: credentials.NewStaticV4(b.AccessKey, b.SecretKey, ""), Region: b.Region,
		Secure: u.Scheme == "https", Transport: &http.Transport{DisableKeepAlives: true}})
}

func (b Bucket) remove(c *minio.Client, locked bool) error {
	ctx := context.Background() // the test's own has ended
	for part := range c.ListIncompleteUploads(ctx, b.Name, "", true) {
		if err := errors.Join(part.Err, c.RemoveIncompleteUpload(ctx, b.Name, part.Key)); err != nil {
			return err
		}
	}
	objects := c.ListObjects(ctx, b.Name, minio.ListObjectsOptions{Recursive: true, WithVersions: locked})
	held := false
	for failed := range c.RemoveObjects(ctx, b.Name, objects, minio.RemoveObjectsOptions{}) {
		if !locked {
			return failed.Err
		}
		held = true
	}
	if held {
		return nil
	}
	return c.RemoveBucket(ctx, b.Name)
}

// server is the kind of S3 server that tests use.
func server() string { return cmp.Or(os.Getenv("SAMDOK_TEST_S3"), Versitygw) }

var sharedS3 = sync.OnceValues(func() (string, error) {
	if endpoint := os.Getenv("SAMDOK_TEST_S3_ENDPOINT"); endpoint != "" {
		return strings.TrimSuffix(endpoint, "/"), nil
	}
	e, err := s3Engine()
	if err != nil {
		return "", err
	}
	return e.share()
})

// s3Engine is how the S3 server of tests is started. It is one for the process: its
// users keep the shared server running.
var s3Engine = sync.OnceValues(func() (*engine, error) {
	name := server()
	if name != Versitygw && name != MinIO {
		return nil, fmt.Errorf("enginetest: SAMDOK_TEST_S3 is %q; it may be %s or %s", name, Versitygw, MinIO)
	}
	return &engine{name: name, ready: func(url string) error {
		client, err := bucketAt(url).client()
		if err != nil {
			return err
		}
		_, err = client.ListBuckets(context.Background())
		return err
	}}, nil
})
