// Package summary makes patient summaries: which documents there are about a
// patient, by class, with their dates, authors and institutions, in bokmål or
// English. CDA writes HL7 CDA R2 at level 1 (a coded header and sections of text),
// PDF the same for people.
//
// It imports ondemand and metadata. The composition root makes the generators.
package summary
