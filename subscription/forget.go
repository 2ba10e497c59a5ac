package subscription

import (
	"context"

	"samdok/metadata"
	"samdok/storage"
)

// Forget ends the subscriptions to a patient who is erased, and names the streams that
// tell of the patient, which storage.Eraser.Redact then empties in their order: those of
// all that there ever were, and the list that leads to them last. To do it again ends
// what began since.
func (b *Book) Forget(ctx context.Context, patient storage.Stream) ([]storage.Stream, error) {
	of := listOf(patient)
	ids, err := b.ever(ctx, of)
	if err != nil || ids == nil {
		return nil, err
	}
	live, _, err := b.list(ctx, of)
	if err != nil {
		return nil, err
	}
	for _, m := range live {
		err := b.change(ctx, func(all []member) ([]member, storage.Change, error) {
			_, at, err := b.o.Log.Load(ctx, b.o.Tenant, own(m.id), storage.Refs{})
			return without(all, m.id), storage.Change{Stream: own(m.id), Expect: at, Events: []storage.Event{b.event(storage.EventUnsubscribed, []byte{version, bodyEnded})}}, err
		}, of)
		if err != nil {
			return nil, err
		}
	}
	streams := make([]storage.Stream, 0, len(ids)+1)
	for _, id := range ids {
		streams = append(streams, own(id))
	}
	return append(streams, of), nil
}

// ever are the subscriptions that were ever on a list; nil: there is no such list.
func (b *Book) ever(ctx context.Context, list storage.Stream) ([]metadata.UUID, error) {
	_, at, err := b.o.Log.Load(ctx, b.o.Tenant, list, storage.Refs{})
	if err != nil || at == 0 {
		return nil, err
	}
	ids := []metadata.UUID{}
	seen := map[metadata.UUID]bool{}
	for e, err := range b.o.Log.Events(ctx, b.o.Tenant, list, 0) {
		if err != nil {
			return nil, err
		}
		all, err := decodeList(e.Body)
		if err != nil {
			return nil, err
		}
		for _, m := range all {
			if !seen[m.id] {
				seen[m.id] = true
				ids = append(ids, m.id)
			}
		}
	}
	return ids, nil
}
