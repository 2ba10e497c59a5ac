// Package identity turns the messages of a Patient Identity Feed into calls of
// sharing.Service: which of their ids are this affinity domain's, who survives a
// merge, and what a refusal is called in HL7. Door answers ITI-8; soap/xds answers
// ITI-44 with the same rules.
//
// It imports hl7/hl7v2, hl7/hl7v3, sharing, access, fault and metadata. internal/app
// and soap/xds call it.
package identity
