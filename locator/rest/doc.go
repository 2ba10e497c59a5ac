// Package rest is the door of the patient information locator and its client: REST
// as openapi.yaml describes it, errors as RFC 9457 has them. No identity number is
// in an address: questions are posted.
//
// It imports locator, sharing, access, fault and metadata. internal/app mounts the
// door; the client is used by internal/app, for another server's locator, and by the
// commands.
package rest
