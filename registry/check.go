package registry

import (
	"slices"

	"samdok/fault"
	"samdok/metadata"
)

// maxProblems bounds the answer to a submission that is wrong everywhere.
const maxProblems = 1000

// check is a submission held against what the registry has.
type check struct {
	*intake
	*known
	problems []fault.Problem
}

// check returns all problems, in the order of ITI TF-2 3.42.4.1.3.
func (in *intake) check(k *known) []fault.Problem {
	c := &check{intake: in, known: k, problems: slices.Clip(in.before)}
	if k == nil { // the patient cannot be told, so there is nothing to hold it against
		return append(append(c.problems, in.after...), in.last...)
	}
	repeated := c.uniqueSet() // 4
	c.uniqueFolders()
	c.sameContent() // 5
	c.problems = append(c.problems, in.after...)
	if k.unknown { // 7
		c.problems = append(c.problems, in.unknown())
	}
	c.problems = append(c.problems, in.last...)
	if repeated {
		// The rest would only tell what its first arrival did.
		return c.problems
	}
	c.newIDs()        // 8a
	c.allAreMembers() // 11, for objects without association
	for _, a := range in.sub.Associations {
		if len(c.problems) > maxProblems {
			c.problems = append(c.problems[:maxProblems], problem(fault.RegistryMetadataError,
				"The submission has more than %d errors; the rest is not listed.", maxProblems))
			break
		}
		c.association(a) // 10 to 19
	}
	c.replacedOnce()
	return c.problems
}

func (c *check) report(code fault.Code, format string, args ...any) {
	c.problems = append(c.problems, problem(code, format, args...))
}

// end is one end of an association.
type end struct {
	id      metadata.ID
	object  metadata.Object // nil: neither in the submission nor in the registry
	local   bool            // in the submission
	foreign bool            // registered for another patient
}

func (c *check) end(id metadata.ID) end {
	if o := c.local[id]; o != nil {
		return end{id: id, object: o, local: true}
	}
	if p, ok := c.objects[id]; ok {
		return end{id: id, object: p.Object, foreign: p.Stream != c.stream}
	}
	return end{id: id}
}

func (e end) entry() *metadata.DocumentEntry {
	d, _ := e.object.(*metadata.DocumentEntry)
	return d
}

// deprecated is about registered objects: new ones are always Approved, whatever
// status they were sent with.
func (e end) deprecated() bool {
	return !e.local && e.object != nil && e.object.ObjectStatus() == metadata.Deprecated
}

func className(o metadata.Object) string {
	switch o.(type) {
	case *metadata.DocumentEntry:
		return "DocumentEntry"
	case *metadata.SubmissionSet:
		return "SubmissionSet"
	case *metadata.Folder:
		return "Folder"
	case *metadata.Association:
		return "Association"
	}
	return "object"
}
