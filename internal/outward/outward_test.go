package outward

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAllowed(t *testing.T) {
	list, err := ParseAllowed("https://epj.example.no/answers, http://10.1.2.3:9080/,https://[2001:db8::1], http://b.example.no:8080/notify/")
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{
		"https://epj.example.no/answers":                              true,
		"https://epj.example.no/answers/":                             true,
		"https://epj.example.no/answers/a?b=c":                        true,
		"https://EPJ.example.no:443/answers":                          true,
		"http://10.1.2.3:9080":                                        true,
		"http://10.1.2.3:9080/anything/at/all":                        true,
		"https://[2001:db8::1]/x":                                     true,
		"http://b.example.no:8080/notify":                             true,
		"http://b.example.no:8080/notify/me":                          true,
		"http://b.example.no:8080/notifyme":                           false,
		"https://epj.example.no/answersX":                             false,
		"https://epj.example.no/answer":                               false,
		"https://epj.example.no/answers/../admin":                     false,
		"https://epj.example.no/answers/%2e%2e/a":                     false,
		"https://epj.example.no/answers/./a":                          false,
		"https://epj.example.no/answers//a":                           false,
		"https://epj.example.no/answers%2fa":                          false,
		"https://epj.example.no/":                                     false,
		"https://epj.example.no:8443/answers":                         false,
		"https://epj.example.no:0443/answers":                         false,
		"https://epj.example.no:443:80/answers":                       false,
		"http://epj.example.no/answers":                               false,
		"https://epj.example.no.evil.com/answers":                     false,
		"https://epj.example.no./answers":                             false,
		"https://epj.example.no@evil.com/answers":                     false,
		"https://evil.com@epj.example.no/answers":                     false,
		"https://@epj.example.no/answers":                             false,
		"https://user:pw@epj.example.no/answers":                      false,
		"https://epj.example.no/answers#x":                            false,
		"https://epj.example.no/answers#":                             false,
		"https://epj.example.no\\@evil/answers":                       false,
		"https://epj.example.no/answers\r\nX: y":                      false,
		"https:epj.example.no/answers":                                false,
		"//epj.example.no/answers":                                    false,
		"file:///etc/passwd":                                          false,
		"http://127.0.0.1:9080/":                                      false,
		"http://0x0a010203:9080/":                                     false,
		"http://167838211:9080/":                                      false,
		"http://[::ffff:10.1.2.3]:9080/":                              false,
		"http://[::ffff:a01:203]:9080/":                               false,
		"https://[2001:db8::1%25eth0]/x":                              false,
		"https://[2001:db8:0:0:0:0:0:1]/x":                            false,
		"http://10.1.2.3:09080/":                                      false,
		"http://10.1.2.3.:9080/":                                      false,
		"http://010.1.2.3:9080/":                                      false,
		"gopher://10.1.2.3:9080/":                                     false,
		"http://localhost/":                                           false,
		"":                                                            false,
		"http://[::1":                                                 false,
		"https://epj.example.no/answers/" + strings.Repeat("a", 3000): false,
	} {
		if err := list.Check(address); (err == nil) != want {
			t.Errorf("%.80q: %v", address, err)
		}
	}
	if Allowed(nil).Check("http://127.0.0.1/") == nil {
		t.Error("nothing is allowed, and yet it is")
	}
	for _, bad := range []string{"epj.example.no", "ftp://a/", "https://a/?b", "https://u@a/", "https:///x", "LOOPBACK"} {
		if _, err := ParseAllowed(bad); err == nil {
			t.Errorf("%q is taken for an address", bad)
		}
	}
}

func TestLoopback(t *testing.T) {
	list, err := ParseAllowed(" loopback,")
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{
		"http://127.0.0.1:9/x":                 true,
		"http://127.8.9.1:9/x":                 true,
		"http://localhost:9/x":                 true,
		"https://LocalHost/x":                  true,
		"http://[::1]:9/x":                     true,
		"http://[::ffff:127.0.0.1]:9/x":        true,
		"http://127.0.0.1.evil.org/":           false,
		"http://localhost.evil.org/":           false,
		"http://10.0.0.1/":                     false,
		"http://[::ffff:10.0.0.1]/":            false,
		"http://0.0.0.0/":                      false,
		"http://user@127.0.0.1/":               false,
		"http://169.254.169.254/latest":        false,
		"http://127.0.0.1:9/x/../../etc":       false,
		"http://127.1/":                        false,
		"http://2130706433/":                   false,
		"http://127.0.0.1\\@169.254.169.254/x": false,
	} {
		if err := list.Check(address); (err == nil) != want {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func FuzzAllowed(f *testing.F) {
	for _, s := range []string{"https://epj.example.no/answers", "https://epj.example.no/answers/../x", "https://a@b/", "http://[::1%25eth0]/"} {
		f.Add(s)
	}
	list, err := ParseAllowed("https://epj.example.no/answers")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if list.Check(s) != nil {
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

func TestNetworks(t *testing.T) {
	some, err := ParseNetworks("10.20.0.0/16, fd00:1::/32")
	if err != nil || some.String() != "10.20.0.0/16,fd00:1::/32" {
		t.Fatal(err, some)
	}
	machine, err := ParseNetworks("127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		host, to string
		networks Networks
		want     bool
	}{
		{"epj.example.no", "193.1.2.3", nil, true},
		{"epj.example.no", "2a01:799::1", nil, true},
		{"epj.example.no", "10.20.2.3", nil, false},
		{"epj.example.no", "10.20.2.3", some, true},
		{"epj.example.no", "::ffff:10.20.2.3", some, true},
		{"epj.example.no", "10.21.2.3", some, false},
		{"epj.example.no", "172.16.0.1", some, false},
		{"epj.example.no", "192.168.1.1", some, false},
		{"epj.example.no", "100.64.1.1", nil, false},
		{"epj.example.no", "198.18.0.1", nil, false},
		{"epj.example.no", "240.0.0.1", nil, false},
		{"epj.example.no", "255.255.255.255", nil, false},
		{"epj.example.no", "224.0.0.1", nil, false},
		{"epj.example.no", "fd00:1::1", nil, false},
		{"epj.example.no", "fd00:1::1", some, true},
		{"epj.example.no", "fd00:2::1", some, false},
		{"epj.example.no", "127.0.0.1", some, false},
		{"epj.example.no", "127.0.0.1", machine, true},
		{"epj.example.no", "::1", some, false},
		{"epj.example.no", "::ffff:127.0.0.1", some, false},
		{"epj.example.no", "::127.0.0.1", some, false},
		{"epj.example.no", "64:ff9b::127.0.0.1", some, false},
		{"epj.example.no", "64:ff9b::10.20.1.1", some, true},
		{"epj.example.no", "64:ff9b::193.1.2.3", nil, true},
		{"epj.example.no", "64:ff9b:1::1", nil, false},
		{"epj.example.no", "2002:7f00:1::1", nil, false},
		{"epj.example.no", "2001:0:1::1", nil, false},
		{"epj.example.no", "169.254.169.254", some, false},
		{"epj.example.no", "0.0.0.0", some, false},
		{"epj.example.no", "::", some, false},
		{"epj.example.no", "fe80::1", some, false},
		{"epj.example.no", "fe80::1%eth0", some, false},
		{"epj.example.no", "ff02::1", some, false},
		{"localhost", "127.0.0.1", nil, true},
		{"localhost", "::1", nil, true},
		{"localhost", "10.1.2.3", nil, false},
		{"localhost", "10.20.2.3", some, false},
		{"localhost", "193.1.2.3", nil, false},
		{"10.1.2.3", "10.1.2.3", nil, true},
		{"127.0.0.1", "127.0.0.1", nil, true},
		{"2001:db8::1", "2001:db8::1", nil, true},
	} {
		if err := c.networks.reach(c.host, netip.MustParseAddr(c.to)); (err == nil) != c.want {
			t.Errorf("%s at %s, networks %q: %v", c.host, c.to, c.networks, err)
		}
	}
	for _, bad := range []string{"10.0.0.0", "10.0.0.1/8", "10.0.0.0/33", "x"} {
		if _, err := ParseNetworks(bad); err == nil {
			t.Errorf("%q is taken for a network", bad)
		}
	}
}
