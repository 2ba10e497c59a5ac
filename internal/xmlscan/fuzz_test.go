package xmlscan

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

func seeds(f *testing.F) {
	for _, in := range []string{
		`<a/>`, "\xEF\xBB\xBF<?xml version='1.0' encoding='UTF-8'?><a b='c'>d</a><!-- e -->",
		`<p:a p:x="1" x="2" xmlns:p="urn:p" xmlns="urn:q"><b xml:lang="nb"/></p:a>`,
		"<a b='&lt;&#65;&#x42;\t\r\n'>&amp;\r\n]]&gt;<![CDATA[<&\r]]]]></a>",
		`<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`, `<a b="1" b="2"/>`, `<p:a/>`, "<a>\xff</a>", `<a></b>`, `<a b=">">></a>`,
		`<d:Document xmlns:d="urn:ihe:iti:xds-b:2007" id="1">QUJD&#13;RA==<!--x--><![CDATA[QQ==]]></d:Document>`,
	} {
		f.Add([]byte(in))
	}
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
}

// token is an event in the form in which both readers are compared: character data
// in one piece, attributes without declarations and with blanks made alike.
type token struct {
	kind  Kind
	name  xml.Name
	attrs []xml.Attr
	text  string
}

func appendToken(list []token, t token) []token {
	if n := len(list); t.kind == Text && n > 0 && list[n-1].kind == Text {
		list[n-1].text += t.text
		return list
	}
	if t.kind == Text && t.text == "" {
		return list
	}
	return append(list, t)
}

var blanksAlike = strings.NewReplacer("\t", " ", "\n", " ", "\r", " ")

// alike makes blanks in a namespace's URI alike: XML normalises them in the
// declaration as in any attribute (XML 1.0, 3.3.3), encoding/xml does not.
func alike(n xml.Name) xml.Name {
	n.Space = blanksAlike.Replace(n.Space)
	return n
}

// tokenOf is the event that s stands at.
func tokenOf(s *Scanner, k Kind) token {
	if k == Text {
		return token{kind: k, text: s.TextString()}
	}
	t := token{kind: k, name: alike(xml.Name{Space: s.URI(s.NS()), Local: string(s.Local())})}
	if k == Start {
		for i := range s.Attrs() {
			a := &s.Attrs()[i]
			t.attrs = append(t.attrs, xml.Attr{Name: alike(xml.Name{Space: s.URI(a.NS), Local: string(s.AttrName(a))}), Value: blanksAlike.Replace(s.Value(a))})
		}
	}
	return t
}

func ours(s *Scanner) (list []token, err error) {
	for {
		k, err := s.Next()
		if err != nil || k == EOF {
			return list, err
		}
		list = appendToken(list, tokenOf(s, k))
	}
}

func theirs(b []byte) (list []token, err error) {
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(b, []byte("\xEF\xBB\xBF"))))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	depth := 0
	for {
		x, err := d.Token()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		t := token{}
		switch x := x.(type) {
		case xml.StartElement:
			depth++
			t.kind, t.name = Start, alike(x.Name)
			for _, a := range x.Attr {
				if a.Name.Space != "xmlns" && (a.Name.Space != "" || a.Name.Local != "xmlns") {
					t.attrs = append(t.attrs, xml.Attr{Name: alike(a.Name), Value: blanksAlike.Replace(a.Value)})
				}
			}
		case xml.EndElement:
			depth--
			t.kind, t.name = End, alike(x.Name)
		case xml.CharData:
			if depth == 0 {
				continue
			}
			t.kind, t.text = Text, string(x)
		default:
			continue
		}
		list = appendToken(list, t)
	}
}

func same(a, b []token) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].kind != b[i].kind || a[i].name != b[i].name || a[i].text != b[i].text || len(a[i].attrs) != len(b[i].attrs) {
			return false
		}
		for j := range a[i].attrs {
			if a[i].attrs[j] != b[i].attrs[j] {
				return false
			}
		}
	}
	return true
}

// FuzzScanner: what this scanner accepts, encoding/xml accepts, with equal tokens.
func FuzzScanner(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := ours(New(b, Limits{}))
		if err != nil {
			return
		}
		want, err := theirs(b)
		if err != nil {
			t.Fatalf("accepted %q, but encoding/xml says %v", b, err)
		}
		if !same(got, want) {
			t.Fatalf("%q:\n got %v\nwant %v", b, got, want)
		}
	})
}

// FuzzDivert: reading in pieces gives the same events as reading at once, and the
// same verdict, wherever the pieces end; and nothing of what is taken out stays.
func FuzzDivert(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		want, wantErr := ours(New(b, Limits{}))
		for name, r := range map[string]io.Reader{
			"at once":      bytes.NewReader(b),
			"one by one":   iotest.OneByteReader(bytes.NewReader(b)),
			"half by half": iotest.HalfReader(bytes.NewReader(b)),
			"data and EOF": iotest.DataErrReader(bytes.NewReader(b)),
		} {
			s := NewReader(r, Limits{}, Divert{XDS, "Document"})
			got, err := ours(s)
			if (err == nil) != (wantErr == nil) {
				t.Fatalf("%s, %q: got %v, at once %v", name, b, err, wantErr)
			}
			if err == nil && !same(got, want) {
				t.Fatalf("%s, %q:\n got %v\nwant %v", name, b, got, want)
			}
		}
	})
}
