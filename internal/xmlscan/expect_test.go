package xmlscan

import (
	"bytes"
	"encoding/xml"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// plainly reads as ours does, and knows of no tag how the one before was written.
func plainly(s *Scanner) (list []token, err error) {
	for {
		k, err := s.Next()
		if err != nil || k == EOF {
			return list, err
		}
		list = appendToken(list, tokenOf(s, k))
		s.shapes = nil
	}
}

// expectation is what is known of an input before it is read: names of elements.
type expectation struct{ names []string }

// expecting reads as ours does, but by Enter, leaf, leave and Only wherever they
// take something.
func (x *expectation) expecting(s *Scanner) (list []token, err error) {
	started := false
	for {
		if started {
			started = false
			at := len(list)
			if list = x.content(s, list); len(list) > at {
				continue
			}
		}
		if s.leave() {
			list = append(list, tokenOf(s, End))
			continue
		}
		k := Start
		if !slices.ContainsFunc(x.names, s.Enter) {
			if k, err = s.Next(); err != nil || k == EOF {
				return list, err
			}
		}
		started = k == Start
		list = appendToken(list, tokenOf(s, k))
	}
}

// content takes what stands between the Start that s is at and its End, and the End.
func (x *expectation) content(s *Scanner, list []token) []token {
	named := func(k Kind, local string) token { // at the Start, as names at the End are compared by others
		return token{kind: k, name: alike(xml.Name{Space: s.URI(s.NS()), Local: local})}
	}
	end := named(End, string(s.Local()))
	if text, ok := s.leaf(); ok {
		return append(appendToken(list, token{kind: Text, text: text}), end)
	}
	few := x.names[:min(len(x.names), 5)]
	for _, outer := range few {
		for _, inner := range few {
			open, shut := []token{named(Start, outer), named(Start, inner)}, []token{named(End, inner), named(End, outer), end}
			if text, ok := s.Only(outer, inner); ok {
				return append(appendToken(append(list, open...), token{kind: Text, text: text}), shut...)
			}
		}
	}
	return list
}

// FuzzExpect: looking for what is expected gives the same events as Next, and the same
// verdict, also of an input that is fed.
func FuzzExpect(f *testing.F) {
	seeds(f)
	for _, in := range []string{
		`<a xmlns="u"><b>c</b><b></b><b/><b >d</b ><b>e<!-- f -->g</b><b><![CDATA[h]]></b><b>i&amp;j` + "\r\n" + `</b></a>`,
		`<p:a xmlns:p="u"><p:b><p:b>c</p:b></p:b><b xmlns="v"><b>d</b></b><q:b xmlns:q="u"><q:b>e</q:b></q:b></p:a>`,
		`<a><b>]]></b></a>`, `<a><b>&c;</b></a>`, `<a><b>c</a></b>`, `<a><b>c</b>`, `<a><b>c</b></a><a><b>d</b></a>`, "<a><b>\xff</b></a>", "<a><b>\xe6</b></a>",
		`<d:a xmlns:d="urn:ihe:iti:xds-b:2007"><d:Document>QUJD</d:Document></d:a>`,
		`<a><s name="b" xml:lang="c"/><s name="d" xml:lang="&lt;"/><s xml:lang="e">f</s><s name="g"h="i"/></a>`,
		`<a><s12 name="b" c="d"/><s12 name="&amp;e" c="f" g="h"/></a>`, "<a><s12 name=\"b\" c=\"d\"/><s12 name=\"e\tf\" c=\"g\" h=\"i\"/></a>",
		"<a xmlns:x=\"u\"><Name b=\"c\"/><x:d><Name>\n</Name></x:d></a>",
		`<a><s name="b" c="d"/><s name="e" name="f"/></a>`, `<a><s name="b" c="d"/><s name="e<" c="f"/></a>`, `<a><s name="b"/><s name="c</a>`, `<a><s name="b"/><s name="&d;"/></a>`,
		`<q:a xmlns:q="u" q:b="c"><q:s q:d="e"/><q:s q:d="f"/><q:s d="g" xmlns:q="v" q:d="h"/></q:a>`,
		`<a><b><c>d</c></b><e><b><c>f&gt;</c></b></e><e><b><c></c></b></e><e><b><c>g</c></b> </e><e><b><c>]]></c></b></e></a>`,
		`<p:a xmlns:p="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"><p:e><p:b><p:c>d</p:c></p:b></p:e><p:e><p:b><p:c>d</p:c></p:b></p:e><p:e xmlns:p="u"><p:b><p:c>d</p:c></p:b></p:e></p:a>`,
		`<a><e><b>c<d/></b></e><e xmlns="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"><b>c<d/></b></e><e><b>c<d/></b></e><e><b>c<d/></b></f></a>`,
		`<p:a xmlns:p="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"><p:e><p:b/><p:d/></p:e><p:e xmlns:p="u"><p:b/><p:d/></p:e></p:a>`,
		`<p:a xmlns:p="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0" xmlns:q="u"><p:e><q:b><d/></q:b></p:e><p:e xmlns:q="v"><q:b><d/></q:b></p:e></p:a>`,
		`<p:a xmlns:p="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0" xmlns:q="u"><p:e><p:b q:c=""/><p:d/></p:e><p:e xmlns:q="v"><p:b q:c=""/><p:d/></p:e></p:a>`,
	} {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		want, wantErr := plainly(New(b, Limits{}))
		var names []string
		for i := range want {
			if want[i].kind == Start {
				names = append(names, want[i].name.Local)
			}
		}
		slices.Sort(names)
		names = slices.Compact(names)
		if len(names) > 20 {
			names = names[:20]
		}
		x := &expectation{names: names} // of one reading for the next, too
		divert := Divert{XDS, "Document"}
		for how, s := range map[string]*Scanner{
			"in memory":  New(b, Limits{}),
			"fed":        NewReader(bytes.NewReader(b), Limits{}, divert),
			"one by one": NewReader(iotest.OneByteReader(bytes.NewReader(b)), Limits{}, divert),
			"in halves":  NewReader(iotest.HalfReader(bytes.NewReader(b)), Limits{}, divert),
		} {
			got, err := x.expecting(s)
			if (err == nil) != (wantErr == nil) {
				t.Fatalf("%s, %q: got %v, by Next %v", how, b, err, wantErr)
			}
			if err == nil && !same(got, want) {
				t.Fatalf("%s, %q:\n got %v\nwant %v", how, b, got, want)
			}
			if err != nil && how == "in memory" && err.Error() != wantErr.Error() {
				t.Fatalf("%q: got %v, by Next %v", b, err, wantErr)
			}
		}
	})
}

// A tag that turns out to be written otherwise than the one before is read again from its
// beginning, and nothing of what was looked for further on is taken for its values.
func TestUnlikeTags(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.SampledFrom([]string{"", "b", "&amp;", "b&lt;&amp;c", "d\te", "f\ng", "h\r\ni", "&#x41;", "æ"})
		var b strings.Builder
		b.WriteString("<root>")
		for range rapid.IntRange(2, 8).Draw(t, "tags") {
			b.WriteString("<part")
			for _, name := range []string{"id", "scheme", "value", "kind", "home"} {
				if rapid.Bool().Draw(t, name) {
					b.WriteString(" " + name + `="` + value.Draw(t, "value") + `"`)
				}
			}
			b.WriteString("/>")
		}
		b.WriteString("</root>")
		want, err := plainly(New([]byte(b.String()), Limits{}))
		if err != nil {
			t.Fatal(err)
		}
		got, err := (&expectation{}).expecting(New([]byte(b.String()), Limits{}))
		if err != nil || !same(got, want) {
			t.Fatalf("%s:\n got %v %v\nwant %v", b.String(), got, err, want)
		}
	})
}

// Limits hold although Enter counts for itself.
func TestExpectLimits(t *testing.T) {
	in := []byte("<a><a><a><a>b</a></a></a></a>")
	for name, l := range map[string]Limits{"depth": {Depth: 3}, "elements": {Elements: 3}, "size": {Size: 8}} {
		want := ""
		for _, r := range []io.Reader{nil, bytes.NewReader(in)} {
			s := New(in, l)
			if r != nil {
				s = NewReader(r, l, Divert{})
			}
			_, err := (&expectation{names: []string{"a"}}).expecting(s)
			e, ok := err.(*Error)
			if !ok || e.Limit != name {
				t.Fatalf("%s, fed %v: got %v", name, r != nil, err)
			}
			if want == "" {
				want = e.Reason
			}
			if e.Reason != want {
				t.Errorf("%s: %s, fed %s", name, want, e.Reason)
			}
		}
	}
}
