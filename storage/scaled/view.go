package scaled

import (
	"slices"

	"samdok/metadata"
	"samdok/storage"
	"samdok/storage/elastic"
)

// view is what a tenant's journal says up to some batch, as far as a round of
// submissions needs it: what the projection answered, with the batches behind it
// and the submissions that were accepted laid over.
type view struct {
	heads   map[reference]elastic.Head
	taken   map[storage.Claim]bool // that were asked for
	held    map[string][]storage.Claim
	objects map[metadata.ID]seen
	// leading are the associations that have an object as an end.
	leading map[metadata.ID][]metadata.ID
}

type seen struct {
	stream  storage.Stream // of the patient whom it is of now
	removed bool
}

func newView(refs []reference, q *elastic.Question, a *elastic.Answer) *view {
	v := &view{heads: make(map[reference]elastic.Head, len(refs)), taken: make(map[storage.Claim]bool),
		held: map[string][]storage.Claim{}, objects: map[metadata.ID]seen{}, leading: map[metadata.ID][]metadata.ID{}}
	for i, ref := range refs {
		v.heads[ref] = a.Heads[i]
	}
	for i, c := range q.Claims {
		if a.Taken[i] {
			v.taken[c] = true
		}
	}
	for _, p := range a.State.Objects {
		v.objects[p.Object.ObjectID()] = seen{p.Stream, p.Removed}
	}
	for _, p := range a.State.Associations {
		link, ok := p.Object.(*metadata.Association)
		if !ok {
			continue
		}
		v.objects[link.ID] = seen{p.Stream, p.Removed}
		v.lead(link)
	}
	return v
}

func (v *view) lead(a *metadata.Association) {
	for _, end := range [2]metadata.ID{a.Source, a.Target} {
		if end != "" {
			v.leading[end] = append(v.leading[end], a.ID)
		}
	}
}

// lay takes in a change that stands behind everything so far.
func (v *view) lay(c *change) {
	h := v.heads[c.ref]
	h.KeyID = c.keyID
	if c.kind == recordRedaction {
		v.heads[c.ref] = h
		return
	}
	h.Version = c.version
	for i := range c.events {
		ev := &c.events[i]
		for j := range ev.Added {
			o := ev.Added[j].Object
			v.objects[o.ObjectID()] = seen{stream: c.stream}
			if a, ok := o.(*metadata.Association); ok {
				v.lead(a)
			}
		}
		for _, id := range ev.Removed {
			o := v.objects[id]
			o.removed = true
			v.objects[id] = o
		}
		if ev.Kind == storage.EventMergedInto {
			h.Standing.Into = c.stream // closed; where it went does not matter here
		}
	}
	for _, claim := range c.claims {
		v.held[claim.ID] = append(v.held[claim.ID], claim)
	}
	v.heads[c.ref] = h
}

// check is nil when a submission can be appended, storage.ErrConflict or
// errTouched.
func (v *view) check(sub *submission) error {
	if err := v.versions(sub); err != nil {
		return err
	}
	for i := range sub.changes {
		for _, c := range sub.changes[i].claims {
			if v.taken[c] || slices.ContainsFunc(v.held[c.ID], c.Refused) {
				return storage.ErrConflict
			}
		}
	}
	return v.references(sub)
}

func (v *view) versions(sub *submission) error {
	for _, g := range sub.guards {
		if v.heads[g.ref].Version != g.expect {
			return storage.ErrConflict
		}
	}
	more, closed := map[reference]storage.Version{}, map[reference]bool{}
	for i := range sub.changes {
		p := &sub.changes[i]
		h := v.heads[p.ref]
		if closed[p.ref] || h.Standing.Into != (storage.Stream{}) || h.Version+more[p.ref] != p.expect {
			return storage.ErrConflict
		}
		more[p.ref]++
		closed[p.ref] = p.closes
	}
	return nil
}

// references holds that what is touched is there, and that nothing refers to what
// was removed: neither what is new to what was removed before, nor what stays to
// what is removed now.
func (v *view) references(sub *submission) error {
	own, going := map[metadata.ID]bool{}, map[metadata.ID]bool{}
	for i := range sub.changes {
		for _, id := range sub.changes[i].own {
			own[id] = true
		}
		for _, id := range sub.changes[i].removed {
			going[id] = true
		}
	}
	for i := range sub.changes {
		p := &sub.changes[i]
		for _, id := range p.touched {
			if _, known := v.objects[id]; !known && !own[id] {
				return errTouched
			}
		}
		for _, id := range p.removed {
			o, known := v.objects[id]
			switch {
			case !known || own[id] || o.stream != p.stream:
				return errTouched
			case o.removed || v.refersTo(id, going):
				return storage.ErrConflict
			}
		}
		for _, id := range p.ends {
			if going[id] || v.objects[id].removed {
				return storage.ErrConflict
			}
		}
	}
	return nil
}

// refersTo tells whether an association that stays has an object as an end.
func (v *view) refersTo(id metadata.ID, going map[metadata.ID]bool) bool {
	return slices.ContainsFunc(v.leading[id], func(a metadata.ID) bool { return !going[a] && !v.objects[a].removed })
}
