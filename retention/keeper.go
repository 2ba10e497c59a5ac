package retention

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/storage"
)

// Log is what a Keeper needs of an engine's log.
type Log interface {
	storage.Log
	storage.Eraser
}

// Options of a Keeper. All but Step are required.
type Options struct {
	Log       Log
	Documents storage.Documents
	List      *List
	Clock     func() time.Time
	// Letters is the outbox, from which letters about what is erased go; nil: there
	// is none.
	Letters storage.Forgetter
	// Text is what a letter says, as its sender wrote it; nil: its body.
	Text func(*storage.Letter) []byte
	// Subscriptions ends those to a patient who is erased, and names the streams that
	// tell of the patient, the one that leads to the others last; nil: there are none.
	Subscriptions func(ctx context.Context, patient storage.Stream) ([]storage.Stream, error)
	// Step is called between the steps of an erasure, by tests that stop there.
	Step func(string)
}

// Keeper erases and holds. It is safe for concurrent use.
type Keeper struct {
	log       Log
	documents storage.Documents
	list      *List
	clock     func() time.Time
	step      func(string)
	letters   storage.Forgetter
	text      func(*storage.Letter) []byte
	ending    func(context.Context, storage.Stream) ([]storage.Stream, error)

	mu     sync.Mutex
	states map[access.Tenant]*state
}

// New makes a Keeper.
func New(o Options) *Keeper {
	if o.Step == nil {
		o.Step = func(string) {}
	}
	return &Keeper{log: o.Log, documents: o.Documents, list: o.List, clock: o.Clock, step: o.Step, letters: o.Letters, text: o.Text, ending: o.Subscriptions, states: map[access.Tenant]*state{}}
}

// attempts is how often something is tried against other writers.
const attempts = 32

func busy(op string) error {
	return fault.New(fault.Busy, op, fault.RegistryBusy, "Other writers were always first. Nothing was done; try again.")
}

// Order is why something is erased.
type Order struct {
	Reason string
	Rule   string // "" when a person ordered it
	Who    string
}

// Done says what an erasure did.
type Done struct {
	ID        string
	Tenant    access.Tenant
	Whole     bool
	Objects   int
	Documents int
	// Keys are the numbers of the log's data keys that were destroyed.
	Keys    []uint64
	Resumed bool // it was begun before the last start, or before a restore
}

// Erase takes what the target names out of everything. approve is called with what
// goes, before anything is destroyed and once more whenever that changes meanwhile;
// its error ends the erasure. When Erase returns nil the erasure is durable and
// whole. When it returns an error of kind fault.Unavailable or fault.Internal the
// erasure may have begun: it is ended at the next start, or by erasing again.
func (k *Keeper) Erase(ctx context.Context, t access.Tenant, target Target, o Order, approve func(context.Context, *Plan) error) (Done, error) {
	if o.Reason == "" {
		return Done{}, fault.New(fault.Invalid, "retention.Erase", fault.RegistryError, "An erasure needs a reason.")
	}
	id := metadata.NewUUID()
	begun := false
	for range attempts {
		p, err := k.Plan(ctx, t, target)
		if err == nil {
			p.ID = id
			if len(p.Held) > 0 {
				err = Refused("retention.Erase", fault.RegistryError, p.Held)
			} else {
				err = approve(ctx, p)
			}
		}
		if err != nil {
			if begun {
				err = errors.Join(err, k.list.Add(Erasure{ID: id.String(), Time: k.clock().UTC(), State: Void}))
			}
			return Done{}, err
		}
		// From here on the caller's patience does not count.
		ctx := context.WithoutCancel(ctx)
		k.step("before the list")
		if err := k.list.Add(p.erasure(k.clock())); err != nil {
			return Done{}, unfinished(err)
		}
		begun = true
		k.step("before the event")
		err = k.append(ctx, p, o)
		if errors.Is(err, storage.ErrConflict) {
			continue
		}
		if err != nil {
			return Done{}, unfinished(err)
		}
		return k.destroy(ctx, p)
	}
	return Done{}, errors.Join(busy("retention.Erase"), k.list.Add(Erasure{ID: id.String(), Time: k.clock().UTC(), State: Void}))
}

func unfinished(err error) error {
	return fault.Wrap(err, fault.Unavailable, "retention.Erase", fault.RegistryError,
		"The erasure could not be ended now. It is in the list of erasures and is ended at the next start; the operator's log tells why.")
}

// append says in every stream, and in the register, that objects are erased. From
// then on nobody finds them.
func (k *Keeper) append(ctx context.Context, p *Plan, o Order) error {
	record, err := body(Record{Reason: o.Reason, Rule: o.Rule, Who: o.Who, Whole: p.Whole, Objects: len(p.Objects), Documents: len(p.Documents)})
	if err != nil {
		return err
	}
	event := func(b []byte) storage.Event {
		return storage.Event{Kind: storage.EventErased, ID: p.ID, Time: k.clock().UTC(), Body: b}
	}
	changes := []storage.Change{{Stream: register, Expect: p.register, Events: []storage.Event{event(record)}}}
	for _, s := range p.streams {
		ev := event([]byte{bodyVersion})
		ev.Removed = s.living
		changes = append(changes, storage.Change{Stream: s.stream, Expect: s.version, Events: []storage.Event{ev}})
	}
	return k.log.Append(ctx, p.Tenant, changes)
}

// destroy ends an erasure whose event is in the log. Every step may be done again.
func (k *Keeper) destroy(ctx context.Context, p *Plan) (Done, error) {
	d := Done{ID: p.ID.String(), Tenant: p.Tenant, Whole: p.Whole, Objects: len(p.Objects), Documents: len(p.Documents)}
	k.step("before subscriptions end")
	told, err := k.endSubscriptions(ctx, p) // before letters are: an ended one gets none
	if err != nil {
		return d, unfinished(err)
	}
	k.step("before letters are forgotten")
	if err := k.forgetLetters(ctx, p); err != nil {
		return d, unfinished(err)
	}
	for _, s := range p.streams {
		k.step("before a stream is redacted")
		objects := s.objects
		if s.whole {
			objects = nil
		}
		r, err := k.log.Redact(ctx, p.Tenant, s.stream, objects)
		if err != nil {
			return d, unfinished(err)
		}
		d.Keys = append(d.Keys, r.Keys...)
	}
	for _, s := range told {
		k.step("before a subscription is redacted")
		r, err := k.log.Redact(ctx, p.Tenant, s, nil)
		if err != nil {
			return d, unfinished(err)
		}
		d.Keys = append(d.Keys, r.Keys...)
	}
	for _, key := range p.Documents {
		k.step("before a document is destroyed")
		if err := k.documents.Delete(ctx, key); err != nil {
			return d, unfinished(err)
		}
	}
	k.step("before the end")
	if err := k.list.Add(Erasure{ID: d.ID, Time: k.clock().UTC(), State: Ended}); err != nil {
		return d, unfinished(err)
	}
	k.step("after the end")
	return d, nil
}

// Resume ends the erasures that a crash cut off. all also does those again that
// were ended: in a folder that was restored from a backup, which does not know of
// them. An erasure that had not reached the log is given up when a hold has begun
// since.
func (k *Keeper) Resume(ctx context.Context, t access.Tenant, all bool, did func(Done) error) error {
	list := k.list.Open()
	if all {
		list = slices.DeleteFunc(k.list.All(), func(e Erasure) bool { return e.State == Void })
	}
	for _, e := range list {
		resume := k.resume
		if len(e.Unbound) > 0 {
			resume = k.removeAgain
		}
		d, err := resume(ctx, t, &e)
		if err != nil {
			return fmt.Errorf("erasure %s, begun %s, could not be ended: %w", e.ID, e.Time.Format(time.RFC3339), err)
		}
		if d.ID != "" {
			if err := did(d); err != nil {
				return err
			}
		}
	}
	return nil
}

// Behind tells whether the log lacks an erasure or a removal that the list says was
// ended: it comes from a copy that is older than the list. A log is one chain, so that what
// a copy lacks is its end: of entries whose bytes were removed only the newest are looked at.
func (k *Keeper) Behind(ctx context.Context, t access.Tenant) (bool, error) {
	ended := slices.DeleteFunc(k.list.All(), func(e Erasure) bool { return e.State != Ended })
	if len(ended) == 0 {
		return false, nil
	}
	r, err := k.registered(ctx, t)
	if err != nil {
		return false, err
	}
	var removed Erasure // the newest as one
	for _, e := range slices.Backward(ended) {
		if len(e.Unbound) > 0 {
			if len(removed.Unbound) < chunk {
				removed.Unbound, removed.Documents = append(removed.Unbound, e.Unbound...), append(removed.Documents, e.Documents...)
			}
		} else if id, ok := metadata.ParseUUID(e.ID); !ok || !r.erased[id] {
			return true, nil
		}
	}
	bound, _, err := k.unbind(ctx, t, &removed)
	return len(bound) > 0, err
}

func (k *Keeper) resume(ctx context.Context, t access.Tenant, e *Erasure) (Done, error) {
	id, ok := metadata.ParseUUID(e.ID)
	if !ok {
		return Done{}, errors.New("its id is no UUID")
	}
	for range attempts {
		r, err := k.registered(ctx, t)
		if err != nil {
			return Done{}, err
		}
		p, err := k.again(ctx, t, e)
		if err != nil {
			return Done{}, err
		}
		p.ID, p.register = id, r.version
		if !r.erased[id] {
			if e.State == Begun {
				held, err := k.heldNow(ctx, p)
				if err != nil {
					return Done{}, err
				}
				if len(held) > 0 {
					return Done{}, k.list.Add(Erasure{ID: e.ID, Time: k.clock().UTC(), State: Void})
				}
			}
			err := k.append(ctx, p, Order{Reason: "an erasure that was begun before the last start or restore", Who: "system"})
			if errors.Is(err, storage.ErrConflict) {
				continue
			}
			if err != nil {
				return Done{}, err
			}
		}
		d, err := k.destroy(ctx, p)
		d.Resumed = true
		return d, err
	}
	return Done{}, busy("retention.Resume")
}
