package outward

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"strings"
)

// ErrNotAllowed: the operator has not allowed the address.
var ErrNotAllowed = errors.New("the operator of this server has not allowed the address (outward.allow)")

// ThisMachine is the rule for the addresses of the machine itself.
const ThisMachine = "loopback"

// Allowed is a list of rules. The zero value allows nothing.
type Allowed []rule

type rule struct {
	loopback     bool
	scheme, host string // host:port, lower case
	path         string // "" or what the path must begin with, up to a "/"
}

// ParseAllowed reads rules with commas between them: "https://host[:port][/path]"
// for everything below that, or "loopback".
func ParseAllowed(s string) (Allowed, error) {
	var all Allowed
	for _, one := range strings.Split(s, ",") {
		one = strings.TrimSpace(one)
		switch one {
		case "":
			continue
		case ThisMachine:
			all = append(all, rule{loopback: true})
			continue
		}
		u, err := parse(one)
		if err != nil || u.RawQuery != "" {
			return nil, fmt.Errorf("%q is neither an address such as https://host.example.no:8443/path nor loopback", one)
		}
		all = append(all, rule{scheme: u.Scheme, host: hostPort(u), path: strings.TrimRight(u.Path, "/")})
	}
	return all, nil
}

// Check tells why nothing may be sent to an address; nil: it may.
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
	return ErrNotAllowed
}

func (r *rule) matches(u *url.URL) bool {
	if r.loopback {
		ip := net.ParseIP(u.Hostname())
		return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	}
	return r.scheme == u.Scheme && r.host == hostPort(u) && (r.path == "" || u.Path == r.path || strings.HasPrefix(u.Path, r.path+"/"))
}

// parse takes addresses of which there is one reading only: what a rule compares
// is what the message is sent to.
func parse(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("the address is not a web address (http or https)")
	case u.User != nil || u.Fragment != "" || u.Opaque != "":
		return nil, errors.New("the address holds a user name or a fragment")
	case u.Path != "" && path.Clean(u.Path) != strings.TrimRight(u.Path, "/") && u.Path != "/", strings.Contains(u.RawPath, "%2"):
		return nil, errors.New("the path of the address is not in its plain form")
	}
	return u, nil
}

// Host is where an address leads, for limits and logs: a host and a port.
func Host(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return hostPort(u)
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "443"
		if u.Scheme == "http" {
			port = "80"
		}
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}
