package encoding

// words are strings with a fixed number. The numbers are stored: never change or
// remove one, add new ones at the end and raise Version when a reader of the old
// version would not know them. The first 64 take one byte.
var words = [...]string{
	"",
	"urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember",
	"urn:ihe:iti:2007:AssociationType:RPLC",
	"urn:ihe:iti:2007:AssociationType:XFRM",
	"urn:ihe:iti:2007:AssociationType:APND",
	"urn:ihe:iti:2007:AssociationType:XFRM_RPLC",
	"urn:ihe:iti:2007:AssociationType:signs",
	"urn:ihe:iti:2010:AssociationType:IsSnapshotOf",
	"urn:ihe:iti:2010:AssociationType:UpdateAvailabilityStatus",
	"urn:ihe:iti:2010:AssociationType:SubmitAssociation",
	"urn:oasis:names:tc:ebxml-regrep:StatusType:Approved",
	"urn:oasis:names:tc:ebxml-regrep:StatusType:Deprecated",
	"urn:ihe:iti:2010:DocumentAvailability:Online",
	"urn:ihe:iti:2010:DocumentAvailability:Offline",
	"yes",
	"no",
	"UTF-8",
	"utf-8",
	"en",
	"en-US",
	"en-us",
	"nb",
	"nb-NO",
	"nn-NO",
	"no-NO",
	"se-NO",
	"da",
	"sv",
	"application/pdf",
	"text/xml",
	"application/xml",
	"text/plain",
	"application/dicom",
	"image/jpeg",
	"image/png",
	"text/html",
	"application/json",
	"application/octet-stream",
	"multipart/related",
	"application/fhir+json",
	"application/fhir+xml",
	"application/hl7-v3+xml",
	"application/rtf",
	"image/tiff",
	"urn:ihe:iti:xds:2013:uniqueId",
	"urn:ihe:iti:xds:2013:accession",
	"urn:ihe:iti:xds:2013:referral",
	"urn:ihe:iti:xds:2013:order",
	"1.3.6.1.4.1.19376.1.2.3",
	"urn:oid:1.3.6.1.4.1.19376.1.2.3",
	"2.16.840.1.113883.5.25",
	"urn:oid:2.16.840.1.113883.5.25",
	"2.16.840.1.113883.6.1",
	"urn:oid:2.16.840.1.113883.6.1",
	"2.16.578.1.12.4.1.1.9602",
	"urn:oid:2.16.578.1.12.4.1.1.9602",
	"2.16.578.1.12.4.1.1.9603",
	"urn:oid:2.16.578.1.12.4.1.1.9603",
	"2.16.578.1.12.4.1.1.8655",
	"urn:oid:2.16.578.1.12.4.1.1.8655",
	"N",
	"R",
	"V",
	"normal",
}

// numbers finds a word's number.
var numbers = func() map[string]uint32 {
	m := make(map[string]uint32, len(words))
	for i, w := range words {
		m[w] = uint32(i)
	}
	return m
}()
