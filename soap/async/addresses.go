package async

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// Addresses are where answers may be sent: URLs whose scheme, host and port must be
// equal, and whose path is a beginning of whole segments.
type Addresses []*url.URL

// maxAddress bounds an address that a stranger gives.
const maxAddress = 2000

// ParseAddresses reads a list with commas between.
func ParseAddresses(list string) (Addresses, error) {
	var all Addresses
	for _, one := range strings.Split(list, ",") {
		if one = strings.TrimSpace(one); one == "" {
			continue
		}
		u, err := parse(one)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", one, err)
		}
		if u.RawQuery != "" {
			return nil, fmt.Errorf("%q: give it without a query", one)
		}
		all = append(all, u)
	}
	return all, nil
}

// String is the list as ParseAddresses reads it.
func (a Addresses) String() string {
	var b strings.Builder
	for i, u := range a {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(u.String())
	}
	return b.String()
}

// Allowed says why an address is not one of these; nil when it is.
func (a Addresses) Allowed(address string) error {
	u, err := parse(address)
	if err != nil {
		return err
	}
	for _, allowed := range a {
		if u.Scheme == allowed.Scheme && u.Hostname() == allowed.Hostname() && port(u) == port(allowed) && within(u.Path, allowed.Path) {
			return nil
		}
	}
	return errors.New("it is not on this server's list")
}

// parse takes absolute http addresses in their plainest form only: what two
// readers could understand differently is refused.
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

func port(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// within tells whether path is prefix or lies below it.
func within(path, prefix string) bool {
	path, prefix = strings.TrimSuffix(path, "/"), strings.TrimSuffix(prefix, "/")
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

// reachable tells why no connection is made to an address that a name led to. A
// host that the list names by its address, or as localhost, may be anywhere.
func reachable(host string, to netip.Addr, private bool) error {
	to = to.Unmap()
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	switch {
	case host == "localhost" && to.IsLoopback():
		return nil
	case to.IsLoopback(), to.IsUnspecified(), to.IsMulticast(), to.IsLinkLocalUnicast():
		return errors.New("the name leads to this machine or to its own link")
	case private:
		return nil
	case to.IsPrivate(), shared.Contains(to):
		return errors.New("the name leads to a private address (async.private-addresses allows that)")
	}
	return nil
}

// shared addresses are used inside providers' networks (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}
