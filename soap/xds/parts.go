package xds

import (
	"errors"
	"io"
	"net/http"
	"net/url"

	"samdok/fault"
	"samdok/metadata"
	"samdok/soap"
	"samdok/soap/mtom"
)

// stream hands over the documents of a message as they come: first those inside
// the envelope, then the attachments in the order of the message.
type stream struct {
	msg    *message
	docs   []document
	inline int            // documents looked at for inline content
	coming map[string]int // attachments still to come, by Content-ID
	cur    io.Closer      // the inline document being read
}

func newStream(m *message, docs []document) *stream {
	s := &stream{msg: m, docs: docs, coming: make(map[string]int, len(docs))}
	for i := range docs {
		if docs[i].cid != "" {
			s.coming[docs[i].cid] = i
		}
	}
	return s
}

// unaskedError: an attachment that no document refers to.
type unaskedError struct{ cid string }

func (e *unaskedError) Error() string {
	return "The message has an attachment with the Content-ID " + show(e.cid) + " that no xds:Document refers to."
}

// missingError: a document whose attachment did not come.
type missingError struct{ id, cid string }

func (e *missingError) Error() string {
	return "The document with the id " + show(e.id) + " refers to the attachment " + show(e.cid) + ", which the message does not have."
}

// next is the index of the next document and its bytes, valid until the next call;
// io.EOF after the last. After an *unaskedError it may be called again.
func (s *stream) next() (int, io.Reader, error) {
	s.closeCurrent()
	for s.inline < len(s.docs) {
		i := s.inline
		s.inline++
		if d := s.docs[i].inline; d != nil {
			r := d.open()
			s.cur = r
			return i, r, nil
		}
	}
	if s.msg.parts == nil {
		return 0, nil, s.missing()
	}
	part, err := s.msg.parts.Next()
	if errors.Is(err, io.EOF) {
		return 0, nil, s.missing()
	}
	if err != nil {
		return 0, nil, err
	}
	i, ok := s.find(part.ID)
	if !ok {
		return 0, nil, &unaskedError{part.ID}
	}
	delete(s.coming, s.docs[i].cid)
	return i, part, nil
}

// find looks a Content-ID up. Some senders escape it in both places.
func (s *stream) find(id string) (int, bool) {
	if i, ok := s.coming[id]; ok {
		return i, true
	}
	plain, err := url.PathUnescape(id)
	if err != nil || plain == id {
		return 0, false
	}
	i, ok := s.coming[plain]
	return i, ok
}

// missing is io.EOF when every document has been handed over.
func (s *stream) missing() error {
	for i := range s.docs {
		if cid := s.docs[i].cid; cid != "" {
			if _, missing := s.coming[cid]; missing {
				return &missingError{string(s.docs[i].id), cid}
			}
		}
	}
	return io.EOF
}

func (s *stream) closeCurrent() {
	if s.cur != nil {
		s.cur.Close()
		s.cur = nil
	}
}

func (s *stream) close() {
	s.closeCurrent()
	for i := range s.docs {
		if s.docs[i].inline != nil {
			s.docs[i].inline.close()
		}
	}
}

// parts is a stream with errors that the use case can answer.
type parts struct {
	*stream
	broken *soap.Fault // what is wrong with the package, if that ended it
	gone   func() bool // the connection broke, so the package has no end
	err    error
}

// Next implements sharing.Parts.
func (p *parts) Next() (metadata.ID, io.Reader, error) {
	if p.err != nil {
		return "", nil, p.err
	}
	i, r, err := p.next()
	if err != nil {
		return "", nil, p.fail("", err)
	}
	id := p.docs[i].id
	return id, &docReader{p, id, r}, nil
}

// fail keeps the first error: a problem of the standard where there is one for it,
// otherwise a broken package or connection, which the door answers itself.
func (p *parts) fail(id metadata.ID, err error) error {
	var limit *mtom.LimitError
	var unasked *unaskedError
	var missing *missingError
	const op = "xds.Parts"
	switch {
	case errors.Is(err, io.EOF) && err == io.EOF:
		p.err = io.EOF
	case errors.As(err, &unasked):
		p.err = fault.New(fault.Invalid, op, fault.MissingDocumentMetadata, "%s", unasked.Error())
	case errors.As(err, &missing):
		p.err = fault.New(fault.Invalid, op, fault.MissingDocument, "%s", missing.Error())
	case errors.As(err, &limit) && limit.Name == mtom.LimitPartBytes:
		p.err = fault.New(fault.TooLarge, op, fault.RegistryOutOfResources,
			"The document with the id %s is larger than %d bytes, the limit %s of this server.", show(string(id)), limit.Max, limit.Name)
	default:
		p.broken = asFault(err)
		kind, code := fault.Invalid, fault.RegistryMetadataError
		if large := (*http.MaxBytesError)(nil); p.broken.Code == soap.Receiver || p.gone() && !errors.As(err, &large) {
			kind, code = fault.Canceled, fault.RegistryError
		}
		p.err = fault.Wrap(err, kind, op, code, "%s", p.broken.Text)
	}
	return p.err
}

// docReader reads one document and explains its errors.
type docReader struct {
	p  *parts
	id metadata.ID
	r  io.Reader
}

func (d *docReader) Read(b []byte) (int, error) {
	if d.p.err != nil {
		return 0, d.p.err
	}
	n, err := d.r.Read(b)
	if err != nil && err != io.EOF {
		err = d.p.fail(d.id, err)
	}
	return n, err
}
