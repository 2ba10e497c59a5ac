package xmlscan

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestAppend(t *testing.T) {
	for _, c := range []struct{ in, text, attr string }{
		{"", "", ""},
		{"plain text", "plain text", "plain text"},
		{`<&>"'`, `&lt;&amp;&gt;"'`, `&lt;&amp;&gt;&quot;'`},
		{"a\tb\nc\rd", "a\tb\nc&#13;d", "a&#9;b&#10;c&#13;d"},
		{"bl\u00e5b\u00e6r \U0001F600", "bl\u00e5b\u00e6r \U0001F600", "bl\u00e5b\u00e6r \U0001F600"},
		{"\x00\x1f\xff\uFFFE\u007f", "\uFFFD\uFFFD\uFFFD\uFFFD\u007f", "\uFFFD\uFFFD\uFFFD\uFFFD\u007f"},
		{"\uFFFD\xc3", "\uFFFD\uFFFD", "\uFFFD\uFFFD"},
	} {
		if got := string(AppendText(nil, c.in)); got != c.text {
			t.Errorf("text %q: got %q, want %q", c.in, got, c.text)
		}
		if got := string(AppendAttr(nil, c.in)); got != c.attr {
			t.Errorf("attribute %q: got %q, want %q", c.in, got, c.attr)
		}
	}
}

// What is written comes back, except for what XML cannot hold.
func TestAppendIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.String().Draw(t, "in")
		want := strings.Map(func(r rune) rune {
			if !validRune(r) {
				return 0xFFFD
			}
			return r
		}, in)
		b := append([]byte(`<a b="`), AppendAttr(nil, in)...)
		b = append(AppendText(append(b, `">`...), in), `</a>`...)
		s := New(b, Limits{})
		if _, err := s.Next(); err != nil {
			t.Fatal(err)
		}
		attr, _ := s.Attr("b")
		text, err := s.ElementText()
		if err != nil || attr != want || text != want {
			t.Fatalf("%q: got %q, %q, %v", b, attr, text, err)
		}
	})
}

// The lowest mark is where the first odd octet is, whatever stands around it.
func TestMarks(t *testing.T) {
	for at := range 8 {
		for beside := range 256 {
			b := bytes.Repeat([]byte{byte(beside)}, 8)
			for c := range 256 {
				b[at] = byte(c)
				want := slices.IndexFunc(b, func(c byte) bool { return escape[c] != 0 })
				if m := marks(binary.LittleEndian.Uint64(b)); (m == 0) != (want < 0) || m != 0 && bits.TrailingZeros64(m)/8 != want {
					t.Fatalf("%q: %x, want %d", b, m, want)
				}
			}
		}
	}
}

// One odd octet is found wherever it stands in strings of any length.
func TestOdd(t *testing.T) {
	for size := range 40 {
		for from := range size + 1 {
			if at := odd(strings.Repeat("a", size), from); at != size {
				t.Fatalf("%d of %d plain octets: %d", from, size, at)
			}
			for place := from; place < size; place++ {
				s := []byte(strings.Repeat("a", size))
				s[place] = '&'
				if at := odd(string(s), from); at != place {
					t.Fatalf("%q from %d: %d", s, from, at)
				}
			}
		}
	}
}
