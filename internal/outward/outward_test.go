package outward

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAllowed(t *testing.T) {
	all, err := ParseAllowed("https://a.example.no, http://b.example.no:8080/notify/, loopback")
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{
		"https://a.example.no/x?y=1":               true,
		"https://A.example.no:443":                 true,
		"https://a.example.no:8443/x":              false,
		"http://a.example.no/x":                    false,
		"https://a.example.no.evil.org/":           false,
		"https://a.example.no@evil.org/":           false,
		"http://b.example.no:8080/notify":          true,
		"http://b.example.no:8080/notify/me":       true,
		"http://b.example.no:8080/notifyme":        false,
		"http://b.example.no:8080/notify/../admin": false,
		"http://b.example.no:8080/notify/%2e%2e/x": false,
		"http://127.0.0.1:9/x":                     true,
		"http://localhost:9/x":                     true,
		"http://[::1]:9/x":                         true,
		"http://127.0.0.1.evil.org/":               false,
		"http://10.0.0.1/":                         false,
		"file:///etc/passwd":                       false,
		"":                                         false,
		"http://[::1":                              false,
	} {
		if err := all.Check(address); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
	if Allowed(nil).Check("http://127.0.0.1/") == nil {
		t.Error("nothing is allowed, and yet it is")
	}
	for _, bad := range []string{"a.example.no", "ftp://a", "https://a/?x", "https://u:p@a/"} {
		if _, err := ParseAllowed(bad); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func TestPost(t *testing.T) {
	var got string
	status := http.StatusAccepted
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = r.Header.Get("Content-Type") + ": " + string(b)
		w.Header().Set("Location", "http://10.0.0.1/")
		w.WriteHeader(status)
	}))
	defer s.Close()
	allowed, _ := ParseAllowed("loopback")
	g, err := New(Options{Allowed: allowed})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := g.Post(t.Context(), s.URL+"/secret", "text/x", []byte("hello")); err != nil || got != "text/x: hello" {
		t.Fatal(err, got)
	}
	for _, status = range []int{http.StatusFound, http.StatusInternalServerError} {
		if err := g.Post(t.Context(), s.URL+"/secret", "text/x", nil); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%d: %v", status, err)
		}
	}
	s.Close()
	if err := g.Post(t.Context(), s.URL+"/secret", "text/x", nil); err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
	if err := g.Post(t.Context(), "http://10.0.0.1/", "text/x", nil); !errors.Is(err, ErrNotAllowed) {
		t.Error(err)
	}
}
