package elastic

import (
	"maps"
	"sync"

	"samdok/access"
)

// lately are the streams and identifiers that this process read last, of each tenant as
// of one watermark. A submission is loaded and then checked as of the same batch: what
// its caller was told needs not be read again. It holds for the same reason as a Basis,
// and like one answers nothing but questions as of its watermark. The zero value is
// empty.
type lately struct {
	mu sync.Mutex
	of map[access.Tenant]*Basis
}

// latelyMost bounds the documents that are kept of a tenant, some hundred bytes each.
const latelyMost = 4096

// note keeps what was read as of a watermark that was known before the call.
func (l *lately) note(t access.Tenant, at Watermark, list []*wanted, docs []document) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.of[t]
	if b != nil && b.at != at && b.at.Seq >= at.Seq {
		return // of a moment that is past
	}
	if b == nil || b.at != at || len(b.docs)+len(list) > latelyMost {
		b = newBasis(at)
		if l.of == nil {
			l.of = map[access.Tenant]*Basis{}
		}
		l.of[t] = b
	}
	b.add(list, docs)
}

// recall fills what is known as of a watermark, notes it in a basis, and returns the
// rest.
func (l *lately) recall(t access.Tenant, at Watermark, list []*wanted, into *Basis) (unknown []*wanted, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.of[t]
	if b == nil || b.at != at {
		return list, nil
	}
	for _, get := range list {
		found, ok := b.docs[get.target()]
		if !ok {
			unknown = append(unknown, get)
			continue
		}
		if err := get.fill(&found); err != nil {
			return nil, err
		}
		into.docs[get.target()] = found
	}
	return unknown, nil
}

// move takes what is kept along to the watermark that this process has moved, but for
// the documents that the batches in between may have changed.
func (l *lately) move(t access.Tenant, from, to Watermark, changed func(target) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.of[t]
	if b == nil || b.at != from {
		return
	}
	b.at = to
	maps.DeleteFunc(b.docs, func(of target, _ document) bool { return changed(of) })
}
