package locator

import "slices"

// Answer is what a locator knows of a patient.
type Answer struct {
	// Holdings that are held now.
	Holdings []Holding
	// Covered are the communities of which the locator knows everything, so that they
	// hold nothing else.
	Covered []Coverage
	// Unanswered are communities whose own locators were asked and did not answer.
	Unanswered []string
}

// Covers is the report of a community, if it counts.
func (a *Answer) Covers(home string) (Coverage, bool) {
	for _, c := range a.Covered {
		if c.Community == home {
			return c, true
		}
	}
	return Coverage{}, false
}

// Names tells whether a community holds something.
func (a *Answer) Names(home string) bool {
	return slices.ContainsFunc(a.Holdings, func(h Holding) bool { return h.Community == home })
}

// Merge takes what the locator of some communities answers of them in place of what
// was known; what it says of others is dropped.
func (a *Answer) Merge(homes []string, of Answer) {
	theirs := func(home string) bool { return slices.Contains(homes, home) }
	a.Holdings = slices.DeleteFunc(a.Holdings, func(h Holding) bool { return theirs(h.Community) })
	a.Covered = slices.DeleteFunc(a.Covered, func(c Coverage) bool { return theirs(c.Community) })
	for _, h := range of.Holdings {
		if theirs(h.Community) {
			a.Holdings = append(a.Holdings, h)
		}
	}
	for _, c := range of.Covered {
		if theirs(c.Community) {
			a.Covered = append(a.Covered, c)
		}
	}
}
