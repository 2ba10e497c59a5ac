package xds

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"samdok/fault"
	"samdok/internal/spool"
	"samdok/metadata"
	"samdok/soap"
	"samdok/soap/mtom"
	"samdok/soap/wsnt"
)

// answerHeader are the addressing headers of the answer: RelatesTo always, and a
// MessageID of its own.
func (x *exchange) answerHeader() soap.Header {
	if p := x.postponed; p != nil {
		return soap.Header{Action: answerAction(x.header.Action), MessageID: p.ID.String(), RelatesTo: x.header.MessageID, To: p.To}
	}
	return soap.Header{Action: answerAction(x.header.Action), MessageID: metadata.NewUUID().String(), RelatesTo: x.header.MessageID}
}

func answerAction(request string) string {
	if request == actionOnDemand {
		return answerOfOnDemand
	}
	if feedKind(request) != 0 {
		return answerOfFeed
	}
	if request == actionDiscover || request == actionDeferred {
		return answerOfDiscover
	}
	if name, ok := strings.CutSuffix(request, "Request"); ok && strings.HasPrefix(request, wsnt.Actions) {
		return name + response
	}
	return request + response
}

// begin writes the HTTP headers of an answer; length is -1 when it is not known.
func (x *exchange) begin(status int, contentType string, length int64) {
	x.keepOpen()
	h := x.w.Header()
	h["Content-Type"] = []string{contentType}
	if length >= 0 {
		h["Content-Length"] = []string{strconv.FormatInt(length, 10)}
	}
	x.sent = true
	x.w.WriteHeader(status)
}

// small sends an envelope that is all there, in the format of the request.
// packing says whether the transaction is one that is packed.
func (x *exchange) small(envelope []byte, packing bool) {
	if !packing || !x.msg.packed {
		x.begin(http.StatusOK, soap.ContentType, int64(len(envelope)))
		x.write(envelope)
		return
	}
	w := mtom.NewWriter(envelope, nil)
	x.begin(http.StatusOK, w.ContentType(), w.Length())
	if err := w.Write(x.w, nil); err != nil {
		x.abort(err)
	}
}

func (x *exchange) write(b []byte) {
	if _, err := x.w.Write(b); err != nil {
		x.abort(err)
	}
}

// spooled sends head and then what waited in the spool.
func (x *exchange) spooled(head []byte, sp *spool.Spool) {
	x.begin(http.StatusOK, soap.ContentType, int64(len(head))+sp.Size())
	x.write(head)
	if _, err := sp.WriteTo(struct{ io.Writer }{x.w}); err != nil {
		x.abort(err)
	}
}

// abort cuts the connection, so that a client can never take what it got for a
// whole answer. A deadline in the past does that for HTTP/1 and HTTP/2 alike.
func (x *exchange) abort(err error) {
	x.body.failed = true
	if derr := http.NewResponseController(x.w).SetWriteDeadline(time.Unix(1, 0)); derr != nil {
		x.d.o.Log.Debug("an answer was cut off, and the connection may linger", "error", derr.Error())
	}
	log := x.d.o.Log.Debug
	if f := (*fault.Error)(nil); errors.As(err, &f) {
		log = x.d.o.Log.Error // ours, such as a damaged document; not a client that left
	}
	log("an answer was cut off", "action", x.header.Action, "error", err.Error())
}
