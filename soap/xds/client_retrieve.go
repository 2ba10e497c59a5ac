package xds

import (
	"errors"
	"io"

	"samdok/internal/xmlscan"
	"samdok/metadata"
	"samdok/metadata/ebrim"
)

// responseDocument is a DocumentResponse whose document is still to come.
type responseDocument struct {
	Document
	doc document
}

// retrieveResponse reads xds:RetrieveDocumentSetResponse.
func (m *message) retrieveResponse(sc *xmlscan.Scanner) (r ebrim.RegistryResponse, docs []responseDocument, err error) {
	if !sc.Is(xmlscan.XDS, "RetrieveDocumentSetResponse") {
		return r, nil, &ProtocolError{What: "its body is " + show(string(sc.Local()))}
	}
	answered := false
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil {
			return r, docs, err
		}
		if !ok {
			break
		}
		switch {
		case sc.Is(xmlscan.RS, "RegistryResponse"):
			got, err := ebrim.DecodeRegistryResponse(sc)
			if err != nil {
				return r, docs, err
			}
			r, answered = *got, true
		case sc.Is(xmlscan.XDS, "DocumentResponse"):
			d, err := m.documentResponse(sc)
			if err != nil {
				return r, docs, err
			}
			docs = append(docs, d)
		}
	}
	if !answered {
		return r, docs, &ProtocolError{What: "it has no RegistryResponse"}
	}
	return r, docs, nil
}

func (m *message) documentResponse(sc *xmlscan.Scanner) (d responseDocument, err error) {
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil || !ok {
			return d, err
		}
		if sc.NS() != xmlscan.XDS {
			continue
		}
		var to *string
		switch string(sc.Local()) {
		case "HomeCommunityId":
			to = &d.Request.Home
		case "RepositoryUniqueId":
			to = &d.Request.RepositoryID
		case "DocumentUniqueId":
			to = &d.Request.UniqueID
		case "NewRepositoryUniqueId":
			to = &d.NewID.RepositoryID
		case "NewDocumentUniqueId":
			to = &d.NewID.UniqueID
		case "mimeType":
			to = &d.MimeType
		case "Document":
			if d.doc, err = m.document(sc); err != nil {
				return d, err
			}
			if d.doc.bad != "" {
				return d, &ProtocolError{What: "a document " + d.doc.bad}
			}
			continue
		default:
			continue
		}
		if *to, err = trimmedText(sc); err != nil {
			return d, err
		}
		if to == &d.Request.Home {
			d.Request.Home = metadata.ParseHome(d.Request.Home)
		}
	}
}

// documents calls each for all documents as they come. Attachments that nothing
// refers to are passed over.
func (m *message) documents(docs []responseDocument, each func(Document) error) error {
	list := make([]document, len(docs))
	for i := range docs {
		list[i] = docs[i].doc
	}
	s := newStream(m, list)
	defer s.close()
	for {
		i, body, err := s.next()
		var unasked *unaskedError
		var missing *missingError
		switch {
		case errors.As(err, &unasked):
			continue
		case errors.As(err, &missing):
			return &ProtocolError{What: missing.Error()}
		case errors.Is(err, io.EOF) && err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		d := docs[i].Document
		d.Body = body
		if err := each(d); err != nil {
			return err
		}
	}
}
