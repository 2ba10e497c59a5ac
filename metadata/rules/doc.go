// Package rules checks what can be known of a submission without asking a
// registry: required attributes, forms of values, and how the objects of one
// message fit together (ITI TF-2 3.42.4.1.3, TF-3 4.2 and Table 4.3.1-3).
//
// What needs a registry's state (known patients, targets of associations,
// uniqueIds in use) is checked in package registry; value sets are checked in
// metadata/profile.
//
// It imports metadata and fault. The registry and the repository call it.
package rules
