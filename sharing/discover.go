package sharing

import (
	"context"
	"errors"
	"time"

	"samdok/access"
	"samdok/access/guard"
	"samdok/discovery"
	"samdok/fault"
	"samdok/metadata"
	"samdok/storage"
)

// Discoverer tells other communities about patients. Every call is recorded. To a
// caller who may not know a patient there is none.
type Discoverer interface {
	// Discover answers who a patient is (ITI-55). A *discovery.Error is trouble of
	// the standard.
	Discover(ctx context.Context, c access.Caller, q discovery.Query) (discovery.Answer, error)
	// LocatePatient answers where a patient has data (ITI-56); nothing when that is
	// not known here.
	LocatePatient(ctx context.Context, c access.Caller, patient metadata.PatientID) ([]discovery.Location, error)
}

// DiscoveryOptions of a Discovery. Own and Log are required.
type DiscoveryOptions struct {
	Own *Sharing
	Log storage.Log
	// Names answers queries without an id too, from an index that Follow keeps.
	Names bool
	// Elsewhere tells which other communities have a patient; nil: this server does
	// not know where patients have data.
	Elsewhere func(metadata.PatientID) []discovery.Location
}

// Discovery implements Discoverer from the own registry: which patients there are,
// which were merged, and what the documents say of them (sourcePatientInfo). It is safe
// for concurrent use.
type Discovery struct {
	o      DiscoveryOptions
	people *discovery.People
	turn   chan struct{} // of who follows the log
	seen   storage.Position
}

var _ Discoverer = (*Discovery)(nil)

// NewDiscovery makes a Discovery.
func NewDiscovery(o DiscoveryOptions) *Discovery {
	return &Discovery{o: o, people: discovery.NewPeople(), turn: make(chan struct{}, 1)}
}

const (
	// followWait is how long a query waits for the index to catch up with the log.
	followWait = 2 * time.Second
	// readEntries is how many documents are looked at for what they say of a patient.
	readEntries = 200
)

// Discover implements Discoverer.
func (d *Discovery) Discover(ctx context.Context, c access.Caller, q discovery.Query) (discovery.Answer, error) {
	req := d.o.Own.request(c, access.ActionDiscover, "ITI-55")
	req.Patients = q.IDs
	answer, err := guard.Do(ctx, d.o.Own.guard, req, func(ctx context.Context, pass *guard.Pass) (discovery.Answer, error) {
		answer, err := d.answer(ctx, pass, &q)
		pass.Showed(items(answer.Candidates)...)
		noteTrouble(pass, err)
		return answer, err
	})
	if isDenied(err) {
		return discovery.Answer{}, nil
	}
	return answer, err
}

// answer is what the caller may know of who fits a query.
func (d *Discovery) answer(ctx context.Context, pass *guard.Pass, q *discovery.Query) (discovery.Answer, error) {
	found, err := d.candidates(ctx, q)
	if err != nil {
		return discovery.Answer{}, err
	}
	if found, err = allowed(ctx, pass, found, items(found)); err != nil {
		return discovery.Answer{}, err
	}
	if more := apart(q, found); len(more) > 0 {
		return discovery.Answer{More: more}, nil
	}
	return discovery.Answer{Candidates: tell(q, found)}, nil
}

// candidates are the patients that fit a query: those of its ids, or, when none of them
// is known, those of its name and day of birth.
func (d *Discovery) candidates(ctx context.Context, q *discovery.Query) ([]discovery.Candidate, error) {
	found, err := d.fitting(ctx, q, q.IDs, true)
	if err != nil || len(found) > 0 || !d.o.Names || !q.Demographic() {
		if err == nil && len(q.IDs) == 0 && !(d.o.Names && q.Demographic()) {
			err = unanswerable("The query says too little: a patient id is needed here.")
		}
		return found, err
	}
	if err := d.follow(ctx); err != nil {
		return nil, err
	}
	ids, crowded := d.people.Find(q.Person)
	if crowded {
		return nil, unanswerable("Too many patients have that name and day of birth.")
	}
	return d.fitting(ctx, q, ids, false)
}

// unanswerable is a query that has no answer as it is: nothing here has failed.
func unanswerable(text string) error {
	return &fault.Error{Op: "sharing.Discover", Kind: fault.Invalid, Err: &discovery.Error{Trouble: discovery.NotAvailable, Text: text}}
}

// noteTrouble puts into the record why a query has no answer, for which ITI-55 has words
// of its own.
func noteTrouble(pass *guard.Pass, err error) {
	var trouble *discovery.Error
	if errors.As(err, &trouble) {
		pass.Note("refused", trouble.Text)
	}
}

// fitting keeps the ids whose patients fit the query, each patient once.
func (d *Discovery) fitting(ctx context.Context, q *discovery.Query, ids []metadata.PatientID, named bool) (found []discovery.Candidate, err error) {
	for _, id := range ids {
		c, ok, err := d.patient(ctx, id)
		if err != nil {
			return nil, err
		}
		if c.Degree = discovery.Degree(q, c.Person, named); !ok || c.Degree == 0 || c.Degree < q.Minimum || contains(found, c.ID) {
			continue
		}
		found = append(found, c)
	}
	return found, nil
}

func contains(list []discovery.Candidate, id metadata.PatientID) bool {
	for i := range list {
		if list[i].ID == id {
			return true
		}
	}
	return false
}

// patient is who an id names now: a D-number that was merged leads to the identity
// number that the patient has today. false: there is nobody.
func (d *Discovery) patient(ctx context.Context, id metadata.PatientID) (c discovery.Candidate, ok bool, err error) {
	s := d.o.Own
	stream := storage.PatientStream(id)
	state, _, err := d.o.Log.Load(ctx, s.tenant, stream, storage.Refs{})
	if err != nil {
		return c, false, err
	}
	c = discovery.Candidate{ID: id, Home: s.home, Locator: d.o.Elsewhere != nil}
	if into, merged := state.Standing.Into.Patient(); merged {
		c.ID, c.Others, stream, ok = into, []metadata.PatientID{id}, state.Standing.Into, true
	}
	ok = ok || state.Standing.Known
	read := 0
	every := storage.Filter{Documents: &metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved, metadata.Deprecated}, Kinds: []metadata.EntryKind{metadata.Stable, metadata.OnDemand}}}
	for placed, err := range s.index.Find(ctx, s.tenant, stream, every, access.Restriction{}) {
		if err != nil {
			return c, false, err
		}
		ok = true
		if e, is := placed.Object.(*metadata.DocumentEntry); is && len(e.SourcePatientInfo) > 0 {
			c.Person = discovery.Of(e.SourcePatientInfo)
		}
		if read++; read == readEntries {
			break
		}
	}
	return c, ok, nil
}

// Person is what is known here of a patient, for asking others who that is there. It is
// part of another use case, which makes the record.
func (d *Discovery) Person(ctx context.Context, id metadata.PatientID) (discovery.Person, error) {
	c, _, err := d.patient(ctx, id)
	return c.Person, err
}

// allowed are the candidates that the caller may know of; items are what is decided on.
func allowed(ctx context.Context, pass *guard.Pass, found []discovery.Candidate, items []access.Item) ([]discovery.Candidate, error) {
	decisions, err := pass.Decide(ctx, items)
	if err != nil {
		return nil, err
	}
	kept := found[:0]
	for i := range decisions {
		if decisions[i].Effect == access.Allow {
			kept = append(kept, found[i])
		}
	}
	return kept, nil
}

func items(found []discovery.Candidate) []access.Item {
	list := make([]access.Item, len(found))
	for i := range found {
		list[i] = access.Item{Kind: access.ItemPatient, Patient: found[i].ID}
	}
	return list
}

// apart asks for the gender when that would tell candidates apart and the query does
// not say it (case 3 of ITI TF-2 3.55.4.2.3).
func apart(q *discovery.Query, found []discovery.Candidate) []discovery.Attribute {
	if len(found) < 2 || q.Gender != "" {
		return nil
	}
	for i := range found {
		if found[i].Person.Gender != found[0].Person.Gender {
			return []discovery.Attribute{discovery.GenderRequested}
		}
	}
	return nil
}

// tell leaves of each person only what the query said itself and what is known too: who
// asks with an id learns no name.
func tell(q *discovery.Query, found []discovery.Candidate) []discovery.Candidate {
	for i := range found {
		known := found[i].Person
		var said discovery.Person
		if len(known.Names) > 0 {
			said.Names = q.Names
		}
		if known.Birth != "" {
			said.Birth = q.Birth
		}
		if known.Gender != "" {
			said.Gender = q.Gender
		}
		found[i].Person = said
	}
	return found
}

// Follow brings the index of names up to the log. The first time it reads all of it.
func (d *Discovery) Follow(ctx context.Context) error {
	select {
	case d.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-d.turn }()
	for fed, err := range d.o.Log.Feed(ctx, d.o.Own.tenant, d.seen) {
		if errors.Is(err, storage.ErrPosition) { // another log, as after a restore
			d.seen = ""
		}
		if err != nil {
			return err
		}
		for i := range fed.Events {
			d.learn(&fed.Events[i])
		}
		d.seen = fed.Position
	}
	return nil
}

func (d *Discovery) learn(e *storage.Event) {
	for i := range e.Added {
		entry, ok := e.Added[i].Object.(*metadata.DocumentEntry)
		if !ok || len(entry.SourcePatientInfo) == 0 {
			continue
		}
		if id, err := entry.PatientID.Patient(); err == nil {
			d.people.Add(id, discovery.Of(entry.SourcePatientInfo))
		}
	}
}

// follow is Follow for a query, which does not wait long.
func (d *Discovery) follow(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, followWait)
	defer cancel()
	err := d.Follow(within)
	if err != nil && ctx.Err() == nil && within.Err() != nil {
		return &discovery.Error{Trouble: discovery.Busy, Text: "The index of names is being made. Ask again later."}
	}
	return err
}

// LocatePatient implements Discoverer.
func (d *Discovery) LocatePatient(ctx context.Context, c access.Caller, patient metadata.PatientID) ([]discovery.Location, error) {
	req := d.o.Own.request(c, access.ActionLocatePatient, "ITI-56")
	req.Patients = []metadata.PatientID{patient}
	all, err := guard.Do(ctx, d.o.Own.guard, req, func(ctx context.Context, pass *guard.Pass) ([]discovery.Location, error) {
		if d.o.Elsewhere == nil {
			return nil, nil
		}
		own, ok, err := d.patient(ctx, patient)
		if err != nil {
			return nil, err
		}
		all := d.o.Elsewhere(own.ID)
		if ok {
			all = append([]discovery.Location{{Home: own.Home, ID: own.ID}}, all...)
		}
		if len(all) == 0 {
			return nil, nil
		}
		item := access.Item{Kind: access.ItemPatient, Patient: own.ID}
		decisions, err := pass.Decide(ctx, []access.Item{item})
		if err != nil || decisions[0].Effect != access.Allow {
			return nil, err
		}
		pass.Showed(item)
		return all, nil
	})
	if isDenied(err) {
		return nil, nil
	}
	return all, err
}
