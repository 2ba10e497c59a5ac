package registry

import (
	"context"
	"slices"

	"samdok/access"
	"samdok/metadata"
	"samdok/storage"
)

// view is what the registry has of everything that an update or a removal
// touches, in one or several streams. Every stream's version was read before its
// objects, so that an Append that expects these versions fails when anything seen
// here has changed since.
type view struct {
	versions  map[storage.Stream]storage.Version
	standings map[storage.Stream]storage.Standing // of the same streams
	objects   map[metadata.ID]storage.Placed
	byLogical map[metadata.ID][]storage.Placed
	byUnique  map[string][]storage.Placed
	links     map[metadata.ID][]storage.Placed // associations of any status, by each end
	gone      map[metadata.ID]bool             // removed objects
	asked     map[string]bool
}

func newView(streams []storage.Stream) *view {
	v := &view{
		versions: make(map[storage.Stream]storage.Version, len(streams)), standings: make(map[storage.Stream]storage.Standing, len(streams)),
		objects:   make(map[metadata.ID]storage.Placed),
		byLogical: make(map[metadata.ID][]storage.Placed), byUnique: make(map[string][]storage.Placed),
		links: make(map[metadata.ID][]storage.Placed), gone: make(map[metadata.ID]bool), asked: make(map[string]bool),
	}
	for _, s := range streams {
		v.versions[s] = 0
	}
	return v
}

// look reads until next wants nothing more. next says what the view still lacks;
// what was asked before is left out. guarded names the streams whose versions
// must hold; when it names new ones, all is read again.
func (r *Registry) look(ctx context.Context, t access.Tenant, next func(*view) storage.Refs, guarded func(*view) []storage.Stream) (*view, error) {
	streams := guarded(newView(nil))
	for {
		v := newView(streams)
		for s := range v.versions {
			state, version, err := r.log.Load(ctx, t, s, storage.Refs{})
			if err != nil {
				return nil, err
			}
			v.versions[s], v.standings[s] = version, state.Standing
		}
		for {
			refs := v.unasked(next(v))
			if len(refs.IDs)+len(refs.UniqueIDs)+len(refs.AssociationsOf)+len(refs.LogicalIDs) == 0 {
				break
			}
			state, _, err := r.log.Load(ctx, t, storage.Stream{}, refs)
			if err != nil {
				return nil, err
			}
			v.add(state)
		}
		streams = guarded(v)
		if !slices.ContainsFunc(streams, func(s storage.Stream) bool { _, ok := v.versions[s]; return !ok }) {
			return v, nil
		}
	}
}

// unasked drops what was asked before and remembers the rest.
func (v *view) unasked(refs storage.Refs) storage.Refs {
	return storage.Refs{
		IDs:            fresh(v, "i", refs.IDs),
		UniqueIDs:      fresh(v, "u", refs.UniqueIDs),
		AssociationsOf: fresh(v, "a", refs.AssociationsOf),
		LogicalIDs:     fresh(v, "l", refs.LogicalIDs),
		WithRemoved:    true,
	}
}

func fresh[T ~string](v *view, kind string, list []T) []T {
	var out []T
	for _, id := range list {
		if key := kind + string(id); id != "" && !v.asked[key] {
			v.asked[key] = true
			out = append(out, id)
		}
	}
	return out
}

func (v *view) add(s storage.State) {
	for _, p := range s.Objects {
		id := p.Object.ObjectID()
		if p.Removed {
			v.gone[id] = true
			continue
		}
		if _, twice := v.objects[id]; twice {
			continue
		}
		v.objects[id] = p
		if lid := metadata.LogicalIDOf(p.Object); lid != "" {
			v.byLogical[lid] = append(v.byLogical[lid], p)
		}
		if u := metadata.UniqueIDOf(p.Object); u != "" {
			v.byUnique[u] = append(v.byUnique[u], p)
		}
	}
	for _, p := range s.Associations {
		a, ok := p.Object.(*metadata.Association)
		if !ok || p.Removed {
			continue
		}
		v.link(a.Source, p)
		if a.Target != a.Source {
			v.link(a.Target, p)
		}
	}
}

func (v *view) link(end metadata.ID, p storage.Placed) {
	for _, had := range v.links[end] {
		if had.Object.ObjectID() == p.Object.ObjectID() {
			return
		}
	}
	v.links[end] = append(v.links[end], p)
}

// newest is the highest version of a logical object that is left.
func (v *view) newest(lid metadata.ID, but map[metadata.ID]bool) (found storage.Placed, ok bool) {
	for _, p := range v.byLogical[lid] {
		if !but[p.Object.ObjectID()] && (!ok || metadata.VersionOf(p.Object) > metadata.VersionOf(found.Object)) {
			found, ok = p, true
		}
	}
	return found, ok
}

func patientCX(o metadata.Object) metadata.CX {
	switch o := o.(type) {
	case *metadata.DocumentEntry:
		return o.PatientID
	case *metadata.SubmissionSet:
		return o.PatientID
	case *metadata.Folder:
		return o.PatientID
	}
	return ""
}
