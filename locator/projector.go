package locator

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"samdok/access"
	"samdok/metadata"
	"samdok/storage"
)

// ProjectorOptions of NewProjector. All but Own and Letters are required.
type ProjectorOptions struct {
	Feed interface {
		Feed(ctx context.Context, t access.Tenant, after storage.Position) iter.Seq2[storage.Fed, error]
	}
	Index  storage.Index
	Outbox storage.Outbox
	Tenant access.Tenant
	Clock  func() time.Time
	// Source is the own community, and the registry whose log it is.
	Source Source
	// Own takes statements at once; nil: there is no own locator.
	Own func(context.Context, []Statement) error
	// Letters is how long another locator is tried to be told; 0: there is none.
	Letters time.Duration
}

// Projector makes statements of what the own log says.
type Projector struct {
	o           ProjectorOptions
	at, durable storage.Position
	begun       bool
	behind      int
	patients    []storage.Stream // that changed, each once
	seen        map[storage.Stream]bool
	stamp       atomic.Int64
}

// cursor is the projector's name in the outbox.
const cursor = "locate"

const (
	// manyPatients and manyChanges end a step: what it made is told or posted, and the
	// cursor moves.
	manyPatients = 256
	manyChanges  = 4096
	// inLetter is how many patients a letter is about.
	inLetter = 64
)

// NewProjector makes a Projector. Run is called by one goroutine.
func NewProjector(o ProjectorOptions) *Projector {
	return &Projector{o: o, seen: map[storage.Stream]bool{}}
}

// Run follows the log to its end. It tells how many letters it posted. A crash loses
// nothing: what was stated and not noted is stated again, which changes nothing.
func (p *Projector) Run(ctx context.Context) (posted int, err error) {
	if !p.begun {
		if p.at, err = p.o.Outbox.Cursor(ctx, cursor); err != nil {
			return 0, err
		}
		p.durable, p.begun = p.at, true
	}
	defer func() {
		if err != nil { // begin again where the cursor is
			p.begun, p.behind = false, 0
			p.forget()
		}
	}()
	for fed, err := range p.o.Feed.Feed(ctx, p.o.Tenant, p.at) {
		if err != nil {
			return posted, err
		}
		p.note(&fed)
		p.at = fed.Position
		if p.behind++; len(p.patients) >= manyPatients || p.behind >= manyChanges {
			n, err := p.advance(ctx)
			if posted += n; err != nil {
				return posted, err
			}
		}
	}
	if len(p.patients) == 0 { // the cursor follows later: to read again costs less than to write
		return posted, nil
	}
	n, err := p.advance(ctx)
	return posted + n, err
}

// Flush moves the cursor to where the projector is.
func (p *Projector) Flush(ctx context.Context) error {
	if !p.begun || p.at == p.durable {
		return nil
	}
	_, err := p.advance(ctx)
	return err
}

// Restart has everything stated again: the cursor goes back to the beginning. It is
// called by the goroutine of Run.
func (p *Projector) Restart(ctx context.Context) error {
	p.begun, p.behind = false, 0
	p.forget()
	from, err := p.o.Outbox.Cursor(ctx, cursor)
	if err != nil || from == "" {
		return err
	}
	return p.o.Outbox.Advance(ctx, cursor, from, "", nil)
}

// note keeps whose stream a change is of, if it is about more than who the patient is.
func (p *Projector) note(fed *storage.Fed) {
	if fed.Stream.Kind != storage.StreamPatient || p.seen[fed.Stream] {
		return
	}
	for i := range fed.Events {
		e := &fed.Events[i]
		if len(e.Added)+len(e.Touched)+len(e.Removed) > 0 || e.Kind == storage.EventMergedInto || e.Kind == storage.EventAbsorbed {
			p.seen[fed.Stream] = true
			p.patients = append(p.patients, fed.Stream)
			return
		}
	}
}

func (p *Projector) forget() {
	p.patients = p.patients[:0]
	clear(p.seen)
}

func (p *Projector) advance(ctx context.Context) (posted int, err error) {
	if p.o.Own != nil && len(p.patients) > 0 {
		all, err := p.Statements(ctx, p.patients, LevelSystem)
		if err != nil {
			return 0, err
		}
		if err := p.o.Own(ctx, all); err != nil {
			return 0, err
		}
	}
	var letters []storage.Letter
	if p.o.Letters > 0 {
		letters = p.letters()
	}
	if err := p.o.Outbox.Advance(ctx, cursor, p.durable, p.at, letters); err != nil {
		return 0, err
	}
	p.durable, p.behind = p.at, 0
	p.forget()
	return len(letters), nil
}

// letters name the patients whose holdings another locator is told when they are
// delivered.
func (p *Projector) letters() (all []storage.Letter) {
	now := p.o.Clock()
	for rest := p.patients; len(rest) > 0; {
		n := min(len(rest), inLetter)
		body := encodePatients(rest[:n])
		all = append(all, storage.Letter{ID: letterID(p.at, body), Tenant: p.o.Tenant, Queue: storage.QueueLocate, Body: body, Created: now, Due: now, Expires: now.Add(p.o.Letters)})
		rest = rest[n:]
	}
	return all
}

// letterID is the same for the same patients up to the same place in the log.
func letterID(at storage.Position, body []byte) metadata.UUID {
	h := sha256.New()
	h.Write([]byte("samdok holdings 1\x00" + string(at) + "\x00"))
	h.Write(body)
	var u metadata.UUID
	copy(u[:], h.Sum(nil))
	u[6] = u[6]&0x0f | 0x80 // version 8: of our own making
	u[8] = u[8]&0x3f | 0x80
	return u
}

const letterVersion = 1

var errLetter = errors.New("locator: a letter cannot be read; was it written by a newer samdok?")

// encodePatients is the body of a letter: a version, and each stream's ID with its
// length before it.
func encodePatients(streams []storage.Stream) []byte {
	b := []byte{letterVersion}
	for _, s := range streams {
		b = binary.AppendUvarint(b, uint64(len(s.ID)))
		b = append(b, s.ID...)
	}
	return b
}

// DecodePatients reads the body of a letter.
func DecodePatients(b []byte) (streams []storage.Stream, err error) {
	if len(b) == 0 || b[0] != letterVersion {
		return nil, errLetter
	}
	for b = b[1:]; len(b) > 0; {
		n, w := binary.Uvarint(b)
		if w <= 0 || n > uint64(len(b)-w) {
			return nil, errLetter
		}
		streams = append(streams, storage.Stream{Kind: storage.StreamPatient, ID: string(b[w : w+int(n)])})
		b = b[w+int(n):]
	}
	return streams, nil
}

// now is the time, later each time: statements about one patient must not be of the
// same moment.
func (p *Projector) now() time.Time {
	for {
		last := p.stamp.Load()
		is := max(micros(p.o.Clock()), last+1)
		if p.stamp.CompareAndSwap(last, is) {
			return fromMicros(is)
		}
	}
}

// Statements say what the log holds now about the patients of streams.
func (p *Projector) Statements(ctx context.Context, streams []storage.Stream, level Level) ([]Statement, error) {
	all := make([]Statement, 0, len(streams))
	for _, stream := range streams {
		patient, ok := stream.Patient()
		if !ok {
			continue
		}
		s := Statement{Patient: patient, Source: p.o.Source, AsOf: p.now(), Told: ToldByLog} // before it is read
		if level == LevelOrganisation {
			s.Source.System = ""
		}
		if s.Check() != nil { // an id that no locator takes
			continue
		}
		var err error
		if s.Held, err = p.held(ctx, stream, level); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// held is what a patient's stream holds, by organisation, kind and class.
func (p *Projector) held(ctx context.Context, stream storage.Stream, level Level) ([]Held, error) {
	var list []Held
	at := map[Held]int{}
	add := func(h Held, day time.Time) {
		i, there := at[h]
		if !there {
			if len(list) == MaxHeld {
				return // that the community holds something is said all the same
			}
			i = len(list)
			at[h] = i
			list = append(list, h)
		}
		if !day.IsZero() && (list[i].First.IsZero() || day.Before(list[i].First)) {
			list[i].First = day
		}
		if day.After(list[i].Last) {
			list[i].Last = day
		}
	}
	var other []Held // submission sets and folders, which count when there is no document
	filter := storage.Filter{Documents: &metadata.DocumentFilter{Kinds: []metadata.EntryKind{metadata.Stable, metadata.OnDemand}}, SubmissionSets: &metadata.SubmissionSetFilter{}, Folders: &metadata.FolderFilter{}}
	for placed, err := range p.o.Index.Find(ctx, p.o.Tenant, stream, filter, access.Restriction{}) {
		if err != nil {
			return nil, err
		}
		h, day := describe(&placed, level)
		if _, document := placed.Object.(*metadata.DocumentEntry); document {
			add(h, day)
		} else if !slices.Contains(other, h) && len(other) < MaxHeld {
			other = append(other, h)
		}
	}
	if len(list) == 0 {
		list = other
	}
	return list, nil
}

// describe is what a registered object counts as, and the day it is of.
func describe(placed *storage.Placed, level Level) (h Held, day time.Time) {
	if plain(placed.Controller) {
		h.Organisation = placed.Controller
	}
	h.Kind = KindAny
	e, ok := placed.Object.(*metadata.DocumentEntry)
	if !ok {
		return h, day
	}
	if t, err := e.CreationTime.Time(); err == nil && t.Year() >= 1900 && t.Year() < 3000 {
		y, m, d := t.UTC().Date()
		day = time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	}
	if level == LevelOrganisation {
		return h, day
	}
	h.Kind = KindDocuments
	if strings.HasPrefix(e.MimeType, "application/dicom") {
		h.Kind = KindImages
	}
	if class := e.ClassCode.Ref(); plain(class.Value) && plain(class.Scheme) {
		h.Class = class
	}
	return h, day
}

// Notice is a statement of what a notification of documents tells (ITI-53): that the
// community of the documents holds something. Nil: it tells nothing that can be
// stated. The home of entries without one is given.
func Notice(e *metadata.DocumentEntry, home string, now time.Time) *Statement {
	patient, err := e.PatientID.Patient()
	if err != nil {
		return nil
	}
	if e.Home != "" {
		home = e.Home
	}
	h, day := describe(&storage.Placed{Added: storage.Added{Object: e}}, LevelSystem)
	h.First, h.Last = day, day
	s := &Statement{Patient: patient, Source: Source{home, e.RepositoryID}, AsOf: now, Held: []Held{h}, Adds: true, Told: ToldByNotice}
	if p := s.Check(); p != nil {
		return nil
	}
	return s
}

// errUntold: not everything was told yet.
var errUntold = errors.New("locator: letters wait")

// UpTo is the moment up to which everything in the log was told to everybody who is
// told, given that Run came to the end of the log at a time. An error: letters were
// given up, or wait for longer than patience.
func (p *Projector) UpTo(ctx context.Context, end time.Time, patience time.Duration) (time.Time, error) {
	if p.o.Letters == 0 {
		return end, nil
	}
	b, err := p.o.Outbox.Count(ctx, storage.QueueLocate)
	switch {
	case err != nil:
		return end, err
	case b.Dead > 0:
		return end, fmt.Errorf("%w: %d were given up; see samdok outbox", errUntold, b.Dead)
	case b.Waiting > 0 && end.Sub(b.Oldest) > patience:
		return end, fmt.Errorf("%w: %d, the oldest since %s", errUntold, b.Waiting, b.Oldest.UTC().Format(time.RFC3339))
	case b.Waiting > 0 && b.Oldest.Before(end):
		return b.Oldest, nil
	}
	return end, nil
}
