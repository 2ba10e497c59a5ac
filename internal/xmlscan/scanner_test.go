package xmlscan

import (
	"errors"
	"strings"
	"testing"
)

// trace writes the events of a document in short: <{ns}local a="v"|text|>.
func trace(s *Scanner) (string, error) {
	var b strings.Builder
	for {
		k, err := s.Next()
		if err != nil {
			return b.String(), err
		}
		switch k {
		case EOF:
			return b.String(), nil
		case Start:
			b.WriteString("<")
			if s.NS() != NoNS {
				b.WriteString("{" + s.URI(s.NS()) + "}")
			}
			b.Write(s.Local())
			for i := range s.Attrs() {
				a := &s.Attrs()[i]
				b.WriteString(" ")
				if a.NS != NoNS {
					b.WriteString("{" + s.URI(a.NS) + "}")
				}
				b.WriteString(string(s.AttrName(a)) + "=[" + s.Value(a) + "]")
			}
			b.WriteString(">")
		case End:
			b.WriteString("</" + string(s.Local()) + ">")
		case Text:
			b.WriteString(s.TextString())
		}
	}
}

func TestEvents(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"empty element", `<a/>`, `<a></a>`},
		{"declaration, mark and comments", "\xEF\xBB\xBF<?xml version='1.0' encoding=\"utf-8\" standalone='yes' ?>\n<!-- x --><a><!----></a><!-- y -->\n", `<a></a>`},
		{"declared as ASCII", `<?xml version="1.0" encoding="US-ASCII"?><a/>`, `<a></a>`},
		{"default namespace", `<a xmlns="urn:a"><b/><c xmlns=""><d x="1"/></c></a>`, `<{urn:a}a><{urn:a}b></b><c><d x=[1]></d></c></a>`},
		{"prefix declared behind its use", `<p:a p:x="1" x="2" xmlns:p="urn:p"/>`, `<{urn:p}a {urn:p}x=[1] x=[2]></a>`},
		{"inner declaration hides", `<p:a xmlns:p="urn:1"><p:a xmlns:p="urn:2"/><p:b/></p:a>`, `<{urn:1}a><{urn:2}a></a><{urn:1}b></b></a>`},
		{"known namespace", `<r:Slot xmlns:r="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"/>`, `<{urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0}Slot></Slot>`},
		{"xml prefix", `<a xml:lang="nb"/>`, `<a {http://www.w3.org/XML/1998/namespace}lang=[nb]></a>`},
		{"xml prefix declared", `<a xmlns:xml="http://www.w3.org/XML/1998/namespace" xml:lang="nb"/>`, `<a {http://www.w3.org/XML/1998/namespace}lang=[nb]></a>`},
		{"reference in a namespace", `<p:a xmlns:p="urn:a&amp;b"/>`, `<{urn:a&b}a></a>`},
		{"references", `<a b="&lt;&quot;&apos;&#65;&#x42;">&amp;&gt;&#xe6;&#x1F600;</a>`, "<a b=[<\"'AB]>&>\u00e6\U0001F600</a>"},
		{"line ends in text", "<a>1\r\n2\r3\n4&#13;</a>", "<a>1\n2\n3\n4\r</a>"},
		{"blanks in values", "<a b='1\r\n2\t3\n4&#9;&#10;'/>", "<a b=[1 2 3 4\t\n]></a>"},
		{"CDATA", "<a>x<![CDATA[<&amp;]]]><![CDATA[]]>y</a>", "<a>x<&amp;]y</a>"},
		{"brackets in text", "<a>]] ]&gt; ]</a>", "<a>]] ]> ]</a>"},
		{"blanks in tags", "<a  b = '1'\n\tc=\"2\" ></a >", "<a b=[1] c=[2]></a>"},
		{"greater-than in a value", `<a b=">">></a>`, `<a b=[>]>></a>`},
	} {
		got, err := trace(New([]byte(c.in), Limits{}))
		if err != nil || got != c.want {
			t.Errorf("%s: got %q, %v; want %q", c.name, got, err, c.want)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct{ in, reason string }{
		{``, "no root element"},
		{"\xEF\xBB\xBF ", "no root element"},
		{`text`, "outside the root"},
		{`<a/>text`, "outside the root"},
		{`<a/><![CDATA[x]]>`, "outside the root"},
		{`<a/><b/>`, "second root"},
		{`<a>`, "ends inside the element a"},
		{`<a`, "ends inside a tag"},
		{`<a b`, "ends inside a tag"},
		{`<a b=`, "ends inside a tag"},
		{`<a b="`, "ends inside an attribute value"},
		{`<a><!-- `, "ends inside a comment"},
		{`<a><![CDATA[ ]]`, "ends inside a CDATA"},
		{`<a></a`, "ends inside a tag"},
		{`<a></b>`, "end tag of a"},
		{`<a><b></a></b>`, "end tag of b"},
		{`</a>`, "without its start tag"},
		{`<!DOCTYPE a><a/>`, "document type"},
		{`<a><!ENTITY x "y"></a>`, "document type"},
		{`<?php x?><a/>`, "processing instructions"},
		{`<a><?x y?></a>`, "processing instructions"},
		{`<a/><?xml version="1.0"?>`, "processing instructions"},
		{` <?xml version="1.0"?><a/>`, "processing instructions"},
		{`<?xml version="1.1"?><a/>`, "version of XML"},
		{`<?xml encoding="UTF-8"?><a/>`, "declaration"},
		{`<?xml version="1.0"encoding="UTF-8"?><a/>`, "declaration"},
		{`<?xml version="1.0" encoding="ISO-8859-1"?><a/>`, "encoding other"},
		{`<?xml version="1.0" encoding="US-ASCII"?><a>` + "\u00e6</a>", "encoding other"},
		{`<?xml version="1.0" x="y"?><a/>`, "declaration"},
		{`<a b="1" b="2"/>`, "same attribute"},
		{`<a p:b="1" q:b="2" xmlns:p="urn:x" xmlns:q="urn:x"/>`, "same attribute"},
		{`<a xmlns:p="urn:x" xmlns:p="urn:y"/>`, "stands twice"},
		{`<p:a/>`, "without a namespace"},
		{`<a p:b="1"/>`, "without a namespace"},
		{`<a><b xmlns:p="urn:p"/><p:c/></a>`, "without a namespace"},
		{`<a xmlns:p=""/>`, "undeclared"},
		{`<a xmlns:xmlns="urn:x"/>`, "xmlns itself"},
		{`<a xmlns:p="http://www.w3.org/2000/xmlns/"/>`, "xmlns itself"},
		{`<a xmlns:xml="urn:x"/>`, "belong to each other"},
		{`<a xmlns:p="http://www.w3.org/XML/1998/namespace"/>`, "belong to each other"},
		{`<a b="1"c="2"/>`, "blank is missing"},
		{`<a b=1/>`, "without quotes"},
		{`<a b/>`, "without a value"},
		{`<a / >`, "malformed tag"},
		{`<:a/>`, "malformed name"},
		{`<a:/>`, "malformed name"},
		{`<a:b:c xmlns:a="urn:x"/>`, "malformed name"},
		{`<1/>`, "malformed name"},
		{"<\u00e6/>", "malformed name"},
		{`<a b="<"/>`, "< in an attribute value"},
		{`<a b="x><c d="/>`, "< in an attribute value"},
		{`<a>&nbsp;</a>`, "entity that is none"},
		{`<a>&</a>`, "ampersand"},
		{`<a>&;</a>`, "ampersand"},
		{`<a>& x;</a>`, "entity that is none"},
		{`<a b="&#0;"/>`, "character that XML does not allow"},
		{`<a>&#xD800;</a>`, "character that XML does not allow"},
		{`<a>&#x110000;</a>`, "character that XML does not allow"},
		{`<a>&#xFFFE;</a>`, "character that XML does not allow"},
		{`<a>&#;</a>`, "character that XML does not allow"},
		{`<a>&#x;</a>`, "character that XML does not allow"},
		{`<a>&#99999999999;</a>`, "character that XML does not allow"},
		{"<a>\x00</a>", "not UTF-8"},
		{"<a>\x1b</a>", "not UTF-8"},
		{"<a>abcdefghijklmnop\xff</a>", "not UTF-8"},
		{"<a>\xed\xa0\x80</a>", "not UTF-8"},
		{"<a>\uFFFE</a>", "not UTF-8"},
		{"<a><!-- \x01 --></a>", "not UTF-8"},
		{`<a>]]></a>`, "]]> in text"},
		{`<a><!-- -- --></a>`, "-- inside"},
		{`<a><!-- ---></a>`, "-- inside"},
		{`<a><![CDAT[x]]></a>`, "document type"},
	} {
		_, err := trace(New([]byte(c.in), Limits{}))
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%q: got %v, want an error with %q", c.in, err, c.reason)
		}
	}
}

func TestErrorStaysAndTellsThePlace(t *testing.T) {
	s := New([]byte("<a>\n  <b>\n &x;</b></a>"), Limits{})
	_, err := trace(s)
	var e *Error
	if !errors.As(err, &e) || e.Line != 3 || e.Column != 2 || e.Offset != 11 {
		t.Fatalf("got %#v", err)
	}
	if _, again := s.Next(); again != err {
		t.Fatalf("a second call gave %v", again)
	}
}

func TestLimits(t *testing.T) {
	deep := strings.Repeat("<a>", 10_000) + strings.Repeat("</a>", 10_000)
	for _, c := range []struct {
		name, in string
		l        Limits
	}{
		{"size", "<a>12345</a>", Limits{Size: 11}},
		{"depth", deep, Limits{}},
		{"depth", "<a><b/></a>", Limits{Depth: 1}},
		{"attributes", `<a b="" c="" xmlns:d="urn:d"/>`, Limits{Attributes: 2}},
		{"text", "<a>12345</a>", Limits{Text: 4}},
		{"text", "<a b='12345'/>", Limits{Text: 4}},
		{"text", "<a><![CDATA[12345]]></a>", Limits{Text: 4}},
		{"elements", "<a><b/><b/></a>", Limits{Elements: 2}},
		{"namespaces", "<a xmlns:b='urn:b'><a xmlns:c='urn:c'><a xmlns:d='urn:d'/></a></a>", Limits{Namespaces: 2}},
		{"namespaces", "<a><a xmlns='urn:b'/><a xmlns='urn:c'/><a xmlns='urn:d'/></a>", Limits{Namespaces: 2}},
	} {
		_, err := trace(New([]byte(c.in), c.l))
		var e *Error
		if !errors.As(err, &e) || e.Limit != c.name || !strings.Contains(err.Error(), setting(c.name)) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
	exact := Limits{Size: 24, Depth: 2, Attributes: 2, Text: 4, Elements: 2, Namespaces: 1}
	if got, err := trace(New([]byte("<a b='1234' c=''><d/></a>"), Limits{Size: 25, Depth: 2, Attributes: 2, Text: 4, Elements: 2, Namespaces: 1})); err != nil {
		t.Errorf("at the limits %v: %q, %v", exact, got, err)
	}
}

func TestCutOutElement(t *testing.T) {
	const in = `<e:a xmlns:e="urn:e" xmlns="urn:d"><b xmlns:c="urn:c" xmlns="urn:i"><c:d id="1">x<!--y--><z/></c:d></b></e:a>`
	s := New([]byte(in), Limits{})
	for {
		k, err := s.Next()
		if err != nil || k == EOF {
			t.Fatal("not found", err)
		}
		if k == Start && string(s.Local()) == "d" {
			break
		}
	}
	from := s.Offset()
	bindings := s.Bindings()
	if err := s.Skip(); err != nil {
		t.Fatal(err)
	}
	if got := in[from:s.EndOffset()]; got != `<c:d id="1">x<!--y--><z/></c:d>` || s.ElementOffset() != from {
		t.Errorf("got %q", got)
	}
	want := []Binding{{"e", "urn:e"}, {"c", "urn:c"}, {"", "urn:i"}}
	if len(bindings) != len(want) {
		t.Fatalf("got %v", bindings)
	}
	for i := range want {
		if bindings[i] != want[i] {
			t.Errorf("got %v, want %v", bindings, want)
		}
	}
}

func TestNextChildAndElementText(t *testing.T) {
	s := New([]byte(`<a> <b>x<i>skipped</i>y&amp;<![CDATA[z]]></b>t<c><d/></c><e/></a>`), Limits{})
	if _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for depth := s.Depth(); ; {
		ok, err := s.NextChild(depth)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		name := string(s.Local())
		if name == "b" {
			text, err := s.ElementText()
			if err != nil {
				t.Fatal(err)
			}
			name += "=" + text
		}
		got = append(got, name)
	}
	if strings.Join(got, " ") != "b=xy&z c e" || !s.Is(NoNS, "a") || s.Depth() != 0 {
		t.Errorf("got %q", got)
	}
}

func TestStringsSurviveTheInput(t *testing.T) {
	in := []byte(`<a b="one"><c>two</c></a>`)
	s := New(in, Limits{})
	s.Next()
	one, _ := s.Attr("b")
	s.Next()
	two, err := s.ElementText()
	if err != nil {
		t.Fatal(err)
	}
	clear(in)
	if one != "one" || two != "two" {
		t.Errorf("got %q, %q", one, two)
	}
}

// The copy that strings are parts of begins at the event that first needed one; an
// attribute kept from before it still has its value.
func TestValueOfAnEarlierAttribute(t *testing.T) {
	s := New([]byte(`<a b="one"><c d="two"/></a>`), Limits{})
	s.Next()
	early := s.Attrs()[0]
	s.Next()
	if two, _ := s.Attr("d"); two != "two" || s.Value(&early) != "one" {
		t.Errorf("got %q, %q", two, s.Value(&early))
	}
}

func TestResetForgets(t *testing.T) {
	s := New([]byte(`<a xmlns="urn:x"><b`), Limits{})
	if _, err := trace(s); err == nil {
		t.Fatal("no error")
	}
	s.Reset([]byte(`<b c="d"/>`), Limits{})
	if got, err := trace(s); err != nil || got != "<b c=[d]></b>" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestScanningAllocatesNothing(t *testing.T) {
	in := []byte(`<?xml version="1.0"?><r:a xmlns:r="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"><r:b c="d">text</r:b><r:b/></r:a>`)
	s := New(in, Limits{})
	trace(s)
	if n := testing.AllocsPerRun(100, func() {
		s.Reset(in, Limits{})
		for {
			if k, err := s.Next(); err != nil || k == EOF {
				return
			}
			_ = s.Text()
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
