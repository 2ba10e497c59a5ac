// Package encoding is the compact binary form of one change of a stream: its
// events with complete metadata objects, and its claims. Engines that keep bytes
// store it.
//
// One record is laid out so that a search touches little of it:
//
//	version byte
//	string table   every distinct string once; UUIDs and hexadecimal packed
//	events         kind, id, time, touches, then each object with its length
//	claims
//
// Objects refer to strings by number, so decoding an object is mostly copying
// string headers that point into the record itself. Objects can be skipped or
// read in any order. Frequent URNs, code systems and names have fixed numbers
// (see words); a word's number is never changed, new ones are added at the end.
//
// It imports storage and metadata.
package encoding
