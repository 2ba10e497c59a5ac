package xds

import (
	"bufio"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strconv"

	"samdok/fault"
	"samdok/internal/xmlscan"
	"samdok/metadata"
	"samdok/metadata/ebrim"
	"samdok/sharing"
	"samdok/soap"
	"samdok/soap/mtom"
)

var errNotSent = errors.New("xds: the answer was not sent")

const xdsNS = "urn:ihe:iti:xds-b:2007"

// retrieve answers ITI-43 (ITI TF-2 3.43).
func (x *exchange) retrieve() error {
	if err := x.expect(xmlscan.XDS, "RetrieveDocumentSetRequest"); err != nil {
		return err
	}
	requests, err := x.documentRequests()
	if err != nil {
		return err
	}
	if err := soap.CloseEnvelope(x.scan); err != nil {
		return err
	}
	if err := x.msg.finish(); err != nil {
		return err
	}
	if most := x.d.o.Limits.Retrieve; len(requests) > most {
		x.retrieved(&sharing.Retrieved{Problems: x.d.located(x.unused([]fault.Problem{{Code: fault.TooManyResults,
			Context: "The request asks for " + strconv.Itoa(len(requests)) + " documents; the limit limits.retrieve-documents is " + strconv.Itoa(most) + "."}}))})
		return nil
	}
	x.forget()
	got, err := x.d.read.Retrieve(x.r.Context(), x.caller(), requests)
	if err != nil {
		got = &sharing.Retrieved{Problems: x.d.located(x.problems(err))}
	}
	aborted := errNotSent // stays when what follows panics
	defer func() { got.Close(aborted) }()
	aborted = x.retrieved(got)
	return nil
}

// documentRequests reads what is asked for. The elements may stand in any order.
func (x *exchange) documentRequests() ([]metadata.DocumentRequest, error) {
	var list []metadata.DocumentRequest
	for depth := x.scan.Depth(); ; {
		ok, err := x.scan.NextChild(depth)
		if err != nil {
			return nil, soap.Malformed(err)
		}
		if !ok {
			break
		}
		if !x.scan.Is(xmlscan.XDS, "DocumentRequest") {
			continue
		}
		var d metadata.DocumentRequest
		if err := readDocumentIDs(x.scan, &d); err != nil {
			return nil, soap.Malformed(err)
		}
		if d.UniqueID == "" || d.RepositoryID == "" {
			return nil, soap.Refuse("A DocumentRequest lacks its RepositoryUniqueId or its DocumentUniqueId.", "En DocumentRequest mangler RepositoryUniqueId eller DocumentUniqueId.")
		}
		list = append(list, d)
	}
	if len(list) == 0 {
		return nil, soap.Refuse("The request names no document: it needs at least one DocumentRequest.", "Forespørselen navngir ingen dokumenter.")
	}
	return list, nil
}

func readDocumentIDs(sc *xmlscan.Scanner, d *metadata.DocumentRequest) error {
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil || !ok {
			return err
		}
		var to *string
		switch {
		case sc.NS() != xmlscan.XDS:
			continue
		case string(sc.Local()) == "HomeCommunityId":
			to = &d.Home
		case string(sc.Local()) == "RepositoryUniqueId":
			to = &d.RepositoryID
		case string(sc.Local()) == "DocumentUniqueId":
			to = &d.UniqueID
		default:
			continue
		}
		if *to, err = trimmedText(sc); err != nil {
			return err
		}
		if to == &d.Home {
			d.Home = metadata.ParseHome(d.Home)
		}
	}
}

// retrieved sends the documents in the format of the request, or of ITI-39, which is
// always packed (ITI TF-2 3.39.5). The error is what stopped it.
func (x *exchange) retrieved(got *sharing.Retrieved) error {
	e := envelopeOf{docs: got.Documents}
	e.b = soap.AppendOpen(make([]byte, 0, 1<<10+512*len(got.Documents)), x.answerHeader())
	e.b = append(e.b, `<xds:RetrieveDocumentSetResponse xmlns:xds="`+xdsNS+`">`...)
	e.b = ebrim.AppendRegistryResponse(e.b, outcome(got.Problems, len(got.Documents)), x.forActor(got.Problems))
	if x.msg.packed || x.d.actions[1] == actionCrossRetrieve {
		return x.packed(&e)
	}
	return x.inlined(&e)
}

// envelopeOf builds the envelope around documents.
type envelopeOf struct {
	b    []byte
	docs []sharing.Document
}

// open appends a DocumentResponse up to the inside of its Document, in the order
// of the schema.
func (e *envelopeOf) open(i int) {
	d := &e.docs[i]
	e.b = append(e.b, `<xds:DocumentResponse>`...)
	e.element("HomeCommunityId", d.Request.Home)
	e.element("RepositoryUniqueId", d.Request.RepositoryID)
	e.element("DocumentUniqueId", d.Request.UniqueID)
	e.element("NewRepositoryUniqueId", d.NewID.RepositoryID)
	e.element("NewDocumentUniqueId", d.NewID.UniqueID)
	e.element("mimeType", d.MimeType)
	e.b = append(e.b, `<xds:Document>`...)
}

func (e *envelopeOf) close() { e.b = append(e.b, `</xds:Document></xds:DocumentResponse>`...) }

func (e *envelopeOf) end() {
	e.b = soap.AppendClose(append(e.b, `</xds:RetrieveDocumentSetResponse>`...))
}

func (e *envelopeOf) element(name, value string) {
	if value == "" {
		return
	}
	e.b = append(append(append(e.b, `<xds:`...), name...), '>')
	e.b = xmlscan.AppendText(e.b, value)
	e.b = append(append(append(e.b, `</xds:`...), name...), '>')
}

// packed sends an MTOM package: the envelope, then each document as it is read.
func (x *exchange) packed(e *envelopeOf) error {
	attachments := make([]mtom.Attachment, len(e.docs))
	for i := range e.docs {
		id := attachmentID(i)
		attachments[i] = mtom.Attachment{ID: id, MediaType: e.docs[i].MimeType, Size: e.docs[i].Size}
		e.open(i)
		e.b = append(e.b, `<xop:Include xmlns:xop="`+soap.XopNS+`" href="cid:`...)
		e.b = append(e.b, id...)
		e.b = append(e.b, `"/>`...)
		e.close()
	}
	e.end()
	w := mtom.NewWriter(e.b, attachments)
	x.begin(http.StatusOK, w.ContentType(), w.Length())
	err := w.Write(x.w, func(i int) (io.Reader, error) { return e.docs[i].Body, nil })
	if err != nil {
		x.abort(err)
	}
	return err
}

// attachmentID is a Content-ID that needs no escaping anywhere.
func attachmentID(i int) string { return "document" + strconv.Itoa(i+1) + "@samdok" }

// inlined sends a plain envelope with the documents as base64, for a client that
// sent a plain one. They still stream.
func (x *exchange) inlined(e *envelopeOf) error {
	cuts := make([]int, len(e.docs)) // where in e.b document i stands
	length, known := int64(0), true
	for i := range e.docs {
		e.open(i)
		cuts[i] = len(e.b)
		e.close()
		if e.docs[i].Size < 0 {
			known = false
		}
		length += (e.docs[i].Size + 2) / 3 * 4
	}
	e.end()
	if length += int64(len(e.b)); !known {
		length = -1
	}
	x.begin(http.StatusOK, soap.ContentType, length)
	err := func() error {
		from := 0
		for i, cut := range cuts {
			if _, err := x.w.Write(e.b[from:cut]); err != nil {
				return err
			}
			if err := copyBase64(x.w, &e.docs[i], i); err != nil {
				return err
			}
			from = cut
		}
		_, err := x.w.Write(e.b[from:])
		return err
	}()
	if err != nil {
		x.abort(err)
	}
	return err
}

func copyBase64(w io.Writer, d *sharing.Document, i int) error {
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	out := bufio.NewWriterSize(struct{ io.Writer }{w}, 32<<10)
	enc := base64.NewEncoder(base64.StdEncoding, out)
	body := io.Reader(d.Body)
	if d.Size >= 0 {
		body = io.LimitReader(d.Body, d.Size+1)
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{enc}, body, *buf)
	if err != nil {
		return err
	}
	if d.Size >= 0 && n != d.Size {
		return &mtom.SizeError{Part: i, Want: d.Size, Got: n}
	}
	if err := enc.Close(); err != nil {
		return err
	}
	return out.Flush()
}
