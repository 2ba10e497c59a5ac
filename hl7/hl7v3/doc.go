// Package hl7v3 reads and writes the HL7 v3 messages of a Patient Identity Feed
// (ITI-44, ITI TF-2 3.44): PRPA_IN201301UV02 (a patient was added), PRPA_IN201302UV02
// (revised), PRPA_IN201304UV02 (duplicates resolved: a merge), and the accept
// acknowledgement MCCI_IN000002UV01. Of a feed's patients only identifiers are read.
// Also the messages of XCPD: PRPA_IN201305UV02 and PRPA_IN201306UV02 (ITI-55, ITI TF-2
// 3.55) and those of ITI-56.
//
// It imports discovery, internal/xmlscan and metadata. soap/xds, the commands and tests call it.
package hl7v3
