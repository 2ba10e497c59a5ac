package config

import (
	"net/netip"
	"strings"
)

// bucketRule is the rule of S3 for names of buckets that a name breaks; "": none. A store
// answers such a name with HTTP 400 and no word.
func bucketRule(name string) string {
	alnum := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }
	if n := len(name); n < 3 || n > 63 {
		return "has 3 to 63 characters"
	}
	for _, c := range []byte(name) {
		switch {
		case c >= 'A' && c <= 'Z':
			return "has no capital letters"
		case !alnum(c) && c != '-' && c != '.':
			return "has only letters from a to z, digits, hyphens and dots"
		}
	}
	if !alnum(name[0]) || !alnum(name[len(name)-1]) {
		return "begins and ends with a letter or a digit"
	}
	for _, pair := range []string{"..", ".-", "-."} {
		if strings.Contains(name, pair) {
			return "has letters or digits on both sides of a dot"
		}
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return "is no IP address"
	}
	return ""
}
