package async

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"go.uber.org/goleak"

	"samdok/access"
	"samdok/metadata"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// over posts by HTTP; internal/outward does so for the server.
func over(c *http.Client) Post {
	return func(ctx context.Context, to, contentType string, length int64, body io.Reader) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, body)
		if err != nil {
			return err
		}
		req.ContentLength = length
		req.Header.Set("Content-Type", contentType)
		resp, err := c.Do(req)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
}

// TestStream: an answer goes out while it is made; one that breaks off never
// arrives whole.
func TestStream(t *testing.T) {
	type got struct {
		path, body string
		err        error
	}
	arrived := make(chan got, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		arrived <- got{r.URL.Path, string(b), err}
	}))
	defer srv.Close()
	stream := func(write func(http.ResponseWriter)) error {
		return over(srv.Client()).stream(context.Background(), srv.URL+"/to", srv.URL+"/faults", func(_ context.Context, w http.ResponseWriter) { write(w) })
	}
	whole := func(status int) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "4")
			w.WriteHeader(status)
			io.WriteString(w, "ab")
			io.WriteString(w, "cd")
		}
	}
	if err := stream(whole(200)); err != nil {
		t.Fatal(err)
	}
	if g := <-arrived; g != (got{"/to", "abcd", nil}) {
		t.Errorf("%+v", g)
	}
	if err := stream(whole(400)); err != nil {
		t.Fatal(err)
	}
	if g := <-arrived; g != (got{"/faults", "abcd", nil}) {
		t.Errorf("%+v", g)
	}
	for name, write := range map[string]func(http.ResponseWriter){
		"nothing": func(http.ResponseWriter) {},
		"half": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "4")
			io.WriteString(w, "ab")
		},
		"broken off": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "4")
			io.WriteString(w, "ab")
			if err := http.NewResponseController(w).SetWriteDeadline(time.Unix(1, 0)); err != nil {
				t.Error(err)
			}
		},
	} {
		if err := stream(write); err == nil {
			t.Errorf("%s: no error", name)
		}
		if name != "nothing" {
			if g := <-arrived; g.err == nil {
				t.Errorf("%s: arrived whole: %q", name, g.body)
			}
		}
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a panic was swallowed")
			}
		}()
		stream(func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "4")
			io.WriteString(w, "ab")
			panic("x")
		})
	}()
	if g := <-arrived; g.err == nil {
		t.Error("after a panic it arrived whole")
	}
}

func TestPostponed(t *testing.T) {
	for _, p := range []*Postponed{
		{ID: metadata.NewUUID(), Door: "registry", To: "http://a/", Answer: &Answer{"text/xml", []byte("<a/>")}},
		{ID: metadata.NewUUID(), Door: "repository", To: "http://a/", FaultTo: "http://b/", Request: &Request{
			Envelope: []byte("<e/>"), Packed: true,
			Caller: access.Caller{Subject: "1", Role: metadata.CodeRef{Value: "LE", Scheme: "x"}, Loopback: true, MessageID: "m"},
		}},
	} {
		b, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(b)
		if err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("%+v, %v", got, err)
		}
		b[0] = 2
		if _, err := Decode(b); err == nil {
			t.Error("a later form is read")
		}
	}
	for _, bad := range []string{"", "\x01", "\x01{}", "\x01{\"New\":1}"} {
		if _, err := Decode([]byte(bad)); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}
