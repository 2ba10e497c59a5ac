// Package metadata is the vocabulary of document sharing: the XDS metadata
// model as plain Go. DocumentEntry, SubmissionSet, Folder and Association carry
// every attribute of ITI TF-3 4.2.3 and 4.2.2, the HL7 data types are parsed and
// printed exactly, and stored queries are typed values.
//
// Values are kept as they were sent: a parsed view (PatientID, Person,
// Organization ...) is made on demand and never replaces the text. Wire formats
// live elsewhere (metadata/ebrim, fhir); nothing here sees XML or JSON.
//
// It imports only the standard library. Everybody imports it.
package metadata
