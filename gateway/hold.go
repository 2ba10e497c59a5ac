package gateway

import (
	"bytes"
	"io"

	"samdok/internal/spool"
	"samdok/internal/xmlscan"
	"samdok/metadata"
	"samdok/metadata/ebrim"
)

// hold keeps the objects of one answer until all of it has come: as they are while
// they are few, and beyond that only encoded, in memory and then in an encrypted
// temporary file.
type hold struct {
	sp      *spool.Spool // nil: all of the answer is in objects
	options spool.Options
	objects []metadata.Object
	weight  int // of objects
	count   int
}

const (
	// plainWeight is how many octets of an answer are kept as objects.
	plainWeight = 1 << 20
	// leastWeight is what an object counts at least: a string of it can keep the piece
	// alive in which the message's strings lie together.
	leastWeight = 4 << 10
)

func (g *Gateway) newHold(quota int64) *hold {
	return &hold{options: spool.Options{Dir: g.o.TempDir, Max: quota, MaxName: "quota of the community"}}
}

func (h *hold) close() {
	if h.sp != nil {
		h.sp.Close()
	}
}

// add is called in one goroutine.
func (h *hold) add(o metadata.Object) error {
	h.count++
	if h.sp != nil {
		return h.encode(o)
	}
	h.objects = append(h.objects, o)
	if h.weight += max(metadata.Weight(o), leastWeight); h.weight <= plainWeight {
		return nil
	}
	h.sp = spool.New(h.options)
	for _, o := range h.objects {
		if err := h.encode(o); err != nil {
			return err
		}
	}
	h.objects = nil
	return nil
}

func (h *hold) encode(o metadata.Object) error {
	return h.sp.Append(func(b []byte) []byte { return ebrim.AppendObject(b, o) })
}

// each gives the objects in the order they came.
func (h *hold) each(show func(metadata.Object) error) error {
	if h.sp == nil {
		for _, o := range h.objects {
			if err := show(o); err != nil {
				return err
			}
		}
		return nil
	}
	head := ebrim.AppendQueryResponseHead(nil, ebrim.Success, nil)
	tail := ebrim.AppendQueryResponseTail(nil)
	var sc xmlscan.Scanner
	sc.ResetReader(io.MultiReader(bytes.NewReader(head), h.sp.Reader(), bytes.NewReader(tail)),
		xmlscan.Limits{Size: int(h.sp.Size()) + len(head) + len(tail), Text: 1 << 30, Elements: 1 << 30}, xmlscan.Divert{})
	if _, err := sc.Next(); err != nil {
		return err
	}
	_, err := ebrim.Limits{}.StreamQueryResponse(&sc, show, func(r ebrim.Ref) error {
		return show(&metadata.ObjectReference{ID: r.ID, Home: r.Home})
	})
	return err
}
