package retention

import (
	"context"
	"errors"
	"slices"

	"samdok/access"
	"samdok/metadata"
	"samdok/storage"
)

// ErrHeld: a hold began after the holds were looked at. Look again.
var ErrHeld = errors.New("retention: a hold began meanwhile")

// Removal is one removal of documents (ITI-86) on its way. Like an erasure it is
// in the list before anything is gone, so that a crash does not leave half of it
// and the restore of an older backup does it again.
type Removal struct {
	k      *Keeper
	t      access.Tenant
	id     metadata.UUID
	listed bool
}

// Removal begins one.
func (k *Keeper) Removal(t access.Tenant) *Removal {
	return &Removal{k: k, t: t, id: metadata.NewUUID()}
}

// Approve puts the entries whose bytes go into the list; the change that it returns
// belongs into their Append (registry.Approve). ErrHeld: one of them is held.
func (r *Removal) Approve(ctx context.Context, going []storage.Placed) ([]storage.Change, error) {
	holds, guard, err := r.k.Guard(ctx, r.t)
	if err != nil {
		return nil, err
	}
	if len(HeldBy(holds, going)) > 0 {
		return nil, ErrHeld
	}
	e := Erasure{ID: r.id.String(), Time: r.k.clock().UTC(), State: Begun}
	for i := range going {
		e.Unbound = append(e.Unbound, going[i].Object.ObjectID())
		e.Documents = append(e.Documents, going[i].Document)
	}
	if err := r.k.list.Add(e); err != nil {
		return nil, unfinished(err)
	}
	r.listed = true
	return []storage.Change{guard}, nil
}

// Ended tells that the bytes are gone, Void that the log refused the removal. One
// that is told neither is ended at the next start.
func (r *Removal) Ended() error { return r.is(Ended) }

// Void: see Ended.
func (r *Removal) Void() error { return r.is(Void) }

func (r *Removal) is(state string) error {
	if !r.listed {
		return nil
	}
	return r.k.list.Add(Erasure{ID: r.id.String(), Time: r.k.clock().UTC(), State: state})
}

// removeAgain ends a removal of the list, or does it again in a folder that was
// restored. One that had not reached the log is given up when a hold covers it.
func (k *Keeper) removeAgain(ctx context.Context, t access.Tenant, e *Erasure) (Done, error) {
	for range attempts {
		holds, guard, err := k.Guard(ctx, t)
		if err != nil {
			return Done{}, err
		}
		bound, changes, err := k.unbind(ctx, t, e)
		if err != nil {
			return Done{}, err
		}
		if len(bound) > 0 {
			if e.State == Begun && len(HeldBy(holds, bound)) > 0 {
				return Done{}, k.list.Add(Erasure{ID: e.ID, Time: k.clock().UTC(), State: Void})
			}
			err := k.log.Append(ctx, t, append(changes, guard))
			if errors.Is(err, storage.ErrConflict) {
				continue
			}
			if err != nil {
				return Done{}, err
			}
		}
		for _, key := range e.Documents {
			if err := k.documents.Delete(ctx, key); err != nil {
				return Done{}, err
			}
		}
		d := Done{ID: e.ID, Tenant: t, Objects: len(bound), Documents: len(e.Documents), Resumed: true}
		return d, k.list.Add(Erasure{ID: e.ID, Time: k.clock().UTC(), State: Ended})
	}
	return Done{}, busy("retention.Resume")
}

// unbind finds the entries of a removal that still have their bytes, and the
// changes that take these from them.
func (k *Keeper) unbind(ctx context.Context, t access.Tenant, e *Erasure) (bound []storage.Placed, changes []storage.Change, err error) {
	at := map[storage.Stream]int{}
	for ids := range slices.Chunk(e.Unbound, chunk) {
		st, _, err := k.log.Load(ctx, t, storage.Stream{}, storage.Refs{IDs: ids, WithRemoved: true})
		if err != nil {
			return nil, nil, err
		}
		for _, p := range st.Objects {
			if p.Document == "" || !slices.Contains(e.Documents, p.Document) {
				continue
			}
			i, ok := at[p.Stream]
			if !ok {
				_, v, err := k.log.Load(ctx, t, p.Stream, storage.Refs{})
				if err != nil {
					return nil, nil, err
				}
				i = len(changes)
				at[p.Stream] = i
				changes = append(changes, storage.Change{Stream: p.Stream, Expect: v, Events: []storage.Event{{
					Kind: storage.EventDocumentsRemoved, ID: metadata.NewUUID(), Time: k.clock().UTC()}}})
			}
			ev := &changes[i].Events[0]
			ev.Touched = append(ev.Touched, storage.Touch{ID: p.Object.ObjectID(), Unbind: true})
			bound = append(bound, p)
		}
	}
	return bound, changes, nil
}
