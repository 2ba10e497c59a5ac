package registry

import (
	"context"

	"samdok/access"
	"samdok/metadata"
	"samdok/storage"
)

// known is what the registry has, at one version of the submission's stream, of
// everything that the submission touches.
type known struct {
	version  storage.Version
	unknown  bool // the patient is not known, or was merged into another one
	objects  map[metadata.ID]storage.Placed
	byUnique map[string][]storage.Placed
	// Associations by end; deprecated ones are left out.
	bySource, byTarget map[metadata.ID][]*metadata.Association
	asked              map[metadata.ID]bool // AssociationsOf so far
	gone               map[metadata.ID]bool // removed objects that the sender's UUIDs named
}

// load reads what the submission refers to. A submission that refers to nothing
// registered costs one Load; a replacement follows what hangs on the replaced
// documents, one Load per step, all at the same version.
func (r *Registry) load(ctx context.Context, t access.Tenant, in *intake, trusting bool) (*known, error) {
	if in.stream == (storage.Stream{}) {
		return nil, nil // the patient id is wrong and that is already a problem
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		k := &known{}
		refs := in.refs(trusting)
		for step := 0; ; step++ {
			state, version, err := r.log.Load(ctx, t, in.stream, refs)
			if err != nil {
				return nil, err
			}
			if step > 0 && version != k.version {
				break // somebody wrote meanwhile: from the start
			}
			k.version, k.unknown = version, r.unknownPatient(state.Standing)
			k.add(state, refs)
			refs = k.missing(in)
			if len(refs.IDs) == 0 && len(refs.AssociationsOf) == 0 {
				return k, nil
			}
		}
	}
}

// refs is what the rules need: the registered ends of the submission's
// associations, for the targets of relationships the associations that they
// already have (rule 18, 3.3), and, unless trusting, who has the submission's
// uniqueIds and UUIDs.
func (in *intake) refs(trusting bool) storage.Refs {
	var refs storage.Refs
	if !trusting {
		refs.UniqueIDs = make([]string, 0, 1+len(in.sub.Entries)+len(in.sub.Folders))
		refs.UniqueIDs = append(refs.UniqueIDs, in.sub.Set.UniqueID)
		for _, e := range in.sub.Entries {
			refs.UniqueIDs = append(refs.UniqueIDs, e.UniqueID)
		}
		for _, f := range in.sub.Folders {
			refs.UniqueIDs = append(refs.UniqueIDs, f.UniqueID)
		}
		refs.IDs = append(refs.IDs, in.given...)
		refs.WithRemoved = true
	}
	for _, a := range in.sub.Associations {
		for _, id := range [2]metadata.ID{a.Source, a.Target} {
			if in.local[id] == nil && !id.IsSymbolic() {
				refs.IDs = append(refs.IDs, id)
			}
		}
		if isRelationship(a.Type) && in.local[a.Target] == nil && !a.Target.IsSymbolic() {
			refs.AssociationsOf = append(refs.AssociationsOf, a.Target)
		}
	}
	return refs
}

func (k *known) add(s storage.State, refs storage.Refs) {
	for _, p := range s.Objects {
		if k.objects == nil {
			k.objects = make(map[metadata.ID]storage.Placed, len(s.Objects))
			k.byUnique = make(map[string][]storage.Placed)
		}
		id := p.Object.ObjectID()
		if p.Removed {
			if k.gone == nil {
				k.gone = make(map[metadata.ID]bool)
			}
			k.gone[id] = true
			continue
		}
		if _, twice := k.objects[id]; twice {
			continue
		}
		k.objects[id] = p
		if u := metadata.UniqueIDOf(p.Object); u != "" {
			k.byUnique[u] = append(k.byUnique[u], p)
		}
	}
	if len(refs.AssociationsOf) > 0 && k.asked == nil {
		k.asked = make(map[metadata.ID]bool)
		k.bySource = make(map[metadata.ID][]*metadata.Association)
		k.byTarget = make(map[metadata.ID][]*metadata.Association)
	}
	for _, id := range refs.AssociationsOf {
		k.asked[id] = true
	}
	for _, p := range s.Associations {
		a, ok := p.Object.(*metadata.Association)
		if !ok || p.Removed || a.Status == metadata.Deprecated || k.has(a) {
			continue
		}
		k.bySource[a.Source] = append(k.bySource[a.Source], a)
		k.byTarget[a.Target] = append(k.byTarget[a.Target], a)
	}
}

func (k *known) has(a *metadata.Association) bool {
	for _, b := range k.bySource[a.Source] {
		if a.ID == b.ID {
			return true
		}
	}
	return false
}

// missing is what the effects of a replacement need beyond what is loaded: the
// folders of each replaced document, its transformations and addenda, and theirs.
func (k *known) missing(in *intake) storage.Refs {
	var refs storage.Refs
	wanted := make(map[metadata.ID]bool)
	want := func(id metadata.ID) {
		if _, ok := k.objects[id]; !ok && !wanted[id] {
			wanted[id] = true
			refs.IDs = append(refs.IDs, id)
		}
	}
	for _, a := range in.sub.Associations {
		if !replaces(a.Type) {
			continue
		}
		for _, m := range k.byTarget[a.Target] {
			if m.Type == metadata.HasMember {
				want(m.Source)
			}
		}
		for _, id := range k.dependants(a.Target) {
			want(id)
			if !k.asked[id] {
				refs.AssociationsOf = append(refs.AssociationsOf, id)
			}
		}
	}
	return refs
}

// dependants are the transformations and addenda of a document, those of theirs
// and so on, as far as loaded, each once.
func (k *known) dependants(of metadata.ID) []metadata.ID {
	var found []metadata.ID
	seen := map[metadata.ID]bool{of: true}
	for next := []metadata.ID{of}; len(next) > 0; next = next[1:] {
		for _, a := range k.byTarget[next[0]] {
			if (a.Type == metadata.Transforms || a.Type == metadata.Appends) && !seen[a.Source] {
				seen[a.Source] = true
				found = append(found, a.Source)
				next = append(next, a.Source)
			}
		}
	}
	return found
}

func isRelationship(t metadata.AssociationType) bool {
	switch t {
	case metadata.Replaces, metadata.Transforms, metadata.Appends, metadata.TransformReplaces, metadata.Signs, metadata.IsSnapshotOf:
		return true
	}
	return false
}

func replaces(t metadata.AssociationType) bool {
	return t == metadata.Replaces || t == metadata.TransformReplaces
}
