package directory

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

const directoryBundle = `{"resourceType":"Bundle","type":"searchset","link":[{"relation":"self","url":"https://d.example/x"},{"relation":"next","url":"https://d.example/x?page=2"}],"entry":[
 {"fullUrl":"https://d.example/Organization/w","resource":{"resourceType":"Organization","id":"w","active":true,"name":"West","identifier":[{"system":"urn:oid:2.16.578.1.12.4.1.4.101","value":"974749025"},{"system":"urn:ietf:rfc:3986","value":"urn:oid:1.2.3"}],"endpoint":[{"reference":"Endpoint/w1"},{"reference":"https://d.example/Endpoint/w2"},{"reference":"Endpoint/w3"}]}},
 {"fullUrl":"https://d.example/Endpoint/w1","resource":{"resourceType":"Endpoint","id":"w1","status":"active","connectionType":{"system":"http://terminology.hl7.org/CodeSystem/endpoint-connection-type","code":"ihe-xca"},"address":"https://west.example/xca","managingOrganization":{"reference":"Organization/w"}}},
 {"fullUrl":"https://d.example/Endpoint/w2","resource":{"resourceType":"Endpoint","id":"w2","status":"active","connectionType":[{"coding":[{"code":"ihe-xcpd"}]}],"address":"https://west.example/xcpd"}},
 {"fullUrl":"https://d.example/Endpoint/w3","resource":{"resourceType":"Endpoint","id":"w3","status":"off","connectionType":{"code":"ihe-xca"},"address":"https://old.example/xca"}},
 {"fullUrl":"https://d.example/Organization/n","resource":{"resourceType":"Organization","id":"n","name":"North","identifier":[{"value":"1.2.4"}]}},
 {"fullUrl":"https://d.example/Endpoint/n1","resource":{"resourceType":"Endpoint","id":"n1","status":"active","connectionType":{"code":"ihe-xca"},"address":"https://north.example/xca","managingOrganization":{"reference":"https://d.example/Organization/n"}}},
 {"resource":{"resourceType":"Organization","id":"gone","active":false,"identifier":[{"value":"urn:oid:1.2.9"}]}},
 {"resource":{"resourceType":"Organization","id":"clinic","name":"Clinic","identifier":[{"value":"974749025"}]}},
 {"resource":{"resourceType":"Organization","id":"mute","name":"Mute","identifier":[{"value":"urn:oid:1.2.5"}]}},
 {"resource":{"resourceType":"Location","id":"l"}}]}`

var today = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

func gather(pages ...string) (list []Community, notes []string, next string, err error) {
	x := NewImport(today)
	for _, page := range pages {
		if next, err = x.Add(strings.NewReader(page)); err != nil {
			return nil, nil, "", err
		}
	}
	list, notes = x.Communities()
	return list, notes, next, nil
}

func TestImport(t *testing.T) {
	list, notes, next, err := gather(directoryBundle)
	if err != nil || next != "https://d.example/x?page=2" {
		t.Fatal(err, next)
	}
	if len(list) != 2 || list[0].Home != "urn:oid:1.2.3" || list[0].Query != "https://west.example/xca" || list[0].Discover != "https://west.example/xcpd" || list[0].Name != "West" ||
		list[1].Home != "urn:oid:1.2.4" || list[1].Query != "https://north.example/xca" || list[1].Discover != "" {
		t.Errorf("%+v", list)
	}
	if told := strings.Join(notes, "; "); len(notes) != 2 || !strings.Contains(told, "Clinic: no identifier") || !strings.Contains(told, "Mute: no active Endpoint") {
		t.Errorf("%q", notes)
	}
	// What is written is what the gateway reads.
	var b bytes.Buffer
	if err := Write(&b, list); err != nil {
		t.Fatal(err)
	}
	again, err := Parse(b.Bytes())
	if err != nil || len(again) != 2 || again[0].Discover != list[0].Discover || again[1].Home != list[1].Home {
		t.Errorf("%+v %v\n%s", again, err, b.String())
	}
	if strings.Contains(b.String(), "retrieve") {
		t.Errorf("the same address twice:\n%s", b.String())
	}
	list[0].Retrieve = "https://west.example/retrieve"
	if err := Write(&b, list); err != nil || !strings.Contains(b.String(), "    retrieve: https://west.example/retrieve\n") {
		t.Errorf("%v\n%s", err, b.String())
	}
	twin := list[0]
	if err := Write(io.Discard, append(list, twin)); err != nil {
		t.Error("the same on two pages:", err)
	}
	twin.Query = "https://elsewhere.example/xca"
	if err := Write(io.Discard, append(list, twin)); err == nil {
		t.Error("one home at two addresses was written")
	}
	for _, wrong := range []string{"", "[]", `{"resourceType":"Organization"}`} {
		if _, _, _, err := gather(wrong); err == nil {
			t.Errorf("%q was taken", wrong)
		}
	}
	twice := strings.Replace(directoryBundle, `"status":"off"`, `"status":"active"`, 1)
	if list, notes, _, err := gather(twice); err != nil || len(list) != 1 || !strings.Contains(strings.Join(notes, ""), "2 active Endpoints") {
		t.Errorf("%+v %q %v", list, notes, err)
	}
}

// Directories of others: what belongs together on several pages, contained, by urn:uuid, in
// a version, several at one address; and what is no longer, or not yet, in use.
func TestImportOfOthers(t *testing.T) {
	organization := func(id, more string) string {
		return `{"fullUrl":"http://x/Organization/` + id + `","resource":{"resourceType":"Organization","id":"` + id + `","name":"` + id + `"` + more + `}}`
	}
	endpoint := func(id, kind, more string) string {
		return `{"fullUrl":"http://x/Endpoint/` + id + `","resource":{"resourceType":"Endpoint","id":"` + id + `","connectionType":{"code":"` + kind + `"},"address":"https://` + id + `.example/x"` + more + `}}`
	}
	page := func(entries ...string) string {
		return `{"resourceType":"Bundle","entry":[` + strings.Join(entries, ",") + `]}`
	}
	home := `,"identifier":[{"system":"urn:ietf:rfc:3986","value":"urn:oid:1.2.3"}]`
	refers := func(to string) string { return home + `,"endpoint":[{"reference":"` + to + `"}]` }
	const active = `,"status":"active"`
	role := func(codes ...string) string { // as the profile of mCSD for document sharing
		list := ""
		for _, c := range codes {
			list += `,{"url":"https://profiles.ihe.net/ITI/mCSD/StructureDefinition/ihe-endpointspecifictype","valueCodeableConcept":{"coding":[{"system":"https://profiles.ihe.net/ITI/mCSD/CodeSystem/MCSDEndpointTypes","code":"` + c + `"}]}}`
		}
		return active + `,"managingOrganization":{"reference":"Organization/o"},"extension":[{"url":"http://x","valueInteger":1}` + list + `]`
	}
	for name, c := range map[string]struct {
		pages []string
		want  string // home and address
		note  string
	}{
		"on another page": {[]string{page(organization("o", refers("Endpoint/e"))), page(endpoint("e", "ihe-xca", active))}, "urn:oid:1.2.3 https://e.example/x", ""},
		"page before":     {[]string{page(endpoint("e", "ihe-xca", active+`,"managingOrganization":{"reference":"Organization/o"}`)), page(organization("o", home))}, "urn:oid:1.2.3 https://e.example/x", ""},
		"on two pages":    {[]string{page(organization("o", refers("Endpoint/e")), endpoint("e", "ihe-xca", active)), page(organization("o", refers("Endpoint/e")), endpoint("e", "ihe-xca", active))}, "urn:oid:1.2.3 https://e.example/x", ""},
		"contained": {[]string{page(organization("o", refers("#c")+`,"contained":[{"resourceType":"Endpoint","id":"c","status":"active","connectionType":{"code":"ihe-xca"},"address":"https://c.example/x"}]`))},
			"urn:oid:1.2.3 https://c.example/x", ""},
		"contained, not active": {[]string{page(organization("o", refers("#c")+`,"contained":[{"resourceType":"Endpoint","id":"c","status":"test","connectionType":{"code":"ihe-xca"},"address":"https://c.example/x"}]`))}, "", "no active Endpoint"},
		"by urn:uuid": {[]string{page(organization("o", refers("urn:uuid:7f0c")), `{"fullUrl":"urn:uuid:7f0c","resource":{"resourceType":"Endpoint","status":"active","connectionType":{"code":"ihe-xca"},"address":"https://u.example/x"}}`)},
			"urn:oid:1.2.3 https://u.example/x", ""},
		"a version":           {[]string{page(organization("o", refers("http://x/Endpoint/e/_history/7")), endpoint("e", "ihe-xca", active))}, "urn:oid:1.2.3 https://e.example/x", ""},
		"one address twice":   {[]string{page(organization("o", refers("Endpoint/e")), endpoint("e", "ihe-xca", active), strings.Replace(endpoint("f", "ihe-xca", active+`,"managingOrganization":{"reference":"Organization/o"}`), "https://f", "https://e", 1))}, "urn:oid:1.2.3 https://e.example/x", ""},
		"unknown types":       {[]string{page(organization("o", refers("Endpoint/e")), endpoint("e", "ihe-xca", active), endpoint("f", "hl7-fhir-rest", active+`,"managingOrganization":{"reference":"Organization/o"}`))}, "urn:oid:1.2.3 https://e.example/x", ""},
		"two discoveries":     {[]string{page(organization("o", refers("Endpoint/e")), endpoint("e", "ihe-xca", active), endpoint("f", "ihe-xcpd", active+`,"managingOrganization":{"reference":"Organization/o"}`), endpoint("g", "ihe-xcpd", active+`,"managingOrganization":{"reference":"Organization/o"}`))}, "", "2 active Endpoints of the type ihe-xcpd"},
		"entered in error":    {[]string{page(organization("o", refers("Endpoint/e")), endpoint("e", "ihe-xca", `,"status":"entered-in-error"`))}, "", "no active Endpoint"},
		"suspended":           {[]string{page(organization("o", refers("Endpoint/e")), endpoint("e", "ihe-xca", `,"status":"suspended"`))}, "", "no active Endpoint"},
		"over":                {[]string{page(organization("o", refers("Endpoint/e")), endpoint("e", "ihe-xca", active+`,"period":{"end":"2026-11-21T10:00:00+01:00"}`))}, "", "no active Endpoint"},
		"until today":         {[]string{page(organization("o", refers("Endpoint/e")), endpoint("e", "ihe-xca", active+`,"period":{"end":"2026-11"}`))}, "urn:oid:1.2.3 https://e.example/x", ""},
		"an old identifier":   {[]string{page(organization("o", strings.Replace(refers("Endpoint/e"), `[{"system"`, `[{"use":"old","value":"urn:oid:1.2.2"},{"value":" 1.2.4 ","period":{"end":"2020"}},{"system"`, 1)), endpoint("e", "ihe-xca", active))}, "urn:oid:1.2.3 https://e.example/x", ""},
		"an OID as such":      {[]string{page(organization("o", strings.Replace(refers("Endpoint/e"), "urn:oid:1", "1", 1)), endpoint("e", "ihe-xca", active))}, "urn:oid:1.2.3 https://e.example/x", ""},
		"an OID of a system":  {[]string{page(organization("o", strings.Replace(strings.Replace(refers("Endpoint/e"), "urn:oid:1", "1", 1), "urn:ietf:rfc:3986", "http://x", 1)), endpoint("e", "ihe-xca", active))}, "", "no identifier"},
		"a wrong resource":    {[]string{page(organization("o", refers("Endpoint/e")), endpoint("e", "ihe-xca", active), `{"fullUrl":"http://x/Endpoint/y","resource":{"resourceType":"Endpoint","connectionType":7}}`)}, "urn:oid:1.2.3 https://e.example/x", "Endpoint http://x/Endpoint/y cannot be read"},
		"deleted":             {[]string{page(organization("o", refers("Endpoint/e")), endpoint("e", "ihe-xca", active), `{"request":{"method":"DELETE","url":"Endpoint/z"}}`)}, "urn:oid:1.2.3 https://e.example/x", ""},
		"two by role":         {[]string{page(organization("o", home), endpoint("q", "ihe-xca", role(roleQuery, roleQuery+"-Async")), endpoint("r", "ihe-xca", role(roleRetrieve)), endpoint("d", "ihe-xcpd", role(roleDiscover)))}, "urn:oid:1.2.3 https://q.example/x https://r.example/x https://d.example/x", ""},
		"one of both roles":   {[]string{page(organization("o", home), endpoint("q", "ihe-xca", role(roleQuery, roleRetrieve)), endpoint("i", "ihe-xca", role("XCA-InitGateway-Query")))}, "urn:oid:1.2.3 https://q.example/x", ""},
		"two of one role":     {[]string{page(organization("o", home), endpoint("q", "ihe-xca", role(roleQuery)), endpoint("r", "ihe-xca", role(roleQuery)))}, "", "2 active Endpoints of the type ihe-xca"},
		"only asks itself":    {[]string{page(organization("o", home), endpoint("i", "ihe-xca", role("XCA-InitGateway-Query")))}, "", "no active Endpoint"},
		"home of a type":      {[]string{page(organization("o", strings.Replace(refers("Endpoint/e"), `[{"system"`, `[{"value":"urn:oid:1.2.2"},{"system":"http://x","type":{"coding":[{"code":"HCID"}]},"value":"1.2.5"},{"system"`, 1)), endpoint("e", "ihe-xca", active))}, "urn:oid:1.2.5 https://e.example/x", ""},
		"home at the address": {[]string{page(organization("o", `,"endpoint":[{"reference":"Endpoint/e"}]`), endpoint("e", "ihe-xca", active+`,"identifier":[{"type":{"coding":[{"code":"homeCommunityId"}]},"value":"urn:oid:1.2.6"}]`))}, "urn:oid:1.2.6 https://e.example/x", ""},
		"refers to something": {[]string{page(organization("o", refers("Organization/o")))}, "", "no active Endpoint"},
	} {
		list, notes, _, err := gather(c.pages...)
		got := ""
		for _, k := range list {
			got += strings.Join(slices.DeleteFunc([]string{k.Home, k.Query, k.Retrieve, k.Discover}, func(s string) bool { return s == "" }), " ")
			got = strings.Replace(got, " "+k.Query+" "+k.Query, " "+k.Query, 1) // Retrieve is the same
		}
		if told := strings.Join(notes, "; "); err != nil || got != c.want || !strings.Contains(told, c.note) || (told == "") != (c.note == "") {
			t.Errorf("%s: %q, %q, %v", name, got, told, err)
		}
	}
}

func FuzzImport(f *testing.F) {
	f.Add(directoryBundle)
	f.Add(`{"resourceType":"Bundle","entry":[{}]}`)
	f.Fuzz(func(t *testing.T, s string) {
		list, _, _, err := gather(s)
		if err != nil {
			return
		}
		for _, c := range list {
			if c.Home == "" || c.Query == "" {
				t.Fatalf("%+v", c)
			}
		}
	})
}
