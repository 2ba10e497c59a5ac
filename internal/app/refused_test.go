package app

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"samdok/audit/ledger"
	"samdok/hl7/mllp"
)

// envelope is a SOAP 1.2 message.
func envelope(action, body string) string {
	return `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing"><s:Header>` +
		`<a:Action s:mustUnderstand="1">` + action + `</a:Action><a:MessageID>urn:uuid:0bbd8f5a-2a0e-4d0d-9d5e-000000000001</a:MessageID>` +
		`<a:To>http://localhost</a:To></s:Header><s:Body>` + body + `</s:Body></s:Envelope>`
}

func adhoc(id string, slots string) string {
	return `<q:AdhocQueryRequest xmlns:q="urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0" xmlns="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0">` +
		`<q:ResponseOption returnComposedObjects="true" returnType="LeafClass"/><AdhocQuery id="` + id + `">` + slots + `</AdhocQuery></q:AdhocQueryRequest>`
}

// What a door refuses by itself is a use that failed: one record of the transaction, with
// who asked. What names no transaction is none (docs/audit-events.md).
func TestEveryRefusalIsRecorded(t *testing.T) {
	a, stop := serve(t, settings(t, t.TempDir(), "mllp-listen", "127.0.0.1:0", "dsub-broker", "on", "outward-allow", "loopback", "locator-on", "on", "multi-patient-queries", "on",
		"gateway-respond", "on", "gateway-discovery", "ids", "gateway-communities", communitiesFile(t, "  - {home: urn:oid:2.999.9, query: 'http://127.0.0.1:1/x', deadline: 1s}"), "recipient-mailboxes", "974749025"), io.Discard)
	defer stop()
	const findDocuments, unknown = "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d", "urn:uuid:00000000-0000-0000-0000-000000000000"
	ihe := func(name string) string { return "urn:ihe:iti:2007:" + name }
	none := `<x:RetrieveDocumentSetRequest xmlns:x="urn:ihe:iti:xds-b:2007"/>`
	hl7 := func(interaction string) string { return "urn:hl7-org:v3:" + interaction }
	for _, c := range []struct{ door, action, body, want string }{
		{registryPath, ihe("RegistryStoredQuery"), adhoc(unknown, ""), "find ITI-18 XDSUnknownStoredQuery"},
		{registryPath, ihe("RegistryStoredQuery"), adhoc(findDocuments, ""), "find ITI-18 XDSStoredQueryMissingParam"},
		{registryPath, ihe("RegistryStoredQuery"), "<wrong/>", "find ITI-18"},
		{registryPath, ihe("RegistryStoredQuery"), adhoc(findDocuments, "<broken"), "find ITI-18"},
		{registryPath, "urn:ihe:iti:2009:MultiPatientStoredQuery", adhoc(findDocuments, ""), "find-across ITI-51 XDSStoredQueryMissingParam"},
		{registryPath, ihe("RegisterDocumentSet-b"), "<wrong/>", "register ITI-42"},
		{registryPath, "urn:ihe:iti:2010:RegisterOnDemandDocumentEntry", "<wrong/>", "register-on-demand ITI-61"},
		{registryPath, "urn:ihe:iti:2010:UpdateDocumentSet", "<wrong/>", "update ITI-57"},
		{registryPath, "urn:ihe:iti:2018:RestrictedUpdateDocumentSet", "<wrong/>", "update ITI-92"},
		{registryPath, "urn:ihe:iti:2010:DeleteDocumentSet", "<wrong/>", "remove ITI-62"},
		{registryPath, ihe("Nothing"), "<wrong/>", ""},
		{registryPath, "", "", ""},
		{repositoryPath, ihe("RetrieveDocumentSet"), none, "retrieve ITI-43"},
		{repositoryPath, ihe("ProvideAndRegisterDocumentSet-b"), "<wrong/>", "provide ITI-41"},
		{repositoryPath, "urn:ihe:iti:2017:RemoveDocuments", "<wrong/>", "remove-documents ITI-86"},
		{recipientPath, ihe("ProvideAndRegisterDocumentSet-b"), "<wrong/>", "receive ITI-41"},
		{initiatingPath, ihe("RegistryStoredQuery"), adhoc(unknown, ""), "find ITI-18 XDSUnknownStoredQuery"},
		{initiatingPath, ihe("RetrieveDocumentSet"), none, "retrieve ITI-43"},
		{respondingPath, ihe("CrossGatewayQuery"), adhoc(unknown, ""), "find ITI-38 XDSUnknownStoredQuery"},
		{respondingPath, ihe("CrossGatewayRetrieve"), none, "retrieve ITI-39"},
		{discoveryPath, hl7("PRPA_IN201305UV02:CrossGatewayPatientDiscovery"), discoveryOf("2.999.404", ""), "discover-patient ITI-55"},
		{initiatingPath, hl7("PRPA_IN201305UV02:CrossGatewayPatientDiscovery"), discoveryOf("2.999.404", ""), "discover-patient ITI-55"},
		{discoveryPath, hl7("PRPA_IN201305UV02:Deferred:CrossGatewayPatientDiscovery"), discoveryOf("", ""), "discover-patient ITI-55"},
		{discoveryPath, hl7("PRPA_IN201305UV02:CrossGatewayPatientDiscovery"), "<wrong/>", "discover-patient ITI-55"},
		{discoveryPath, "urn:ihe:iti:2009:PatientLocationQuery", "<wrong/>", "locate-patient ITI-56"},
		{identityPath, hl7("PRPA_IN201301UV02"), `<PRPA_IN201301UV02 xmlns="urn:hl7-org:v3" ITSVersion="XML_1.0"><id root="1.2"/></PRPA_IN201301UV02>`, "feed-patient ITI-44"},
		{identityPath, hl7("PRPA_IN201304UV02"), "<wrong/>", "merge-patients ITI-44"},
		{subscriptionPath, "http://docs.oasis-open.org/wsn/bw-2/NotificationProducer/SubscribeRequest", "<wrong/>", "subscribe ITI-52"},
		{"/locator/v1/search", "", `{"patient":`, "locate "},
		{"/locator/v1/search", "", `{"patient":{"id":"1"}}`, "locate "},
		{"/locator/v1/where", "", `{"patient":{"id":"1"}}`, "locate-own "},
		{"/locator/v1/holdings", "", `{"holding":[]}`, "state-holdings "},
		{"/locator/v1/holdings/withdraw", "", `{}`, "state-holdings "},
		{"/locator/v1/coverage", "", `[]`, "state-holdings "},
		{"MLLP", "", "MSH|^~\\&|A|B|C|D|20260101||ADT^A01|m1|P|2.3.1\r", "feed-patient ITI-8"},
		{"MLLP", "", "MSH|^~\\&|A|B|C|D|20260101||ADT^A03|m1|P|2.3.1\r", "feed-patient ITI-8"},
		{"MLLP", "", "nothing", ""},
	} {
		before := len(useRecords(t, a))
		if c.door == "MLLP" {
			sendMLLP(t, a.Info().MLLP, c.body)
		} else {
			post(t, a.Info().URL+c.door, c.action, c.body)
		}
		got := useRecords(t, a)[before:]
		want := []string{}
		if c.want != "" {
			want = append(want, c.want)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s %s %.40s: recorded %q, want %q", c.door, c.action, c.body, got, want)
		}
	}
}

// useRecords are the uses that were recorded, in their order.
func useRecords(t *testing.T, a *App) (all []string) {
	t.Helper()
	for r, err := range a.data.ledger.Find(t.Context(), ledger.Search{}) {
		if err != nil {
			t.Fatal(err)
		}
		e := &r.Event
		v, err := logRecord(foundRecord{Record: r})
		if err != nil {
			t.Fatal(err)
		}
		if e.Request.Action == 0 || v.Door == "system" {
			continue
		}
		if v.Outcome != "failed" || v.Remote == "" || v.Details["refused"] == "" || v.Requested.IsZero() || v.Tenant == "" || strings.HasPrefix(v.Transaction, "ITI-") && v.MessageID == "" {
			t.Errorf("a record that lacks something: %+v", v)
		}
		all = append([]string{strings.Join(append([]string{v.Event, v.Transaction}, v.Codes...), " ")}, all...)
	}
	return all
}

func post(t *testing.T, url, action, body string) {
	t.Helper()
	kind := "application/soap+xml; charset=UTF-8"
	if action != "" {
		body = envelope(action, body)
	} else if strings.Contains(url, "/locator/") {
		kind = "application/json"
	}
	r, err := http.Post(url, kind, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, r.Body)
	r.Body.Close()
}

func sendMLLP(t *testing.T, addr, message string) {
	t.Helper()
	c, err := mllp.Dial(t.Context(), addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Send(t.Context(), []byte(message)); err != nil {
		t.Fatal(err)
	}
}

// discoveryOf is ITI-55 for a community, about a patient's id.
func discoveryOf(home, id string) string {
	receiver := `<device classCode="DEV" determinerCode="INSTANCE"><id root="1.2.3"/>`
	if home != "" {
		receiver += `<asAgent classCode="AGNT"><representedOrganization classCode="ORG" determinerCode="INSTANCE"><id root="` + home + `"/></representedOrganization></asAgent>`
	}
	return `<PRPA_IN201305UV02 xmlns="urn:hl7-org:v3" ITSVersion="XML_1.0"><id root="1.2.4"/><creationTime value="20260101"/><interactionId root="2.16.840.1.113883.1.6" extension="PRPA_IN201305UV02"/>` +
		`<processingCode code="P"/><processingModeCode code="T"/><acceptAckCode code="AL"/><receiver typeCode="RCV">` + receiver + `</device></receiver>` +
		`<sender typeCode="SND"><device classCode="DEV" determinerCode="INSTANCE"><id root="1.2.5"/></device></sender>` +
		`<controlActProcess classCode="CACT" moodCode="EVN"><code code="PRPA_TE201305UV02" codeSystem="2.16.840.1.113883.1.6"/>` +
		`<queryByParameter><queryId root="1.2.6"/><statusCode code="new"/><responseModalityCode code="R"/><responsePriorityCode code="I"/>` +
		`<parameterList><livingSubjectId><value root="2.16.578.1.12.4.1.4.1" extension="13858599169"/><semanticsText>LivingSubject.id</semanticsText></livingSubjectId></parameterList>` +
		`</queryByParameter></controlActProcess></PRPA_IN201305UV02>`
}
