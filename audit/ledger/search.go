package ledger

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"samdok/internal/disk"
	"samdok/metadata"
)

// Search says which records are wanted; what is empty does not matter.
type Search struct {
	// Patient is whom the request or one of the items is about.
	Patient metadata.PatientID
	// Also are other ids of the same patient: a record of any of them is wanted.
	Also []metadata.PatientID
	// Person is the caller's subject.
	Person string
	// Organisation is the caller's, or the controller of an item.
	Organisation string
	DecisionRef  string
	// Since and Until bound the time of the record: from Since on, before Until.
	Since, Until time.Time
	// Before is the index that the records come before; 0: any. Times are no place to go
	// on from: records of the same moment may lie in any order.
	Before int64
}

func (q *Search) terms(h *hasher) []term {
	var all []term
	if q.Patient != (metadata.PatientID{}) {
		all = append(all, h.term(termPatient, q.Patient.ID, q.Patient.Authority))
	}
	if q.Person != "" {
		all = append(all, h.term(termPerson, q.Person))
	}
	if q.Organisation != "" {
		all = append(all, h.term(termOrganisation, q.Organisation))
	}
	if q.DecisionRef != "" {
		all = append(all, h.term(termDecision, q.DecisionRef))
	}
	return all
}

// wants tells whether a record of an index comes into question.
func (q *Search) wants(index int64) bool { return q.Before <= 0 || index < q.Before }

// matches compares a record in the clear.
func (q *Search) matches(r *Record) bool {
	e := &r.Event
	return q.wants(r.Receipt.Index) && (q.Since.IsZero() || !e.Time.Before(q.Since)) && (q.Until.IsZero() || e.Time.Before(q.Until)) &&
		(q.Patient == (metadata.PatientID{}) || has(patientsOf(e), q.Patient)) &&
		(q.Person == "" || e.Request.Caller.Subject == q.Person) &&
		(q.Organisation == "" || has(organisationsOf(e), q.Organisation)) &&
		(q.DecisionRef == "" || e.Request.Caller.DecisionRef == q.DecisionRef)
}

func has[T comparable](all iter.Seq[T], want T) bool {
	for v := range all {
		if v == want {
			return true
		}
	}
	return false
}

// Find yields the records wanted, the newest first. Segments without an index are
// read whole. An Unreadable stands for what cannot be read; the search goes on.
func (l *Ledger) Find(ctx context.Context, q Search) iter.Seq2[Record, error] {
	if len(q.Also) > 0 {
		return l.findAny(ctx, q)
	}
	return func(yield func(Record, error) bool) {
		f, err := l.finder(ctx, &q)
		if err != nil {
			yield(Record{}, fmt.Errorf("ledger: %w", err))
			return
		}
		f.run(yield)
		if err := f.close(); err != nil {
			l.Log.Error("files of a search in the ledger could not be closed", "error", err)
		}
	}
}

// finder is one search.
type finder struct {
	l       *Ledger
	ctx     context.Context
	q       *Search
	numbers []uint64
	all     []*index
	of      map[uint64]*index // by segment
	// The segment that records were read from last.
	s    *segmentReader
	file disk.File
}

func (l *Ledger) finder(ctx context.Context, q *Search) (*finder, error) {
	f := &finder{l: l, ctx: ctx, q: q, of: map[uint64]*index{}}
	var err error
	if f.all, _, err = l.openIndexes(); err != nil {
		return nil, err
	}
	// After the indexes: they say nothing of a segment that is begun meanwhile.
	if f.numbers, err = segments(l.FS, l.dir, segmentSuffix); err != nil {
		return nil, errors.Join(err, f.close())
	}
	for _, x := range f.all {
		for _, s := range x.table {
			f.of[s.number] = x
		}
	}
	return f, nil
}

func (f *finder) close() error { return errors.Join(f.leave(), closeIndexes(f.all)) }

func (f *finder) run(yield func(Record, error) bool) {
	done := map[*index]bool{}
	for i, n := range slices.Backward(f.numbers) {
		if f.ctx.Err() != nil {
			yield(Record{}, context.Cause(f.ctx))
			return
		}
		x := f.of[n]
		if x != nil && done[x] {
			continue
		}
		more := false
		if terms := f.terms(x); terms != nil {
			done[x] = true
			more = f.byIndex(x, terms, yield)
		} else {
			more = f.whole(n, x, i == len(f.numbers)-1, yield)
		}
		if !more {
			return
		}
	}
}

// terms are what to look up in an index; nil when the segment must be read.
func (f *finder) terms(x *index) []term {
	if x == nil {
		return nil
	}
	key := f.l.index.key
	if x.keyID != f.l.index.keyID {
		var err error
		if key, err = f.l.Ring.Key(x.keyID); err != nil {
			return nil
		}
	}
	return f.q.terms(newHasher(key))
}

// outside tells whether no record of a segment can be of the time wanted.
func (f *finder) outside(s indexed) bool {
	return !f.q.Since.IsZero() && s.last.Before(f.q.Since) || !f.q.Until.IsZero() && !s.first.Before(f.q.Until)
}

// byIndex finds the records of all segments of an index.
func (f *finder) byIndex(x *index, terms []term, yield func(Record, error) bool) bool {
	skip := func(s indexed) bool {
		_, there := slices.BinarySearch(f.numbers, s.number)
		return !there || f.outside(s)
	}
	for e, err := range x.both(terms, skip) {
		if err == nil {
			err = context.Cause(f.ctx)
		}
		if err != nil {
			return yield(Record{}, fmt.Errorf("the search index %s (samdok reindex makes it anew): %w", x.name, err)) && f.ctx.Err() == nil
		}
		r, err := f.at(x.table[e.segment].number, &e)
		if errors.Is(err, errUnwanted) || err == nil && !f.q.matches(&r) {
			continue
		}
		if errors.Is(err, errRecord) {
			err = fmt.Errorf("%w; or the search index %s is damaged: samdok verify ledger tells which, samdok reindex makes it anew", err, x.name)
		}
		if !yield(r, err) {
			return false
		}
	}
	return true
}

var errUnwanted = errors.New("the search goes on from an older record")

// at reads the record of an entry, unless its index says that it is not wanted.
func (f *finder) at(n uint64, e *entry) (Record, error) {
	if f.s == nil || f.s.number != n {
		err := f.leave()
		if err == nil {
			f.s, f.file, err = openHead(f.l.dir, n, &f.l.Options)
		}
		if err != nil {
			return Record{}, err
		}
	}
	if !f.q.wants(f.s.first + int64(e.ord)) {
		return Record{}, errUnwanted
	}
	return f.s.at(f.file, recordAt{n, int64(e.off), int64(e.ord)})
}

// leave closes the segment that records were read from.
func (f *finder) leave() (err error) {
	if f.file != nil {
		err = f.file.Close()
	}
	f.s, f.file = nil, nil
	return err
}

// whole reads a segment from its beginning to its end.
func (f *finder) whole(n uint64, x *index, last bool, yield func(Record, error) bool) bool {
	if x != nil {
		if i := slices.IndexFunc(x.table, func(s indexed) bool { return s.number == n }); f.outside(x.table[i]) {
			return true
		}
	}
	s, err := openSegment(f.l.dir, n, &f.l.Options)
	if errors.Is(err, errHeader) && last {
		return true // being made just now
	} else if err != nil {
		return yield(Record{}, err)
	}
	var found []Record
	var errs []error
	for r, err := range s.records(f.ctx) {
		if err != nil {
			errs = append(errs, err)
		} else if f.q.matches(&r) {
			found = append(found, r)
		}
	}
	for _, r := range slices.Backward(found) {
		if !yield(r, nil) {
			return false
		}
	}
	for _, err := range errs {
		if !yield(Record{}, err) {
			return false
		}
	}
	return true
}

// records is each as an iterator that knows no end under way.
func (s *segmentReader) records(ctx context.Context) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) { s.each(ctx, true, yield) }
}
