package ebrim

import (
	"io"
	"runtime"
	"testing"

	"samdok/internal/xmlscan"
	"samdok/metadata"
)

// repeated reads a head, a part many times, and a tail.
type repeated struct {
	head, part, tail []byte
	times            int
	rest             []byte
}

func (r *repeated) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		switch {
		case r.head != nil:
			r.rest, r.head = r.head, nil
		case r.times > 0:
			r.rest, r.times = r.part, r.times-1
		case r.tail != nil:
			r.rest, r.tail = r.tail, nil
		default:
			return 0, io.EOF
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// An answer is read in the memory of some objects, however long it is.
func TestStreamHoldsOneObjectAtATime(t *testing.T) {
	entry := AppendObject(nil, thousand()[0])
	ref := AppendObjectRef(nil, thousand()[0].ObjectID(), "urn:oid:1.2.3")
	for name, part := range map[string][]byte{"entries": entry, "references": ref} {
		times := 16 << 20 / len(part)
		r := &repeated{head: AppendQueryResponseHead(nil, Success, nil), part: part, tail: AppendQueryResponseTail(nil), times: times}
		sc := xmlscan.NewReader(r, xmlscan.Limits{Size: 32 << 20}, xmlscan.Divert{})
		if _, err := sc.Next(); err != nil {
			t.Fatal(err)
		}
		var m runtime.MemStats
		count, least, most := 0, ^uint64(0), uint64(0)
		seen := func() error {
			if count++; count%(times/8) == 0 {
				runtime.GC()
				runtime.ReadMemStats(&m)
				least, most = min(least, m.HeapAlloc), max(most, m.HeapAlloc)
			}
			return nil
		}
		if _, err := (Limits{}).StreamQueryResponse(sc, func(metadata.Object) error { return seen() }, func(Ref) error { return seen() }); err != nil || count != times {
			t.Fatalf("%s: %d of %d, %v", name, count, times, err)
		}
		if most-least > 2<<20 {
			t.Errorf("%s: memory grew by %d KiB", name, (most-least)>>10)
		}
	}
}
