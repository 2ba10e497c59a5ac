package xds

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"samdok/access"
	"samdok/internal/spool"
	"samdok/metadata"
	"samdok/metadata/ebrim"
	"samdok/soap"
	"samdok/soap/mtom"
)

// The connection says what is answered: only a wrong wsa:RelatesTo is refused.
func TestCommunityRelates(t *testing.T) {
	for relates, refused := range map[string]bool{"": false, "urn:uuid:00000000-0000-4000-8000-000000000000": true} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", soap.ContentType)
			b := soap.AppendOpen(nil, soap.Header{Action: actionCrossQuery + response, RelatesTo: relates})
			b = ebrim.AppendQueryResponseHead(b, ebrim.Success, nil)
			if _, err := w.Write(soap.AppendClose(ebrim.AppendQueryResponseTail(b))); err != nil {
				t.Error(err)
			}
		}))
		k := NewCommunity(CommunityOptions{Client: Options{QueryURL: s.URL, HTTP: s.Client()}})
		_, err := k.Find(t.Context(), access.Caller{}, metadata.StoredQuery{Query: &metadata.GetDocuments{}}, func(metadata.Object) error { return nil })
		if wrong := new(ProtocolError); errors.As(err, &wrong) != refused {
			t.Errorf("%q: %v", relates, err)
		}
		s.Close()
	}
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
