// Package sharing holds the use cases: Provide, Register, RegisterOnDemand, Find,
// Retrieve, Update, Remove, RemoveDocuments. It is the only way in. Every door
// (soap/xds, later fhir and portal) turns its request into one call here, with the caller as an argument, and each call passes the
// guard exactly once: plan, do, decide per item, record.
//
// It imports metadata, metadata/rules, fault, access, access/guard, audit, storage,
// retention, registry and repository. Doors and internal/app import it.
package sharing
