package elastic

import (
	"samdok/access"
	"samdok/metadata"
	"samdok/storage"
)

// derived is what a record puts into the indexes, made of the record alone.
type derived struct {
	stream   hash
	added    []storage.Added // all of it, in order
	held     []held
	touches  []touching
	known    bool
	into     *hash
	absorbed []hash
	made     []*partDoc // its documents as they begin; none of a redaction
}

// held is an identifier and where it leads.
type held struct {
	id hash
	holder
}

// touching is what the record says of an object, which may be another record's.
type touching struct {
	id hash
	said
}

// parts is how many documents the change takes.
func (d *derived) parts() int { return max(1, (len(d.added)+partObjects-1)/partObjects) }

// part is what was added in one of them.
func (d *derived) part(n int) []storage.Added {
	return d.added[n*partObjects : min(len(d.added), (n+1)*partObjects)]
}

func (x *Index) derive(t access.Tenant, r *Record, seq uint64) (d derived, err error) {
	d.stream = x.hash.stream(t, r.Stream)
	for i := range r.Events {
		d.added = append(d.added, r.Events[i].Added...)
		if err := d.identity(x, t, &r.Events[i]); err != nil {
			return d, err
		}
		d.touch(x, t, &r.Events[i])
	}
	d.held = x.identify(t, d.stream, r.Version, seq, d.added, r.Claims, 0)
	return d, nil
}

// identify lists where identifiers lead: those of objects, of which the first has number
// first in its change, and those that are claimed.
func (x *Index) identify(t access.Tenant, s hash, v storage.Version, seq uint64, added []storage.Added, claimed []storage.Claim, first int) (all []held) {
	at := map[hash]int{} // first holder of an id
	lead := func(id string, n int, r role) {
		if id == "" {
			return
		}
		h := x.hash.id(t, id)
		if _, ok := at[h]; !ok && r != mentions {
			at[h] = len(all)
		}
		all = append(all, held{h, holder{stream: s, version: v, n: n, seq: seq, role: r}})
	}
	own := make(map[metadata.ID]int, len(added)) // id -> part
	for i := range added {
		own[added[i].Object.ObjectID()] = (first + i) / partObjects
	}
	for i := range added {
		o, n := added[i].Object, first+i
		lead(string(o.ObjectID()), n, isEntryUUID)
		lead(metadata.UniqueIDOf(o), n, isUniqueID)
		if lid := metadata.LogicalIDOf(o); lid != o.ObjectID() { // else the entryUUID leads to it
			lead(string(lid), n, isLogicalID)
		}
		if a, ok := o.(*metadata.Association); ok {
			for _, end := range [2]metadata.ID{a.Source, a.Target} {
				if in, ok := own[end]; !ok || in != n/partObjects {
					lead(string(end), n, mentions)
				}
			}
		}
	}
	for _, c := range claimed {
		h := x.hash.id(t, c.ID)
		i, ok := at[h]
		if !ok {
			i = len(all)
			at[h] = i
			all = append(all, held{h, holder{stream: s, version: v, n: first, seq: seq}})
		}
		all[i].role |= claims
		if c.Exclusive {
			all[i].role |= exclusive
		}
		all[i].value = x.hash.value(t, c.Value)
	}
	return all
}

func (d *derived) identity(x *Index, t access.Tenant, ev *storage.Event) error {
	d.known = d.known || ev.Kind == storage.EventPatientKnown
	streams, err := ev.Merged()
	if err != nil {
		return err
	}
	for _, s := range streams {
		h := x.hash.stream(t, s)
		if ev.Kind == storage.EventMergedInto {
			d.into = &h
		} else {
			d.absorbed = append(d.absorbed, h)
		}
	}
	return nil
}

func (d *derived) touch(x *Index, t access.Tenant, ev *storage.Event) {
	for _, to := range ev.Touched {
		d.touches = append(d.touches, touching{x.hash.id(t, string(to.ID)), said{
			status: to.Status, updated: to.LastUpdateTime, succession: to.Succession, unbind: to.Unbind,
		}})
	}
	for _, id := range ev.Removed {
		d.touches = append(d.touches, touching{x.hash.id(t, string(id)), said{removed: true}})
	}
}
