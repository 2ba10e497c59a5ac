package subscription

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/storage"
)

// ErrFull: a patient has as many subscriptions as one may have.
var ErrFull = errors.New("subscription: the patient has as many as the limit allows")

// ErrSubsumed: the patient was merged into another one, whose id is to be used.
var ErrSubsumed = errors.New("subscription: the patient id was merged into another")

// Options of a Book. Log, Tenant and Clock are required.
type Options struct {
	Log    storage.Log
	Tenant access.Tenant
	Clock  func() time.Time
	// PerPatient bounds the live subscriptions of one patient; 0: 1000.
	PerPatient int
	// AnyPatient bounds those that are independent of the patient; 0: none may be.
	AnyPatient int
}

// Book keeps subscriptions. It holds nothing in memory: any number of them cost a
// change of another patient nothing. It is safe for concurrent use.
type Book struct{ o Options }

// NewBook makes a Book.
func NewBook(o Options) *Book {
	if o.PerPatient <= 0 {
		o.PerPatient = 1000
	}
	return &Book{o}
}

// AnyPatient tells whether subscriptions without a patient may be made.
func (b *Book) AnyPatient() bool { return b.o.AnyPatient > 0 }

// tries bounds how often a change is tried while others change the same list.
const tries = 100

// Begin keeps a new subscription. ErrFull: the limit of its list is reached.
// ErrSubsumed: nobody will hear of the patient under this id.
func (b *Book) Begin(ctx context.Context, s *Subscription) error {
	body, err := encode(s)
	if err != nil {
		return err
	}
	most, patient := b.o.PerPatient, s.Patient()
	if patient == (metadata.PatientID{}) {
		most = b.o.AnyPatient
	}
	if into, err := b.survivor(ctx, patient); err != nil || into != patient {
		return cmp.Or(err, error(ErrSubsumed))
	}
	err = b.change(ctx, func(all []member) ([]member, storage.Change, error) {
		if len(all) >= most {
			return nil, storage.Change{}, ErrFull
		}
		first := storage.Change{Stream: own(s.ID), Events: []storage.Event{b.event(storage.EventSubscribed, body)}}
		return append(all, member{s.ID, s.Ends.Unix()}), first, nil
	}, list(patient))
	if err != nil {
		return err
	}
	// A merge that came in between may have been followed before the list was there.
	into, err := b.survivor(ctx, patient)
	if err != nil || into == patient {
		return err
	}
	return b.Follow(ctx, storage.PatientStream(patient), storage.PatientStream(into))
}

// Renew gives a live subscription another end.
func (b *Book) Renew(ctx context.Context, id metadata.UUID, ends time.Time) error {
	return b.revise(ctx, id, storage.EventSubscribed, encodeRenewed(ends), func(all []member) []member {
		return append(all, member{id, ends.Unix()})
	})
}

// End ends a subscription. fault.NotFound: there is no such one, or it has ended.
func (b *Book) End(ctx context.Context, id metadata.UUID) error {
	return b.revise(ctx, id, storage.EventUnsubscribed, []byte{version, bodyEnded}, func(all []member) []member { return all })
}

// revise appends to the stream of a subscription that is live; again changes its
// list, from which it is taken out before.
func (b *Book) revise(ctx context.Context, id metadata.UUID, kind storage.EventKind, body []byte, again func([]member) []member) error {
	s, err := b.Get(ctx, id)
	if err != nil {
		return err
	}
	return b.change(ctx, func(all []member) ([]member, storage.Change, error) {
		_, at, err := b.o.Log.Load(ctx, b.o.Tenant, own(id), storage.Refs{})
		if err == nil {
			_, err = b.Get(ctx, id) // at that version or a later one, which is a conflict
		}
		if err != nil {
			return nil, storage.Change{}, err
		}
		all = again(without(all, id))
		return all, storage.Change{Stream: own(id), Expect: at, Events: []storage.Event{b.event(kind, body)}}, nil
	}, list(s.Patient()))
}

// change appends to a subscription's stream and to its list in one step. The list
// changes with the kind of event that the stream gets.
func (b *Book) change(ctx context.Context, edit func([]member) ([]member, storage.Change, error), stream storage.Stream) error {
	for i := 0; ; i++ {
		all, at, err := b.list(ctx, stream)
		if err != nil {
			return err
		}
		all, first, err := edit(all)
		if err != nil {
			return err
		}
		second := b.event(first.Events[0].Kind, encodeList(all))
		err = b.o.Log.Append(ctx, b.o.Tenant, []storage.Change{first, {Stream: stream, Expect: at, Events: []storage.Event{second}}})
		if !errors.Is(err, storage.ErrConflict) || i == tries {
			return err
		}
	}
}

func (b *Book) event(kind storage.EventKind, body []byte) storage.Event {
	return storage.Event{Kind: kind, ID: metadata.NewUUID(), Time: b.o.Clock().UTC(), Body: body}
}

// list reads a list, without what has expired, and the version it is true at.
func (b *Book) list(ctx context.Context, stream storage.Stream) ([]member, storage.Version, error) {
	_, at, err := b.o.Log.Load(ctx, b.o.Tenant, stream, storage.Refs{})
	if err != nil || at == 0 {
		return nil, at, err
	}
	var all []member
	var newest storage.Event
	for e, err := range b.o.Log.Events(ctx, b.o.Tenant, stream, at) {
		if err != nil {
			return nil, 0, err
		}
		newest = e // one that was appended meanwhile makes the append conflict
	}
	if newest.Body == nil { // the patient was erased
		return nil, at, nil
	}
	if all, err = decodeList(newest.Body); err != nil {
		return nil, 0, err
	}
	now := b.o.Clock().Unix()
	return slices.DeleteFunc(all, func(m member) bool { return m.ends <= now }), at, nil
}

func without(all []member, id metadata.UUID) []member {
	return slices.DeleteFunc(all, func(m member) bool { return m.id == id })
}

// Follow puts the subscriptions of a patient who was merged into another on the
// other's list. To do it again changes nothing.
func (b *Book) Follow(ctx context.Context, subsumed, into storage.Stream) error {
	from, to := listOf(subsumed), listOf(into)
	for i := 0; ; i++ {
		moved, left, err := b.list(ctx, from)
		if err != nil || len(moved) == 0 {
			return err
		}
		all, at, err := b.list(ctx, to)
		if err != nil {
			return err
		}
		for _, m := range moved {
			if !slices.ContainsFunc(all, func(have member) bool { return have.id == m.id }) { // renewed meanwhile
				all = append(all, m)
			}
		}
		err = b.o.Log.Append(ctx, b.o.Tenant, []storage.Change{
			{Stream: from, Expect: left, Events: []storage.Event{b.event(storage.EventUnsubscribed, encodeList(nil))}},
			{Stream: to, Expect: at, Events: []storage.Event{b.event(storage.EventSubscribed, encodeList(all))}},
		})
		if !errors.Is(err, storage.ErrConflict) || i == tries {
			return err
		}
	}
}

// survivor is the patient whom a patient was merged into, at the end of the chain;
// the patient itself when it was not.
func (b *Book) survivor(ctx context.Context, p metadata.PatientID) (metadata.PatientID, error) {
	if p == (metadata.PatientID{}) {
		return p, nil
	}
	state, _, err := b.o.Log.Load(ctx, b.o.Tenant, storage.PatientStream(p), storage.Refs{})
	if err != nil {
		return p, err
	}
	if into, ok := state.Standing.Into.Patient(); ok {
		return into, nil
	}
	return p, nil
}

// Get reads one subscription; its patient is the one that lives. fault.NotFound:
// there is no such one, or it has ended or expired.
func (b *Book) Get(ctx context.Context, id metadata.UUID) (Subscription, error) {
	s, err := b.get(ctx, id)
	if err != nil {
		return s, err
	}
	p, err := b.survivor(ctx, s.Patient())
	s.show(p)
	return s, err
}

// get reads one subscription, with the patient that it was begun for.
func (b *Book) get(ctx context.Context, id metadata.UUID) (Subscription, error) {
	var s Subscription
	for e, err := range b.o.Log.Events(ctx, b.o.Tenant, own(id), 0) {
		if err != nil {
			return s, err
		}
		if err := s.apply(&e); err != nil {
			return s, err
		}
	}
	if s.ID != id || !s.Live(b.o.Clock()) {
		return s, &fault.Error{Op: "subscription.Get", Kind: fault.NotFound}
	}
	return s, nil
}

// All are the live subscriptions of everybody, the oldest first. It reads the whole
// log.
func (b *Book) All(ctx context.Context) ([]Subscription, error) {
	begun := make(map[metadata.UUID]*Subscription)
	for fed, err := range b.o.Log.Feed(ctx, b.o.Tenant, "") {
		if err != nil {
			return nil, err
		}
		id, ok := metadata.ParseUUID(fed.Stream.ID)
		if fed.Stream.Kind != storage.StreamSubscription || !ok { // a list, or somebody's documents
			continue
		}
		if begun[id] == nil {
			begun[id] = new(Subscription)
		}
		for i := range fed.Events {
			if err := begun[id].apply(&fed.Events[i]); err != nil {
				return nil, err
			}
		}
		if begun[id].Ended {
			delete(begun, id)
		}
	}
	var all []Subscription
	for _, s := range begun {
		if !s.Live(b.o.Clock()) {
			continue
		}
		p, err := b.survivor(ctx, s.Patient())
		if err != nil {
			return nil, err
		}
		s.show(p)
		all = append(all, *s)
	}
	slices.SortFunc(all, func(a, b Subscription) int { return a.Created.Compare(b.Created) })
	return all, nil
}

// Of are the live subscriptions of a patient; of the zero PatientID, those that
// are independent of the patient.
func (b *Book) Of(ctx context.Context, p metadata.PatientID) ([]Subscription, error) {
	all, _, err := b.list(ctx, list(p))
	if err != nil || len(all) == 0 {
		return nil, err
	}
	out := make([]Subscription, 0, len(all))
	for _, m := range all {
		s, err := b.get(ctx, m.id)
		if fault.KindOf(err) == fault.NotFound {
			continue // it ended just now
		}
		if err != nil {
			return nil, err
		}
		s.show(p)
		out = append(out, s)
	}
	return out, nil
}
