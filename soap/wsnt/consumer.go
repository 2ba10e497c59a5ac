package wsnt

import (
	"context"
	"io"
	"net/http"

	"samdok/internal/xmlscan"
	"samdok/metadata"
	"samdok/metadata/ebrim"
	"samdok/soap"
)

// maxNotify is the largest notification that a Consumer reads, in octets.
const maxNotify = 64 << 20

// Consumer is a Document Metadata Notification Recipient (ITI TF-2 3.53): an
// http.Handler that hands over what it is told. When Take fails, the broker is told
// to try again. messageID is the same when the broker sends the same again.
type Consumer struct {
	Take func(ctx context.Context, messageID string, n []Notification) error
}

func (c Consumer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	id, all, err := read(http.MaxBytesReader(w, r.Body, maxNotify))
	if err == nil {
		if err := c.Take(r.Context(), id, all); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		return
	}
	f := soap.Malformed(err)
	w.Header().Set("Content-Type", f.ContentType())
	w.WriteHeader(f.HTTPStatus())
	_, _ = w.Write(soap.AppendFault(nil, f, metadata.NewUUID().String(), id)) // nobody is left to be told
}

func read(r io.Reader) (id string, all []Notification, err error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return "", nil, err
	}
	sc := xmlscan.New(b, xmlscan.Limits{Size: maxNotify})
	var h soap.Header
	if err := soap.ReadEnvelope(sc, &h); err != nil {
		return "", nil, err
	}
	if h.Action != ActionNotify || !sc.Is(xmlscan.WSNT, "Notify") {
		return h.MessageID, nil, soap.UnknownAction(h.Action, "receiver's of notifications (ITI-53)")
	}
	if all, err = DecodeNotify(sc, ebrim.Limits{}); err == nil {
		err = soap.CloseEnvelope(sc)
	}
	return h.MessageID, all, err
}
