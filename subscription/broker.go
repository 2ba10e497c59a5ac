package subscription

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"samdok/access"
	"samdok/metadata"
	"samdok/storage"
)

// Feed is the part of storage.Log that the broker follows.
type Feed interface {
	Feed(ctx context.Context, t access.Tenant, after storage.Position) iter.Seq2[storage.Fed, error]
}

// BrokerOptions of NewBroker. All but Retry are required.
type BrokerOptions struct {
	Book   *Book
	Feed   Feed
	Index  storage.Index
	Outbox storage.Outbox
	Tenant access.Tenant
	Clock  func() time.Time
	// Retry is how long a notification is tried; 0: 24 hours. It is never tried
	// longer than its subscription lives.
	Retry time.Duration
}

// Broker makes letters of what subscriptions are about.
type Broker struct {
	o BrokerOptions
	// any are the subscriptions independent of the patient, as of the place in the
	// feed; known tells whether they were read.
	any   []Subscription
	known bool
	// at is the place in the feed; durable is how far the cursor is, and since how
	// many changes it was left behind.
	at, durable storage.Position
	begun       bool
	behind      int
	letters     []storage.Letter
}

// cursor is the broker's name in the outbox.
const cursor = "notify"

const (
	// manyLetters and manyChanges end a step: what it made is kept, and the cursor
	// moves, in one transaction.
	manyLetters = 256
	manyChanges = 4096
	// skew is how much earlier than its subscription an event may say it happened
	// and still count: its time was taken before it was appended.
	skew = time.Minute
)

// NewBroker makes a Broker. Run is called by one goroutine.
func NewBroker(o BrokerOptions) *Broker {
	if o.Retry <= 0 {
		o.Retry = 24 * time.Hour
	}
	return &Broker{o: o}
}

// Run follows the feed to its end and posts a letter for each pair of an event and
// a live subscription that it is about. It tells how many letters it posted. A
// crash loses and doubles nothing: cursor and letters move together, and what is
// followed again makes letters of the same ids. Where several nodes follow one log,
// one of them posts; the others go on behind it with their next Run.
func (b *Broker) Run(ctx context.Context) (posted int, err error) {
	posted, err = b.run(ctx)
	return posted, b.settle(err)
}

// settle begins again where the cursor is after an error, and is content when
// another node has moved it.
func (b *Broker) settle(err error) error {
	if err == nil {
		return nil
	}
	b.begun, b.known, b.any, b.behind, b.letters = false, false, nil, 0, nil
	if errors.Is(err, storage.ErrConflict) {
		return nil
	}
	return err
}

func (b *Broker) run(ctx context.Context) (posted int, err error) {
	if !b.begun {
		if b.at, err = b.o.Outbox.Cursor(ctx, cursor); err != nil {
			return 0, err
		}
		b.durable, b.begun = b.at, true
	}
	for fed, err := range b.o.Feed.Feed(ctx, b.o.Tenant, b.at) {
		if err != nil {
			return posted, err
		}
		if err := b.follow(ctx, &fed); err != nil {
			return posted, err
		}
		b.at = fed.Position
		b.behind++
		if len(b.letters) >= manyLetters || b.behind >= manyChanges {
			n, err := b.advance(ctx)
			if posted += n; err != nil {
				return posted, err
			}
		}
	}
	if len(b.letters) == 0 { // the cursor follows later: to read again costs less than to write
		return posted, nil
	}
	n, err := b.advance(ctx)
	return posted + n, err
}

// Flush moves the cursor to where the broker is, so that the next start need not
// read so much again.
func (b *Broker) Flush(ctx context.Context) error {
	if !b.begun || b.at == b.durable {
		return nil
	}
	_, err := b.advance(ctx)
	return b.settle(err)
}

// advance keeps what was made of the changes; it tells how many letters that were.
func (b *Broker) advance(ctx context.Context) (posted int, err error) {
	if err := b.o.Outbox.Advance(ctx, cursor, b.durable, b.at, b.letters); err != nil {
		return 0, err
	}
	posted = len(b.letters)
	clear(b.letters)
	b.durable, b.behind, b.letters = b.at, 0, b.letters[:0]
	return posted, nil
}

// follow looks at one change.
func (b *Broker) follow(ctx context.Context, fed *storage.Fed) error {
	if fed.Stream.Kind == storage.StreamSubscription && fed.Stream.ID == everybody {
		b.known = false // what comes behind it in the feed is for the new list
		return nil
	}
	if fed.Stream.Kind != storage.StreamPatient {
		return nil
	}
	if err := b.merged(ctx, fed); err != nil {
		return err
	}
	subs, err := b.about(ctx, fed.Stream)
	if err != nil || len(subs) == 0 {
		return err
	}
	for i := range fed.Events {
		ev := &fed.Events[i]
		found, err := b.happened(ctx, ev, subs)
		if err != nil {
			return err
		}
		if err := b.match(ev.ID, ev.Time, found, subs); err != nil {
			return err
		}
	}
	return nil
}

// merged lets the subscriptions of subsumed patients follow to the survivor.
func (b *Broker) merged(ctx context.Context, fed *storage.Fed) error {
	for i := range fed.Events {
		ev := &fed.Events[i]
		if ev.Kind != storage.EventAbsorbed {
			continue
		}
		subsumed, err := ev.Merged()
		if err != nil {
			return err
		}
		for _, s := range subsumed {
			if err := b.o.Book.Follow(ctx, s, fed.Stream); err != nil {
				return err
			}
		}
	}
	return nil
}

// about are the subscriptions to a patient's stream and those to every patient's.
func (b *Broker) about(ctx context.Context, patient storage.Stream) ([]Subscription, error) {
	if !b.known {
		any, err := b.o.Book.Of(ctx, metadata.PatientID{})
		if err != nil {
			return nil, err
		}
		b.any, b.known = any, true
	}
	p, ok := patient.Patient()
	if !ok {
		return b.any, nil
	}
	subs, err := b.o.Book.Of(ctx, p)
	return append(subs, b.any...), err
}

// happening is what became of one object.
type happening struct {
	object metadata.Object
	what   metadata.Happening
}

// happened spells an event out. Objects that it only touches or removes are looked
// up, if a subscription may be about that.
func (b *Broker) happened(ctx context.Context, ev *storage.Event, subs []Subscription) ([]happening, error) {
	var found []happening
	what := metadata.Changed
	if ev.Kind == storage.EventSubmitted {
		what = metadata.Registered
	}
	for i := range ev.Added {
		o := ev.Added[i].Object
		if _, set := o.(*metadata.SubmissionSet); set { // of an update too: it is a new one
			found = append(found, happening{o, metadata.Registered})
			continue
		}
		found = append(found, happening{o, what})
	}
	if len(ev.Touched)+len(ev.Removed) == 0 || !followsChanges(subs) {
		return found, nil
	}
	more, err := b.lookedUp(ctx, ev)
	return append(found, more...), err
}

func followsChanges(subs []Subscription) bool {
	for i := range subs {
		switch subs[i].Topic {
		case metadata.TopicFullDocument, metadata.TopicMinimalDocument, metadata.TopicSubmissionSet:
		default:
			return true
		}
	}
	return false
}

func (b *Broker) lookedUp(ctx context.Context, ev *storage.Event) ([]happening, error) {
	what := make(map[metadata.ID]metadata.Happening)
	var ids []metadata.ID
	note := func(id metadata.ID, h metadata.Happening) {
		if what[id] == 0 {
			ids = append(ids, id)
		}
		what[id] |= h
	}
	for _, t := range ev.Touched {
		switch {
		case t.LastUpdateTime != "":
			note(t.ID, metadata.Filled)
		case t.Status != metadata.StatusUnknown, t.Succession == storage.Newest:
			note(t.ID, metadata.Changed)
		}
	}
	for _, id := range ev.Removed {
		note(id, metadata.Gone)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	state, err := b.o.Index.Lookup(ctx, b.o.Tenant, storage.Refs{IDs: ids, WithRemoved: true})
	if err != nil {
		return nil, err
	}
	var found []happening
	var folders []metadata.ID
	for _, p := range state.Objects {
		id := p.Object.ObjectID()
		if a, ok := p.Object.(*metadata.Association); ok {
			if a.Type == metadata.HasMember && what[id]&metadata.Gone != 0 && what[a.Source] == 0 {
				folders = append(folders, a.Source) // a document left it, if it is one
			}
			continue
		}
		found = append(found, happening{p.Object, what[id]})
	}
	if len(folders) == 0 {
		return found, nil
	}
	if state, err = b.o.Index.Lookup(ctx, b.o.Tenant, storage.Refs{IDs: folders}); err != nil {
		return nil, err
	}
	for _, p := range state.Objects {
		if f, ok := p.Object.(*metadata.Folder); ok {
			found = append(found, happening{f, metadata.Changed})
		}
	}
	return found, nil
}

// match makes the letters of one event.
func (b *Broker) match(event metadata.UUID, at time.Time, found []happening, subs []Subscription) error {
	now := b.o.Clock()
	for i := range subs {
		s := &subs[i]
		if !s.Live(now) || at.Add(skew).Before(s.Created) {
			continue
		}
		notices := s.notices(found)
		for part, n := range notices {
			if err := b.letter(event, s, n, part, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// notices are what s is told of an event: all DocumentEntries at once, each
// SubmissionSet and each Folder by itself (ITI TF-2 3.53.4.1.2). What was removed
// is apart, since it is looked for elsewhere.
func (s *Subscription) notices(found []happening) map[string]*Notice {
	var out map[string]*Notice
	for _, h := range found {
		if !s.Topic.Covers(h.object, h.what) || !s.Filter.Match(h.object) {
			continue
		}
		id, part := h.object.ObjectID(), ""
		gone := h.what&metadata.Gone != 0
		if _, entry := h.object.(*metadata.DocumentEntry); !entry {
			part = string(id)
		}
		if gone {
			part += " gone"
		}
		if out == nil {
			out = make(map[string]*Notice, 1)
		}
		if out[part] == nil {
			out[part] = &Notice{Subscription: s.ID, Gone: gone}
		}
		out[part].Objects = append(out[part].Objects, id)
	}
	return out
}

func (b *Broker) letter(event metadata.UUID, s *Subscription, n *Notice, part string, now time.Time) error {
	l, err := b.write(event, s, n, part, now)
	if err == nil {
		b.letters = append(b.letters, l)
	}
	return err
}

func (b *Broker) write(event metadata.UUID, s *Subscription, n *Notice, part string, now time.Time) (storage.Letter, error) {
	body, err := encodeNotice(n, s.Consumer)
	if err != nil {
		return storage.Letter{}, err
	}
	expires := now.Add(b.o.Retry)
	if s.Ends.Before(expires) {
		expires = s.Ends
	}
	return storage.Letter{
		ID: letterID(event, s.ID, part), Tenant: b.o.Tenant, Queue: storage.QueueNotify,
		Body: body, Created: now, Due: now, Expires: expires,
	}, nil
}

// Publish posts the letters for what somebody published (ITI-54): objects that are
// not in the own log. The same objects published again make no second letter while
// the first one waits. It tells how many subscriptions they match.
func (b *Broker) Publish(ctx context.Context, producer string, objects []metadata.Object) (int, error) {
	whole, err := json.Marshal(objects)
	if err != nil {
		return 0, fmt.Errorf("subscription: what is published cannot be written: %w", err)
	}
	sum := sha256.Sum256(whole)
	event, now := metadata.UUID(sum[:16]), b.o.Clock()
	byPatient, err := b.published(ctx, objects)
	if err != nil {
		return 0, err
	}
	var letters []storage.Letter
	for _, g := range byPatient {
		for i := range g.subs {
			s := &g.subs[i]
			for part, n := range s.notices(g.found) {
				named := n.Objects
				n.Objects, n.Producer = nil, producer
				for _, h := range g.found {
					for _, id := range named {
						if h.object.ObjectID() == id {
							n.Published = append(n.Published, h.object)
						}
					}
				}
				l, err := b.write(event, s, n, part, now)
				if err != nil {
					return 0, err
				}
				letters = append(letters, l)
			}
		}
	}
	if len(letters) == 0 {
		return 0, nil
	}
	return len(letters), b.o.Outbox.Post(ctx, letters)
}

// group is what was published about one patient, and who wants to know.
type group struct {
	found []happening
	subs  []Subscription
}

func (b *Broker) published(ctx context.Context, objects []metadata.Object) (map[metadata.PatientID]*group, error) {
	groups := make(map[metadata.PatientID]*group)
	for _, o := range objects {
		p, ok := patientOf(o)
		if !ok {
			continue
		}
		into, err := b.o.Book.survivor(ctx, p)
		if err != nil {
			return nil, err
		}
		if into != p { // told as what is registered here is
			p = into
			storage.ShowPatient(o, p.CX())
		}
		if groups[p] == nil {
			subs, err := b.o.Book.Of(ctx, p)
			if err != nil {
				return nil, err
			}
			any, err := b.o.Book.Of(ctx, metadata.PatientID{})
			if err != nil {
				return nil, err
			}
			groups[p] = &group{subs: append(subs, any...)}
		}
		groups[p].found = append(groups[p].found, happening{o, metadata.Registered})
	}
	return groups, nil
}

// patientOf is the patient of an object that can be told of.
func patientOf(o metadata.Object) (metadata.PatientID, bool) {
	var cx metadata.CX
	switch o := o.(type) {
	case *metadata.DocumentEntry:
		cx = o.PatientID
	case *metadata.SubmissionSet:
		cx = o.PatientID
	case *metadata.Folder:
		cx = o.PatientID
	}
	p, err := cx.Patient()
	return p, err == nil
}
