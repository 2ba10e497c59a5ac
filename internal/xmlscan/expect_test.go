package xmlscan

import (
	"bytes"
	"io"
	"slices"
	"testing"
	"testing/iotest"
)

// expecting reads as ours does, but by Enter, leaf and leave wherever they take
// something. places are those of the events.
func expecting(s *Scanner, names []string) (list []token, err error) {
	started := false
	for {
		if started {
			// The name at the Start, as that of the End is compared by others.
			end := token{kind: End, name: tokenOf(s, Start).name}
			if text, ok := s.leaf(); ok {
				started = false
				list = append(appendToken(list, token{kind: Text, text: text}), end)
				continue
			}
		}
		if s.leave() {
			started = false
			list = append(list, tokenOf(s, End))
			continue
		}
		k := Start
		if !slices.ContainsFunc(names, s.Enter) {
			if k, err = s.Next(); err != nil || k == EOF {
				return list, err
			}
		}
		started = k == Start
		list = appendToken(list, tokenOf(s, k))
	}
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
	} {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		want, wantErr := ours(New(b, Limits{}))
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
		divert := Divert{XDS, "Document"}
		for how, s := range map[string]*Scanner{
			"in memory":  New(b, Limits{}),
			"fed":        NewReader(bytes.NewReader(b), Limits{}, divert),
			"one by one": NewReader(iotest.OneByteReader(bytes.NewReader(b)), Limits{}, divert),
			"in halves":  NewReader(iotest.HalfReader(bytes.NewReader(b)), Limits{}, divert),
		} {
			got, err := expecting(s, names)
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
			_, err := expecting(s, []string{"a"})
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
