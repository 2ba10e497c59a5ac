package ebrim

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"samdok/internal/xmlscan"
	"samdok/metadata"
)

const formObject = "urn:uuid:00000000-0000-4000-8000-000000000001"

// partsOf reads objects of which each has one part, with what is wrong with them.
func partsOf(t *testing.T, forms *formBook, l Limits, parts ...string) (list []metadata.Object, problems string) {
	t.Helper()
	in := `<RegistryObjectList xmlns="` + rimNS + `">`
	for _, p := range parts {
		in += `<ExtrinsicObject id="` + formObject + `">` + p + `</ExtrinsicObject>`
	}
	in += `</RegistryObjectList>`
	r := &reader{sc: at(t, []byte(in), xmlscan.RIM, "RegistryObjectList"), lim: l.withDefaults(), forms: forms}
	d := answerReader{reader: r, emit: func(o metadata.Object) error {
		list = append(list, o)
		return nil
	}}
	if err := d.list(); err != nil {
		return list, err.Error()
	}
	return list, contexts(r.listed())
}

// A part that is written like others before it says what it says alone, however it is
// written, and what is wrong with it is told.
func TestPartsReadBefore(t *testing.T) {
	value := `<ValueList><Value>%[1]s</Value></ValueList>`
	name := `<Name><LocalizedString xml:lang="nb" value="%[1]s"/></Name>`
	code := func(attributes, inside string) string {
		return `<Classification id="%[1]s" classificationScheme="` + schemeConfidential + `" classifiedObject="%[2]s" nodeRepresentation="%[3]s"` + attributes + `>` + inside + `</Classification>`
	}
	author := `<Classification id="a" classificationScheme="` + schemeEntryAuthor + `" classifiedObject="%[2]s" nodeRepresentation="">%[4]s</Classification>`
	for what, part := range map[string]string{
		"slot": `<Slot name="comments">` + value + `</Slot>`, "slot with an id": `<Slot id="%[3]s" name="comments">` + value + `</Slot>`,
		"known slot": `<Slot name="languageCode">` + value + `</Slot>`, "two values": `<Slot name="urn:x"><ValueList><Value>%[1]s</Value><Value>%[3]s</Value></ValueList></Slot>`,
		"value beside the list":     `<Slot name="urn:x"><Value>%[1]s</Value>` + value + `</Slot>`,
		"value with more inside":    `<Slot name="urn:x"><Value>%[1]s</Value><ValueList><Value><b/>b</Value></ValueList></Slot>`,
		"value in another's":        `<Slot name="urn:x"><ValueList><Other><Value>%[1]s</Value></Other><Value/></ValueList></Slot>`,
		"two lists":                 `<Slot name="urn:x">` + value + value + `</Slot>`,
		"empty value":               `<Slot name="urn:x"><ValueList><Value></Value></ValueList></Slot>`,
		"value with a comment":      `<Slot name="urn:x"><ValueList><Value>a<!-- -->%[1]s</Value></ValueList></Slot>`,
		"slot in another namespace": `<y:Slot xmlns:y="` + rimNS + `" name="urn:x"><y:ValueList><y:Value>%[1]s</y:Value></y:ValueList></y:Slot>`,
		"code":                      code("", `<Slot name="codingScheme">`+value+`</Slot>`+name),
		"code with a lid":           code(` lid="%[1]s"`, `<Slot name="codingScheme">`+value+`</Slot>`+name),
		"code on lines":             "\n  " + code("", "\n    <Slot name=\"codingScheme\">"+value+"</Slot>\n    "+name+"\n  "),
		"code without a name":       code("", `<Slot name="codingScheme">`+value+`</Slot>`),
		"code with an empty name":   code("", `<Slot name="codingScheme">`+value+`</Slot><Name/>`),
		"code with two names":       code("", `<Slot name="codingScheme">`+value+`</Slot><Name><LocalizedString value="%[1]s"/><LocalizedString value="%[3]s"/></Name>`),
		"code of two slots":         code("", `<Slot name="codingScheme">`+value+`</Slot><Slot name="urn:x">`+value+`</Slot>`),
		"code without a scheme":     code("", ""),
		"author":                    strings.ReplaceAll(author, "%[4]s", `<Slot name="authorPerson">`+value+`</Slot><Slot name="authorRole">`+value+`</Slot>`),
		"author with a name":        strings.ReplaceAll(author, "%[4]s", `<Slot name="authorPerson">`+value+`</Slot>`+name),
		"identifier":                `<ExternalIdentifier id="%[3]s" registryObject="%[2]s" identificationScheme="` + schemeEntryUnique + `" value="%[1]s">` + name + `</ExternalIdentifier>`,
		"identifier alone":          `<ExternalIdentifier value="%[1]s" registryObject="%[2]s" identificationScheme="` + schemeEntryUnique + `"/>`,
		"identifier with a slot":    `<ExternalIdentifier id="%[3]s" registryObject="%[2]s" identificationScheme="` + schemeEntryUnique + `" value="%[1]s"><Slot name="urn:x"><ValueList><Value>x</Value></ValueList></Slot></ExternalIdentifier>`,
		"name":                      name, "names": name + name, "description": `<Description><LocalizedString charset="UTF-8" value="%[1]s"/></Description>`,
		"name of two languages": `<Name><LocalizedString xml:lang="nb" value="%[1]s"/><LocalizedString xml:lang="en" value="%[3]s"/></Name>`,
		"version":               `<VersionInfo versionName="%[3]s"/>`, "version with a comment": `<VersionInfo comment="%[3]s" versionName="%[1]s"/>`, "no version": `<VersionInfo comment="%[3]s"/>`,
		"content": `<ContentVersionInfo versionName="%[1]s"/>`, "another element": `<Other id="%[1]s"/>`,
	} {
		t.Run(what, func(t *testing.T) {
			var parts []string
			for _, v := range [][]any{{"a", formObject, "1"}, {"a", formObject, "1"}, {"b&amp;c", formObject, "2"}, {"", formObject, ""}, {"d", "urn:uuid:00000000-0000-4000-8000-000000000002", "3"}, {"&lt;", formObject, "1"}} {
				parts = append(parts, strings.Split(fmt.Sprintf(part, v...), "%!(EXTRA")[0])
			}
			for _, l := range []Limits{{}, {Slots: 1, Values: 1, Parts: 1}} {
				var want []metadata.Object
				var wantProblems []string
				for _, p := range parts {
					alone, problems := partsOf(t, nil, l, p)
					want = append(want, alone...)
					if problems != "" {
						wantProblems = append(wantProblems, problems)
					}
				}
				book := &formBook{worth: mostWorth}
				partsOf(t, book, Limits{}, parts...) // under wider limits
				var got []metadata.Object
				var gotProblems []string
				for _, p := range parts {
					one, problems := partsOf(t, book, l, p)
					got = append(got, one...)
					if problems != "" {
						gotProblems = append(gotProblems, problems)
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("limits %+v: %s", l, diff)
				}
				if diff := cmp.Diff(wantProblems, gotProblems); diff != "" {
					t.Errorf("limits %+v: %s", l, diff)
				}
			}
		})
	}
}

// Most parts are written like others: a system's messages are read by their forms.
func TestFormsFit(t *testing.T) {
	in := answer(nil, thousand()[:20])
	book := &formBook{worth: mostWorth}
	for range 3 {
		r := &reader{sc: at(t, in, xmlscan.RIM, "RegistryObjectList"), lim: Limits{}.withDefaults(), lenient: true, forms: book}
		d := answerReader{reader: r, emit: func(metadata.Object) error { return nil }}
		if err := d.list(); err != nil {
			t.Fatal(err)
		}
	}
	if book.worth < mostWorth-learningCost || book.count > 100 {
		t.Errorf("%d forms, worth %d", book.count, book.worth)
	}
}

// Messages that are never alike are learnt from now and then only, and what is known stays
// within bounds.
func TestFormsAreBounded(t *testing.T) {
	book := &formBook{worth: mostWorth}
	for n := range 400 {
		var all []string
		for i := range 100 {
			all = append(all, slot(fmt.Sprintf("urn:x:%d", n*100+i), "y"))
		}
		partsOf(t, book, Limits{}, all...)
		if book.count > mostForms || book.worth < 0 {
			t.Fatalf("%d forms, worth %d", book.count, book.worth)
		}
	}
	if book.worth > learningCost {
		t.Errorf("%d left of %d", book.worth, mostWorth)
	}
}
