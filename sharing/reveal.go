package sharing

import (
	"context"

	"samdok/access"
	"samdok/access/guard"
	"samdok/metadata"
	"samdok/storage"
)

// reveal hides what would reveal hidden objects: an association is shown only
// when both its ends may be, a submission set only when it has no members or one
// of them may be shown. Ends outside the answer are looked up and decided on.
type reveal struct {
	s    *Sharing
	pass *guard.Pass
	ids  patients
	// may holds the verdicts so far.
	may map[metadata.ID]bool
	// links are the associations met so far: an association may be the end of
	// another (SS-HM).
	links map[metadata.ID]*metadata.Association
}

func newReveal(s *Sharing, pass *guard.Pass) *reveal {
	return &reveal{s: s, pass: pass, may: map[metadata.ID]bool{}, links: map[metadata.ID]*metadata.Association{}}
}

// maxDepth is how far ends are followed: SS-HM -> FD-DE -> entry is 2.
const maxDepth = 4

// check turns decisions of objects that would reveal too much to deny.
func (r *reveal) check(ctx context.Context, batch []storage.Placed, decisions []access.Decision) error {
	var sets []metadata.ID
	var ends []metadata.ID
	for i := range batch {
		id := batch[i].Object.ObjectID()
		allowed := decisions[i].Effect == access.Allow
		r.may[id] = allowed
		switch o := batch[i].Object.(type) {
		case *metadata.Association:
			r.links[id] = o
			if allowed {
				ends = append(ends, o.Source, o.Target)
			}
		case *metadata.SubmissionSet:
			if allowed {
				sets = append(sets, id)
			}
		}
	}
	members, err := r.members(ctx, sets)
	if err != nil {
		return err
	}
	for _, ids := range members {
		ends = append(ends, ids...)
	}
	if err := r.learn(ctx, ends); err != nil {
		return err
	}
	for i := range batch {
		if decisions[i].Effect != access.Allow {
			continue
		}
		id := batch[i].Object.ObjectID()
		ok := true
		switch batch[i].Object.(type) {
		case *metadata.Association:
			ok = r.ok(id, 0)
		case *metadata.SubmissionSet:
			ok = r.any(members[id])
		}
		if !ok {
			decisions[i].Effect = access.Deny
			r.pass.Hide(1)
		}
	}
	return nil
}

// members are the documents and folders of submission sets.
func (r *reveal) members(ctx context.Context, sets []metadata.ID) (map[metadata.ID][]metadata.ID, error) {
	if len(sets) == 0 {
		return nil, nil
	}
	state, err := r.s.index.Lookup(ctx, r.s.tenant, storage.Refs{AssociationsOf: sets})
	if err != nil {
		return nil, lookupFailed(err)
	}
	members := make(map[metadata.ID][]metadata.ID, len(sets))
	for _, p := range state.Associations {
		if a, ok := p.Object.(*metadata.Association); ok && a.Type == metadata.HasMember {
			members[a.Source] = append(members[a.Source], a.Target)
		}
	}
	return members, nil
}

// learn finds out about ids that no verdict is known of, level by level.
func (r *reveal) learn(ctx context.Context, ids []metadata.ID) error {
	for range maxDepth {
		var unknown []metadata.ID
		for _, id := range ids {
			if _, known := r.may[id]; !known {
				r.may[id] = false
				unknown = append(unknown, id)
			}
		}
		if len(unknown) == 0 {
			return nil
		}
		state, err := r.s.index.Lookup(ctx, r.s.tenant, storage.Refs{IDs: unknown})
		if err != nil {
			return lookupFailed(err)
		}
		items := make([]access.Item, len(state.Objects))
		for i, o := range state.Objects {
			items[i] = r.ids.placed(o)
		}
		decisions, err := r.pass.Consider(ctx, items)
		if err != nil {
			return err
		}
		ids = ids[:0]
		for i, o := range state.Objects {
			id := o.Object.ObjectID()
			r.may[id] = decisions[i].Effect == access.Allow
			if a, ok := o.Object.(*metadata.Association); ok {
				r.links[id] = a
				ids = append(ids, a.Source, a.Target)
			}
		}
	}
	return nil
}

// ok tells whether an object may be shown together with what it reveals.
func (r *reveal) ok(id metadata.ID, depth int) bool {
	if !r.may[id] || depth > maxDepth {
		return false
	}
	a := r.links[id]
	return a == nil || r.ok(a.Source, depth+1) && r.ok(a.Target, depth+1)
}

// any tells whether one of the members may be shown; a set without any reveals
// only itself.
func (r *reveal) any(members []metadata.ID) bool {
	for _, id := range members {
		if r.ok(id, 0) {
			return true
		}
	}
	return len(members) == 0
}
