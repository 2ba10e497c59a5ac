package xmlscan

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// twin reads an input twice: once with forms of what came before, and once by Next alone,
// by scanners that remember nothing. What a form tells must be what Next tells.
type twin struct {
	s, by *Scanner
	forms []*Form
	fits  int
}

var errTwin = errors.New("not the same")

// left tells what is left open: some of all there is.
func left(element, attribute []byte) bool { return len(element)+len(attribute) != 4 }

// plain moves the other scanner.
func (w *twin) plain() (Kind, error) {
	k, err := w.by.Next()
	w.by.shapes = nil
	return k, err
}

// children reads what stands in the element whose depth that is.
func (w *twin) children(depth int) error {
	for {
		if w.s.Depth() == depth {
			if i := slices.IndexFunc(w.forms, w.s.Fits); i >= 0 {
				if err := w.compare(w.forms[i], depth); err != nil {
					return err
				}
				continue
			}
		}
		m := w.s.Mark()
		is, err := w.s.NextChild(depth)
		also, by := w.child(depth)
		for err != nil && by == nil { // a form looks further: what is wrong there is told before what is right
			var k Kind
			if k, by = w.plain(); k == EOF {
				break
			}
		}
		if err != nil && by != nil {
			return err
		}
		if (err == nil) != (by == nil) || is != also {
			return fmt.Errorf("%w: a child %v (%v), by Next %v (%v)", errTwin, is, err, also, by)
		}
		if !is {
			return nil
		}
		if err := w.children(depth + 1); err != nil {
			return err
		}
		if err := w.learn(m); err != nil {
			return err
		}
	}
}

// child is NextChild by Next alone.
func (w *twin) child(depth int) (bool, error) {
	for {
		k, err := w.plain()
		switch {
		case err != nil:
			return false, err
		case k == Start && w.by.Depth() == depth+1:
			return true, nil
		case k == End && w.by.Depth() < depth, k == EOF:
			return false, nil
		}
	}
}

func (w *twin) learn(m Mark) error {
	at, elements := w.s.p, w.s.elements
	f := new(Form)
	if w.s.Learn(f, m, left) > 0 && len(w.forms) < 12 {
		w.forms = append(w.forms, f)
	}
	if w.s.p != at || w.s.elements != elements {
		return fmt.Errorf("%w: Learn moved the scanner", errTwin)
	}
	return nil
}

// compare reads the child that fitted by Next alone.
func (w *twin) compare(f *Form, depth int) error {
	w.fits++
	var want []string
	k, err := Text, error(nil)
	for k != Start && err == nil {
		k, err = w.plain()
	}
	var texts []string // since the last tag
	leaf := false
	for ; err == nil; k, err = w.plain() {
		name := slices.Clone(w.by.Local())
		switch k {
		case Start:
			if w.by.NS() != f.ns {
				return fmt.Errorf("%w: %s is in the namespace %q", errTwin, name, w.by.URI(w.by.NS()))
			}
			texts, leaf = nil, !w.by.isEmpty
			for i := range w.by.Attrs() {
				if a := &w.by.Attrs()[i]; left(name, w.by.AttrName(a)) {
					want = append(want, w.by.Value(a))
				}
			}
		case Text:
			texts = append(texts, w.by.TextString())
		case End:
			if leaf && left(name, nil) {
				want = append(want, strings.Join(texts, ""))
			}
			leaf = false
		}
		if k == End && w.by.Depth() == depth {
			break
		}
	}
	var got []string
	for i := range f.gaps {
		got = append(got, w.s.Gap(i))
	}
	if err != nil || !slices.Equal(got, want) || w.s.elements != w.by.elements || w.s.src == nil && w.s.p != w.by.p {
		return fmt.Errorf("%w: the form says %q, Next %q (%v); %d and %d elements", errTwin, got, want, err, w.s.elements, w.by.elements)
	}
	return nil
}

// read reads b to its end, or to where both find it wrong.
func (w *twin) read(b []byte, l Limits, fed bool) error {
	w.s.Reset(b, l)
	if fed {
		w.s = NewReader(iotest.HalfReader(bytes.NewReader(b)), l, Divert{})
	}
	w.by = New(b, l)
	_, err := w.s.Next()
	_, by := w.plain()
	for by != nil && err == nil { // characters of all that is in memory are looked at first
		var k Kind
		if k, err = w.s.Next(); k == EOF && err == nil {
			break
		}
	}
	if (err == nil) != (by == nil) {
		return errTwin
	}
	if err == nil && w.s.kind == Start {
		err = w.children(1)
	}
	return err
}

func TestForms(t *testing.T) {
	fits := 0
	rapid.Check(t, func(t *rapid.T) {
		d := drawn{t: t}
		w := twin{s: new(Scanner)}
		for range 4 {
			b := d.message()
			for _, fed := range []bool{false, true} {
				if err := w.read(b, Limits{}, fed); errors.Is(err, errTwin) {
					t.Fatalf("%q, fed %v: %v", b, fed, err)
				}
			}
		}
		fits += w.fits
	})
	if fits == 0 {
		t.Error("no form has ever fitted")
	}
}

func FuzzForms(f *testing.F) {
	seeds(f)
	for _, in := range []string{
		`<a xmlns="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"><b c="d"><e>f</e></b><b c="&amp;g"><e>h&lt;</e></b><b c="i<"><e>j</e></b></a>`,
		"<A A=''>\xde", `<a><b c="d" ef="g">h</b><b c="i" ef="g">]]></b></a>`, "<a>\n <b>c</b>\n <b>d\r</b>\n <b>e</b></a>", `<a><b c="d"/><b c="e>`, `<a><b c='"'/><b c='d'/></a>`,
		`<a xmlns="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"><b>c</b><d xmlns=""><b>e</b></d><d xmlns="urn:hl7-org:v3"><b>e</b></d></a>`,
		`<p:a xmlns:p="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0" xmlns:q="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"><p:b>c</p:b><q:d xmlns:p="urn:hl7-org:v3"><p:b>e</p:b></q:d></p:a>`,
		`<p:a xmlns:p="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"><p:b q:c="d" xmlns:q="u"/><p:b q:c="e" xmlns:q="u"/><p:b>c</p:b><p:d xmlns:p="v"><p:b>c</p:b></p:d></p:a>`,
	} {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		w := twin{s: new(Scanner)}
		for _, fed := range []bool{false, true, false} {
			if err := w.read(b, Limits{}, fed); errors.Is(err, errTwin) {
				t.Fatalf("%q, fed %v: %v", b, fed, err)
			}
		}
	})
}

// What was learnt of an input under wide limits is no way around narrow ones.
func TestLearntUnderWiderLimits(t *testing.T) {
	in := []byte(`<a><b c="1234" d="5"/><b c="1234" d="5"><e><f/></e></b><b c="1234" d="5"><e><f/></e></b></a>`)
	for name, l := range map[string]Limits{"attributes": {Attributes: 1}, "text": {Text: 3}, "depth": {Depth: 3}, "elements": {Elements: 7}} {
		w := twin{s: new(Scanner)}
		for range 2 {
			if err := w.read(in, Limits{}, false); err != nil || len(w.forms) == 0 {
				t.Fatal(err, w.forms)
			}
		}
		if w.fits == 0 {
			t.Fatal("no form fitted")
		}
		err := w.read(in, l, false)
		var e *Error
		if _, want := plainly(New(in, l)); !errors.As(err, &e) || e.Limit != name || e.Error() != want.Error() {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
}
