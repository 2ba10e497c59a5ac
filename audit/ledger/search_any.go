package ledger

import (
	"context"
	"iter"

	"samdok/metadata"
)

// findAny finds the records of a patient under all ids that the patient has had: one
// search for each, merged in the order of the ledger. A record that names several of
// them is yielded once.
func (l *Ledger) findAny(ctx context.Context, q Search) iter.Seq2[Record, error] {
	ids := append([]metadata.PatientID{q.Patient}, q.Also...)
	q.Also = nil
	return func(yield func(Record, error) bool) {
		var heads []*head
		for _, id := range ids {
			q.Patient = id
			h := &head{}
			var stop func()
			h.next, stop = iter.Pull2(l.Find(ctx, q))
			defer stop()
			if !h.advance(yield) {
				return
			}
			heads = append(heads, h)
		}
		for {
			newest := int64(-1)
			var r Record
			for _, h := range heads {
				if !h.ended && h.Receipt.Index > newest {
					newest, r = h.Receipt.Index, h.Record
				}
			}
			if newest < 0 || !yield(r, nil) {
				return
			}
			for _, h := range heads {
				if !h.ended && h.Receipt.Index == newest && !h.advance(yield) {
					return
				}
			}
		}
	}
}

// head is the next record of one of several searches.
type head struct {
	Record
	next  func() (Record, error, bool)
	ended bool
}

// advance takes the next record and yields errors at once; false: no more are wanted.
func (h *head) advance(yield func(Record, error) bool) bool {
	for {
		r, err, ok := h.next()
		if !ok {
			h.ended = true
			return true
		}
		if err == nil {
			h.Record = r
			return true
		}
		if !yield(Record{}, err) {
			return false
		}
	}
}
