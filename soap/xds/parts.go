package xds

import (
	"errors"
	"io"
	"net/url"

	"samdok/fault"
	"samdok/metadata"
	"samdok/soap"
	"samdok/soap/mtom"
)

// parts hands the documents of an ITI-41 message over while they stream in: first
// those inside the envelope, then the attachments in the order of the message.
type parts struct {
	msg    *message
	docs   []document
	next   int            // inline documents handed over
	byCID  map[string]int // attachments that are still to come
	cur    io.Closer      // the inline document being read
	end    bool
	broken *soap.Fault // what is wrong with the package, if that ended it
	err    error
}

func newParts(m *message, docs []document) *parts {
	p := &parts{msg: m, docs: docs, byCID: make(map[string]int, len(docs))}
	for i := range docs {
		if docs[i].cid != "" {
			p.byCID[docs[i].cid] = i
		}
	}
	return p
}

// Next implements sharing.Parts.
func (p *parts) Next() (metadata.ID, io.Reader, error) {
	if p.err != nil {
		return "", nil, p.err
	}
	p.closeCurrent()
	for p.next < len(p.docs) {
		d := &p.docs[p.next]
		p.next++
		if d.inline != nil {
			r := d.inline.open()
			p.cur = r
			return d.id, &docReader{p: p, id: d.id, r: r}, nil
		}
	}
	if p.msg.parts == nil || p.end {
		return "", nil, p.finished()
	}
	part, err := p.msg.parts.Next()
	if errors.Is(err, io.EOF) {
		p.end = true
		return "", nil, p.finished()
	}
	if err != nil {
		return "", nil, p.fail("", err)
	}
	i, ok := p.find(part.ID)
	if !ok {
		p.err = fault.New(fault.Invalid, "xds.Parts", fault.MissingDocumentMetadata,
			"The message has an attachment with the Content-ID %s that no xds:Document refers to.", show(part.ID))
		return "", nil, p.err
	}
	id := p.docs[i].id
	delete(p.byCID, p.docs[i].cid)
	return id, &docReader{p: p, id: id, r: part}, nil
}

// find looks a Content-ID up. Some senders escape it in both places.
func (p *parts) find(id string) (int, bool) {
	if i, ok := p.byCID[id]; ok && id != "" {
		return i, true
	}
	if plain, err := url.PathUnescape(id); err == nil && plain != id {
		i, ok := p.byCID[plain]
		return i, ok
	}
	return 0, false
}

// finished is io.EOF when every document has been handed over.
func (p *parts) finished() error {
	for i := range p.docs {
		if cid := p.docs[i].cid; cid != "" {
			if _, missing := p.byCID[cid]; missing {
				p.err = fault.New(fault.Invalid, "xds.Parts", fault.MissingDocument,
					"The document with the id %s refers to the attachment %s, which the message does not have.", show(string(p.docs[i].id)), show(cid))
				return p.err
			}
		}
	}
	p.err = io.EOF
	return p.err
}

// fail keeps what broke the package or the connection.
func (p *parts) fail(id metadata.ID, err error) error {
	var limit *mtom.LimitError
	switch {
	case errors.As(err, &limit) && limit.Name == mtom.LimitPartBytes:
		p.err = fault.New(fault.TooLarge, "xds.Parts", fault.RegistryOutOfResources,
			"The document with the id %s is larger than %d bytes, the limit %s of this server.", show(string(id)), limit.Max, limit.Name)
	default:
		p.broken = asFault(err)
		kind := fault.Invalid
		if p.broken.Code == soap.Receiver {
			kind = fault.Canceled
		}
		p.err = fault.Wrap(err, kind, "xds.Parts", fault.RegistryMetadataError, "%s", p.broken.Text)
	}
	return p.err
}

func (p *parts) closeCurrent() {
	if p.cur != nil {
		p.cur.Close()
		p.cur = nil
	}
}

func (p *parts) close() {
	p.closeCurrent()
	for i := range p.docs {
		if p.docs[i].inline != nil {
			p.docs[i].inline.close()
		}
	}
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
