package xds

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"samdok/access"
	"samdok/fault"
	"samdok/gateway"
	"samdok/internal/spool"
	"samdok/metadata"
	"samdok/metadata/ebrim"
	"samdok/soap"
	"samdok/soap/mtom"
)

// The connection says what is answered: only a wrong wsa:RelatesTo is refused, and a
// wsa:Action of something else. Gateways before a registry leave the action of ITI-18.
func TestCommunityRelates(t *testing.T) {
	for _, c := range []struct {
		relates, action string
		refused         bool
	}{
		{"", actionCrossQuery + response, false},
		{"urn:uuid:00000000-0000-4000-8000-000000000000", actionCrossQuery + response, true},
		{"", actionQuery + response, false},
		{"", "", true},
		{"", actionCrossQuery, true},
		{"", actionCrossRetrieve + response, true},
		{"", actionAcross + response, true},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", soap.ContentType)
			b := soap.AppendOpen(nil, soap.Header{Action: c.action, RelatesTo: c.relates})
			b = ebrim.AppendQueryResponseHead(b, ebrim.Success, nil)
			if _, err := w.Write(soap.AppendClose(ebrim.AppendQueryResponseTail(b))); err != nil {
				t.Error(err)
			}
		}))
		k := NewCommunity(CommunityOptions{Client: Options{QueryURL: s.URL, HTTP: s.Client()}})
		_, err := k.Find(t.Context(), access.Caller{}, metadata.StoredQuery{Query: &metadata.GetDocuments{}}, func(metadata.Object) error { return nil })
		if wrong := new(ProtocolError); errors.As(err, &wrong) != c.refused {
			t.Errorf("RelatesTo %q, Action %q: %v", c.relates, c.action, err)
		}
		s.Close()
	}
}

// A status that is no success is told of, also when the community names warnings only.
func TestCommunityFailsWithoutAReason(t *testing.T) {
	warning := []fault.Problem{{Code: fault.ExtraMetadataNotSaved, Severity: fault.SeverityWarning, Context: "w"}}
	for _, status := range []ebrim.Status{ebrim.Failure, ebrim.PartialSuccess} {
		for _, said := range [][]fault.Problem{nil, warning} {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", soap.ContentType)
				b := ebrim.AppendQueryResponseHead(soap.AppendOpen(nil, soap.Header{Action: actionCrossQuery + response}), status, said)
				if _, err := w.Write(soap.AppendClose(ebrim.AppendQueryResponseTail(b))); err != nil {
					t.Error(err)
				}
			}))
			k := NewCommunity(CommunityOptions{Client: Options{QueryURL: s.URL, HTTP: s.Client()}})
			problems, err := k.Find(t.Context(), access.Caller{}, metadata.StoredQuery{Query: &metadata.GetDocuments{}}, func(metadata.Object) error { return nil })
			if all := append(problems, fault.ProblemsOf(err)...); len(all) != len(said)+1 || !fault.HasErrors(all) {
				t.Errorf("%v with %v: %v, %v", status, said, all, err)
			}
			s.Close()
		}
	}
}

// A document comes under the action of ITI-43 too, and without a mimeType, which our own
// answer must have.
func TestDocumentUnderTheTwinsAction(t *testing.T) {
	for sent, want := range map[string]string{"<x:mimeType>text/plain</x:mimeType>": "text/plain", "": "application/octet-stream", "<x:mimeType/>": "application/octet-stream"} {
		if got := retrievedUnder(t, actionRetrieve+response, sent); got != want {
			t.Errorf("%q: mime type %q, want %q", sent, got, want)
		}
	}
}

// retrievedUnder retrieves a document that is answered under an action, and is its type.
func retrievedUnder(t *testing.T, action, mime string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", soap.ContentType)
		b := soap.AppendOpen(nil, soap.Header{Action: action})
		b = append(b, `<x:RetrieveDocumentSetResponse xmlns:x="urn:ihe:iti:xds-b:2007"><r:RegistryResponse xmlns:r="urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0" status="urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"/>`+
			`<x:DocumentResponse><x:RepositoryUniqueId>1.2</x:RepositoryUniqueId><x:DocumentUniqueId>1.3</x:DocumentUniqueId>`+mime+`<x:Document>eA==</x:Document></x:DocumentResponse></x:RetrieveDocumentSetResponse>`...)
		if _, err := w.Write(soap.AppendClose(b)); err != nil {
			t.Error(err)
		}
	}))
	defer s.Close()
	k := NewCommunity(CommunityOptions{Client: Options{RetrieveURL: s.URL, HTTP: s.Client()}})
	r, err := k.Retrieve(t.Context(), access.Caller{}, []metadata.DocumentRequest{{Home: "urn:oid:1", RepositoryID: "1.2", UniqueID: "1.3"}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if len(r.Documents) != 1 {
		t.Fatalf("%d documents", len(r.Documents))
	}
	if b, err := io.ReadAll(r.Documents[0].Body); err != nil || string(b) != "x" {
		t.Errorf("read %q, %v", b, err)
	}
	return r.Documents[0].MimeType
}

// Two documents come on one connection. In whatever order they come and are read, each is
// whole or ends with an error, never short; and what has to wait is bounded.
func TestDocumentsOnOneConnection(t *testing.T) {
	const size = 200 << 10
	text := [2]string{strings.Repeat("a", size), strings.Repeat("b", size)}
	for name, c := range map[string]struct {
		sent [2]int // order of the attachments
		read []int  // order of reading; -1-i: only the beginning of i
		room int64  // how much may wait
		want [2]string
	}{
		"in order":                         {[2]int{0, 1}, []int{0, 1}, size, [2]string{"whole", "whole"}},
		"sent the other way":               {[2]int{1, 0}, []int{0, 1}, size, [2]string{"whole", "whole"}},
		"sent the other way, little room":  {[2]int{1, 0}, []int{0, 1}, size / 2, [2]string{"refused", "refused"}},
		"the second read first":            {[2]int{0, 1}, []int{1, 0}, size, [2]string{"passed", "whole"}},
		"both the other way":               {[2]int{1, 0}, []int{1, 0}, size, [2]string{"passed", "whole"}},
		"the first left in the middle":     {[2]int{0, 1}, []int{-1, 1, 0}, size, [2]string{"passed", "whole"}},
		"the first only begun, and closed": {[2]int{0, 1}, []int{-1}, size, [2]string{}},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", `multipart/related; type="application/xop+xml"; start="<r>"; boundary=b`)
			b := soap.AppendOpen(nil, soap.Header{Action: actionCrossRetrieve + response})
			b = append(b, `<x:RetrieveDocumentSetResponse xmlns:x="urn:ihe:iti:xds-b:2007"><r:RegistryResponse xmlns:r="urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0" status="urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"/>`...)
			for i := range text {
				b = append(b, fmt.Sprintf(`<x:DocumentResponse><x:RepositoryUniqueId>1.2</x:RepositoryUniqueId><x:DocumentUniqueId>%d</x:DocumentUniqueId><x:mimeType>text/plain</x:mimeType><x:Document><i:Include xmlns:i="http://www.w3.org/2004/08/xop/include" href="cid:%d"/></x:Document></x:DocumentResponse>`, i, i)...)
			}
			b = soap.AppendClose(append(b, `</x:RetrieveDocumentSetResponse>`...))
			io.WriteString(w, "--b\r\nContent-ID: <r>\r\nContent-Type: application/xop+xml; charset=UTF-8; type=\"application/soap+xml\"\r\n\r\n"+string(b)+"\r\n")
			for _, i := range c.sent {
				io.WriteString(w, fmt.Sprintf("--b\r\nContent-ID: <%d>\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n\r\n", i)+text[i]+"\r\n")
			}
			io.WriteString(w, "--b--\r\n")
		}))
		k := NewCommunity(CommunityOptions{Client: Options{RetrieveURL: s.URL, HTTP: s.Client(), Limits: mtom.Limits{RootBytes: c.room}}})
		asked := []metadata.DocumentRequest{{Home: "urn:oid:1.2.9", RepositoryID: "1.2", UniqueID: "0"}, {Home: "urn:oid:1.2.9", RepositoryID: "1.2", UniqueID: "1"}}
		r, err := k.Retrieve(t.Context(), access.Caller{}, asked)
		var got [2]string
		var limit *spool.LimitError
		switch {
		case errors.As(err, &limit):
			got = [2]string{"refused", "refused"}
		case err != nil || len(r.Documents) != 2:
			t.Errorf("%s: %+v, %v", name, r, err)
		default:
			for _, i := range c.read {
				got = readOne(t, r, i, text, got)
			}
			if err := r.Close(); err != nil {
				t.Error(name, err)
			}
		}
		s.Close()
		if got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func readOne(t *testing.T, r *gateway.Retrieved, i int, text, got [2]string) [2]string {
	t.Helper()
	if i < 0 {
		if _, err := io.ReadFull(r.Documents[-1-i].Body, make([]byte, 1000)); err != nil {
			t.Error(err)
		}
		return got
	}
	switch b, err := io.ReadAll(r.Documents[i].Body); {
	case errors.Is(err, errPassed):
		got[i] = "passed"
	case err != nil:
		got[i] = err.Error()
	case string(b) == text[i]:
		got[i] = "whole"
	default:
		got[i] = fmt.Sprintf("short: %d octets", len(b))
	}
	return got
}

// An answer without end is read as far as the limit, whatever is in it.
func TestCommunityAnswersWithoutEnd(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request, _ := io.ReadAll(r.Body)
		_, id, _ := strings.Cut(string(request), "MessageID>")
		id, _, _ = strings.Cut(id, "<")
		w.Header().Set("Content-Type", soap.ContentType)
		w.Write(soap.AppendOpen(nil, soap.Header{Action: actionCrossQuery + response, RelatesTo: id}))
		io.WriteString(w, `<q:AdhocQueryResponse xmlns:q="urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0" status="urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success">`)
		for {
			if _, err := io.WriteString(w, strings.Repeat(" ", 1<<12)+"<!-- -->"); err != nil {
				return
			}
		}
	}))
	defer s.Close()
	k := NewCommunity(CommunityOptions{Client: Options{QueryURL: s.URL, HTTP: s.Client(), Limits: mtom.Limits{RootBytes: 1 << 20}}})
	_, err := k.Find(t.Context(), access.Caller{}, metadata.StoredQuery{Query: &metadata.GetDocuments{}}, func(metadata.Object) error { return nil })
	var limit *spool.LimitError
	if !errors.As(err, &limit) || limit.Max != 1<<20 {
		t.Errorf("%v", err)
	}
}
