package xds

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"samdok/metadata"
	"samdok/soap/mtom"
)

// A server that accepts and never answers is waited for as long as was said.
func TestPatience(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
	defer srv.Close()
	c := NewClient(Options{RegistryURL: srv.URL, Inbox: NewInbox("http://127.0.0.1:1/", mtom.Limits{}, t.TempDir()), Patience: 50 * time.Millisecond})
	if _, err := c.Find(t.Context(), metadata.StoredQuery{Query: &metadata.GetDocuments{}}); !errors.Is(err, ErrNoAnswer) {
		t.Error(err)
	}
}
