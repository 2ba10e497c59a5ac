// Package rules checks what can be known of a submission without asking a
// registry: required attributes, forms of values and what one object may say
// (ITI TF-2 3.42.4.1.3, TF-3 4.2 and Table 4.3.1-3).
//
// It does not check what needs several objects or a registry's state: uniqueIds
// used twice, one patient for all, ends of associations, memberships, known
// patients. Those are in package registry. Value sets are in metadata/profile.
//
// It imports metadata and fault. The registry and the repository call it.
package rules
