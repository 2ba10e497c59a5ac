// Package hl7v2 reads and writes the HL7 v2 messages of a Patient Identity Feed
// (ITI-8, ITI TF-2 3.8): ADT messages of versions 2.1 to 2.9 in the vertical bar
// encoding, and their acknowledgements. It is strict where a mistake could hit the
// wrong patient (encoding characters, identifiers, truncation, repeated segments)
// and lenient where senders in the field differ without harm (line ends, further
// segments, missing optional fields).
//
// It knows no transport (hl7/mllp) and no use case (hl7/identity). It imports only
// the standard library; both of those, the commands and tests call it.
package hl7v2
