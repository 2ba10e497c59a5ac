package conformance

import (
	"fmt"
	"strings"
)

// Actions of transactions that a server need not know.
const (
	ActionAcross          = "urn:ihe:iti:2009:MultiPatientStoredQuery"
	ActionOnDemand        = "urn:ihe:iti:2010:RegisterOnDemandDocumentEntry"
	ActionUpdate          = "urn:ihe:iti:2010:UpdateDocumentSet"
	ActionRestricted      = "urn:ihe:iti:2018:RestrictedUpdateDocumentSet"
	ActionRemove          = "urn:ihe:iti:2010:DeleteDocumentSet"
	ActionRemoveDocuments = "urn:ihe:iti:2017:RemoveDocuments"

	nsRMD = "urn:ihe:iti:rmd:2017"
)

// Types of association that ask for a change (Metadata Update).
const (
	UpdateStatus      = "urn:ihe:iti:2010:AssociationType:UpdateAvailabilityStatus"
	SubmitAssociation = "urn:ihe:iti:2010:AssociationType:SubmitAssociation"
)

// optional skips the case when the server does not know the transaction.
func (t *T) optional(a *Answer, transaction string) *Answer {
	if a.RootErr == nil && a.Root != nil {
		if f := Find(a.Root, nsSOAP, "Fault"); f != nil && strings.Contains(text(f), "ActionNotSupported") {
			t.Skipf("the server does not offer %s", transaction)
		}
	}
	return a
}

// Update sends ITI-57.
func (t *T) Update(s *Submission) *Answer {
	return t.optional(t.SOAP(Envelope(ActionUpdate, NewUUID(), "", s.xml())), "ITI-57")
}

// OnDemand sends ITI-61.
func (t *T) OnDemand(s *Submission) *Answer {
	return t.optional(t.SOAP(Envelope(ActionOnDemand, NewUUID(), "", s.xml())), "ITI-61")
}

// AddOnDemand adds an on-demand entry of a repository with its membership.
func (s *Submission) AddOnDemand(repository, mime string) *Doc {
	d := s.Add("")
	d.Bytes = nil
	d.XML.CreateAttr("objectType", OnDemand)
	d.XML.CreateAttr("mimeType", mime)
	for _, name := range []string{"creationTime", "hash", "size"} {
		Remove(d.XML, name)
	}
	SetSlot(d.XML, "repositoryUniqueId", repository)
	return d
}

// Restricted sends ITI-92.
func (t *T) Restricted(s *Submission) *Answer {
	return t.optional(t.SOAP(Envelope(ActionRestricted, NewUUID(), "", s.xml())), "ITI-92")
}

// Remove sends ITI-62.
func (t *T) Remove(ids ...string) *Answer {
	var b strings.Builder
	fmt.Fprintf(&b, `<lcm:RemoveObjectsRequest xmlns:lcm="%s" xmlns:rim="%s"><rim:ObjectRefList>`, nsLCM, nsRIM)
	for _, id := range ids {
		fmt.Fprintf(&b, `<rim:ObjectRef id="%s"/>`, esc(id))
	}
	b.WriteString(`</rim:ObjectRefList></lcm:RemoveObjectsRequest>`)
	return t.optional(t.SOAP(Envelope(ActionRemove, NewUUID(), "", b.String())), "ITI-62")
}

// RemoveDocuments sends ITI-86.
func (t *T) RemoveDocuments(gets ...Get) *Answer {
	body := strings.Replace(RetrieveBody(gets...), `<xds:RetrieveDocumentSetRequest xmlns:xds="`+nsXDS+`">`,
		`<rmd:RemoveDocumentsRequest xmlns:rmd="`+nsRMD+`" xmlns:xds="`+nsXDS+`">`, 1)
	body = strings.Replace(body, "</xds:RetrieveDocumentSetRequest>", "</rmd:RemoveDocumentsRequest>", 1)
	return t.optional(t.RepositoryPost(soapType, []byte(Envelope(ActionRemoveDocuments, NewUUID(), "", body))), "ITI-86")
}

// Revise adds a new version of a registered document's entry, made from a version;
// edit alters it.
func (s *Submission) Revise(old *Doc, previous string, edit func(*Doc)) *Doc {
	d := &Doc{ID: NewUUID(), UniqueID: old.UniqueID, Patient: old.Patient, Bytes: old.Bytes, CID: old.CID, XML: old.XML.Copy()}
	lid := Attr(old.XML, "lid")
	if lid == "" {
		lid = old.ID
	}
	d.XML.CreateAttr("id", d.ID)
	d.XML.CreateAttr("lid", lid)
	for _, part := range d.XML.ChildElements() {
		for _, name := range [...]string{"classifiedObject", "registryObject"} {
			if part.SelectAttr(name) != nil {
				part.CreateAttr(name, d.ID)
				part.CreateAttr("id", NewUUID())
			}
		}
	}
	if edit != nil {
		edit(d)
	}
	s.Docs = append(s.Docs, d)
	s.Associate(HasMember, s.SetID, d.ID, slot("SubmissionSetStatus", "Original"), slot("PreviousVersion", previous))
	return d
}

// IDs are those of everything in the submission.
func (s *Submission) IDs() []string {
	ids := []string{s.SetID}
	for _, d := range s.Docs {
		ids = append(ids, d.ID)
	}
	for _, o := range s.Others {
		ids = append(ids, Attr(o, "id"))
	}
	return ids
}

// SetTitle replaces the name of an object.
func SetTitle(d *Doc, title string) {
	for _, v := range d.XML.FindElements("./Name/LocalizedString") {
		v.CreateAttr("value", title)
	}
}

// Send sends ITI-41 to the Document Recipient.
func (t *T) Send(s *Submission) *Answer { return t.SendAs(ActionProvide, s) }

// SendAs is Send with another action.
func (t *T) SendAs(action string, s *Submission) *Answer {
	if t.target.XDR == "" || t.target.Mailbox == "" {
		t.Skipf("there is no Document Recipient to ask (--xdr, --mailbox)")
	}
	parts := make([]Part, len(s.Docs))
	for i, d := range s.Docs {
		parts[i] = Part{CID: d.CID, Bytes: d.Bytes}
	}
	contentType, body := MTOM(Envelope(action, NewUUID(), "", ProvideBody(s, Included)), parts, 0)
	return t.Post(t.target.XDR, contentType, body)
}

// Mailbox is the organisation that the Document Recipient receives for.
func (t *T) Mailbox() string { return t.target.Mailbox }

// Across sends ITI-51, which a server need not know.
func (t *T) Across(returnType, id string, params ...Param) *Answer {
	return t.optional(t.SOAP(Envelope(ActionAcross, NewUUID(), "", QueryBody(returnType, id, params...))), "ITI-51")
}
