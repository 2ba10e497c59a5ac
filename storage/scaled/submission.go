package scaled

import (
	"context"
	"sync/atomic"

	"samdok/fault"
	"samdok/metadata"
	"samdok/storage"
	"samdok/storage/encoding"
)

// submission is one Append on its way through a line.
type submission struct {
	changes []prepared
	guards  []guarded
	refs    storage.Refs // what must be known of objects to check it
	size    int          // of its texts, bytes
	// alone runs instead, when no batch is on its way.
	alone func(context.Context) error
	cause context.Context // the caller's: only its trace is used
	state atomic.Int32    // waiting, taken or given up
	done  chan error      // one answer; has room for it

	refused error  // by the rules
	after   uint64 // a refusal is told when this batch is projected
}

const (
	waiting = iota
	taken
	givenUp
)

// prepared is a change with everything done that needs nothing of the others.
type prepared struct {
	ref    reference
	stream storage.Stream
	expect storage.Version
	text   []byte // as a record has it, not sealed
	events []storage.Event
	claims []storage.Claim
	links
}

// guarded is a stream that must be at a version, before the Append, and stays there:
// a change without events.
type guarded struct {
	ref    reference
	stream storage.Stream
	expect storage.Version
}

// links are the objects that a change leads to.
type links struct {
	own     []metadata.ID // added by it
	ends    []metadata.ID // of its associations, but for its own objects
	touched []metadata.ID
	removed []metadata.ID
	closes  bool // it is the last one of its stream
}

func linksOf(events []storage.Event) (l links) {
	own := map[metadata.ID]bool{"": true}
	for i := range events {
		for j := range events[i].Added {
			id := events[i].Added[j].Object.ObjectID()
			l.own = append(l.own, id)
			own[id] = true
		}
	}
	for i := range events {
		ev := &events[i]
		for j := range ev.Added {
			a, ok := ev.Added[j].Object.(*metadata.Association)
			if !ok {
				continue
			}
			for _, end := range [2]metadata.ID{a.Source, a.Target} {
				if !own[end] {
					l.ends = append(l.ends, end)
				}
			}
		}
		for j := range ev.Touched {
			l.touched = append(l.touched, ev.Touched[j].ID)
		}
		l.removed = append(l.removed, ev.Removed...)
		l.closes = l.closes || ev.Kind == storage.EventMergedInto
	}
	return l
}

// maxText bounds the texts of one Append; a batch must fit in one object.
const maxText = 32 << 20

// prepare encodes the changes. What it keeps is its own: the caller may do what he
// likes with the events afterwards.
func (l *line) prepare(changes []storage.Change) (*submission, error) {
	sub := &submission{done: make(chan error, 1)}
	enc := l.log.encoders.Get().(*encoding.Encoder)
	defer l.log.encoders.Put(enc)
	for i := range changes {
		c := &changes[i]
		ref := l.log.index.Reference(l.tenant, c.Stream)
		if len(c.Events)+len(c.Claims) == 0 {
			sub.guards = append(sub.guards, guarded{ref, c.Stream, c.Expect})
			continue
		}
		text, err := appendText(nil, enc, c.Stream, c.Events, c.Claims)
		if err != nil {
			return nil, err
		}
		if sub.size += len(text); sub.size > maxText {
			return nil, fault.New(fault.TooLarge, "scaled.Append", fault.RegistryOutOfResources, "The metadata of one submission may take at most %d MB.", maxText>>20)
		}
		said, err := parseText(text)
		if err != nil {
			return nil, err
		}
		p := prepared{ref: ref, stream: c.Stream, expect: c.Expect,
			text: text, events: said.events, claims: said.claims, links: linksOf(said.events)}
		sub.changes = append(sub.changes, p)
		sub.refs.IDs = append(append(append(sub.refs.IDs, p.ends...), p.touched...), p.removed...)
		sub.refs.AssociationsOf = append(sub.refs.AssociationsOf, p.removed...)
	}
	return sub, nil
}
