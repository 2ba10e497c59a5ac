package elastic

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"samdok/fault"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A cluster that takes calls and says nothing is left alone like one that refuses
// them, and is told of by its address; a caller who goes away says nothing of it.
func TestSilentClusterIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		c, err := newClient(&Options{URLs: []string{"http://u:p@es1:9200", "http://es2:9200"}, Timeout: 10 * time.Millisecond, Attempts: 3, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			calls.Add(1)
			<-r.Context().Done()
			return nil, r.Context().Err()
		})})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := c.nodes.Close(context.Background()); err != nil {
				t.Error(err)
			}
		}()
		ask := func(ctx context.Context) error {
			_, err := c.do(ctx, func() esapi.Request { return esapi.InfoRequest{} })
			return wrap("test", err)
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		for range 2 * tripAfter {
			if err := ask(gone); fault.KindOf(err) != fault.Canceled {
				t.Fatal(err)
			}
		}
		for range 2 * tripAfter {
			err := ask(t.Context())
			if fault.KindOf(err) != fault.Unavailable || fault.ProblemsOf(err)[0].Code != fault.RegistryBusy {
				t.Fatal(err)
			}
			for _, want := range []string{"es1:9200", "es2:9200", "SAMDOK_ELASTICSEARCH_URL"} {
				if !strings.Contains(err.Error(), want) {
					t.Fatalf("%v does not name %s", err, want)
				}
			}
			if strings.Contains(err.Error(), "u:p@") {
				t.Fatal("the error tells the password")
			}
		}
		if n := calls.Load(); n != 1 {
			t.Errorf("%d calls of a silent cluster, not one", n)
		}
	})
}

// One call that is silent says nothing of a cluster that answers others.
func TestOneSilentCallIsNoSilentCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := newClient(&Options{URLs: []string{"http://es1:9200"}, Timeout: time.Second, Attempts: 1, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path != "/" {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, nil
		})})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := c.nodes.Close(context.Background()); err != nil {
				t.Error(err)
			}
		}()
		others := func() {
			if _, err := c.do(t.Context(), func() esapi.Request { return esapi.InfoRequest{} }); err != nil {
				t.Error(err)
			}
		}
		slow := make(chan error)
		go func() {
			_, err := c.do(t.Context(), func() esapi.Request { return esapi.IndicesRefreshRequest{} })
			slow <- err
		}()
		time.Sleep(500 * time.Millisecond)
		others()
		if err := <-slow; !errors.Is(err, errLost) {
			t.Error(err)
		}
		others()
	})
}

// An answer that is not for us says what to look at.
func TestRefusedCredentials(t *testing.T) {
	c, err := newClient(&Options{URLs: []string{"http://es1:9200"}, Timeout: time.Minute, Attempts: 1, Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{}, Body: http.NoBody}, nil
	})})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.do(t.Context(), func() esapi.Request { return esapi.InfoRequest{} })
	for _, want := range []string{"es1:9200", "403;", "SAMDOK_ELASTICSEARCH_USER"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

// Who asks whether a silent cluster is ready is told which one it is and what to do.
func TestReadyNamesASilentCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{URLs: []string{"http://es1:9200"}, Prefix: "p-", Timeout: 30 * time.Second, Attempts: 6, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}
		c, err := newClient(&o)
		if err != nil {
			t.Fatal(err)
		}
		x := &Index{options: o, client: c}
		x.gets.call, x.gets.atOnce, x.gets.most = x.read, readsAtOnce, readsMost
		defer x.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := x.Ready(ctx); err == nil || !strings.Contains(err.Error(), "es1:9200") || !strings.Contains(err.Error(), "SAMDOK_ELASTICSEARCH_URL") {
			t.Error(err)
		}
	})
}
