package conformance

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"

	"github.com/beevik/etree"
)

const (
	nsSOAP   = "http://www.w3.org/2003/05/soap-envelope"
	nsSOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
	nsWSA    = "http://www.w3.org/2005/08/addressing"
	nsXOP    = "http://www.w3.org/2004/08/xop/include"
	nsRIM    = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
	nsRS     = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0"
	nsLCM    = "urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0"
	nsQuery  = "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"
	nsXDS    = "urn:ihe:iti:xds-b:2007"

	setNode    = "urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd"
	folderNode = "urn:uuid:d9d542f3-6cc4-48b6-8870-ea235fbc94c2"
)

// Schemes of classifications and external identifiers (ITI TF-3 4.2.5).
const (
	EntryAuthor       = "urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d"
	EntryClass        = "urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a"
	EntryConfidential = "urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f"
	EntryEvent        = "urn:uuid:2c6b8cb7-8b2a-4051-b291-b1ae6a575ef4"
	EntryFormat       = "urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d"
	EntryFacility     = "urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1"
	EntryPractice     = "urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead"
	EntryType         = "urn:uuid:f0306f51-975f-434e-a61c-c59651d33983"
	EntryPatient      = "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427"
	EntryUnique       = "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab"
	SetContentType    = "urn:uuid:aa543740-bdda-424e-8c96-df4873be8500"
	SetPatient        = "urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446"
	SetSource         = "urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832"
	SetUnique         = "urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8"
	FolderCode        = "urn:uuid:1ba97051-7806-41a8-a48b-8fce7af683c5"
	FolderPatient     = "urn:uuid:f64ffdf0-4b97-4e06-b79f-a52b38ec2f8a"
	FolderUnique      = "urn:uuid:75df8f67-9973-4fbe-a900-df66cefecc5a"
	Documentation     = "urn:uuid:abd807a3-4432-4053-87b4-fd82c643d1f3"
)

// Types of association.
const (
	HasMember = "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"
	RPLC      = "urn:ihe:iti:2007:AssociationType:RPLC"
	XFRM      = "urn:ihe:iti:2007:AssociationType:XFRM"
	APND      = "urn:ihe:iti:2007:AssociationType:APND"
	XFRMRPLC  = "urn:ihe:iti:2007:AssociationType:XFRM_RPLC"
	Signs     = "urn:ihe:iti:2007:AssociationType:signs"
	Snapshot  = "urn:ihe:iti:2010:AssociationType:IsSnapshotOf"
)

const (
	Approved   = "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved"
	Deprecated = "urn:oasis:names:tc:ebxml-regrep:StatusType:Deprecated"
	Stable     = "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1"
	OnDemand   = "urn:uuid:34268e47-fdf5-41a6-ba33-82133c465248"
)

// NewUUID is a random entryUUID.
func NewUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&15|0x40, b[8]&63|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// NewOID is a random OID under 2.25.
func NewOID() string {
	var b [12]byte
	rand.Read(b[:])
	return "2.25." + new(big.Int).SetBytes(b[:]).String()
}

// Patient is a patient id in CX form that the server takes documents of, new when
// it accepts any.
func (t *T) Patient() string {
	if len(t.target.Patients) > 0 {
		return t.target.Patients[0] + "^^^&" + t.authority() + "&ISO"
	}
	p := t.Stranger()
	if t.target.Announce {
		t.announce(p)
	}
	return p
}

// Stranger is a new patient that the server has not been told of.
func (t *T) Stranger() string { return "C" + NewOID()[5:17] + "^^^&" + t.authority() + "&ISO" }

func (t *T) authority() string {
	if t.target.Authority == "" {
		return "1.3.6.1.4.1.21367.2005.13.20.1000"
	}
	return t.target.Authority
}

// OtherPatient is another patient than the others of this case.
func (t *T) OtherPatient(than string) string {
	if len(t.target.Patients) == 1 {
		t.Skipf("needs a second patient that the server knows (--patient)")
	}
	if len(t.target.Patients) > 1 {
		_, rest, _ := strings.Cut(than, "^")
		return t.target.Patients[1] + "^" + rest
	}
	return t.Patient()
}

func esc(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(s)
}

func slot(name string, values ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<rim:Slot name="%s"><rim:ValueList>`, esc(name))
	for _, v := range values {
		fmt.Fprintf(&b, "<rim:Value>%s</rim:Value>", esc(v))
	}
	return b.String() + "</rim:ValueList></rim:Slot>"
}

func classification(object, scheme, code, system, display string) string {
	return fmt.Sprintf(`<rim:Classification id="%s" classifiedObject="%s" classificationScheme="%s" nodeRepresentation="%s">%s<rim:Name><rim:LocalizedString value="%s"/></rim:Name></rim:Classification>`,
		NewUUID(), object, scheme, esc(code), slot("codingScheme", system), esc(display))
}

func identifier(object, scheme, value, name string) string {
	return fmt.Sprintf(`<rim:ExternalIdentifier id="%s" registryObject="%s" identificationScheme="%s" value="%s"><rim:Name><rim:LocalizedString value="%s"/></rim:Name></rim:ExternalIdentifier>`,
		NewUUID(), object, scheme, esc(value), name)
}

func element(xml string) *etree.Element {
	doc := etree.NewDocument()
	if err := doc.ReadFromString(`<x xmlns:rim="` + nsRIM + `">` + xml + "</x>"); err != nil {
		panic(fmt.Sprintf("conformance: %v in %s", err, xml))
	}
	return doc.Root().ChildElements()[0]
}

// Doc is one document of a submission.
type Doc struct {
	ID, UniqueID, Patient string
	Bytes                 []byte
	XML                   *etree.Element // the ExtrinsicObject, to be altered at will
	CID                   string
}

// Submission is a submission in the making.
type Submission struct {
	Patient, SetID, SetUnique string
	Set                       *etree.Element
	Docs                      []*Doc
	Others                    []*etree.Element // folders, associations, ...
}

// NewSubmission has a submission set and no documents.
func (t *T) NewSubmission(patient string) *Submission {
	s := &Submission{Patient: patient, SetID: NewUUID(), SetUnique: NewOID()}
	s.Set = element(fmt.Sprintf(`<rim:RegistryPackage id="%s">%s<rim:Name><rim:LocalizedString value="Submission"/></rim:Name>%s%s%s%s<rim:Classification id="%s" classifiedObject="%s" classificationNode="%s"/></rim:RegistryPackage>`,
		s.SetID, slot("submissionTime", "20260102030405"), classification(s.SetID, SetContentType, "A03-2", "2.16.578.1.12.4.1.1.9602", "Epikrise"),
		identifier(s.SetID, SetPatient, patient, "XDSSubmissionSet.patientId"), identifier(s.SetID, SetSource, "2.16.578.1.12.4.5.100.1", "XDSSubmissionSet.sourceId"),
		identifier(s.SetID, SetUnique, s.SetUnique, "XDSSubmissionSet.uniqueId"), NewUUID(), s.SetID, setNode))
	return s
}

// Add adds a document with its membership; it returns the document to alter.
func (s *Submission) Add(content string) *Doc {
	d := s.addEntry(content)
	s.Member(s.SetID, d.ID, "Original")
	return d
}

func (s *Submission) addEntry(content string) *Doc {
	d := &Doc{ID: NewUUID(), UniqueID: NewOID(), Patient: s.Patient, Bytes: []byte(content), CID: NewOID() + "@conformance"}
	sum := sha1.Sum(d.Bytes)
	id := d.ID
	d.XML = element(fmt.Sprintf(`<rim:ExtrinsicObject id="%s" mimeType="text/plain" objectType="%s">`, id, Stable) +
		slot("creationTime", "20260102030405") + slot("hash", hex.EncodeToString(sum[:])) + slot("languageCode", "nb-NO") +
		slot("serviceStartTime", "202601011100") + slot("serviceStopTime", "20260101113000") + slot("size", fmt.Sprint(len(d.Bytes))) +
		slot("repositoryUniqueId", "2.16.578.1.12.4.5.100.2") +
		slot("sourcePatientId", s.Patient) + slot("sourcePatientInfo", "PID-5|TESTPERSON^SYNTETISK", "PID-7|19800101") +
		`<rim:Name><rim:LocalizedString xml:lang="nb-NO" charset="UTF-8" value="Epikrise"/></rim:Name><rim:Description><rim:LocalizedString value="kommentar"/></rim:Description>` +
		fmt.Sprintf(`<rim:Classification id="%s" classifiedObject="%s" classificationScheme="%s" nodeRepresentation="">%s%s%s</rim:Classification>`, NewUUID(), id, EntryAuthor,
			slot("authorPerson", "565505933^GREVLING^KVART^^^^^^&2.16.578.1.12.4.1.4.4&ISO"),
			slot("authorInstitution", "HELSE BERGEN HF^^^^^&2.16.578.1.12.4.1.4.101&ISO^^^^983974724"), slot("authorRole", "lege")) +
		classification(id, EntryClass, "A00-1", "2.16.578.1.12.4.1.1.9602", "Epikriser og sammenfatninger") +
		classification(id, EntryConfidential, "N", "2.16.840.1.113883.5.25", "Normal") +
		classification(id, EntryConfidential, "N", "2.16.578.1.12.4.1.1.9603", "Normal") +
		classification(id, EntryEvent, "AAA00", "2.16.578.1.12.4.1.1.7210", "Hendelse") +
		classification(id, EntryEvent, "BBB00", "2.16.578.1.12.4.1.1.7210", "Annen hendelse") +
		classification(id, EntryFormat, "urn:ihe:iti:xds:2017:mimeTypeSufficient", "1.3.6.1.4.1.19376.1.2.3", "MimeType sufficient") +
		classification(id, EntryFacility, "86.210", "2.16.578.1.12.4.1.1.1305", "Allmennlegetjenester") +
		classification(id, EntryPractice, "KA02", "2.16.578.1.12.4.1.1.8663", "Legevakt") +
		classification(id, EntryType, "A03-2", "2.16.578.1.12.4.1.1.9602", "Epikrise") +
		identifier(id, EntryPatient, s.Patient, "XDSDocumentEntry.patientId") + identifier(id, EntryUnique, d.UniqueID, "XDSDocumentEntry.uniqueId") +
		"</rim:ExtrinsicObject>")
	s.Docs = append(s.Docs, d)
	return d
}

// Folder adds a folder and the submission set's membership; it returns the
// folder's id and element.
func (s *Submission) Folder(patient string) (id, unique string, xml *etree.Element) {
	id, unique = NewUUID(), NewOID()
	xml = element(fmt.Sprintf(`<rim:RegistryPackage id="%s"><rim:Name><rim:LocalizedString value="Mappe"/></rim:Name>%s%s%s<rim:Classification id="%s" classifiedObject="%s" classificationNode="%s"/></rim:RegistryPackage>`,
		id, classification(id, FolderCode, "M1", "2.16.578.1.12.4.5.100.9", "Mappekode"), identifier(id, FolderPatient, patient, "XDSFolder.patientId"),
		identifier(id, FolderUnique, unique, "XDSFolder.uniqueId"), NewUUID(), id, folderNode))
	s.Others = append(s.Others, xml)
	s.Associate(HasMember, s.SetID, id)
	return id, unique, xml
}

// Associate adds an association and returns its id.
func (s *Submission) Associate(kind, source, target string, slots ...string) string {
	id := NewUUID()
	s.Others = append(s.Others, element(fmt.Sprintf(`<rim:Association id="%s" associationType="%s" sourceObject="%s" targetObject="%s">%s</rim:Association>`, id, kind, source, target, strings.Join(slots, ""))))
	return id
}

// Member adds a HasMember association with a SubmissionSetStatus ("" for none).
func (s *Submission) Member(source, target, status string) string {
	if status == "" {
		return s.Associate(HasMember, source, target)
	}
	return s.Associate(HasMember, source, target, slot("SubmissionSetStatus", status))
}

// InFolder adds the membership of a document in a folder and, as ITI TF-3
// 4.2.2.1.3 demands, of that membership in the submission set.
func (s *Submission) InFolder(folder, entry string) string {
	fd := s.Member(folder, entry, "")
	s.Member(s.SetID, fd, "")
	return fd
}

// Remove removes what carries an attribute: the slots of that name and the
// classifications and identifiers of that scheme.
func Remove(e *etree.Element, name string) {
	for _, c := range e.ChildElements() {
		if c.SelectAttrValue("name", "") == name || c.SelectAttrValue("classificationScheme", "") == name || c.SelectAttrValue("identificationScheme", "") == name || c.Tag == name {
			e.RemoveChild(c)
		}
	}
}

// SetSlot replaces a slot.
func SetSlot(e *etree.Element, name string, values ...string) {
	Remove(e, name)
	e.InsertChildAt(0, element(slot(name, values...)))
}

// SetIdentifier replaces an external identifier's value.
func SetIdentifier(e *etree.Element, scheme, value string) {
	for _, c := range e.ChildElements() {
		if c.SelectAttrValue("identificationScheme", "") == scheme {
			c.CreateAttr("value", value)
		}
	}
}

// AddCode adds a classification.
func AddCode(e *etree.Element, scheme, code, system string) {
	e.AddChild(element(classification(Attr(e, "id"), scheme, code, system, code)))
}

// MarkLimited marks an object as limited metadata (ITI TF-3 4.2.3.2.29).
func MarkLimited(e *etree.Element, node string) {
	e.AddChild(element(fmt.Sprintf(`<rim:Classification id="%s" classifiedObject="%s" classificationNode="%s"/>`, NewUUID(), Attr(e, "id"), node)))
}

// Slot is a rim:Slot element as text, for Associate.
func Slot(name string, values ...string) string { return slot(name, values...) }

func (s *Submission) xml() string {
	doc := etree.NewDocument()
	doc.WriteSettings.CanonicalEndTags = true
	list := doc.CreateElement("rim:RegistryObjectList")
	for _, d := range s.Docs {
		list.AddChild(d.XML.Copy())
	}
	if s.Set != nil {
		list.AddChild(s.Set.Copy())
	}
	for _, o := range s.Others {
		list.AddChild(o.Copy())
	}
	var b bytes.Buffer
	if _, err := doc.WriteTo(&b); err != nil {
		panic(fmt.Sprintf("conformance: %v", err))
	}
	return `<lcm:SubmitObjectsRequest xmlns:lcm="` + nsLCM + `" xmlns:rim="` + nsRIM + `">` + b.String() + "</lcm:SubmitObjectsRequest>"
}
