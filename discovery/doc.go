// Package discovery is about who a patient is across communities (XCPD, ITI TF-2
// 3.55): what a query says of a person, whether what is known of a patient fits it,
// which patients may fit a name and a day of birth, and which id another community has
// for a patient of ours.
//
// It imports metadata only. hl7/hl7v3 reads and writes it, sharing answers with it, the
// gateway keeps its correlations.
package discovery
