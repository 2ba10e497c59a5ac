package storage

import (
	"context"

	"samdok/access"
)

// Cards keeps one small record, a card, for each of very many keys: what a locator
// knows of each patient. Cards are truth, not a projection. A key may name a
// person: engines keep a keyed hash of it only, and seal cards. What a card says is
// its owner's, a version first.
type Cards interface {
	// Card reads the card of a key; nil: there is none.
	Card(ctx context.Context, t access.Tenant, key string) ([]byte, error)
	// Revise replaces the cards of keys, each named once, all or none. change is given
	// the card as it is (nil: none; only valid during the call) and returns what it
	// shall be: nil for no card, unchanged to leave it. It is called once for each key,
	// in any order, while nobody else changes cards; it must not panic. What Revise has
	// done is durable and visible when it returns nil; an error of change ends it, and
	// is returned. A card that is not nil is not empty.
	Revise(ctx context.Context, t access.Tenant, keys []string, change func(i int, old []byte) (card []byte, unchanged bool, err error)) error
	// Words gives texts that occur in many cards numbers of their own, from 1, for
	// ever. They are not sealed: no text may tell of a person.
	Words(ctx context.Context, texts []string) ([]uint64, error)
	// Word is the text of a number; false when no text has it.
	Word(n uint64) (string, bool)
	// Each calls visit with every card of every tenant, in no order, and replaces those
	// it returns changed, as Revise does. It works in steps that others come between.
	Each(ctx context.Context, visit func(card []byte) (replaced []byte, unchanged bool, err error)) error
	// Count is how many cards there are, of all tenants.
	Count(ctx context.Context) (int64, error)
	// Ready is nil when cards can be read and changed.
	Ready(ctx context.Context) error
}
