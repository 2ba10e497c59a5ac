package metadata

// CX, CXi, XCN, XON and XTN hold HL7 v2 text as sent (ITI TF-3 4.2.3.1.7). Their
// parsed views are made on demand.
type (
	CX  string // patient id: id^^^&OID&ISO
	CXi string // reference id
	XCN string // person
	XON string // organisation
	XTN string // telecommunication address
	DTM string // YYYY[MM[DD[hh[mm[ss]]]]], UTC
)

// PatientID is what identifies a patient: the id and the OID of the authority
// that assigned it. Compare patients by this, never by CX text.
type PatientID struct{ ID, Authority string }
