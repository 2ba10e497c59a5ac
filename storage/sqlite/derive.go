package sqlite

import (
	"cmp"
	"slices"

	"samdok/metadata"
	"samdok/storage"
)

// derived is what a change puts into the projection. It is made of the change
// alone, when it is appended and again when the index is rebuilt.
type derived struct {
	ids    []identifier // by hash
	claims []hashedClaim
	links  []link
	known  bool           // an identity feed told of the patient
	into   storage.Stream // zero: the patient was not merged into another
}

// identifier is an entryUUID or uniqueId of object n.
type identifier struct {
	id    string
	h     int64
	n     int64
	entry bool // it is the entryUUID
}

type hashedClaim struct {
	storage.Claim
	h int64
}

// link says something of an object that may be in another change: a touch, or
// that an association of this change has it as an end.
type link struct {
	id      metadata.ID
	h       int64
	touched bool // it must be there
	said
}

// derive fails when an event about a merge is not of its form.
func (d *derived) derive(h *hasher, events []storage.Event, claims []storage.Claim) error {
	if err := d.identity(events); err != nil {
		return err
	}
	n := int64(0)
	var own []metadata.ID
	for i := range events {
		for j := range events[i].Added {
			o := events[i].Added[j].Object
			own = append(own, o.ObjectID())
			d.identify(h, string(o.ObjectID()), n, true)
			d.identify(h, metadata.UniqueIDOf(o), n, false)
			if lid := metadata.LogicalIDOf(o); lid != o.ObjectID() { // else the entryUUID leads to it
				d.identify(h, string(lid), n, false)
			}
			n++
		}
	}
	for _, c := range claims {
		hash := h.id(c.ID)
		d.claims = append(d.claims, hashedClaim{c, hash})
		if !slices.ContainsFunc(d.ids, func(i identifier) bool { return i.h == hash && i.id == c.ID }) {
			d.ids = append(d.ids, identifier{id: c.ID, h: hash, n: byClaim})
		}
	}
	slices.SortStableFunc(d.ids, func(a, b identifier) int { return cmp.Compare(a.h, b.h) })
	d.link(h, events, newSet(own))
	return nil
}

// identity takes in what the events tell of the stream's patient.
func (d *derived) identity(events []storage.Event) error {
	for i := range events {
		d.known = d.known || events[i].Kind == storage.EventPatientKnown
		streams, err := events[i].Merged()
		if err != nil {
			return err
		}
		if events[i].Kind == storage.EventMergedInto {
			if i < len(events)-1 {
				return storage.ErrMerge
			}
			d.into = streams[0]
		}
	}
	return nil
}

func (d *derived) identify(h *hasher, id string, n int64, entry bool) {
	if id != "" {
		d.ids = append(d.ids, identifier{id, h.id(id), n, entry})
	}
}

// link gathers touches and the ends of associations that are not objects of the
// change itself.
func (d *derived) link(h *hasher, events []storage.Event, own set[metadata.ID]) {
	var at map[metadata.ID]int
	get := func(id metadata.ID) *link {
		i, ok := at[id]
		if !ok {
			if at == nil {
				at = map[metadata.ID]int{}
			}
			i = len(d.links)
			at[id] = i
			d.links = append(d.links, link{id: id, h: h.id(string(id))})
		}
		return &d.links[i]
	}
	for i := range events {
		for j := range events[i].Added {
			if a, ok := events[i].Added[j].Object.(*metadata.Association); ok {
				for _, end := range [2]metadata.ID{a.Source, a.Target} {
					if end != "" && !own.has(end) {
						get(end).mentioned = true
					}
				}
			}
		}
		for _, t := range events[i].Touched {
			l := get(t.ID)
			l.touched = true
			l.status = cmp.Or(t.Status, l.status)
			l.updated = cmp.Or(t.LastUpdateTime, l.updated)
			l.succession = cmp.Or(t.Succession, l.succession)
			l.unbind = l.unbind || t.Unbind
		}
		for _, id := range events[i].Removed {
			l := get(id)
			l.touched, l.removed = true, true
		}
	}
}
