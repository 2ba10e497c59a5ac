package bench

import (
	"bytes"
	"fmt"
	"slices"

	"samdok/metadata"
)

// A template is a message with holes. Messages are rendered once by the real
// codec with marks where the changing values go, and each request only joins the
// pieces.
type template struct {
	pieces [][]byte
	holes  []hole // after each piece but the last
}

type hole struct {
	kind  holeKind
	index int // of the document, or of the association
}

type holeKind uint8

const (
	holePatient holeKind = iota
	holeMessage
	holeSet
	holeSetUnique
	holeEntry
	holeEntryUnique
	holeMember
)

// Marks are chosen so that they pass the codec unchanged and never occur
// otherwise. Each has the length of what replaces it.
func (h hole) mark() string {
	switch h.kind {
	case holePatient:
		return "P@PATIENT@P"
	case holeSetUnique, holeEntryUnique:
		return fmt.Sprintf("2.25.%d%09d@", h.kind, h.index)
	}
	return fmt.Sprintf("urn:uuid:ffffffff-%04d-4fff-8fff-%012d", h.kind, h.index)
}

func newTemplate(message []byte, holes []hole) template {
	type found struct {
		at int
		h  hole
	}
	var all []found
	for _, h := range holes {
		mark := []byte(h.mark())
		for at := 0; ; {
			i := bytes.Index(message[at:], mark)
			if i < 0 {
				break
			}
			all = append(all, found{at + i, h})
			at += i + len(mark)
		}
	}
	slices.SortFunc(all, func(a, b found) int { return a.at - b.at })
	var t template
	at := 0
	for _, f := range all {
		t.pieces = append(t.pieces, message[at:f.at])
		t.holes = append(t.holes, f.h)
		at = f.at + len(f.h.mark())
	}
	t.pieces = append(t.pieces, message[at:])
	return t
}

// fill joins the pieces for a patient and the documents seq, seq+1, ...
func (t template) fill(b []byte, run uint64, patient int, seq uint64) []byte {
	for i, p := range t.pieces {
		b = append(b, p...)
		if i == len(t.holes) {
			break
		}
		h := t.holes[i]
		switch h.kind {
		case holePatient:
			b = append(b, patientID(run, patient)...)
		case holeSetUnique:
			b = appendUnique(b, run, 1, seq)
		case holeEntryUnique:
			b = appendUnique(b, run, 2, seq+uint64(h.index))
		default:
			b = append(b, uuid(run, h.kind, seq+uint64(h.index))...)
		}
	}
	return b
}

// patientID is a synthetic id of an authority for tests; never a national number.
func patientID(run uint64, patient int) string { return fmt.Sprintf("B%05d%07d", run%100000, patient) }

func uuid(run uint64, kind holeKind, seq uint64) metadata.ID {
	var u metadata.UUID
	for i := range 4 {
		u[i] = byte(run >> (8 * i))
	}
	u[5], u[6], u[8] = byte(kind), 0x40, 0x80
	for i := range 7 {
		u[15-i] = byte(seq >> (8 * i))
	}
	return u.ID()
}

func appendUnique(b []byte, run, class, seq uint64) []byte {
	return fmt.Appendf(b, "2.25.%d.%d.%d", run+1, class, seq)
}
