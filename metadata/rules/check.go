package rules

import (
	"samdok/fault"
	"samdok/metadata"
)

// Actor is who sends the submission: it decides which attributes are required.
type Actor uint8

const (
	// Source is a Document Source sending ITI-41: hash, size and
	// repositoryUniqueId may still be missing.
	Source Actor = iota
	// Repository is a Document Repository sending ITI-42: nothing may be missing.
	Repository
)

// Check reports everything that is wrong with the submission on its own, nil
// when nothing is. It changes nothing and keeps nothing.
func Check(sub *metadata.Submission, actor Actor) []fault.Problem {
	return nil
}
