package xds

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"samdok/fault"
	"samdok/internal/xmlscan"
	"samdok/soap"
	"samdok/soap/mtom"
)

// expectFrom is the size from which an upload waits for the server's consent, so
// that a refusal costs no upload.
const expectFrom = 1 << 20

// RefusedError is a registry response with the status Failure.
type RefusedError struct{ Problems []fault.Problem }

func (e *RefusedError) Error() string {
	var b strings.Builder
	b.WriteString("the server refused")
	for i := range e.Problems {
		sep := ": "
		if i > 0 {
			sep = "; "
		}
		b.WriteString(sep + string(e.Problems[i].Code) + " " + e.Problems[i].Context)
	}
	return b.String()
}

// FaultError is a SOAP fault that was answered.
type FaultError struct {
	Status        int
	Code, Subcode string // local names
	Reason        string // the English text if there is one
}

func (e *FaultError) Error() string {
	code := e.Code
	if e.Subcode != "" {
		code += "/" + e.Subcode
	}
	return fmt.Sprintf("the server answered a SOAP fault (%s, HTTP %d): %s", code, e.Status, e.Reason)
}

// HTTPError is an answer that is not SOAP.
type HTTPError struct {
	Status int
	Text   string // the beginning of a text answer
}

func (e *HTTPError) Error() string {
	return strings.TrimRight(fmt.Sprintf("the server answered HTTP %d %s: %s", e.Status, http.StatusText(e.Status), e.Text), ": ")
}

// ProtocolError is an answer that breaks the rules of its transaction.
type ProtocolError struct {
	What string
	Err  error
}

func (e *ProtocolError) Error() string {
	if e.Err != nil {
		return "the server's answer is wrong: " + e.What + ": " + e.Err.Error()
	}
	return "the server's answer is wrong: " + e.What
}

func (e *ProtocolError) Unwrap() error { return e.Err }

// requestBody makes a body, more than once when a connection has to be replaced.
type requestBody struct {
	contentType string
	length      int64
	open        func() (io.ReadCloser, error)
}

func plain(envelope []byte) requestBody {
	return requestBody{soap.ContentType, int64(len(envelope)), func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(envelope)), nil
	}}
}

func packed(w *mtom.Writer, docs []Attachment) requestBody {
	return requestBody{w.ContentType(), w.Length(), func() (io.ReadCloser, error) {
		return &packageReader{w: w, docs: docs, cur: bytes.NewReader(w.Head())}, nil
	}}
}

// reply is an answer whose envelope has been read up to its body.
type reply struct {
	resp *http.Response
	msg  message
	scan *xmlscan.Scanner // nil before the answer is opened and after close
}

// do sends a request and reads the answer's envelope up to its body, which read
// decodes.
func (c *call) do(ctx context.Context, b requestBody, read func(*xmlscan.Scanner, *message) error) error {
	if c.c.o.Inbox != nil {
		return c.doLater(ctx, b, read)
	}
	r, err := c.send(ctx, b)
	if err != nil {
		return err
	}
	defer r.close()
	if err := read(r.scan, &r.msg); err != nil {
		return wrong("its body", err)
	}
	return r.end()
}

// doLater is do for answers that come to the inbox.
func (c *call) doLater(ctx context.Context, b requestBody, read func(*xmlscan.Scanner, *message) error) error {
	in := c.c.o.Inbox
	w := in.expect(c.header.MessageID)
	defer in.leave(c.header.MessageID, w)
	resp, err := c.post(ctx, b)
	if err != nil {
		return err
	}
	r := &reply{resp: resp}
	defer r.close()
	if resp.StatusCode/100 != 2 {
		return c.open(r)
	}
	if n, err := io.ReadFull(resp.Body, make([]byte, 1)); resp.StatusCode != http.StatusAccepted || n > 0 {
		return &ProtocolError{What: fmt.Sprintf("it came in the same connection (HTTP %d), not to wsa:ReplyTo", resp.StatusCode)}
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	return c.arrives(ctx, w, read)
}

// send is the first half of do, for an answer in the same connection. The caller
// must close the reply.
func (c *call) send(ctx context.Context, b requestBody) (*reply, error) {
	resp, err := c.post(ctx, b)
	if err != nil {
		return nil, err
	}
	r := &reply{resp: resp}
	if err := c.open(r); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (c *call) post(ctx context.Context, b requestBody) (*http.Response, error) {
	body, err := b.open()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, body)
	if err != nil {
		return nil, err
	}
	req.ContentLength, req.GetBody = b.length, b.open
	req.Header.Set("Content-Type", b.contentType)
	req.Header.Set("User-Agent", "samdok")
	if c.hops > 0 {
		req.Header.Set(hopsHeader, strconv.Itoa(c.hops))
	}
	if c.trace != "" {
		req.Header.Set("Traceparent", c.trace)
	}
	if b.length >= expectFrom {
		req.Header.Set("Expect", "100-continue")
	}
	return c.c.o.HTTP.Do(req)
}

func (r *reply) close() {
	r.msg.close()
	r.resp.Body.Close()
}

// end reads on, so that the connection can be used again.
func (r *reply) end() error {
	_, err := io.CopyN(io.Discard, r.resp.Body, 64<<10)
	if err != nil && !errors.Is(err, io.EOF) {
		return &ProtocolError{What: "it is not complete", Err: err}
	}
	return nil
}

// open reads the envelope up to its body.
func (c *call) open(r *reply) error {
	contentType := r.resp.Header.Get("Content-Type")
	if media := soap.ParseContent(contentType).Media; media != soap.MediaType && media != mtom.MediaType {
		text, _ := io.ReadAll(io.LimitReader(r.resp.Body, 1<<10)) // whatever came is shown
		if r.resp.StatusCode/100 == 2 && r.resp.StatusCode != http.StatusAccepted {
			return &ProtocolError{What: fmt.Sprintf("its Content-Type is %q", contentType)}
		}
		return &HTTPError{r.resp.StatusCode, strings.TrimSpace(strings.ToValidUTF8(string(text), ""))}
	}
	r.msg = message{limits: c.c.o.Limits, tmp: c.spool(), whole: c.c.o.Limits.RootBytes}
	if c.feed > 0 {
		r.msg.whole, r.msg.feed = min(r.msg.whole, c.feed), true
	}
	if err := r.msg.open(r.resp.Body, contentType, r.resp.ContentLength); err != nil {
		return wrong("it cannot be read", err)
	}
	r.scan = r.msg.start(&answerScanners, answerLimits(r.msg.limits))
	var h soap.Header
	if err := soap.ReadEnvelope(r.scan, &h); err != nil {
		return wrong("its envelope", err)
	}
	c.correlation = h.Correlation
	return c.check(r.scan, &h, r.resp.StatusCode)
}

// check tells whether an answer belongs to the call. A fault is an error.
func (c *call) check(sc *xmlscan.Scanner, h *soap.Header, status int) error {
	if sc.Is(xmlscan.SOAP12, "Fault") {
		return readFault(sc, status)
	}
	switch {
	case status != http.StatusOK:
		return &HTTPError{Status: status}
	case h.RelatesTo != c.header.MessageID && !(c.c.trusting && h.RelatesTo == ""):
		return &ProtocolError{What: fmt.Sprintf("wsa:RelatesTo is %q and not the request's MessageID", h.RelatesTo)}
	case h.Action != answerAction(c.header.Action) && !(c.c.trusting && c.isTwin(h.Action)):
		return &ProtocolError{What: fmt.Sprintf("wsa:Action is %q", h.Action)}
	}
	return nil
}

// isTwin tells whether an answer's action is that of the transaction with the same
// messages: gateways that pass requests on to a registry or repository forget to change
// it back. What the answer is its body says.
func (c *call) isTwin(action string) bool {
	switch action {
	case actionQuery + response:
		return c.header.Action == actionCrossQuery
	case actionRetrieve + response:
		return c.header.Action == actionCrossRetrieve
	}
	return false
}

// wrong makes a ProtocolError of what a reader said; errors of the connection and
// of the caller stay what they are.
func wrong(what string, err error) error {
	var f *soap.Fault
	var x *xmlscan.Error
	var limit *mtom.LimitError
	var fe *fault.Error
	switch {
	case errors.As(err, &fe) && len(fe.Problems) > 0: // the codec's own words
		return &ProtocolError{what + ": " + fe.Problems[0].Context, fe.Err}
	case errors.As(err, &f) && f.Code != soap.Receiver, errors.As(err, &x), errors.As(err, &limit):
		return &ProtocolError{what, err}
	case f != nil && f.Err != nil:
		return f.Err
	}
	return err
}

func readFault(sc *xmlscan.Scanner, status int) error {
	e := &FaultError{Status: status}
	english := false
	for depth := sc.Depth(); ; {
		k, err := sc.Next()
		if err != nil {
			return wrong("its fault", err)
		}
		if k == xmlscan.End && sc.Depth() < depth {
			return e
		}
		if k != xmlscan.Start || sc.NS() != xmlscan.SOAP12 {
			continue
		}
		switch string(sc.Local()) {
		case "Value":
			text, err := trimmedText(sc)
			if err != nil {
				return wrong("its fault", err)
			}
			_, local, ok := strings.Cut(text, ":")
			if !ok {
				local = text
			}
			if e.Code == "" {
				e.Code = local
			} else {
				e.Subcode = local
			}
		case "Text":
			lang, _ := sc.AttrNS(xmlscan.XML, "lang")
			text, err := trimmedText(sc)
			if err != nil {
				return wrong("its fault", err)
			}
			if isEnglish := strings.HasPrefix(lang, "en"); e.Reason == "" || isEnglish && !english {
				e.Reason, english = text, isEnglish
			}
		}
	}
}

// packageReader is a package as a stream.
type packageReader struct {
	w    *mtom.Writer
	docs []Attachment
	next int           // the next document
	cur  io.Reader     // what is being read: a head, a document, the tail
	file io.ReadCloser // the open document
	left int64
	end  bool
}

func (p *packageReader) Read(b []byte) (int, error) {
	for {
		n, err := p.cur.Read(b)
		if p.file != nil {
			if p.left -= int64(n); p.left < 0 {
				return 0, &mtom.SizeError{Part: p.next - 1, Want: p.docs[p.next-1].Size, Got: p.docs[p.next-1].Size + 1}
			}
		}
		if err != nil && err != io.EOF {
			return n, err
		}
		if n > 0 {
			return n, nil
		}
		if err == nil {
			continue
		}
		if err := p.advance(); err != nil {
			return 0, err
		}
	}
}

// advance moves on: head, then for each document its header and its bytes, then
// the tail.
func (p *packageReader) advance() error {
	switch {
	case p.file != nil:
		if p.left != 0 {
			want := p.docs[p.next-1].Size
			return &mtom.SizeError{Part: p.next - 1, Want: want, Got: want - p.left}
		}
		err := p.file.Close()
		p.file = nil
		if err != nil {
			return err
		}
	case p.end:
		return io.EOF
	}
	if p.next == len(p.docs) {
		p.end = true
		p.cur = bytes.NewReader(p.w.Tail())
		return nil
	}
	d := &p.docs[p.next]
	file, err := d.Open()
	if err != nil {
		return err
	}
	p.file, p.left = file, d.Size
	p.cur = io.MultiReader(bytes.NewReader(p.w.PartHead(p.next)), file)
	p.left += int64(len(p.w.PartHead(p.next)))
	p.next++
	return nil
}

func (p *packageReader) Close() error {
	if p.file != nil {
		err := p.file.Close()
		p.file = nil
		return err
	}
	return nil
}
