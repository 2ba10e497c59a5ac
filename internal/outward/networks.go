package outward

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Networks are those that a name may lead to although they are not public.
type Networks []netip.Prefix

// ParseNetworks reads prefixes with commas between them, such as 10.20.0.0/16.
func ParseNetworks(s string) (Networks, error) {
	var all Networks
	for _, one := range strings.Split(s, ",") {
		if one = strings.TrimSpace(one); one == "" {
			continue
		}
		p, err := netip.ParsePrefix(one)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%q is not a network such as 10.20.0.0/16 or fd00:1::/32", one)
		case p != p.Masked():
			return nil, fmt.Errorf("%q has more digits than its length says; write %s", one, p.Masked())
		}
		all = append(all, p)
	}
	return all, nil
}

// String is the list as ParseNetworks reads it.
func (n Networks) String() string {
	all := make([]string, len(n))
	for i, p := range n {
		all[i] = p.String()
	}
	return strings.Join(all, ",")
}

// special are the networks whose addresses mean something else than one machine of
// the public internet (IANA's registries of special-purpose addresses).
var special = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16",
	"198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
	"::/96",                      // this machine, no machine, and IPv4 in its oldest disguise
	"64:ff9b:1::/48", "100::/64", // translation inside a network; nowhere
	"2001::/32", "2002::/16", // tunnels that carry an IPv4 address
	"fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)

func prefixes(list ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(list))
	for i, s := range list {
		all[i] = netip.MustParsePrefix(s)
	}
	return all
}

// translated holds IPv4 addresses in its last 32 bits (RFC 6052).
var translated = netip.MustParsePrefix("64:ff9b::/96")

// plain is the address that an address stands for.
func plain(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if translated.Contains(a) {
		b := a.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return a
}

// reach tells why no connection is made to an address that an allowed host led to.
// A host that is an address itself was allowed as such; localhost may be this
// machine and nothing else.
func (n Networks) reach(host string, to netip.Addr) error {
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	to = plain(to)
	if host == "localhost" {
		if to.IsLoopback() {
			return nil
		}
		return errors.New("localhost leads to another machine")
	}
	if !contain(special, to) || contain(n, to) {
		return nil
	}
	return errors.New("the name leads to an address that is not public, in a network that is not on this server's list (outward.networks)")
}

func contain(all []netip.Prefix, a netip.Addr) bool {
	for _, p := range all {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
