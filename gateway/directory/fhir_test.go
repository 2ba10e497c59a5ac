package directory

import (
	"bytes"
	"strings"
	"testing"
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

func TestFromFHIR(t *testing.T) {
	list, notes, next, err := FromFHIR(strings.NewReader(directoryBundle))
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
	if err := Write(&b, append(list, list[0])); err == nil {
		t.Error("one home twice was written")
	}
	for _, wrong := range []string{"", "[]", `{"resourceType":"Organization"}`, `{"resourceType":"Bundle","entry":[{"resource":{"connectionType":7}}]}`} {
		if _, _, _, err := FromFHIR(strings.NewReader(wrong)); err == nil {
			t.Errorf("%q was taken", wrong)
		}
	}
	twice := strings.Replace(directoryBundle, `"status":"off"`, `"status":"active"`, 1)
	if list, notes, _, err := FromFHIR(strings.NewReader(twice)); err != nil || len(list) != 1 || !strings.Contains(strings.Join(notes, ""), "2 active Endpoints") {
		t.Errorf("%+v %q %v", list, notes, err)
	}
}

func FuzzFromFHIR(f *testing.F) {
	f.Add(directoryBundle)
	f.Add(`{"resourceType":"Bundle","entry":[{}]}`)
	f.Fuzz(func(t *testing.T, s string) {
		list, _, _, err := FromFHIR(strings.NewReader(s))
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
