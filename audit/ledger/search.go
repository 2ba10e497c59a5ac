package ledger

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"samdok/metadata"
)

// Search says which records are wanted; what is empty does not matter.
type Search struct {
	// Patient is whom the request or one of the items is about.
	Patient metadata.PatientID
	// Person is the caller's subject.
	Person string
	// Organisation is the caller's, or the controller of an item.
	Organisation string
	DecisionRef  string
	// Since and Until bound the time of the record: from Since on, before Until.
	Since, Until time.Time
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

// matches compares a record in the clear.
func (q *Search) matches(r *Record) bool {
	e := &r.Event
	return (q.Since.IsZero() || !e.Time.Before(q.Since)) && (q.Until.IsZero() || e.Time.Before(q.Until)) &&
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
	return func(yield func(Record, error) bool) {
		numbers, err := segments(l.FS, l.dir, segmentSuffix)
		if err != nil {
			yield(Record{}, fmt.Errorf("ledger: %w", err))
			return
		}
		for _, n := range slices.Backward(numbers) {
			if ctx.Err() != nil {
				yield(Record{}, context.Cause(ctx))
				return
			}
			found, err := l.findIn(ctx, n, &q)
			if errors.Is(err, errHeader) && n == numbers[len(numbers)-1] {
				continue // being made just now
			}
			for _, r := range slices.Backward(found) {
				if !yield(r, nil) {
					return
				}
			}
			if err != nil && !yield(Record{}, err) {
				return
			}
		}
	}
}

// findIn finds the records of one segment, by its index when it has one.
func (l *Ledger) findIn(ctx context.Context, n uint64, q *Search) ([]Record, error) {
	places, indexed, err := l.places(n, q)
	if err != nil || indexed && len(places) == 0 {
		return nil, err
	}
	var all []Record
	var errs []error
	keep := func(r Record, err error) {
		if err != nil {
			errs = append(errs, err)
		} else if q.matches(&r) {
			all = append(all, r)
		}
	}
	if indexed {
		s, f, err := openHead(l.dir, n, &l.Options)
		if err != nil {
			return nil, err
		}
		for _, p := range places {
			keep(s.at(f, p))
		}
		return all, errors.Join(errors.Join(errs...), f.Close())
	}
	s, err := openSegment(l.dir, n, &l.Options)
	if err != nil {
		return nil, err
	}
	for r, err := range s.records(ctx) {
		keep(r, err)
	}
	return all, errors.Join(errs...)
}

// places asks the index of a segment. indexed is false when the segment must be
// read whole.
func (l *Ledger) places(n uint64, q *Search) (places []recordAt, indexed bool, err error) {
	if l.isActive(n) {
		return nil, false, nil
	}
	x, err := openSegmentIndex(l.FS, l.dir, n)
	if errors.Is(err, errIndex) {
		return nil, false, nil
	} else if err != nil {
		return nil, false, err
	}
	defer func() { err = errors.Join(err, x.close()) }()
	if x.entries > 0 && (!q.Since.IsZero() && x.last.Before(q.Since) || !q.Until.IsZero() && !x.first.Before(q.Until)) {
		return nil, true, nil
	}
	key := l.index.key
	if x.keyID != l.index.keyID {
		if key, err = l.Ring.Key(x.keyID); err != nil {
			return nil, false, nil
		}
	}
	terms := q.terms(newHasher(key))
	if len(terms) == 0 {
		return nil, false, nil
	}
	for i, t := range terms {
		found, err := x.find(t)
		if err != nil {
			return nil, false, err
		}
		had := map[recordAt]bool{}
		for _, p := range places {
			had[p] = true
		}
		places = places[:0]
		for _, e := range found {
			if p := (recordAt{n, int64(e.off), int64(e.ord)}); i == 0 || had[p] {
				places = append(places, p)
			}
		}
		if len(places) == 0 {
			break
		}
	}
	return places, true, nil
}

// records is each as an iterator that knows no end under way.
func (s *segmentReader) records(ctx context.Context) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) { s.each(ctx, true, yield) }
}
