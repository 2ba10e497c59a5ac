// Package mtom reads and writes SOAP messages with attachments as MTOM/XOP
// packages (ITI TF-2 V.8): multipart/related with the envelope as root part.
// Both directions stream; what has to wait goes to a spool. It knows nothing of
// the envelope's content.
//
// It imports soap for its faults, and internal/spool. Doors and clients import
// it.
package mtom
