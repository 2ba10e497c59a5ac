package registry

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/rules"
	"samdok/storage"
)

// Sender speaks to somebody else's Document Registry.
type Sender interface {
	// Ready is nil when a submission may be tried; an error says since when the
	// registry cannot be reached. It asks nobody.
	Ready() error
	// Register sends ITI-42 and returns the registry's warnings. Its errors are
	// ErrNotSent, *fault.Error of kind Invalid with the registry's own problems, and
	// others, after which nobody knows whether the submission was registered.
	Register(ctx context.Context, s *metadata.Submission) ([]fault.Problem, error)
	// Sets asks for the entryUUIDs of the submission sets with a uniqueId (ITI-18).
	Sets(ctx context.Context, uniqueID string) ([]metadata.ID, error)
	// Encode and Decode keep a submission as it is sent.
	Encode(s *metadata.Submission) []byte
	Decode(b []byte) (*metadata.Submission, error)
}

// ErrNotSent: the registry was not reached, so that it has registered nothing.
var ErrNotSent = errors.New("registry: the registry was not reached")

// RemoteOptions of a Remote. All but Logger and Patience are required.
type RemoteOptions struct {
	Log    storage.Log
	Outbox storage.Outbox
	Sender Sender
	Clock  func() time.Time
	// Destroy deletes the bytes of documents that were refused.
	Destroy func(context.Context, storage.DocumentKey) error
	// Patience is how long after its beginning a submission is no longer in
	// somebody's hands; 0: 5 minutes. It must be longer than a Submit may take.
	Patience time.Duration
	Logger   *slog.Logger
}

// Remote registers what the own repository stored with somebody else's registry.
//
// It keeps holdings: the entries of each submission with the keys of their bytes,
// in the patient's stream of the own log, under ids of their own. They are durable
// before the submission is sent, so that a document can be retrieved as soon as
// the registry may have told anybody of it, and the sweep never takes it. A
// letter, older than they, owes the answer to what became of the submission; it
// is settled when that is known. When the registry refused, the holdings are
// removed and the bytes destroyed.
type Remote struct {
	o RemoteOptions
}

// NewRemote makes a Remote.
func NewRemote(o RemoteOptions) *Remote {
	if o.Patience <= 0 {
		o.Patience = 5 * time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Remote{o}
}

// never is when a letter expires: a submission of unknown fate is asked about
// until it is known.
const never = 100 * 365 * 24 * time.Hour

// Ready is an error while it makes no sense to take documents in.
func (r *Remote) Ready(context.Context) error {
	if err := r.o.Sender.Ready(); err != nil {
		return notAvailable(fault.Busy, err)
	}
	return nil
}

func notAvailable(kind fault.Kind, err error) error {
	if kind == fault.Busy {
		return fault.Wrap(err, kind, "registry.Remote", fault.RegistryNotAvailable,
			"The registry that this repository registers documents with cannot be reached. Nothing was stored; send the submission again later.")
	}
	return fault.Wrap(err, kind, "registry.Remote", fault.RegistryNotAvailable,
		"The registry that this repository registers documents with has not answered. The documents are kept, and the repository goes on asking until it knows. Look whether they are registered before you send the submission again.")
}

// Submit registers a submission whose documents are stored. Errors are as those of
// Registry.Submit; the registry's own problems are passed on as they are. After
// fault.Unavailable the outcome is unknown, and Settle finds it.
func (r *Remote) Submit(ctx context.Context, t access.Tenant, s Submission) (Receipt, error) {
	in := newIntake(s)
	in.before = append(in.before, rules.Check(in.sub, rules.Repository)...)
	if err := fault.Of("registry.Remote", in.before); err != nil {
		return Receipt{}, err
	}
	patient, err := in.sub.Set.PatientID.Patient()
	if err != nil {
		return Receipt{}, fault.New(fault.Invalid, "registry.Remote", fault.RegistryMetadataError, "The submission set's patientId cannot be read: %v.", err)
	}
	in.stream = storage.PatientStream(patient)
	in.assign()
	in.unstate()
	now := r.o.Clock().UTC()
	event := in.holding(now)
	letter := storage.Letter{ID: event.ID, Tenant: t, Queue: storage.QueueRegister, Created: now, Due: now.Add(r.o.Patience), Expires: now.Add(never),
		Body: owed{stream: in.stream, message: r.o.Sender.Encode(in.sub)}.encode()}
	if err := r.o.Outbox.Post(ctx, []storage.Letter{letter}); err != nil {
		return Receipt{}, broken("registry.Remote", err)
	}
	if err := r.hold(ctx, t, in, event); err != nil {
		if fault.KindOf(err) == fault.Invalid {
			r.settled(ctx, letter)
		}
		return Receipt{}, err
	}
	warnings, err := r.o.Sender.Register(ctx, in.sub)
	if err == nil {
		r.settled(ctx, letter)
		return Receipt{Warnings: append(in.before, foreign(warnings)...), IDs: in.ids}, nil
	}
	// What follows must not depend on the sender's patience with the registry.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if !in.repeated && duplicate(err) {
		// A message that was delivered twice on the way is refused the second time.
		is, _, asked := r.knows(ctx, in.sub)
		if is {
			r.settled(ctx, letter)
			return Receipt{Warnings: in.before, IDs: in.ids}, nil
		}
		if asked != nil {
			err = errors.New(asked.Error()) // of the question, it says nothing about the submission
		}
	}
	refusal := refused(err)
	if errors.Is(err, ErrNotSent) {
		r.o.Logger.WarnContext(ctx, "a submission could not be sent to the registry and was refused", "error", err)
	}
	if refusal == nil {
		r.o.Logger.WarnContext(ctx, "it is not known whether the registry has registered a submission; it will be asked", "letter", letter.ID.String(), "error", err)
		if _, err := r.o.Outbox.Revive(ctx, letter.ID, r.o.Clock().Add(again), letter.Expires); err != nil {
			r.o.Logger.WarnContext(ctx, "it will be asked later than it could be", "letter", letter.ID.String(), "error", err)
		}
		return Receipt{}, notAvailable(fault.Unavailable, err)
	}
	if err := r.drop(ctx, t, in.stream, event.ID, false); err != nil {
		// The log still binds the bytes: they must stay, and the letter with them.
		r.o.Logger.ErrorContext(ctx, "what the registry refused could not be forgotten; it will be tried again", "letter", letter.ID.String(), "error", err)
		return Receipt{}, notAvailable(fault.Unavailable, err)
	}
	r.settled(ctx, letter)
	return Receipt{}, refusal
}

// refused is the answer when it is certain that nothing was registered; nil when
// it is not.
func refused(err error) error {
	if errors.Is(err, ErrNotSent) {
		return notAvailable(fault.Busy, err)
	}
	var f *fault.Error
	if errors.As(err, &f) && f.Kind == fault.Invalid {
		return &fault.Error{Op: "registry.Remote", Kind: fault.Invalid, Problems: foreign(f.Problems), Err: f.Err}
	}
	return nil
}

// duplicate tells whether the registry has the submission set already.
func duplicate(err error) bool {
	var f *fault.Error
	return errors.As(err, &f) && f.Kind == fault.Invalid && slices.ContainsFunc(f.Problems, func(p fault.Problem) bool { return p.Code == fault.DuplicateUniqueID })
}

// foreign marks problems as another actor's words.
func foreign(problems []fault.Problem) []fault.Problem {
	for i := range problems {
		problems[i].Foreign = true
	}
	return problems
}

// unstate takes away what a registry gives to objects.
func (in *intake) unstate() {
	set := &in.sub.Set
	set.Status, set.LogicalID, set.Version = metadata.StatusUnknown, "", 0
	for _, e := range in.sub.Entries {
		e.Status, e.LogicalID, e.Version = metadata.StatusUnknown, "", 0
	}
	for _, f := range in.sub.Folders {
		f.Status, f.LogicalID, f.Version, f.LastUpdateTime = metadata.StatusUnknown, "", 0, ""
	}
	for _, a := range in.sub.Associations {
		a.Status = metadata.StatusUnknown
	}
}

// holding is the event that keeps the entries and the keys of their bytes. Their
// ids are new: the registry's say who they are there, and a submission that was
// refused may come again under the same ones.
func (in *intake) holding(now time.Time) storage.Event {
	ev := storage.Event{Kind: storage.EventSubmitted, ID: metadata.NewUUID(), Time: now}
	for _, sent := range in.sub.Entries {
		e := sent.Clone()
		key := in.Documents[in.name(e.ID)]
		e.ID = metadata.NewUUID().ID()
		e.Status, e.LogicalID, e.Version = metadata.Approved, e.ID, 1
		metadata.FillIDs(e)
		a := storage.Added{Object: e, Document: key}
		if in.Controller != nil {
			a.Controller = in.Controller(e)
		}
		ev.Added = append(ev.Added, a)
	}
	return ev
}

// hold appends the holdings to the patient's stream. A uniqueId that is held for
// other bytes is refused (ITI TF-2 3.41.4.1.3).
func (r *Remote) hold(ctx context.Context, t access.Tenant, in *intake, ev storage.Event) error {
	c := storage.Change{Stream: in.stream, Events: []storage.Event{ev}}
	for _, a := range ev.Added {
		e := a.Object.(*metadata.DocumentEntry)
		c.Claims = append(c.Claims, storage.Claim{ID: e.UniqueID, Value: contentOf(e)})
	}
	local := Registry{log: r.o.Log, limits: Limits{}.withDefaults()}
	_, err := retry(ctx, &local, "registry.Remote", func() (struct{}, error) {
		state, version, err := r.o.Log.Load(ctx, t, c.Stream, storage.Refs{UniqueIDs: uniqueIDs(ev)})
		if err != nil {
			return struct{}{}, err
		}
		if err := fault.Of("registry.Remote", otherBytes(state, ev)); err != nil {
			return struct{}{}, err
		}
		c.Expect = version
		in.repeated = len(state.Objects) > 0
		return struct{}{}, local.append(ctx, t, []storage.Change{c})
	})
	return err
}

func uniqueIDs(ev storage.Event) []string {
	var ids []string
	for _, a := range ev.Added {
		ids = append(ids, metadata.UniqueIDOf(a.Object))
	}
	return unique(ids)
}

// otherBytes are the problems of uniqueIds that are held for other content.
func otherBytes(held storage.State, ev storage.Event) []fault.Problem {
	var problems []fault.Problem
	for _, a := range ev.Added {
		e := a.Object.(*metadata.DocumentEntry)
		for _, p := range held.Objects {
			h, ok := p.Object.(*metadata.DocumentEntry)
			if ok && h.UniqueID == e.UniqueID && contentOf(h) != contentOf(e) {
				problems = append(problems, problem(fault.NonIdenticalHash, "%s: this repository holds other bytes under this uniqueId.", e.UniqueID))
				break
			}
		}
	}
	return problems
}

// drop removes the holdings of an event, so that nothing leads to their bytes any
// more; with destroy the bytes too.
func (r *Remote) drop(ctx context.Context, t access.Tenant, s storage.Stream, event metadata.UUID, destroy bool) error {
	local := Registry{log: r.o.Log, limits: Limits{}.withDefaults()}
	var keys []storage.DocumentKey
	_, err := retry(ctx, &local, "registry.Remote", func() (struct{}, error) {
		ids, err := r.held(ctx, t, s, event)
		if err != nil || len(ids) == 0 {
			return struct{}{}, err
		}
		_, version, err := r.o.Log.Load(ctx, t, s, storage.Refs{})
		if err != nil {
			return struct{}{}, err
		}
		// After the version: what is seen now holds at it, or the append fails.
		state, _, err := r.o.Log.Load(ctx, t, storage.Stream{}, storage.Refs{IDs: ids})
		if err != nil {
			return struct{}{}, err
		}
		ev := storage.Event{Kind: storage.EventRemoved, ID: metadata.NewUUID(), Time: r.o.Clock().UTC()}
		keys = keys[:0]
		for _, p := range state.Objects {
			id := p.Object.ObjectID()
			ev.Touched = append(ev.Touched, storage.Touch{ID: id, Unbind: true})
			ev.Removed = append(ev.Removed, id)
			if p.Document != "" {
				keys = append(keys, p.Document)
			}
		}
		if len(ev.Removed) == 0 {
			return struct{}{}, nil
		}
		return struct{}{}, local.append(ctx, t, []storage.Change{{Stream: s, Expect: version, Events: []storage.Event{ev}}})
	})
	if err != nil || !destroy {
		return err
	}
	for _, key := range keys {
		if err := r.o.Destroy(ctx, key); err != nil {
			r.o.Logger.WarnContext(ctx, "a document that the registry refused could not be deleted; the sweep will", "key", string(key), "error", err)
		}
	}
	return nil
}

// held are the ids of an event's holdings.
func (r *Remote) held(ctx context.Context, t access.Tenant, s storage.Stream, event metadata.UUID) ([]metadata.ID, error) {
	for ev, err := range r.o.Log.Events(ctx, t, s, 0) {
		if err != nil {
			return nil, err
		}
		if ev.ID != event {
			continue
		}
		ids := make([]metadata.ID, len(ev.Added))
		for i, a := range ev.Added {
			ids[i] = a.Object.ObjectID()
		}
		return ids, nil
	}
	return nil, nil
}

func (r *Remote) settled(ctx context.Context, l storage.Letter) {
	if err := r.o.Outbox.Settle(ctx, l); err != nil {
		r.o.Logger.WarnContext(ctx, "a letter could not be settled; the registry will be asked once more", "letter", l.ID.String(), "error", err)
	}
}
