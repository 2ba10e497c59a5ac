package s3

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Who asks whether a silent store is ready is told which store it is and what to do,
// not that he gave up himself.
func TestReadyNamesASilentStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := false
		s, err := Open(t.Context(), Options{Endpoint: "http://store:9000", Bucket: "bucket", AccessKey: "a", SecretKey: "s", Proven: true, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if silent {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("<VersioningConfiguration/>"))}, nil
		})})
		must(t, err)
		defer s.Close()
		silent = true
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := s.Ready(ctx); err == nil || !strings.Contains(err.Error(), "http://store:9000") || !strings.Contains(err.Error(), "SAMDOK_S3_ENDPOINT") {
			t.Error(err)
		}
	})
}
