package xmlscan

import (
	"bytes"
	"slices"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// drawn draws messages as they come: few names and values, over and over, in the order,
// the spelling and the nesting that another system happens to use.
type drawn struct {
	t *rapid.T
	b bytes.Buffer
}

func (d *drawn) one(what string, of ...string) string { return rapid.SampledFrom(of).Draw(d.t, what) }

var (
	elements  = []string{"Slot", "ValueList", "Value", "Classification", "Name", "LocalizedString"}
	prefixes  = []string{"", "", "", "rim:", "x:"}
	values    = []string{"", "a", "a", "urn:uuid:1", "13116900216^^^&amp;2.16&amp;ISO", "&lt;&#65;&#x42;&quot;", "b\tc", "d\ne", "f\r\ng", "æøå", "]]&gt;"}
	between   = []string{"", "", "", "", "\n  ", "<!-- c -->", "\r\n", "t", "<![CDATA[&]]>"}
	attribute = []string{"id", "name", "value", "xml:lang", "objectType", "rim:odd"}
)

// element writes one with what is in it.
func (d *drawn) element(depth int) {
	name := d.one("prefix", prefixes...) + d.one("name", elements...)
	d.b.WriteString("<" + name)
	for _, a := range rapid.Permutation(attribute).Draw(d.t, "order")[:rapid.SampledFrom([]int{0, 0, 1, 2, 3, 3, 5}).Draw(d.t, "attributes")] {
		quote := d.one("quote", `"`, `"`, `"`, `"`, `'`)
		value := d.one("value", values...)
		d.b.WriteString(d.one("blank", " ", " ", " ", "\n  ") + a + d.one("equals", "=", "=", "=", " = ") + quote + value + quote)
	}
	if rapid.SampledFrom([]int{0, 0, 0, 0, 0, 1}).Draw(d.t, "declares") == 1 {
		d.b.WriteString(` xmlns:x="` + d.one("namespace", "urn:x", "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0") + `"`)
	}
	if rapid.Bool().Draw(d.t, "empty") {
		d.b.WriteString(d.one("end", "/>", "/>", " />"))
		return
	}
	d.b.WriteString(">")
	switch {
	case depth == 0 || rapid.Bool().Draw(d.t, "text"):
		d.b.WriteString(d.one("text", values...))
	default:
		d.b.WriteString(d.one("between", between...))
		for range rapid.IntRange(0, 3).Draw(d.t, "children") {
			d.element(depth - 1)
			d.b.WriteString(d.one("between", between...))
		}
	}
	d.b.WriteString("</" + name + d.one("end", ">", ">", ">", " >"))
}

func (d *drawn) message() []byte {
	d.b.Reset()
	d.b.WriteString(`<rim:List xmlns:rim="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0" xmlns:x="urn:x"` + d.one("default", "", ` xmlns="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"`, ` xmlns="urn:d"`) + `>`)
	for range rapid.IntRange(1, 8).Draw(d.t, "parts") {
		d.element(3)
	}
	d.b.WriteString("</rim:List>")
	b := slices.Clone(d.b.Bytes())
	if rapid.IntRange(0, 4).Draw(d.t, "broken") == 0 {
		b[rapid.IntRange(0, len(b)-1).Draw(d.t, "where")] = d.one("octet", "<", ">", "&", `"`, "/", " ", "a", "\xff", "\x01", ";")[0]
	}
	return b
}

// Messages that look like one another, read by one scanner that remembers how they are
// written, say what they say to encoding/xml.
func TestMessagesAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawn{t: t}
		x := &expectation{names: elements}
		s := new(Scanner)
		for range 4 {
			b := d.message()
			want, wantErr := plainly(New(b, Limits{}))
			if wantErr == nil {
				if theirs, err := theirs(b); err != nil || !same(want, theirs) {
					t.Fatalf("%q:\n     got %v\nencoding/xml %v %v", b, want, theirs, err)
				}
			}
			s.Reset(b, Limits{})
			for how, read := range map[string]func() ([]token, error){
				"by Next":      func() ([]token, error) { return ours(s) },
				"by expecting": func() ([]token, error) { s.Reset(b, Limits{}); return x.expecting(s) },
				"fed in halves": func() ([]token, error) {
					s := NewReader(iotest.HalfReader(bytes.NewReader(b)), Limits{}, Divert{})
					return x.expecting(s)
				},
			} {
				s.Reset(b, Limits{})
				got, err := read()
				if (err == nil) != (wantErr == nil) || err == nil && !same(got, want) {
					t.Fatalf("%s, %q:\n got %v %v\nwant %v %v", how, b, got, err, want, wantErr)
				}
			}
		}
	})
}
