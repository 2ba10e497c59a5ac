package xmlscan

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
)

const (
	divertHead = `<x:Provide xmlns:x="urn:ihe:iti:xds-b:2007"><x:Other>kept</x:Other><x:Document id="D1">`
	divertTail = "</x:Document><x:Document id=\"D2\"><i:Include xmlns:i=\"http://www.w3.org/2004/08/xop/include\" href=\"cid:1\"/></x:Document></x:Provide>"
)

// A document of 64 MB passes through, and only what is around it is kept.
func TestDivertKeepsNoDocument(t *testing.T) {
	const lines = 1 << 20
	line := []byte(strings.Repeat("QUJD", 16) + "\n")
	want := sha256.New()
	var body []io.Reader
	body = append(body, strings.NewReader(divertHead))
	for range lines {
		body = append(body, bytes.NewReader(line))
		want.Write(line)
	}
	body = append(body, strings.NewReader(divertTail))
	s := NewReader(io.MultiReader(body...), Limits{Size: 4096}, Divert{XDS, "Document"})
	got := sha256.New()
	var kept []string
	for inside := false; ; {
		k, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		switch k {
		case Start:
			inside = s.Is(XDS, "Document")
			if id, ok := s.Attr("id"); ok {
				kept = append(kept, id)
			}
		case Text:
			if inside {
				got.Write(s.Text())
			} else {
				kept = append(kept, s.TextString())
			}
		}
		if cap(s.src.store) > 4*feedSize {
			t.Fatalf("holds %d octets", cap(s.src.store))
		}
		if k == EOF {
			break
		}
	}
	if !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
		t.Error("the document is not the same")
	}
	if strings.Join(kept, " ") != "kept D1 D2" {
		t.Errorf("got %q", kept)
	}
	if string(s.Input()) != divertHead+divertTail {
		t.Errorf("kept %q", s.Input())
	}
}

func TestDivertSizeLimit(t *testing.T) {
	for name, in := range map[string]string{
		"elements": "<a>" + strings.Repeat("<b/>", 30_000) + "</a>",
		"comment":  "<a><!--" + strings.Repeat("x", 200_000) + "--></a>",
		"tag":      "<a b='" + strings.Repeat("x", 200_000) + "'/>",
		"open tag": "<a " + strings.Repeat("x", 200_000),
	} {
		_, err := ours(NewReader(strings.NewReader(in), Limits{Size: 50_000}, Divert{}))
		var e *Error
		if !errors.As(err, &e) || e.Limit != "size" {
			t.Errorf("%s: got %v", name, err)
		}
	}
	_, err := ours(NewReader(strings.NewReader("<a>"+strings.Repeat("x", 200_000)+"</a>"), Limits{Text: 1000}, Divert{}))
	var e *Error
	if !errors.As(err, &e) || e.Limit != "text" {
		t.Errorf("text outside: got %v", err)
	}
}

func TestDivertReaderErrors(t *testing.T) {
	broken := errors.New("broken")
	for _, in := range []string{"", "<a", "<a>text", divertHead + "QUJD"} {
		for _, cause := range []error{broken, io.ErrUnexpectedEOF} {
			s := NewReader(io.MultiReader(strings.NewReader(in), iotest.ErrReader(cause)), Limits{}, Divert{XDS, "Document"})
			if _, err := ours(s); !errors.Is(err, cause) {
				t.Errorf("%q: got %v, want %v", in, err, cause)
			}
		}
		_, err := ours(NewReader(strings.NewReader(in), Limits{}, Divert{XDS, "Document"}))
		var e *Error
		if !errors.As(err, &e) || !e.Incomplete {
			t.Errorf("%q: got %v", in, err)
		}
	}
}

// Pieces end anywhere: in references, line ends, characters and tags.
func TestDivertCutsAnywhere(t *testing.T) {
	in := []byte(divertHead + "QUJD\r\nRA==&#13;\n\u00e6]]&gt;]]<!-- c --><![CDATA[x]]]]>\r" + divertTail)
	want, err := ours(New(in, Limits{}))
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 1))
		var parts []io.Reader
		for rest := in; len(rest) > 0; {
			n := min(len(rest), 1+random.IntN(20))
			parts = append(parts, bytes.NewReader(rest[:n]))
			rest = rest[n:]
		}
		got, err := ours(NewReader(io.MultiReader(parts...), Limits{}, Divert{XDS, "Document"}))
		if err != nil || !same(got, want) {
			t.Fatalf("seed %d: got %v, %v\nwant %v", seed, got, err, want)
		}
	}
}

func TestDivertStrings(t *testing.T) {
	s := NewReader(strings.NewReader(divertHead+"QUJD"+divertTail), Limits{}, Divert{XDS, "Document"})
	var all []string
	for {
		k, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		if k == EOF {
			break
		}
		if k == Start {
			all = append(all, string(s.Local()))
			for i := range s.Attrs() {
				all = append(all, s.Value(&s.Attrs()[i]))
			}
		}
	}
	if got := strings.Join(all, " "); got != "Provide Other Document D1 Document D2 Include cid:1" {
		t.Errorf("got %q", got)
	}
}

// An input of many children is read in the memory of some, and its errors stand where
// they stood.
func TestForget(t *testing.T) {
	child := "<b c='d'>" + strings.Repeat("e\n", 500) + "</b>\n  "
	for name, tail := range map[string]string{"whole": "</p:a>", "wrong at its end": "\n<x></y></p:a>", "without an end": ""} {
		in := "<p:a xmlns:p='u' xmlns='v'>\n" + strings.Repeat(child, 3000) + tail
		read := func(s *Scanner) (children int, err error) {
			for {
				k, err := s.Next()
				if err != nil || k == EOF {
					return children, err
				}
				if k == End && s.Depth() == 1 {
					if children++; !s.Is(s.ns, "b") {
						t.Fatal("another name")
					}
					s.Forget()
				}
				if s.src != nil && cap(s.src.store) > 6*feedSize {
					t.Fatalf("%s: holds %d octets", name, cap(s.src.store))
				}
			}
		}
		want, wantErr := read(New([]byte(in), Limits{}))
		got, err := read(NewReader(strings.NewReader(in), Limits{}, Divert{}))
		if got != want || (err == nil) != (wantErr == nil) {
			t.Fatalf("%s: %d, %v; want %d, %v", name, got, err, want, wantErr)
		}
		if err == nil {
			continue
		}
		var e, f *Error
		if !errors.As(err, &e) || !errors.As(wantErr, &f) || *e != *f {
			t.Errorf("%s: got %+v, want %+v", name, e, f)
		}
		_, err = read(NewReader(strings.NewReader(in), Limits{Size: len(in) / 2}, Divert{}))
		if !errors.As(err, &e) || e.Limit != "size" || e.Offset > len(in)/2+2*len(child) {
			t.Errorf("%s: half of it: %+v", name, e)
		}
	}
}
