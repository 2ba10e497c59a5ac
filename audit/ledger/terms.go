package ledger

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"iter"
	"slices"
	"sync"
	"time"

	"samdok/audit"
	"samdok/metadata"
	"samdok/storage/keyring"
)

// What an entry of an index is about. Numbers go into the hash.
const (
	termPatient byte = iota + 1
	termPerson
	termOrganisation
	termDecision
)

// term is the beginning of a keyed hash of what a record names.
type term [8]byte

// entry is a term and where the record is.
type entry struct {
	term    term
	segment uint32 // place in the index's table
	off     uint32
	ord     uint32 // the record's number in its segment, from 1
}

// indexer makes keyed hashes. The key is made by the keyring when the first index
// is made; each index says which key it was made with.
type indexer struct {
	mu    sync.Mutex // one maker of indexes at a time
	keyID uint64
	key   keyring.Key

	hashers sync.Pool

	kept struct {
		sync.Mutex
		full map[uint64]*segmentTerms // of segments that are full and have no index yet
	}
}

// maxKept bounds how many segments' terms wait in memory when indexes cannot be
// written; the others are made from the segments themselves.
const maxKept = 4

// terms appends the terms of an event.
func (x *indexer) terms(to []term, e *audit.Event) []term {
	h, _ := x.hashers.Get().(*hasher)
	if h == nil {
		h = newHasher(x.key)
	}
	defer x.hashers.Put(h)
	return h.terms(to, e)
}

// keep takes the terms of a full segment, of which the first end octets are
// durable.
func (x *indexer) keep(n uint64, t *segmentTerms, end int64) {
	x.kept.Lock()
	defer x.kept.Unlock()
	if t.cut(end); len(x.kept.full) >= maxKept || t.lost {
		return
	}
	if x.kept.full == nil {
		x.kept.full = map[uint64]*segmentTerms{}
	}
	x.kept.full[n] = t
}

// take returns what keep took, once; nil when there is nothing.
func (x *indexer) take(n uint64) *segmentTerms {
	x.kept.Lock()
	defer x.kept.Unlock()
	t := x.kept.full[n]
	delete(x.kept.full, n)
	return t
}

// segmentTerms are the entries of one segment, gathered as it is written or read.
type segmentTerms struct {
	entries     []entry
	first, last time.Time // of the records
	lost        bool      // records that were added are not in the segment
}

func (t *segmentTerms) add(terms []term, off, ord int64, made time.Time) {
	if t.first.IsZero() || made.Before(t.first) {
		t.first = made
	}
	if made.After(t.last) {
		t.last = made
	}
	for _, term := range terms {
		t.entries = append(t.entries, entry{term, 0, uint32(off), uint32(ord)})
	}
}

// cut drops the entries of records that never became durable.
func (t *segmentTerms) cut(end int64) {
	before := len(t.entries)
	t.entries = slices.DeleteFunc(t.entries, func(e entry) bool { return int64(e.off) >= end })
	t.lost = t.lost || len(t.entries) < before
}

func (t *segmentTerms) sort() {
	slices.SortFunc(t.entries, func(a, b entry) int { return compare(&a, &b) })
}

// hasher makes terms. It serves one goroutine at a time. Callers and organisations
// come again and again, so it keeps what it has made.
type hasher struct {
	mac  hash.Hash
	sum  [sha256.Size]byte
	buf  []byte
	made map[string]term
}

// maxMade bounds how many terms a hasher keeps.
const maxMade = 1024

func newHasher(key keyring.Key) *hasher {
	return &hasher{mac: hmac.New(sha256.New, key[:]), made: map[string]term{}}
}

// term hashes a kind and its parts, each with its length before it.
func (h *hasher) term(kind byte, parts ...string) (t term) {
	h.buf = append(h.buf[:0], kind)
	for _, p := range parts {
		h.buf = append(binary.LittleEndian.AppendUint32(h.buf, uint32(len(p))), p...)
	}
	if t, ok := h.made[string(h.buf)]; ok {
		return t
	}
	h.mac.Reset()
	h.mac.Write(h.buf)
	copy(t[:], h.mac.Sum(h.sum[:0]))
	if len(h.made) == maxMade {
		clear(h.made)
	}
	h.made[string(h.buf)] = t
	return t
}

func (h *hasher) terms(to []term, e *audit.Event) []term {
	for p := range patientsOf(e) {
		to = append(to, h.term(termPatient, p.ID, p.Authority))
	}
	if s := e.Request.Caller.Subject; s != "" {
		to = append(to, h.term(termPerson, s))
	}
	for o := range organisationsOf(e) {
		to = append(to, h.term(termOrganisation, o))
	}
	if d := e.Request.Caller.DecisionRef; d != "" {
		to = append(to, h.term(termDecision, d))
	}
	return to
}

// patientsOf yields the patients that an event is about, each once.
func patientsOf(e *audit.Event) iter.Seq[metadata.PatientID] {
	return func(yield func(metadata.PatientID) bool) {
		for i, p := range e.Request.Patients {
			if !slices.Contains(e.Request.Patients[:i], p) && !yield(p) {
				return
			}
		}
		var more []metadata.PatientID
		var last metadata.PatientID
		for i := range e.Items {
			p := e.Items[i].Patient
			if p == last || p == (metadata.PatientID{}) || slices.Contains(e.Request.Patients, p) || slices.Contains(more, p) {
				continue
			}
			if last = p; !yield(p) {
				return
			}
			more = append(more, p)
		}
	}
}

// organisationsOf yields the caller's organisation and the controllers of the
// items, each once.
func organisationsOf(e *audit.Event) iter.Seq[string] {
	return func(yield func(string) bool) {
		own := e.Request.Caller.Organisation
		if own != "" && !yield(own) {
			return
		}
		var more []string
		for i := range e.Items {
			o := e.Items[i].Controller
			if o == "" || o == own || slices.Contains(more, o) {
				continue
			}
			if !yield(o) {
				return
			}
			more = append(more, o)
		}
	}
}
