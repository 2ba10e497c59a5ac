package sqlite

import (
	"cmp"
	"slices"

	"samdok/metadata"
	"samdok/storage"
)

// place is an object: log.id of its change and its number there.
type place struct {
	at int64
	n  int64
}

// Numbers in ids.n that are not an object's.
const (
	byAssociation = -1 // an association of the change names the id
	byClaim       = -2 // a claim of the change holds the id
)

// touch is a row of table touch: what the change at by says of an object.
// What it says is stored as: flags, status, lastUpdateTime.
type touch struct {
	place
	seq, by int64
	said
}

// said is what one change says of an object.
type said struct {
	mentioned  bool // an association of the change has the object as an end
	removed    bool
	unbind     bool
	succession storage.Succession
	status     metadata.Status
	updated    metadata.DTM
}

// The flags, as stored. Succession takes two bits.
const (
	flagMentioned   = 1 << 0
	flagRemoved     = 1 << 1
	flagUnbind      = 1 << 2
	successionShift = 3
	allFlags        = 1<<5 - 1
)

func (t *said) encode(b []byte) []byte {
	flags := byte(t.succession) << successionShift
	if t.mentioned {
		flags |= flagMentioned
	}
	if t.removed {
		flags |= flagRemoved
	}
	if t.unbind {
		flags |= flagUnbind
	}
	b = append(b, flags, byte(t.status))
	return append(b, t.updated...)
}

func (t *said) decode(b []byte) error {
	if len(b) < 2 || b[0] > allFlags {
		return ErrTampered
	}
	*t = said{
		mentioned: b[0]&flagMentioned != 0, removed: b[0]&flagRemoved != 0, unbind: b[0]&flagUnbind != 0,
		succession: storage.Succession(b[0] >> successionShift),
		status:     metadata.Status(b[1]), updated: metadata.DTM(b[2:]),
	}
	return nil
}

// apply lays the touch over an object.
func (t *touch) apply(p *storage.Placed) {
	p.Removed = p.Removed || t.removed
	if t.succession != storage.Unchanged {
		p.Superseded = t.succession == storage.Superseded
	}
	if t.unbind {
		p.Document = ""
	}
	switch o := p.Object.(type) {
	case *metadata.DocumentEntry:
		o.Status = cmp.Or(t.status, o.Status)
	case *metadata.SubmissionSet:
		o.Status = cmp.Or(t.status, o.Status)
	case *metadata.Folder:
		o.Status = cmp.Or(t.status, o.Status)
		o.LastUpdateTime = cmp.Or(t.updated, o.LastUpdateTime)
	case *metadata.Association:
		o.Status = cmp.Or(t.status, o.Status)
	}
}

// byPlace orders touches as they are stored.
func byPlace(a, b touch) int {
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.n, b.n), cmp.Compare(a.seq, b.seq))
}

// of cuts the touches of one object out of a sorted list.
func of(all []touch, p place) []touch {
	from, _ := slices.BinarySearchFunc(all, p, func(t touch, p place) int {
		return cmp.Or(cmp.Compare(t.at, p.at), cmp.Compare(t.n, p.n), 1)
	})
	to := from
	for to < len(all) && all[to].place == p {
		to++
	}
	return all[from:to]
}

// overlay puts the current state on an object.
func overlay(p *storage.Placed, touches []touch) {
	for i := range touches {
		touches[i].apply(p)
	}
}

// isRemoved tells whether one of an object's touches removed it.
func isRemoved(touches []touch) bool {
	return slices.ContainsFunc(touches, func(t touch) bool { return t.removed })
}

// touchBytes is about what a touch takes in memory.
const touchBytes = 80

// merge is a new sorted list of both.
func merge(sorted, more []touch) []touch {
	all := make([]touch, 0, len(sorted)+len(more))
	all = append(append(all, sorted...), more...)
	slices.SortFunc(all, byPlace)
	return all
}
