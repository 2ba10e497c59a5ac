// Package registry is the Document Registry actor (ITI TF-1 10.1.1.3): it checks
// submissions (ITI TF-2 3.42.4.1.3), spells their effects out as one event, and
// answers stored queries (ITI TF-2 3.18.4.1.3) over the index.
//
// It decides; engines only store. The rules read one consistent State and the
// event is appended at that State's version, so that two writers of one patient
// never interleave.
//
// It imports metadata, fault, access and storage. sharing calls it.
package registry
