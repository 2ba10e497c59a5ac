// Package soap reads and writes SOAP 1.2 envelopes with WS-Addressing 1.0 (ITI
// TF-2 Appendix V): the header blocks that IHE uses, faults, content types. It
// holds no transaction; soap/mtom packs envelopes with attachments and soap/xds
// holds the doors.
//
// It imports internal/xmlscan and fault. Doors and clients import it.
package soap
