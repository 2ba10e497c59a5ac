package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/signer"
)

// BenchmarkPut creates objects of 1 KiB, the record of one request, by turns as the
// server does and by a plain signed request on a kept connection: what the store takes,
// and what the way to it adds.
func BenchmarkPut(b *testing.B) {
	s, ctx := open(b), context.Background()
	plain := &http.Transport{MaxIdleConnsPerHost: 1}
	defer plain.CloseIdleConnections()
	data := make([]byte, 1<<10)
	_, _ = rand.Read(data)
	sum := sha256.Sum256(data)
	ways := []struct {
		name string
		put  func(name string)
	}{
		{"samdok", func(name string) {
			_, _, err := s.create(ctx, "put", name, data, minio.PutObjectOptions{})
			must(b, err)
		}},
		{"plain", func(name string) {
			req, err := http.NewRequestWithContext(ctx, http.MethodPut, s.Endpoint+"/"+s.Bucket+"/"+name, bytes.NewReader(data))
			must(b, err)
			req.Header.Set("If-None-Match", "*")
			req.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
			res, err := plain.RoundTrip(signer.SignV4(*req, s.AccessKey, s.SecretKey, "", s.Region))
			must(b, err)
			defer res.Body.Close()
			if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
				b.Fatal(res.Status, err)
			}
		}},
	}
	took := make([][]time.Duration, len(ways))
	for n := 0; b.Loop(); n++ {
		for i, way := range ways {
			began := time.Now()
			way.put(fmt.Sprintf("put/%s/%d", way.name, n))
			took[i] = append(took[i], time.Since(began))
		}
	}
	for i, way := range ways {
		slices.Sort(took[i])
		b.ReportMetric(float64(took[i][len(took[i])/2].Microseconds()), way.name+"-µs-p50")
	}
}
