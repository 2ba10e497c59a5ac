package registry

import (
	"slices"

	"samdok/fault"
	"samdok/metadata"
	"samdok/storage"
)

// chunk bounds how much one Lookup holds.
const chunk = 500

// eachObject finds objects by id, in the order asked, those that may be shown.
func (a *answer) eachObject(ids []metadata.ID, found func(storage.Placed) error) error {
	for part := range slices.Chunk(unique(ids), chunk) {
		state, err := a.index.Lookup(a.ctx, a.tenant, storage.Refs{IDs: part})
		if err != nil {
			return err
		}
		at := make(map[metadata.ID]int, len(state.Objects))
		for i, p := range state.Objects {
			at[p.Object.ObjectID()] = i
		}
		for _, id := range part {
			if i, ok := at[id]; ok && a.visible(state.Objects[i]) {
				if err := found(state.Objects[i]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// objects is eachObject as a list of what passes keep.
func (a *answer) objects(ids []metadata.ID, keep func(metadata.Object) bool) ([]storage.Placed, error) {
	var list []storage.Placed
	err := a.eachObject(ids, func(p storage.Placed) error {
		if keep(p.Object) {
			list = append(list, p)
		}
		return a.bounded(list)
	})
	return list, err
}

// bounded stops collecting what cannot be answered any more.
func (a *answer) bounded(list []storage.Placed) error {
	if len(list) > a.limit {
		return a.tooMany()
	}
	return nil
}

func (a *answer) tooMany() error {
	return fault.New(fault.TooLarge, "registry.Find", fault.TooManyResults,
		"The answer has more than %d objects, the limit %s of this registry. Narrow the search, or ask for ObjectRef first.", a.limit, a.named)
}

// named finds the objects of one class that a query names, by entryUUID, uniqueId
// or logicalID, any status.
func named[T metadata.Object](a *answer, t metadata.Target) ([]storage.Placed, error) {
	found, err := a.objects(t.IDs, is[T])
	if err != nil {
		return nil, err
	}
	var refs []storage.Refs
	for part := range slices.Chunk(unique(t.UniqueIDs), chunk) {
		refs = append(refs, storage.Refs{UniqueIDs: part})
	}
	for part := range slices.Chunk(unique(t.LogicalIDs), chunk) {
		refs = append(refs, storage.Refs{LogicalIDs: part})
	}
	for i := range refs {
		state, err := a.index.Lookup(a.ctx, a.tenant, refs[i])
		if err != nil {
			return nil, err
		}
		for _, p := range state.Objects {
			if is[T](p.Object) && a.visible(p) {
				found = append(found, p)
			}
		}
		if err := a.bounded(found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func is[T metadata.Object](o metadata.Object) bool {
	_, ok := o.(T)
	return ok
}

func idsOf(list []storage.Placed) []metadata.ID {
	ids := make([]metadata.ID, len(list))
	for i := range list {
		ids[i] = list[i].Object.ObjectID()
	}
	return ids
}

// associationsOf calls found for each association with one of ids at an end,
// once, if its status is wanted, it passes keep (nil: all do), and it leads to
// nothing hidden.
func (a *answer) associationsOf(ids []metadata.ID, statuses []metadata.Status, keep func(*metadata.Association) bool, found func(storage.Placed) error) error {
	seen := make(map[metadata.ID]bool)
	for part := range slices.Chunk(unique(ids), chunk) {
		if a.ended {
			return nil
		}
		state, err := a.index.Lookup(a.ctx, a.tenant, storage.Refs{AssociationsOf: part})
		if err != nil {
			return err
		}
		list := slices.DeleteFunc(state.Associations, func(p storage.Placed) bool {
			m, ok := p.Object.(*metadata.Association)
			if !ok || seen[m.ID] || !a.wants(m, statuses) || keep != nil && !keep(m) {
				return true
			}
			seen[m.ID] = true
			return false
		})
		if list, err = a.conceal(list); err != nil {
			return err
		}
		for _, p := range list {
			if err := found(p); err != nil {
				return err
			}
			if a.ended {
				return nil
			}
		}
	}
	return nil
}

// associations is associationsOf as a list.
func (a *answer) associations(ids []metadata.ID, statuses []metadata.Status, keep func(*metadata.Association) bool) ([]storage.Placed, error) {
	var list []storage.Placed
	err := a.associationsOf(ids, statuses, keep, func(p storage.Placed) error {
		if list = append(list, p); len(list) > max(a.limit, a.limits.ObjectRefs) {
			return a.tooMany() // not all of them might be answered, but each has to be looked at
		}
		return nil
	})
	return list, err
}

// wants: $XDSAssociationStatus decides; without it only Approved ones are wanted
// (Metadata Update 3.18.4.1.2.3.5.1.1).
func (a *answer) wants(m *metadata.Association, statuses []metadata.Status) bool {
	if len(statuses) > 0 {
		return slices.Contains(statuses, m.Status)
	}
	return m.Status != metadata.Deprecated
}

// statuses is for the queries that have no $XDSAssociationStatus: everything at
// $MetadataLevel 2.
func (a *answer) statuses() []metadata.Status {
	if a.query.Level == 2 {
		return []metadata.Status{metadata.Approved, metadata.Deprecated}
	}
	return nil
}

// conceal leaves out associations that lead, also through another association,
// to an entry that the caller may not see.
func (a *answer) conceal(list []storage.Placed) ([]storage.Placed, error) {
	if len(a.hide.WithoutCodes) == 0 || len(list) == 0 {
		return list, nil
	}
	c := concealer{objects: make(map[metadata.ID]metadata.Object)}
	for _, p := range list {
		c.see(p.Object)
	}
	for len(c.unknown) > 0 {
		part := c.unknown[:min(chunk, len(c.unknown))]
		c.unknown = c.unknown[len(part):]
		state, err := a.index.Lookup(a.ctx, a.tenant, storage.Refs{IDs: part})
		if err != nil {
			return nil, err
		}
		for _, p := range state.Objects {
			c.see(p.Object)
		}
	}
	return slices.DeleteFunc(list, func(p storage.Placed) bool { return c.leadsTo(p.Object, a, 0) }), nil
}

// concealer knows what associations lead to. An id that was asked for and not
// found has a nil object.
type concealer struct {
	objects map[metadata.ID]metadata.Object
	unknown []metadata.ID
}

func (c *concealer) see(o metadata.Object) {
	c.objects[o.ObjectID()] = o
	m, ok := o.(*metadata.Association)
	if !ok {
		return
	}
	for _, id := range [2]metadata.ID{m.Source, m.Target} {
		if _, known := c.objects[id]; !known {
			c.objects[id] = nil
			c.unknown = append(c.unknown, id)
		}
	}
}

// leadsTo tells whether an object is, or leads to, a hidden entry. Associations
// of associations are one deep (SS-HM); depth stops what a broken engine returns.
func (c *concealer) leadsTo(o metadata.Object, a *answer, depth int) bool {
	switch o := o.(type) {
	case *metadata.DocumentEntry:
		return hidden(o, a.hide)
	case *metadata.Association:
		return depth > 3 || c.leadsTo(c.objects[o.Source], a, depth+1) || c.leadsTo(c.objects[o.Target], a, depth+1)
	}
	return false
}

// unique drops repeated values, keeping the order.
func unique[T comparable](list []T) []T {
	if len(list) < 2 {
		return list
	}
	seen := make(map[T]bool, len(list))
	kept := make([]T, 0, len(list))
	for _, v := range list {
		if !seen[v] {
			seen[v] = true
			kept = append(kept, v)
		}
	}
	return kept
}
