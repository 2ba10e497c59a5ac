package async

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"samdok/access"
	"samdok/metadata"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAllowed(t *testing.T) {
	list, err := ParseAddresses("https://epj.example.no/answers, http://10.1.2.3:9080/,https://[2001:db8::1]")
	if err != nil {
		t.Fatal(err)
	}
	if got := list.String(); got != "https://epj.example.no/answers,http://10.1.2.3:9080/,https://[2001:db8::1]" {
		t.Error(got)
	}
	for address, want := range map[string]bool{
		"https://epj.example.no/answers":                              true,
		"https://epj.example.no/answers/":                             true,
		"https://epj.example.no/answers/a?b=c":                        true,
		"https://EPJ.example.no:443/answers":                          true,
		"http://10.1.2.3:9080":                                        true,
		"http://10.1.2.3:9080/anything/at/all":                        true,
		"https://[2001:db8::1]/x":                                     true,
		"https://epj.example.no/answersX":                             false,
		"https://epj.example.no/answer":                               false,
		"https://epj.example.no/answers/../admin":                     false,
		"https://epj.example.no/answers/%2e%2e/a":                     false,
		"https://epj.example.no/answers/./a":                          false,
		"https://epj.example.no/answers//a":                           false,
		"https://epj.example.no/answers%2fa":                          false,
		"https://epj.example.no/":                                     false,
		"https://epj.example.no:8443/answers":                         false,
		"http://epj.example.no/answers":                               false,
		"https://epj.example.no.evil.com/answers":                     false,
		"https://epj.example.no@evil.com/answers":                     false,
		"https://user:pw@epj.example.no/answers":                      false,
		"https://epj.example.no/answers#x":                            false,
		"https://epj.example.no\\@evil/answers":                       false,
		"https://epj.example.no/answers\r\nX: y":                      false,
		"https:epj.example.no/answers":                                false,
		"//epj.example.no/answers":                                    false,
		"file:///etc/passwd":                                          false,
		"http://127.0.0.1:9080/":                                      false,
		"http://0x0a010203:9080/":                                     false,
		"http://167838211:9080/":                                      false,
		"http://10.1.2.3:09080/":                                      false,
		"http://10.1.2.3.:9080/":                                      false,
		"gopher://10.1.2.3:9080/":                                     false,
		"":                                                            false,
		"https://epj.example.no/answers/" + strings.Repeat("a", 3000): false,
	} {
		if err := list.Allowed(address); (err == nil) != want {
			t.Errorf("%.80q: %v", address, err)
		}
	}
	if err := (Addresses{}).Allowed("https://epj.example.no/"); err == nil {
		t.Error("an empty list allows something")
	}
	for _, bad := range []string{"epj.example.no", "ftp://a/", "https://a/?b", "https://u@a/", "https:///x"} {
		if _, err := ParseAddresses(bad); err == nil {
			t.Errorf("%q is taken for an address", bad)
		}
	}
}

func FuzzAllowed(f *testing.F) {
	for _, s := range []string{"https://epj.example.no/answers", "https://epj.example.no/answers/../x", "https://a@b/", "http://[::1%25eth0]/"} {
		f.Add(s)
	}
	list, err := ParseAddresses("https://epj.example.no/answers")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if list.Allowed(s) != nil {
			return
		}
		// What another reader of URLs makes of it must be the same.
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s, nil)
		if err != nil || !strings.EqualFold(req.URL.Hostname(), "epj.example.no") || req.URL.Scheme != "https" || req.URL.User != nil {
			t.Fatalf("%q is allowed", s)
		}
		if clean, err := url.JoinPath(s); err != nil || !strings.HasPrefix(strings.ToLower(clean), "https://epj.example.no") {
			t.Fatalf("%q is allowed and means %q", s, clean)
		}
	})
}

func TestReachable(t *testing.T) {
	for _, c := range []struct {
		host, to string
		private  bool
		want     bool
	}{
		{"epj.example.no", "193.1.2.3", false, true},
		{"epj.example.no", "10.1.2.3", false, false},
		{"epj.example.no", "10.1.2.3", true, true},
		{"epj.example.no", "100.64.1.1", false, false},
		{"epj.example.no", "fd00::1", false, false},
		{"epj.example.no", "fd00::1", true, true},
		{"epj.example.no", "127.0.0.1", true, false},
		{"epj.example.no", "::1", true, false},
		{"epj.example.no", "::ffff:127.0.0.1", true, false},
		{"epj.example.no", "169.254.169.254", true, false},
		{"epj.example.no", "0.0.0.0", true, false},
		{"epj.example.no", "fe80::1", true, false},
		{"localhost", "127.0.0.1", false, true},
		{"localhost", "10.1.2.3", false, false},
		{"10.1.2.3", "10.1.2.3", false, true},
		{"127.0.0.1", "127.0.0.1", false, true},
		{"2001:db8::1", "2001:db8::1", false, true},
	} {
		if err := reachable(c.host, netip.MustParseAddr(c.to), c.private); (err == nil) != c.want {
			t.Errorf("%s at %s, private %v: %v", c.host, c.to, c.private, err)
		}
	}
}

func client(t *testing.T, urls ...string) *Client {
	t.Helper()
	list, err := ParseAddresses(strings.Join(urls, ","))
	if err != nil {
		t.Fatal(err)
	}
	c := NewClient(Options{Addresses: list})
	t.Cleanup(c.Close)
	return c
}

func TestPost(t *testing.T) {
	var followed bool
	status := 202
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/else" {
			followed = true
		}
		if status == 302 {
			w.Header().Set("Location", "/else")
		}
		w.WriteHeader(status)
	}))
	defer srv.Close()
	c := client(t, srv.URL+"/in", "http://name.invalid/in")
	post := func(to string) error {
		return c.Post(context.Background(), to, "text/plain", 1, strings.NewReader("x"))
	}
	for _, ok := range []int{200, 202, 204} {
		if status = ok; post(srv.URL+"/in/secret") != nil {
			t.Errorf("HTTP %d", ok)
		}
	}
	for _, bad := range []int{302, 400, 404, 500, 503} {
		status = bad
		if err := post(srv.URL + "/in/secret"); err == nil || strings.Contains(err.Error(), "secret") || followed {
			t.Errorf("HTTP %d: %v, followed %v", bad, err, followed)
		}
	}
	var refused *NotAllowedError
	if err := post(srv.URL + "/else"); !errors.As(err, &refused) {
		t.Errorf("an address that is not allowed: %v", err)
	}
	if err := post("http://name.invalid/in/secret"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a name that leads nowhere: %v", err)
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
	c := client(t, srv.URL)
	stream := func(write func(http.ResponseWriter)) error {
		return c.Stream(context.Background(), srv.URL+"/to", srv.URL+"/faults", func(_ context.Context, w http.ResponseWriter) { write(w) })
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
