package ebrim

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"samdok/internal/xmlscan"
	"samdok/metadata"
)

// confidential reads codes of one entry, of which known are known.
func confidential(t *testing.T, known *codeBook, contents ...string) (list []metadata.Code, problems string) {
	t.Helper()
	const id = "urn:uuid:00000000-0000-4000-8000-000000000001"
	in := `<RegistryObjectList xmlns="` + rimNS + `"><ExtrinsicObject id="` + id + `">`
	for _, c := range contents {
		in += class(schemeConfidential, id, "N", c)
	}
	in += `</ExtrinsicObject></RegistryObjectList>`
	r := &reader{sc: at(t, []byte(in), xmlscan.RIM, "RegistryObjectList"), lim: Limits{}.withDefaults(), known: known}
	d := answerReader{reader: r, emit: func(o metadata.Object) error {
		list = append(list, o.(*metadata.DocumentEntry).Confidential...)
		return nil
	}}
	if err := d.list(); err != nil {
		t.Fatal(err)
	}
	return list, contexts(r.listed())
}

// A code that was read before means what it says where it stands now, whatever was read
// before it.
func TestCodesReadBefore(t *testing.T) {
	name := func(text string) string { return `<Name><LocalizedString xml:lang="nb" value="` + text + `"/></Name>` }
	normal := slot("codingScheme", "1.2") + name("Normal")
	few := []string{normal, slot("codingScheme", "1.3") + name("Normal"), normal, slot("codingScheme", "1.2"), slot("codingScheme", "1.2") + name("&lt;Vanlig&gt;")}
	foreign := `<y:Slot xmlns:y="` + rimNS + `" name="codingScheme"><y:ValueList><y:Value>1.9</y:Value></y:ValueList></y:Slot>`
	odd := []string{"", normal, "\n" + normal, normal + " ", slot("codingScheme", "1.2", "1.3"), foreign, slot("other", "1.2"), normal + "<!-- -->", normal + normal, foreign, name("Normal"), normal, ""}
	for _, contents := range [][]string{few, odd} {
		var want []metadata.Code
		var wantProblems []string
		for _, c := range contents {
			alone, problems := confidential(t, nil, c)
			want = append(want, alone...)
			if problems != "" {
				wantProblems = append(wantProblems, problems)
			}
		}
		var known codeBook
		for range 3 {
			got, problems := confidential(t, &known, contents...)
			if diff := cmp.Diff(want, got); diff != "" || problems != strings.Join(wantProblems, "\n") {
				t.Fatalf("%s\n got %s\nwant %s", diff, problems, wantProblems)
			}
			for i := range got { // what is done to an answer is not done to the next
				for j := range got[i].Display {
					got[i].Display[j].Value = "altered"
				}
			}
		}
		if len(contents) == len(few) && known.next != 4 {
			t.Errorf("four codes were kept %d times", known.next)
		}
	}
}
