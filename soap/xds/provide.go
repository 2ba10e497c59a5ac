package xds

import (
	"strings"

	"samdok/fault"
	"samdok/internal/xmlscan"
	"samdok/metadata"
	"samdok/sharing"
	"samdok/soap"
	"samdok/soap/mtom"
)

// provide answers ITI-41 (ITI TF-2 3.41). Only the root part has been read when
// the use case begins; it asks for the documents one after another.
func (x *exchange) provide() error {
	if err := x.expect(xmlscan.XDS, "ProvideAndRegisterDocumentSetRequest"); err != nil {
		return err
	}
	var p sharing.Provide
	var docs []document
	defer func() {
		for i := range docs {
			if docs[i].inline != nil {
				docs[i].inline.close()
			}
		}
	}()
	most := x.msg.limits.WithDefaults().Parts // the root is one of them
	for depth := x.scan.Depth(); ; {
		ok, err := x.scan.NextChild(depth)
		if err != nil {
			return soap.Malformed(err)
		}
		if !ok {
			break
		}
		switch {
		case x.scan.Is(xmlscan.LCM, "SubmitObjectsRequest"):
			if p.Submission != nil {
				return soap.Refuse("The message holds two SubmitObjectsRequest elements.", "Meldingen inneholder to SubmitObjectsRequest.")
			}
			if p.Submission, p.Problems, err = x.d.o.Limits.Metadata.DecodeSubmission(x.scan); err != nil {
				return x.undecoded(err)
			}
		case x.scan.Is(xmlscan.XDS, "Document"):
			doc, err := x.msg.document(x.scan)
			if err != nil {
				return err
			}
			if docs = append(docs, doc); len(docs) >= most {
				return (&mtom.LimitError{Name: mtom.LimitParts, Max: int64(most - 1), What: "the number of documents"}).Fault()
			}
		}
	}
	if err := soap.CloseEnvelope(x.scan); err != nil {
		return err
	}
	if p.Submission == nil {
		return soap.Refuse("The message holds no lcm:SubmitObjectsRequest, so there is no metadata.", "Meldingen mangler lcm:SubmitObjectsRequest.")
	}
	p.Problems = append(p.Problems, pairing(p.Submission, docs)...)
	parts := &parts{stream: newStream(&x.msg, docs), gone: func() bool { return x.body.failed }}
	defer parts.closeCurrent()
	p.Documents = parts
	take := x.d.svc.Provide
	if x.d.recipient {
		take = x.d.svc.Receive
	}
	receipt, err := take(x.r.Context(), x.caller(), p)
	if err != nil && parts.broken != nil {
		return parts.broken // not the business's failure: the package is broken
	}
	x.receipt(receipt, err)
	return nil
}

// document is one xds:Document of a message: a reference to an attachment, or
// content that stands in the envelope.
type document struct {
	id     metadata.ID
	cid    string // Content-ID; "" when inline
	inline *inline
	bad    string // why the reference cannot be followed
}

// pairing checks that entries and documents belong together one to one (ITI TF-2
// 3.41.4.1.3), before the first document is read.
func pairing(s *metadata.Submission, docs []document) []fault.Problem {
	var problems []fault.Problem
	add := func(code fault.Code, context string) {
		problems = append(problems, fault.Problem{Code: code, Context: context})
	}
	byID := make(map[metadata.ID]bool, len(docs))
	byCID := make(map[string]bool, len(docs))
	for i := range docs {
		d := &docs[i]
		switch {
		case d.bad != "":
			add(fault.RegistryMetadataError, "The document with the id "+show(string(d.id))+" "+d.bad+".")
		case byID[d.id]:
			add(fault.RegistryMetadataError, "Two documents have the id "+show(string(d.id))+".")
		case d.cid != "" && byCID[d.cid]:
			add(fault.RegistryMetadataError, "Two documents refer to the same attachment "+show(d.cid)+".")
		}
		byID[d.id] = true
		byCID[d.cid] = true
	}
	entries := make(map[metadata.ID]bool, len(s.Entries))
	for _, e := range s.Entries {
		entries[e.ID] = true
		if !byID[e.ID] {
			add(fault.MissingDocument, "The entry "+show(string(e.ID))+" has no document: no xds:Document has this id.")
		}
	}
	for i := range docs {
		if !entries[docs[i].id] {
			add(fault.MissingDocumentMetadata, "The document with the id "+show(string(docs[i].id))+" has no entry: no ExtrinsicObject has this id.")
		}
	}
	return problems
}

// show quotes what the sender sent, cut to a bearable length.
func show(s string) string {
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "..."
	}
	return "'" + s + "'"
}

// document reads one xds:Document, on whose start tag the scanner stands.
func (m *message) document(sc *xmlscan.Scanner) (document, error) {
	id, _ := sc.Attr("id")
	d := document{id: metadata.ParseID(id)}
	var err error
	if d.inline, err = m.content(sc, func(href string) {
		var ok bool
		if d.cid, ok = mtom.ContentID(href); !ok {
			d.bad = "refers to " + show(href) + ", which is not a cid: address of an attachment"
		}
	}); err != nil {
		return d, err
	}
	if d.cid != "" || d.bad != "" {
		if d.inline != nil {
			d.bad = "has both content and a reference to an attachment"
			d.inline.close()
			d.inline = nil
		}
	}
	if d.cid != "" && m.parts == nil {
		d.bad = "refers to an attachment, but the message has none (it is not multipart/related)"
	}
	return d, nil
}
