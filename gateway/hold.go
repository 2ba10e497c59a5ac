package gateway

import (
	"bytes"
	"io"

	"samdok/internal/spool"
	"samdok/internal/xmlscan"
	"samdok/metadata"
	"samdok/metadata/ebrim"
)

// hold keeps the objects of one answer until all communities have answered: as they
// are while they are few, and beyond that only encoded, in an encrypted temporary
// file.
type hold struct {
	sp      *spool.Spool
	objects []metadata.Object // of the whole answer, while all of it fits in memory
	encoded bool              // objects are in the spool only
	count   int
}

func (g *Gateway) newHold(quota int64) *hold {
	return &hold{sp: spool.New(spool.Options{Dir: g.o.TempDir, Max: quota, MaxName: "quota of the community"})}
}

func (h *hold) close() { h.sp.Close() }

// add is called in one goroutine.
func (h *hold) add(o metadata.Object) error {
	h.count++
	err := h.sp.Append(func(b []byte) []byte {
		if r, ok := o.(*metadata.ObjectReference); ok {
			return ebrim.AppendObjectRef(b, r.ID, r.Home)
		}
		return ebrim.AppendObject(b, o)
	})
	if err != nil || h.encoded {
		return err
	}
	if _, small := h.sp.Bytes(); !small {
		h.objects, h.encoded = nil, true
		return nil
	}
	h.objects = append(h.objects, o)
	return nil
}

// each gives the objects in the order they came.
func (h *hold) each(show func(metadata.Object) error) error {
	if !h.encoded {
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
