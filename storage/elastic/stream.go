package elastic

import (
	"context"
	"encoding/binary"
	"slices"
	"strconv"

	"samdok/access"
	"samdok/storage"
)

// stream is a document of index streams.
type stream struct {
	Tenant string `json:"tenant"`
	Kind   string `json:"kind"`
	Name   []byte `json:"name"` // sealed
	Head   head   `json:"head"`
}

// head is what is known of a stream after various batches.
type head struct {
	Key uint64 `json:"key,omitempty"` // of its newest change
	// Marks are the versions after the last batches that changed it, the newest last.
	Marks []mark `json:"marks"`
	Cut   bool   `json:"cut,omitempty"` // there were more marks
	// Known is the first batch that told of the patient; 0: none.
	Known uint64   `json:"known,omitempty"`
	Into  *merged  `json:"into,omitempty"`
	From  []merged `json:"from,omitempty"`
}

type mark struct {
	Seq     uint64          `json:"seq"`
	Version storage.Version `json:"version"`
}

// merged is another stream that a batch joined with this one.
type merged struct {
	Seq    uint64 `json:"seq"`
	Stream string `json:"stream"` // its term
}

// mostMarks are kept: a reader is seldom more than a few batches behind.
const mostMarks = 8

func (h *head) advance(seq uint64, v storage.Version) {
	if n := len(h.Marks); n > 0 && h.Marks[n-1].Seq == seq {
		h.Marks[n-1].Version = max(v, h.Marks[n-1].Version)
		return
	}
	if h.Marks = append(h.Marks, mark{seq, v}); len(h.Marks) > mostMarks {
		h.Marks, h.Cut = slices.Delete(h.Marks, 0, 1), true
	}
}

// at is the version after a batch; ok is false when that is no longer known.
func (h *head) at(seq uint64) (v storage.Version, ok bool) {
	for _, m := range slices.Backward(h.Marks) {
		if m.Seq <= seq {
			return m.Version, true
		}
	}
	return 0, !h.Cut
}

// into is the stream that this one was merged into; false: none, after that batch.
func (h *head) into(seq uint64) (hash, bool, error) {
	if h.Into == nil || h.Into.Seq > seq {
		return hash{}, false, nil
	}
	to, err := termOf(h.Into.Stream)
	return to, err == nil, err
}

func (h *head) from(seq uint64) (all []hash, err error) {
	for _, m := range h.From {
		if m.Seq > seq {
			continue
		}
		s, err := termOf(m.Stream)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// The sealed name of a stream: format 1, kind, uvarint length and text of the tenant, the
// id.
const nameFormat = 1

func encodeName(t access.Tenant, s storage.Stream) []byte {
	b := []byte{nameFormat, byte(s.Kind)}
	b = binary.AppendUvarint(b, uint64(len(t)))
	b = append(b, t...)
	return append(b, s.ID...)
}

func decodeName(b []byte) (n Named, err error) {
	r := reader{b: b}
	if r.byte() != nameFormat {
		return n, odd("the name of a stream")
	}
	n.Stream.Kind = storage.StreamKind(r.byte())
	n.Tenant = access.Tenant(r.take(r.uvarint()))
	if r.bad {
		return n, odd("the name of a stream")
	}
	n.Stream.ID = string(r.b)
	return n, nil
}

// open opens a stream's name; false when its key was destroyed. id is that of the
// document.
func (s *stream) open(ctx context.Context, o *opener, id string) (Named, bool, error) {
	text, ok, err := o.open(ctx, id, s.Name)
	if !ok || err != nil {
		return Named{}, false, err
	}
	n, err := decodeName(text)
	return n, err == nil, err
}

func kindTerm(k storage.StreamKind) string { return strconv.Itoa(int(k)) }
