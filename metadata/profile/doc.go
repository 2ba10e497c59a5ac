// Package profile is an affinity domain's rules about values: which codes and
// mime types are allowed, what they are called on a screen, what is filled in
// for a document that is put from the command line, and in which time zone
// people read times. A profile is a versioned data file.
//
// It imports metadata, fault and internal/strictfile. The registry, the demo and the screens use it.
package profile
