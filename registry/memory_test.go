package registry_test

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"strconv"
	"sync"

	"samdok/access"
	"samdok/metadata"
	"samdok/storage"
)

// memory is the plainest engine: what storage promises, in maps, with a place
// for faults. The rules are tested on it; what needs a real engine runs on
// storage/sqlite.
type memory struct {
	mu      sync.Mutex
	events  map[storage.Stream][]storage.Event
	order   []metadata.ID
	fed     []storage.Fed
	objects map[metadata.ID]storage.Placed
	claims  map[string][]storage.Claim
	known   map[storage.Stream]bool
	into    map[storage.Stream]storage.Stream

	loads     int
	conflicts int   // the next Appends fail with ErrConflict
	lose      error // Append does its work and returns this
	refuse    error // Append does nothing and returns this
	onLoad    func()
	onAppend  func()
}

func newMemory() *memory {
	return &memory{
		events:  make(map[storage.Stream][]storage.Event),
		objects: make(map[metadata.ID]storage.Placed),
		claims:  make(map[string][]storage.Claim),
		known:   make(map[storage.Stream]bool),
		into:    make(map[storage.Stream]storage.Stream),
	}
}

// survivor is the stream that one lives on in.
func (m *memory) survivor(s storage.Stream) storage.Stream {
	for {
		next, ok := m.into[s]
		if !ok {
			return s
		}
		s = next
	}
}

// placed is an object as it is found.
func (m *memory) placed(id metadata.ID) storage.Placed {
	p := m.objects[id]
	p.Object = metadata.CloneObject(p.Object)
	if of := m.survivor(p.Stream); of != p.Stream {
		p.Stream = of
		patient, _ := of.Patient()
		storage.ShowPatient(p.Object, patient.CX())
	}
	return p
}

func (m *memory) standing(s storage.Stream) storage.Standing {
	st := storage.Standing{Known: m.known[s]}
	if _, closed := m.into[s]; closed {
		st.Into = m.survivor(s)
	}
	return st
}

func (m *memory) Load(_ context.Context, t access.Tenant, s storage.Stream, refs storage.Refs) (storage.State, storage.Version, error) {
	if f := m.onLoad; f != nil {
		m.onLoad = nil
		f()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loads++
	st := m.lookup(refs)
	st.Standing = m.standing(s)
	return st, storage.Version(len(m.events[s])), nil
}

func (m *memory) lookup(refs storage.Refs) storage.State {
	ids, uniques, of, lids := map[metadata.ID]bool{}, map[string]bool{}, map[metadata.ID]bool{}, map[metadata.ID]bool{}
	for _, id := range refs.LogicalIDs {
		lids[id] = true
	}
	for _, id := range refs.IDs {
		ids[id] = true
	}
	for _, u := range refs.UniqueIDs {
		uniques[u] = true
	}
	for _, id := range refs.AssociationsOf {
		of[id] = true
	}
	var st storage.State
	for _, id := range m.order {
		p := m.placed(id)
		if p.Removed && !refs.WithRemoved {
			continue
		}
		if ids[id] || metadata.UniqueIDOf(p.Object) != "" && uniques[metadata.UniqueIDOf(p.Object)] || lids[metadata.LogicalIDOf(p.Object)] {
			st.Objects = append(st.Objects, p)
		}
		if a, ok := p.Object.(*metadata.Association); ok && (of[a.Source] || of[a.Target]) {
			st.Associations = append(st.Associations, p)
		}
	}
	return st
}

func (m *memory) Append(_ context.Context, t access.Tenant, changes []storage.Change) error {
	if f := m.onAppend; f != nil {
		m.onAppend = nil
		f()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuse != nil {
		return m.refuse
	}
	if m.conflicts > 0 {
		m.conflicts--
		return storage.ErrConflict
	}
	for _, c := range changes {
		if _, closed := m.into[c.Stream]; closed || c.Expect != storage.Version(len(m.events[c.Stream])) {
			return storage.ErrConflict
		}
		for _, n := range c.Claims {
			for _, o := range m.claims[n.ID] {
				if m.released(n.ID) {
					continue
				}
				if n.Exclusive || !o.Exclusive && o.Value != "" && n.Value != "" && o.Value != n.Value {
					return storage.ErrConflict
				}
			}
		}
	}
	for _, c := range changes {
		for _, n := range c.Claims {
			m.claims[n.ID] = append(m.claims[n.ID], n)
		}
		m.events[c.Stream] = append(m.events[c.Stream], c.Events...)
		m.fed = append(m.fed, storage.Fed{Position: storage.Position(strconv.Itoa(len(m.fed) + 1)), Stream: c.Stream, Version: c.Expect + 1, Events: c.Events})
		for _, e := range c.Events {
			m.apply(c.Stream, e)
		}
	}
	return m.lose
}

func (m *memory) apply(s storage.Stream, e storage.Event) {
	m.known[s] = m.known[s] || e.Kind == storage.EventPatientKnown
	if e.Kind == storage.EventMergedInto {
		into, err := e.Merged()
		if err != nil {
			panic(err)
		}
		m.into[s] = into[0]
	}
	for _, a := range e.Added {
		a.Object = metadata.CloneObject(a.Object)
		id := a.Object.ObjectID()
		if _, twice := m.objects[id]; twice {
			panic("an object was added twice")
		}
		m.objects[id] = storage.Placed{Added: a, Stream: s}
		m.order = append(m.order, id)
	}
	for _, touch := range e.Touched {
		p, ok := m.objects[touch.ID]
		if !ok {
			panic("something was touched that is not there")
		}
		if touch.Succession != storage.Unchanged {
			p.Superseded = touch.Succession == storage.Superseded
		}
		if touch.Unbind {
			p.Document = ""
		}
		m.objects[touch.ID] = p
		switch o := p.Object.(type) {
		case *metadata.DocumentEntry:
			o.Status = cmp.Or(touch.Status, o.Status)
		case *metadata.Folder:
			o.Status = cmp.Or(touch.Status, o.Status)
			o.LastUpdateTime = cmp.Or(touch.LastUpdateTime, o.LastUpdateTime)
		case *metadata.Association:
			o.Status = cmp.Or(touch.Status, o.Status)
		default:
			panic("something was touched that cannot be")
		}
	}
	for _, id := range e.Removed {
		p := m.objects[id]
		if m.survivor(p.Stream) != s || p.Removed {
			panic("something was removed that is not there")
		}
		p.Removed = true
		m.objects[id] = p
	}
}

// released: the objects that had the uniqueId are removed.
func (m *memory) released(unique string) bool {
	had := false
	for _, p := range m.objects {
		if metadata.UniqueIDOf(p.Object) == unique {
			had = true
			if !p.Removed {
				return false
			}
		}
	}
	return had
}

func (m *memory) Events(_ context.Context, t access.Tenant, s storage.Stream, from storage.Version) iter.Seq2[storage.Event, error] {
	return func(yield func(storage.Event, error) bool) {
		m.mu.Lock()
		list := m.events[s]
		m.mu.Unlock()
		for _, e := range list[from:] {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (m *memory) Feed(_ context.Context, _ access.Tenant, after storage.Position) iter.Seq2[storage.Fed, error] {
	return func(yield func(storage.Fed, error) bool) {
		m.mu.Lock()
		list := m.fed
		m.mu.Unlock()
		n := 0
		if after != "" {
			var err error
			if n, err = strconv.Atoi(string(after)); err != nil || n > len(list) {
				yield(storage.Fed{}, storage.ErrPosition)
				return
			}
		}
		for _, f := range list[n:] {
			if !yield(f, nil) {
				return
			}
		}
	}
}

func (m *memory) Ready(context.Context) error { return nil }

func (m *memory) Find(ctx context.Context, t access.Tenant, s storage.Stream, f storage.Filter, r access.Restriction) iter.Seq2[storage.Placed, error] {
	return m.each(f, func(of storage.Stream) bool { return of == s })
}

func (m *memory) Scan(ctx context.Context, t access.Tenant, f storage.Filter, r access.Restriction) iter.Seq2[storage.Placed, error] {
	return m.each(f, func(of storage.Stream) bool { return of.Kind == storage.StreamPatient })
}

func (m *memory) each(f storage.Filter, in func(storage.Stream) bool) iter.Seq2[storage.Placed, error] {
	return func(yield func(storage.Placed, error) bool) {
		m.mu.Lock()
		var list []storage.Placed
		for _, id := range m.order {
			p := m.placed(id)
			if !in(p.Stream) || p.Removed || !selects(f, p.Object) {
				continue
			}
			list = append(list, p)
		}
		m.mu.Unlock()
		for _, p := range list {
			if !yield(p, nil) {
				return
			}
		}
	}
}

func selects(f storage.Filter, o metadata.Object) bool {
	switch o := o.(type) {
	case *metadata.DocumentEntry:
		return f.Documents != nil && f.Documents.Match(o)
	case *metadata.SubmissionSet:
		return f.SubmissionSets != nil && f.SubmissionSets.Match(o)
	case *metadata.Folder:
		return f.Folders != nil && f.Folders.Match(o)
	}
	return f.Associations
}

func (m *memory) Lookup(_ context.Context, t access.Tenant, refs storage.Refs) (storage.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lookup(refs), nil
}

func (m *memory) Rebuild(context.Context, func(done, total int64)) error {
	return errors.New("memory: there is nothing to rebuild")
}

var (
	_ storage.Log   = (*memory)(nil)
	_ storage.Index = (*memory)(nil)
)

// brokenEngine cannot read.
type brokenEngine struct {
	*memory
	err error
}

func (b brokenEngine) Load(context.Context, access.Tenant, storage.Stream, storage.Refs) (storage.State, storage.Version, error) {
	return storage.State{}, 0, b.err
}

func (b brokenEngine) Lookup(context.Context, access.Tenant, storage.Refs) (storage.State, error) {
	return storage.State{}, b.err
}
