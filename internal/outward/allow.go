package outward

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// ThisMachine is the rule for the addresses of the machine itself.
const ThisMachine = "loopback"

// maxAddress bounds an address that a stranger gives.
const maxAddress = 2000

// Allowed is a list of rules. The zero value allows nothing.
type Allowed []rule

// rule is an address and everything below it; nil: this machine's.
type rule struct{ *url.URL }

// ParseAllowed reads rules with commas between them: "https://host[:port][/path]"
// for everything at or below that, or "loopback".
func ParseAllowed(s string) (Allowed, error) {
	var all Allowed
	for _, one := range strings.Split(s, ",") {
		one = strings.TrimSpace(one)
		switch one {
		case "":
			continue
		case ThisMachine:
			all = append(all, rule{})
			continue
		}
		u, err := parse(one)
		if err != nil {
			return nil, fmt.Errorf("%q is neither an address such as https://host.example.no:8443/path nor loopback: %w", one, err)
		}
		if u.RawQuery != "" {
			return nil, fmt.Errorf("%q: give it without a query", one)
		}
		all = append(all, rule{u})
	}
	return all, nil
}

// Check tells why nothing may be sent to an address; nil: it may. The text has
// nothing of the address.
func (a Allowed) Check(address string) error {
	u, err := parse(address)
	if err != nil {
		return err
	}
	for _, r := range a {
		if r.matches(u) {
			return nil
		}
	}
	return errors.New("it is not on this server's list")
}

func (r rule) matches(u *url.URL) bool {
	if r.URL == nil {
		ip, err := netip.ParseAddr(u.Hostname())
		return u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
	}
	return u.Scheme == r.Scheme && u.Hostname() == r.Hostname() && port(u) == port(r.URL) && within(u.Path, r.Path)
}

// parse takes absolute http addresses in their plainest form only: what two
// readers could understand differently is refused, so that what a rule compares is
// what the message is sent to.
func parse(s string) (*url.URL, error) {
	if len(s) > maxAddress {
		return nil, fmt.Errorf("it is longer than %d characters", maxAddress)
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`\"<>^{|}`+"`", c) >= 0 {
			return nil, errors.New("it has characters that a URL cannot have")
		}
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, errors.New("it is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("it is not an http or https address")
	case u.Hostname() == "" || u.Opaque != "":
		return nil, errors.New("it names no host")
	case u.User != nil:
		return nil, errors.New("it holds a user name")
	case strings.Contains(s, "#"):
		return nil, errors.New("it has a fragment")
	case strings.Contains(u.Hostname(), "%"):
		return nil, errors.New("its host is not plain")
	case strings.Contains(u.EscapedPath(), "%"):
		return nil, errors.New("its path has escaped characters")
	case u.Path != "" && hasDots(u.Path):
		return nil, errors.New("its path has segments of dots, or empty ones")
	}
	u.Host = strings.ToLower(u.Host)
	return u, nil
}

func hasDots(path string) bool {
	segments := strings.Split(path[1:], "/")
	for i, s := range segments {
		if s == "." || s == ".." || s == "" && i < len(segments)-1 {
			return true
		}
	}
	return false
}

// within tells whether path is prefix or lies below it.
func within(path, prefix string) bool {
	path, prefix = strings.TrimSuffix(path, "/"), strings.TrimSuffix(prefix, "/")
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

// Host is where an address leads, for limits and logs: a host and a port; "" when
// it cannot be read.
func Host(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port(u))
}

func port(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}
