package config

import (
	"strings"
	"testing"
)

func TestBucketRule(t *testing.T) {
	for name, want := range map[string]string{
		"samdok": "", "a-1.b2": "", "123": "", strings.Repeat("a", 63): "",
		"ab": "3 to 63", strings.Repeat("a", 64): "3 to 63", "": "3 to 63",
		"Samdok": "capital", "sam_dok": "hyphens and dots", "blå": "hyphens and dots",
		"-sam": "begins and ends", "sam.": "begins and ends", "a..b": "both sides", "a.-b": "both sides", "a-.b": "both sides",
		"10.0.0.1": "IP address",
	} {
		got := bucketRule(name)
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q: %q instead of %q", name, got, want)
		}
	}
}
