package ebrim

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"samdok/internal/xmlscan"
	"samdok/metadata/metadatatest/arbitrary"
)

// speller writes a message as other systems might, and each element as it likes: prefixes,
// the order of attributes, quotes, references, CDATA, comments, blanks.
type speller struct {
	t        *rapid.T
	b        bytes.Buffer
	prefixes map[string][]string // of a namespace, with the colon
	open     []string            // names as written
}

func (s *speller) odds(what string, of int) bool { return rapid.IntRange(1, of).Draw(s.t, what) == of }

// respelled says what b says.
func respelled(t *rapid.T, b []byte) []byte {
	s := &speller{t: t, prefixes: map[string][]string{}}
	d := xml.NewDecoder(bytes.NewReader(b))
	last := xml.Token(nil)
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return bytes.Clone(s.b.Bytes())
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			s.between()
			s.start(token)
		case xml.EndElement:
			if _, is := last.(xml.EndElement); is {
				s.between()
			}
			name := s.open[len(s.open)-1]
			s.open = s.open[:len(s.open)-1]
			s.b.WriteString("</" + name + rapid.SampledFrom([]string{">", ">", ">", " >"}).Draw(t, "end"))
		case xml.CharData:
			s.text(string(token))
		}
		last = xml.CopyToken(token)
	}
}

func (s *speller) between() {
	if len(s.open) > 0 && s.odds("blanks", 3) {
		s.b.WriteString(rapid.SampledFrom([]string{"\n    ", "\r\n", " ", "<!-- next -->"}).Draw(s.t, "blank"))
	}
}

func (s *speller) start(e xml.StartElement) {
	declared := ""
	if len(s.open) == 0 {
		for i, ns := range []string{rimNS, rsNS, lcmNS, queryNS} {
			long, short := fmt.Sprintf("ns%d:", i+2), []string{"rim:", "rs:", "lcm:", "query:"}[i]
			s.prefixes[ns] = []string{short, short, long}
			declared += " xmlns:" + strings.TrimSuffix(short, ":") + `="` + ns + `" xmlns:` + strings.TrimSuffix(long, ":") + "='" + ns + "'"
		}
		ns := rapid.SampledFrom([]string{rimNS, lcmNS, queryNS}).Draw(s.t, "default")
		s.prefixes[ns] = append(s.prefixes[ns], "", "", "")
		declared += ` xmlns="` + ns + `"`
	}
	name := rapid.SampledFrom(s.prefixes[e.Name.Space]).Draw(s.t, "prefix") + e.Name.Local
	s.open = append(s.open, name)
	s.b.WriteString("<" + name + declared)
	for _, a := range rapid.Permutation(e.Attr).Draw(s.t, "attributes") {
		if a.Name.Space == "xmlns" || a.Name.Local == "xmlns" {
			continue
		}
		attr := a.Name.Local
		if attr == "lang" {
			attr = "xml:lang"
		}
		quote := rapid.SampledFrom([]string{`"`, `"`, `"`, `'`}).Draw(s.t, "quote")
		s.b.WriteString(" " + attr + "=" + quote)
		s.escaped(a.Value, true)
		s.b.WriteString(quote)
	}
	if s.odds("odd", 8) {
		s.b.WriteString(` rim:odd="&amp;"`)
	}
	s.b.WriteString(">")
}

func (s *speller) text(text string) {
	switch {
	case text != "" && !strings.ContainsAny(text, "\r") && !strings.Contains(text, "]]>") && s.odds("CDATA", 6):
		s.b.WriteString("<![CDATA[" + text + "]]>")
	case text != "" && s.odds("comment", 6):
		_, first := utf8.DecodeRuneInString(text)
		s.escaped(text[:first], false)
		s.b.WriteString("<!-- & -->")
		s.escaped(text[first:], false)
	default:
		s.escaped(text, false)
	}
}

func (s *speller) escaped(text string, attribute bool) {
	hex := s.odds("hex", 4)
	for _, r := range text {
		switch {
		case r == '&' && !hex:
			s.b.WriteString("&amp;")
		case strings.ContainsRune(`&<>"'`, r), r == '\r', attribute && (r == '\n' || r == '\t'), hex && r == 'e':
			fmt.Fprintf(&s.b, "&#x%x;", r)
		default:
			s.b.WriteRune(r)
		}
	}
}

// However a message is spelt, and whatever was read before it, it says the same.
func TestSpellings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sc := new(xmlscan.Scanner) // remembers how others were spelt, as those of a server do
		text := arbitrary.Plain()
		want := arbitrary.Submission(text).Draw(t, "submission")
		plain := AppendSubmission(nil, want)
		answer := AppendQueryResponseHead(nil, Success, nil)
		objects := rapid.SliceOfN(arbitrary.Object(text), 1, 4).Draw(t, "objects")
		for _, o := range objects {
			answer = AppendObject(answer, o)
		}
		answer = AppendQueryResponseTail(answer)
		for range 3 {
			b := respelled(t, plain)
			sc.Reset(b, xmlscan.Limits{})
			if _, err := sc.Next(); err != nil {
				t.Fatalf("%v\n%s", err, b)
			}
			got, problems, err := DecodeSubmission(sc)
			if err != nil || len(problems) > 0 {
				t.Fatalf("%v %s\n%s", err, contexts(problems), b)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Fatalf("%s\n%s", d, b)
			}
			b = respelled(t, answer)
			for how, sc := range map[string]*xmlscan.Scanner{"in memory": sc, "fed": xmlscan.NewReader(iotest.HalfReader(bytes.NewReader(b)), xmlscan.Limits{}, xmlscan.Divert{})} {
				if how == "in memory" {
					sc.Reset(b, xmlscan.Limits{})
				}
				if _, err := sc.Next(); err != nil {
					t.Fatalf("%v\n%s", err, b)
				}
				got, err := DecodeQueryResponse(sc)
				if err != nil || len(got.Defects) > 0 {
					t.Fatalf("%s: %v %s\n%s", how, err, contexts(got.Defects), b)
				}
				if d := cmp.Diff(objects, got.Objects); d != "" {
					t.Fatalf("%s: %s\n%s", how, d, b)
				}
			}
		}
	})
}

// The same of queries.
func TestSpelledQueries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sc := new(xmlscan.Scanner)
		for range 3 {
			want := drawQuery(t, arbitrary.Plain())
			b := respelled(t, AppendQuery(nil, want))
			sc.Reset(b, xmlscan.Limits{})
			if _, err := sc.Next(); err != nil {
				t.Fatalf("%v\n%s", err, b)
			}
			got, err := DecodeQuery(sc)
			if err != nil {
				t.Fatalf("%v\n%s", err, b)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Fatalf("%s\n%s", d, b)
			}
		}
	})
}
