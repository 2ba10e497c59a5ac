package metadata

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The short cut of ParseID for ordinary UUIDs gives what the rule gives.
func TestParseID(t *testing.T) {
	rule := func(s string) ID {
		s = strings.TrimSpace(s)
		if len(s) >= len(uuidPrefix) && strings.EqualFold(s[:len(uuidPrefix)], uuidPrefix) {
			return ID(strings.ToLower(s))
		}
		return ID(s)
	}
	const plain = "urn:uuid:7b7266c6-4125-46c0-a9ba-6362a1cc28ca"
	for _, s := range []string{"", plain, strings.ToUpper(plain), " " + plain, plain[1:] + " ", plain[:44] + " ", plain[:44] + "A", plain[:43] + "Æ", plain[:43] + "\u00a0", "symbolic", plain[9:]} {
		if got, want := ParseID(s), rule(s); got != want {
			t.Errorf("%q: got %q, want %q", s, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		b := []byte(plain)
		for range rapid.IntRange(1, 4).Draw(t, "changes") {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "to")
		}
		if got, want := ParseID(string(b)), rule(string(b)); got != want {
			t.Fatalf("%q: got %q, want %q", b, got, want)
		}
	})
}
