package leak

import (
	"bytes"
	"fmt"
	"regexp"
)

// Finding is one leak. It does not repeat what leaked.
type Finding struct {
	Line int // from 1
	What string
	// Around is the line with every digit and the token itself covered.
	Around string
}

func (f Finding) String() string { return fmt.Sprintf("line %d: %s: %s", f.Line, f.What, f.Around) }

// tokens are forms that nothing else has.
var tokens = []struct {
	what string
	form *regexp.Regexp
}{
	{"a bearer or basic credential", regexp.MustCompile(`(?i)\b(?:bearer|basic|dpop)[ :=]+["']?[A-Za-z0-9._~+/-]{8,}`)},
	{"a JSON web token", regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}`)},
	{"a SAML assertion", regexp.MustCompile(`<(?:[A-Za-z0-9]+:)?Assertion[ >]`)},
	{"a private key", regexp.MustCompile(`PRIVATE[+ ]KEY`)},
	{"the content of a document", regexp.MustCompile(`HEMMELIG-[0-9a-f]{6}`)}, // the marker of internal/hostile
}

var (
	elevenDigits = regexp.MustCompile(`[0-9]{11,}`)
	digit        = regexp.MustCompile(`[0-9]`)
)

// Find looks through lines of text.
func Find(text []byte) (all []Finding) {
	n := 0
	for line := range bytes.Lines(text) {
		n++
		for _, t := range tokens {
			if at := t.form.FindIndex(line); at != nil {
				all = append(all, Finding{n, t.what, cover(line, at)})
			}
		}
		for _, at := range elevenDigits.FindAllIndex(line, -1) {
			if at[1]-at[0] == 11 && alone(line, at) && IdentityNumber(string(line[at[0]:at[1]])) {
				all = append(all, Finding{n, "a national identity number", cover(line, at)})
			}
		}
	}
	return all
}

// alone tells whether digits are not a piece of an OID, a UUID or a word.
func alone(line []byte, at []int) bool {
	part := func(b byte) bool {
		return b == '_' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
	}
	if at[0] > 0 {
		// An escape such as \n or %5E may stand before it.
		before := line[at[0]-1]
		escaped := at[0] > 1 && line[at[0]-2] == '\\' || at[0] > 2 && line[at[0]-3] == '%'
		if before == '.' || part(before) && !escaped {
			return false
		}
	}
	if at[1] < len(line) {
		after := line[at[1]]
		// An OID or a fraction goes on with a digit; a sentence ends with the point.
		if after == '.' && at[1]+1 < len(line) && '0' <= line[at[1]+1] && line[at[1]+1] <= '9' || part(after) {
			return false
		}
	}
	return true
}

func cover(line []byte, at []int) string {
	from, to := max(0, at[0]-120), min(len(line), at[1]+120)
	b := append([]byte{}, line[from:at[0]]...)
	b = append(append(b, "***"...), line[at[1]:to]...)
	return string(digit.ReplaceAll(bytes.TrimSpace(b), []byte("#")))
}

// IdentityNumber tells whether 11 digits are a fødselsnummer, a D-number (day +
// 40), an H-number (month + 40) or a synthetic one (month + 80 or + 65): a day of a
// month and right control digits. The synthetic numbers of tests, month + 80, are
// taken without control digits too.
func IdentityNumber(s string) bool {
	if len(s) != 11 {
		return false
	}
	var d [11]int
	for i := range d {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
		d[i] = int(s[i] - '0')
	}
	day, month := d[0]*10+d[1], d[2]*10+d[3]
	if day > 40 {
		day -= 40
	}
	tenor := month > 80 && month <= 92
	switch {
	case tenor:
		month -= 80
	case month > 65 && month <= 77:
		month -= 65
	case month > 40 && month <= 52:
		month -= 40
	}
	if day < 1 || day > 31 || month < 1 || month > 12 {
		return false
	}
	return tenor || controlled(d)
}

func controlled(d [11]int) bool {
	sum := func(weights ...int) (n int) {
		for i, w := range weights {
			n += w * d[i]
		}
		return n % 11
	}
	return sum(3, 7, 6, 1, 8, 9, 4, 5, 2, 1) == 0 && sum(5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1) == 0
}
