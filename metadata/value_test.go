package metadata_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"samdok/metadata"
	"samdok/metadata/metadatatest/arbitrary"
)

func TestDTM(t *testing.T) {
	tests := map[metadata.DTM]string{ // valid: padded; "" invalid
		"2005": "20050101000000", "200512": "20051201000000", "20051231": "20051231000000", "2005123123": "20051231230000",
		"200512312359": "20051231235900", "20051231235959": "20051231235959", "20240229": "20240229000000", "20000229": "20000229000000", "0001": "00010101000000",
		"": "", "0000": "", "05": "", "200": "", "20051": "", "2005123": "", "200513": "", "200500": "", "20050100": "", "20050132": "", "20050431": "", "20230229": "", "19000229": "",
		"2005010124": "", "200501010060": "", "20050101000060": "", "20050101000000.1": "", "20050101000000+0100": "", "2005-01-01": "", "2005010100000": "", "２００５": "", "2005 ": "", "+2005": "",
	}
	for d, padded := range tests {
		if got := d.Valid(); got != (padded != "") {
			t.Errorf("%q: Valid %v", d, got)
		}
		if (d.Check() == nil) != d.Valid() {
			t.Errorf("%q: Check %v", d, d.Check())
		}
		at, err := d.Time()
		if padded == "" {
			if err == nil {
				t.Errorf("%q: Time %v", d, at)
			}
			continue
		}
		if d.Pad() != padded {
			t.Errorf("%q: Pad %q, want %q", d, d.Pad(), padded)
		}
		if err != nil || at.Format("20060102150405") != padded {
			t.Errorf("%q: Time %v, %v", d, at, err)
		}
	}
	oslo := time.FixedZone("", 7200)
	if got := metadata.FormatDTM(time.Date(2026, 7, 1, 1, 2, 3, 999, oslo)); got != "20260630230203" {
		t.Error(got)
	}
}

func TestDTMOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := arbitrary.DTM().Draw(t, "a"), arbitrary.DTM().Draw(t, "b")
		if got, want := a.Compare(b), strings.Compare(a.Pad(), b.Pad()); got != want {
			t.Fatalf("%s %s: %d, want %d", a, b, got, want)
		}
		at, err := a.Time()
		if err != nil || string(metadata.FormatDTM(at)) != a.Pad() {
			t.Fatalf("%s: %v, %v", a, at, err)
		}
	})
}

func TestNotAfter(t *testing.T) {
	for _, pair := range [][2]metadata.DTM{{"2005", "2005"}, {"20050112", "200501"}, {"200501", "20050101"}, {"2004", "20050101"}, {"20050101", "20050102"}} {
		if !pair[0].NotAfter(pair[1]) {
			t.Errorf("%v", pair)
		}
	}
	for _, pair := range [][2]metadata.DTM{{"2006", "2005"}, {"20050201", "200501"}, {"20050102", "20050101235959"}} {
		if pair[0].NotAfter(pair[1]) {
			t.Errorf("%v", pair)
		}
	}
}

func TestTimeRange(t *testing.T) {
	tests := []struct {
		from, to, at metadata.DTM
		want         bool
	}{
		{"", "", "2005", true},
		{"2005", "", "2005", true},
		{"2005", "", "20041231235959", false},
		{"", "2005", "20041231235959", true},
		{"", "2005", "2005", false},
		{"20050101", "20050102", "20050101", true},
		{"20050101", "20050102", "20050102", false},
		{"20050102", "", "2005", false},
		{"20050101000000", "", "2005", true},
		{"2005", "20050101000001", "2005", true},
	}
	for _, tt := range tests {
		if got := (metadata.TimeRange{From: tt.from, To: tt.to}).Contains(tt.at); got != tt.want {
			t.Errorf("%s <= %s < %s: %v", tt.from, tt.at, tt.to, got)
		}
	}
}

func TestLike(t *testing.T) {
	tests := []struct {
		pattern metadata.Like
		s       string
		want    bool
	}{
		{"", "", true}, {"", "a", false}, {"%", "", true}, {"%", "abc", true}, {"_", "", false}, {"_", "a", true}, {"_", "å", true}, {"_", "ab", false},
		{"a%", "abc", true}, {"%c", "abc", true}, {"%b%", "abc", true}, {"a_c", "abc", true}, {"a_c", "abbc", false}, {"ABC", "abc", false},
		{"%Nordmann%", "123^Nordmann^Ola", true}, {"%Nordmann", "123^Nordmann^Ola", false}, {"%a%a%a", "aaa", true}, {"%a%a%a", "aa", false},
		{"%ab%", "aaaab", true}, {"a%b%c", "axxbyyc", true}, {"a%b%c", "axxbyyd", false}, {"%_", "", false}, {"%_%", "x", true}, {"_%_", "x", false},
		{"^%$", "^abc$", true}, {".", "a", false}, {"%%", "x", true}, {"x%%", "x", true},
	}
	for _, tt := range tests {
		if got := tt.pattern.Match(tt.s); got != tt.want {
			t.Errorf("%q LIKE %q: %v", tt.s, tt.pattern, got)
		}
	}
	if !metadata.Like("abc").IsExact() || metadata.Like("a%").IsExact() || metadata.Like("a_").IsExact() {
		t.Error("IsExact")
	}
	// A pattern that would take a backtracking matcher for ever.
	start := time.Now()
	metadata.Like(strings.Repeat("%a", 200) + "b").Match(strings.Repeat("a", 20_000))
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("took %v", d)
	}
}

func TestLikeAgainstRegexp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		likeAgainstRegexp(t, rapid.StringMatching(`[ab%_å]{0,8}`).Draw(t, "pattern"), rapid.StringMatching(`[abå]{0,10}`).Draw(t, "s"))
	})
}

func likeAgainstRegexp(t interface{ Fatalf(string, ...any) }, pattern, s string) {
	var re strings.Builder
	re.WriteString(`(?s)\A`)
	for _, r := range pattern {
		switch r {
		case '%':
			re.WriteString(".*")
		case '_':
			re.WriteString(".")
		default:
			re.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	re.WriteString(`\z`)
	want := regexp.MustCompile(re.String()).MatchString(s)
	if got := metadata.Like(pattern).Match(s); got != want {
		t.Fatalf("%q LIKE %q: %v, want %v", s, pattern, got, want)
	}
}

func FuzzLike(f *testing.F) {
	f.Add("%a_b%", "xxaybxx")
	f.Add("%_", "å")
	f.Add("a%b%%c", "abbc")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 64 || len(s) > 256 || strings.ToValidUTF8(pattern, "") != pattern || strings.ToValidUTF8(s, "") != s {
			metadata.Like(pattern).Match(s)
			return
		}
		likeAgainstRegexp(t, pattern, s)
	})
}

func FuzzDTM(f *testing.F) {
	for _, s := range []string{"2005", "20240229", "20051231235959", "200513", "0000", "2005010124"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d := metadata.DTM(s)
		const layout = "20060102150405"
		want := false
		if n := len(s); n >= 4 && n <= 14 && n%2 == 0 && strings.Trim(s, "0123456789") == "" {
			_, err := time.Parse(layout[:n], s)
			want = err == nil && s[:4] != "0000"
		}
		if d.Valid() != want {
			t.Fatalf("%q: Valid %v, want %v", s, d.Valid(), want)
		}
		if len(d.Pad()) != 14 {
			t.Fatalf("%q: Pad %q", s, d.Pad())
		}
	})
}

func TestForms(t *testing.T) {
	check := func(name string, valid func(string) bool, yes, no []string) {
		t.Helper()
		for _, s := range yes {
			if !valid(s) {
				t.Errorf("%s: %q is refused", name, s)
			}
		}
		for _, s := range no {
			if valid(s) {
				t.Errorf("%s: %q is accepted", name, s)
			}
		}
	}
	check("OID", metadata.ValidOID,
		[]string{"1.2", "0.0", "2.16.578.1.12.4.1.4.1", "1.0.10", "4.1", "2.25." + strings.Repeat("9", 59)},
		[]string{"", "1", "1.", ".1", "1..2", "1.02", "01.2", "1.2a", "urn:oid:1.2", " 1.2", "1.2 ", "2.25." + strings.Repeat("9", 60), "1.-2", "1,2"})
	check("home", metadata.ValidHome, []string{"urn:oid:1.2.3"}, []string{"", "1.2.3", "urn:oid:", "URN:OID:1.2.3", "urn:oid:1.02"})
	check("mime", metadata.ValidMimeType,
		[]string{"text/plain", "application/hl7-v3+xml", "text/xml; charset=utf-8", "image/svg+xml", "application/vnd.ms-excel", "multipart/related ;x=y"},
		[]string{"", "text", "text/", "/plain", "text/pl ain", "text/a/b", "text plain", "-x/y", "tekst/ø"})
	check("language", metadata.ValidLanguage, []string{"nb-NO", "en", "se-NO", "zh-Hant-TW", "x-klingon", "i-default"}, []string{"", "-", "nb-", "-NO", "nb_NO", "1a", "toolongtag1", "nb--NO", "n b"})
	check("hash", metadata.ValidHash,
		[]string{"da39a3ee5e6b4b0d3255bfef95601890afd80709", "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709"},
		[]string{"", "da39a3ee5e6b4b0d3255bfef95601890afd8070", "da39a3ee5e6b4b0d3255bfef95601890afd8070g", "u9qVWgiUeN1sDpxUrHLPx2x1LMc="})
	check("URN", metadata.ValidURN,
		[]string{"urn:oid:1.2.3", "URN:x-y:z", "urn:no:ehelse:document:pdf", "urn:uuid:x"},
		[]string{"", "urn:", "urn:x", "urn:x:y", "urn::y", "urn:ab:", "http://x", "urn:a b:c", "urn:ab:c d", "hash", "urn:ø1:x"})
}

func TestParseHome(t *testing.T) {
	for in, want := range map[string]string{
		"urn:oid:1.2.3": "urn:oid:1.2.3", "1.2.3": "urn:oid:1.2.3", "URN:OID:1.2.3": "urn:oid:1.2.3", " urn:oid:1.2.3\n": "urn:oid:1.2.3",
		"": "", "urn:oid:": "urn:oid:", "urn:uuid:x": "urn:uuid:x", "1.02": "1.02", " x ": " x ",
	} {
		if got := metadata.ParseHome(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestCodeRefSame(t *testing.T) {
	bare := metadata.CodeRef{Value: "N", Scheme: "1.2.3"}
	urn := metadata.CodeRef{Value: "N", Scheme: "urn:oid:1.2.3"}
	loud := metadata.CodeRef{Value: "N", Scheme: "URN:OID:1.2.3"}
	for _, other := range []metadata.CodeRef{bare, urn, loud} {
		if !bare.Same(other) || !other.Same(urn) || other.Canonical() != bare {
			t.Errorf("%v is another code", other)
		}
	}
	for _, other := range []metadata.CodeRef{{"n", "1.2.3"}, {"N", "1.2.4"}, {"N", ""}, {"N", "urn:oid:"}} {
		if bare.Same(other) {
			t.Errorf("%v is the same code", other)
		}
	}
}

func TestUUID(t *testing.T) {
	seen := map[metadata.UUID]bool{}
	for range 10_000 {
		u := metadata.NewUUID()
		if seen[u] || u[6]>>4 != 4 || u[8]>>6 != 2 {
			t.Fatalf("%v", u)
		}
		seen[u] = true
		if back, ok := u.ID().UUID(); !ok || back != u || u.ID().IsSymbolic() {
			t.Fatalf("%v became %v", u, back)
		}
	}
	for _, bad := range []string{"", "urn:uuid:", "urn:uuid:10b545ea-725c-446d-9b95-8aeb444eddf", "10b545ea725c446d9b958aeb444eddf3", "urn:uuid:10b545ea-725c-446d-9b95-8aeb444eddfg", "urn:uuid:10b545ea-725c-446d-9b95_8aeb444eddf3"} {
		if u, ok := metadata.ParseUUID(bad); ok {
			t.Errorf("%q became %v", bad, u)
		}
	}
	if u, ok := metadata.ParseID(" URN:UUID:10B545EA-725C-446D-9B95-8AEB444EDDF3 ").UUID(); !ok || u.ID() != metadata.GetAllID {
		t.Error(u, ok)
	}
}

func FuzzOID(f *testing.F) {
	f.Add("1.2.3")
	f.Add("2.16.578.01")
	re := regexp.MustCompile(`\A(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))+\z`)
	f.Fuzz(func(t *testing.T, s string) {
		if want := len(s) <= 64 && re.MatchString(s); metadata.ValidOID(s) != want {
			t.Fatalf("%q: %v", s, !want)
		}
	})
}

func BenchmarkNewUUID(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		metadata.NewUUID()
	}
}
