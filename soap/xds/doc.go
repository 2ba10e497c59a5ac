// Package xds is SOAP's way into the use cases: the doors of a Document Registry
// (ITI-18, ITI-42) and a Document Repository (ITI-41, ITI-43), of a patient identity
// feed (ITI-44), and the client of
// the same transactions. A door turns one message into one call of
// sharing.Service and the outcome into the standard's answer; it decides nothing.
//
// What is wrong with SOAP, WS-Addressing or the packaging is a SOAP fault;
// everything else is a RegistryResponse with HTTP status 200 (ITI TF-2 V.3.2).
// Deadlines by progress are the listener's (internal/httpd).
//
// It imports soap, soap/mtom, metadata/ebrim, hl7/hl7v3, hl7/identity and sharing. internal/app mounts the
// doors; commands, bench and tests use the client.
package xds
