package s3

import (
	"context"
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"samdok/storage/storagetest"
)

// cpu is what this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkRetrieve measures the processor time that reading a document takes,
// against minio-go alone reading the same object.
func BenchmarkRetrieve(b *testing.B) {
	s, ctx := open(b), context.Background()
	d := s.Documents(openKeys(b, s))
	for _, size := range []int64{10 << 10, 100 << 20} {
		key, err := storagetest.PutDocument(ctx, d, storagetest.Bytes(1, size))
		must(b, err)
		p, _ := parsePlace(key)
		measure := func(b *testing.B, open func() (io.ReadCloser, error)) {
			b.SetBytes(size)
			began := cpu()
			for b.Loop() {
				r, err := open()
				must(b, err)
				if n, err := io.Copy(io.Discard, r); err != nil || n < size {
					b.Fatal(n, err)
				}
				must(b, r.Close())
			}
			b.ReportMetric(float64(cpu()-began)/float64(b.N)/1e6, "cpu-ms/op")
		}
		b.Run(fmt.Sprintf("samdok/%d", size), func(b *testing.B) {
			measure(b, func() (io.ReadCloser, error) {
				r, _, err := d.Open(ctx, key, 0)
				return r, err
			})
		})
		b.Run(fmt.Sprintf("minio-go/%d", size), func(b *testing.B) {
			measure(b, func() (io.ReadCloser, error) {
				return s.client.Client.GetObject(ctx, s.Bucket, s.Prefix+p.name(), minio.GetObjectOptions{})
			})
		})
	}
}
