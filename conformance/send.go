package conformance

import (
	"bytes"
	"fmt"
	"strings"
)

const soapType = "application/soap+xml; charset=UTF-8"

// Actions of the transactions.
const (
	ActionRegister = "urn:ihe:iti:2007:RegisterDocumentSet-b"
	ActionProvide  = "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b"
	ActionQuery    = "urn:ihe:iti:2007:RegistryStoredQuery"
	ActionRetrieve = "urn:ihe:iti:2007:RetrieveDocumentSet"
)

// Envelope writes a SOAP envelope with WS-Addressing headers; header is put
// before them as it is.
func Envelope(action, messageID, header, body string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="` + nsSOAP + `" xmlns:a="` + nsWSA + `"><s:Header>` + header +
		`<a:Action s:mustUnderstand="1">` + action + `</a:Action><a:MessageID>` + messageID + `</a:MessageID>` +
		`<a:ReplyTo><a:Address>http://www.w3.org/2005/08/addressing/anonymous</a:Address></a:ReplyTo><a:To>http://server.invalid/</a:To></s:Header><s:Body>` + body + `</s:Body></s:Envelope>`
}

// Part is one MIME part of an MTOM message.
type Part struct {
	CID      string
	Encoding string // Content-Transfer-Encoding; "" is binary
	Bytes    []byte
}

// MTOM packs an envelope and parts; rootAt is the place of the root part.
func MTOM(envelope string, parts []Part, rootAt int) (contentType string, body []byte) {
	const boundary = "conformance-boundary-7f3a"
	var b bytes.Buffer
	write := func(headers string, content []byte) {
		fmt.Fprintf(&b, "--%s\r\n%s\r\n\r\n", boundary, headers)
		b.Write(content)
		b.WriteString("\r\n")
	}
	root := func() {
		write("Content-Type: application/xop+xml; charset=UTF-8; type=\"application/soap+xml\"\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <root@conformance>", []byte(envelope))
	}
	for i, p := range parts {
		if i == rootAt {
			root()
		}
		encoding := p.Encoding
		if encoding == "" {
			encoding = "binary"
		}
		write("Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: "+encoding+"\r\nContent-ID: <"+p.CID+">", p.Bytes)
	}
	if rootAt >= len(parts) {
		root()
	}
	fmt.Fprintf(&b, "--%s--\r\n", boundary)
	return `multipart/related; type="application/xop+xml"; start="<root@conformance>"; start-info="application/soap+xml"; boundary="` + boundary + `"`, b.Bytes()
}

// Register sends ITI-42.
func (t *T) Register(s *Submission) *Answer {
	return t.Post(t.target.Registry, soapType, []byte(Envelope(ActionRegister, NewUUID(), "", s.xml())))
}

// RegisterBody is the body of ITI-42, to be sent reworded.
func RegisterBody(s *Submission) string { return s.xml() }

// RegisterXML sends ITI-42 with a body as it is.
func (t *T) RegisterXML(body string) *Answer {
	return t.SOAP(Envelope(ActionRegister, NewUUID(), "", body))
}

// SOAP sends an envelope to the registry.
func (t *T) SOAP(envelope string) *Answer {
	return t.Post(t.target.Registry, soapType, []byte(envelope))
}

// RegistryPost sends any body to the registry.
func (t *T) RegistryPost(contentType string, body []byte) *Answer {
	return t.Post(t.target.Registry, contentType, body)
}

// RepositoryPost sends any body to the repository.
func (t *T) RepositoryPost(contentType string, body []byte) *Answer {
	return t.Post(t.target.Repository, contentType, body)
}

// ProvideBody is the body of ITI-41; inline documents are base64, others are
// included by Content-ID.
func ProvideBody(s *Submission, document func(*Doc) string) string {
	var b strings.Builder
	b.WriteString(`<xds:ProvideAndRegisterDocumentSetRequest xmlns:xds="` + nsXDS + `">` + s.xml())
	for _, d := range s.Docs {
		b.WriteString(document(d))
	}
	return b.String() + "</xds:ProvideAndRegisterDocumentSetRequest>"
}

// Included is the xds:Document element of a document in a part of its own.
func Included(d *Doc) string {
	return fmt.Sprintf(`<xds:Document id="%s"><xop:Include xmlns:xop="%s" href="cid:%s"/></xds:Document>`, d.ID, nsXOP, d.CID)
}

// Provide sends ITI-41 with each document in a part.
func (t *T) Provide(s *Submission) *Answer {
	parts := make([]Part, len(s.Docs))
	for i, d := range s.Docs {
		parts[i] = Part{CID: d.CID, Bytes: d.Bytes}
	}
	contentType, body := MTOM(Envelope(ActionProvide, NewUUID(), "", ProvideBody(s, Included)), parts, 0)
	return t.Post(t.target.Repository, contentType, body)
}

// Param is one slot of a stored query; each Value becomes a rim:Value.
type Param struct {
	Name   string
	Values []string
}

// P is a parameter.
func P(name string, values ...string) Param { return Param{name, values} }

// Quote writes values as a list of strings: ('a','b').
func Quote(values ...string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = "'" + strings.ReplaceAll(v, "'", "''") + "'"
	}
	return "(" + strings.Join(quoted, ",") + ")"
}

// QueryBody is the body of ITI-18.
func QueryBody(returnType, id string, params ...Param) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<q:AdhocQueryRequest xmlns:q="%s" xmlns:rim="%s"><q:ResponseOption returnComposedObjects="true" returnType="%s"/><rim:AdhocQuery id="%s">`, nsQuery, nsRIM, returnType, id)
	for _, p := range params {
		b.WriteString(slot(p.Name, p.Values...))
	}
	return b.String() + "</rim:AdhocQuery></q:AdhocQueryRequest>"
}

// Query sends ITI-18.
func (t *T) Query(returnType, id string, params ...Param) *Answer {
	return t.SOAP(Envelope(ActionQuery, NewUUID(), "", QueryBody(returnType, id, params...)))
}

// Get is one document asked for with ITI-43.
type Get struct{ Home, Repository, Unique string }

// Retrieve sends ITI-43.
func (t *T) Retrieve(gets ...Get) *Answer {
	contentType, body := MTOM(Envelope(ActionRetrieve, NewUUID(), "", RetrieveBody(gets...)), nil, 0)
	return t.Post(t.target.Repository, contentType, body)
}

// RetrieveBody is the body of ITI-43.
func RetrieveBody(gets ...Get) string {
	var b strings.Builder
	b.WriteString(`<xds:RetrieveDocumentSetRequest xmlns:xds="` + nsXDS + `">`)
	for _, g := range gets {
		b.WriteString("<xds:DocumentRequest>")
		if g.Home != "" {
			b.WriteString("<xds:HomeCommunityId>" + esc(g.Home) + "</xds:HomeCommunityId>")
		}
		b.WriteString("<xds:RepositoryUniqueId>" + esc(g.Repository) + "</xds:RepositoryUniqueId><xds:DocumentUniqueId>" + esc(g.Unique) + "</xds:DocumentUniqueId></xds:DocumentRequest>")
	}
	return b.String() + "</xds:RetrieveDocumentSetRequest>"
}
