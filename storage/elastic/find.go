package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"sync"
	"unsafe"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"samdok/access"
	"samdok/metadata"
	"samdok/storage"
	"samdok/storage/encoding"
)

// A page of a search: its first one has firstPage parts, the others about
// pageBytes.
const (
	firstPage = 128
	fewest    = 16
	most      = 1024
	pageBytes = 2 << 20
)

// hit is what a search needs of a part.
type hit struct {
	Stream  string          `json:"stream"`
	Version storage.Version `json:"version"`
	Part    int             `json:"part"`
	At      uint64          `json:"at"`
	Touches []byte          `json:"touches"`
	Data    []byte          `json:"data"`
}

// Find implements storage.Index: it asks one shard, once for each page.
func (x *Index) Find(ctx context.Context, t access.Tenant, s storage.Stream, f storage.Filter, r access.Restriction) iter.Seq2[storage.Placed, error] {
	return func(yield func(storage.Placed, error) bool) {
		b, err := x.begin(ctx, t, s, seek(f, r))
		if err == nil && b.at.Seq > 0 {
			err = b.all(ctx, yield)
		}
		if err != nil {
			yield(storage.Placed{}, wrap("elastic.Find", err))
		}
	}
}

// begun is a search whose first page is there.
type begun struct {
	x      *Index
	tenant access.Tenant
	at     Watermark
	stream storage.Stream
	want   *sought
	first  *pages // of the stream's own parts
	chain  []hash // the streams that live on in it, itself first
}

// begin searches as of the watermark that was seen last while it looks whether that is
// still the one. If so, nobody had been told of anything newer when the search was
// sent, for it knew the watermark before; if not, it searches again.
func (x *Index) begin(ctx context.Context, t access.Tenant, s storage.Stream, want *sought) (b *begun, err error) {
	at := x.seen.last(t)
	if at.Seq > 0 {
		var now Watermark
		b, err = x.beginAt(ctx, t, at, s, want, &now)
		if err == nil && now == at {
			return b, nil
		}
		if err != nil && !gone(err) {
			return nil, err
		}
	}
	if at, err = x.watermark(ctx, t); err != nil || at.Seq == 0 {
		return &begun{}, err
	}
	return x.beginAt(ctx, t, at, s, want, nil)
}

// beginAt reads the first page of the stream's own parts, and at the same time what was
// merged into it. now, if it is there, becomes the watermark of this moment; nothing else is
// of use unless it is at.
func (x *Index) beginAt(ctx context.Context, t access.Tenant, at Watermark, s storage.Stream, want *sought, now *Watermark) (*begun, error) {
	h := x.hash.stream(t, s)
	b := &begun{x: x, tenant: t, at: at, stream: s, want: want, first: &pages{x: x, tenant: t, at: at, want: want, stream: h}}
	merges := make(chan error, 1)
	go func() (err error) {
		defer func() { merges <- err }()
		f := x.family(t, at)
		if now != nil {
			if *now, err = f.look(ctx, h); err != nil || *now != at {
				return err
			}
		}
		b.chain, err = f.chain(ctx, h)
		return err
	}()
	err := b.first.next(ctx)
	if other := <-merges; err == nil {
		err = other
	}
	return b, err
}

// all yields what was sought, page after page.
func (b *begun) all(ctx context.Context, yield func(storage.Placed, error) bool) error {
	x, at, s, want := b.x, b.at, b.stream, b.want
	to := &yielding{ctx: ctx, at: at.Seq, want: want, owner: s, open: opener{keys: x.options.Keys}, yield: yield}
	for _, of := range b.chain {
		p := b.first
		if of != p.stream {
			p = &pages{x: x, tenant: b.tenant, at: at, want: want, stream: of}
			if err := p.next(ctx); err != nil {
				return err
			}
			to.show = shown(s)
		}
		for {
			for i := range p.hits {
				if more, err := to.part(of, &p.hits[i]); !more || err != nil {
					return err
				}
			}
			if p.end {
				break
			}
			if err := p.next(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// shown is the patient id that objects of a stream's patient show.
func shown(s storage.Stream) metadata.CX {
	p, ok := s.Patient()
	if !ok {
		return ""
	}
	return p.CX()
}

// pages reads the parts of one stream that may be wanted, in their order.
type pages struct {
	x      *Index
	tenant access.Tenant
	at     Watermark
	want   *sought
	stream hash
	size   int // of the next page
	hits   []hit
	end    bool // there are no more
}

func (p *pages) next(ctx context.Context) error {
	if p.size == 0 {
		p.size = firstPage
	}
	body := object{
		"size": p.size, "track_total_hits": false, "sort": []string{"version", "part"},
		"query": p.want.query(p.at.Seq, object{"term": object{"stream": p.stream.term()}}),
	}
	if n := len(p.hits); n > 0 {
		body["search_after"] = []any{p.hits[n-1].Version, p.hits[n-1].Part}
	}
	hits, bytes, err := p.x.search(ctx, p.tenant, &p.at, body, p.stream.term())
	if err != nil {
		return err
	}
	p.hits, p.end = hits, len(hits) < p.size
	p.size = pageSize(len(hits), bytes)
	return nil
}

// pageSize is how many parts of such a size make a page.
func pageSize(n, bytes int) int {
	if n == 0 {
		return firstPage
	}
	return max(fewest, min(most, pageBytes/(bytes/n+1)))
}

// search runs one search in the generation that a reader is in; when that was
// dropped, in the one that serves now, which says the same of that moment.
func (x *Index) search(ctx context.Context, t access.Tenant, at *Watermark, body object, routing string) (hits []hit, size int, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, 0, err
	}
	var answer struct {
		Hits struct {
			Hits []struct {
				Source hit `json:"_source"`
			} `json:"hits"`
		} `json:"hits"`
	}
	err = x.inGeneration(ctx, t, at, func() error {
		found, err := x.client.do(ctx, func() esapi.Request { return x.searchRequest(at.Generation, text, routing) })
		if err != nil {
			return err
		}
		size = len(found)
		if json.Unmarshal(found, &answer) != nil {
			return odd("an answer to a search")
		}
		return nil
	})
	for i := range answer.Hits.Hits {
		hits = append(hits, answer.Hits.Hits[i].Source)
	}
	return hits, size, err
}

func (x *Index) searchRequest(g Generation, body []byte, routing string) esapi.SearchRequest {
	no := false
	r := esapi.SearchRequest{
		Index: []string{x.name(g, changesIndex)}, Body: bytes.NewReader(body),
		AllowPartialSearchResults: &no, RequestCache: &no, FilterPath: []string{"hits.hits._source"},
	}
	if routing != "" {
		r.Routing = []string{routing}
	}
	return r
}

// inGeneration calls read, and once more in the generation that serves now when
// the one that was read is gone.
func (x *Index) inGeneration(ctx context.Context, t access.Tenant, at *Watermark, read func() error) error {
	err := read()
	if !gone(err) {
		return err
	}
	now, failed := x.watermark(ctx, t)
	if failed != nil {
		return failed
	}
	if now.Generation == at.Generation || now.Seq < at.Seq {
		return err
	}
	at.Generation = now.Generation
	return read()
}

var readers = sync.Pool{New: func() any { return new(encoding.Reader) }}

// yielding hands over objects as those of a patient.
type yielding struct {
	ctx   context.Context
	at    uint64
	want  *sought
	owner storage.Stream
	show  metadata.CX // the patient id of merged ones, else ""
	open  opener
	yield func(storage.Placed, error) bool
}

// part yields the wanted objects of a part; false when no more are wanted.
func (y *yielding) part(of hash, h *hit) (bool, error) {
	if err := y.ctx.Err(); err != nil {
		return false, err
	}
	touches, err := decodeTouches(h.Touches)
	if err != nil {
		return false, err
	}
	p := place{of, h.Version, h.Part}
	text, ok, err := y.open.open(y.ctx, p.id(), h.Data)
	if !ok || err != nil {
		return true, err // erased
	}
	reader := readers.Get().(*encoding.Reader)
	defer readers.Put(reader)
	if err := reader.Reset(unsafeString(text)); err != nil {
		return false, err
	}
	for i := range reader.Len() {
		n := h.Part*partObjects + i
		if !y.want.class(reader.Class(i)) || isRemoved(n, touches, y.at) {
			continue
		}
		a, err := reader.Added(i)
		if err != nil {
			return false, err
		}
		if storage.IsTombstone(a.Object) {
			reader.GiveBack() // erased after this search began
			continue
		}
		found := storage.Placed{Added: a, Stream: y.owner}
		overlay(&found, n, touches, y.at)
		if y.show != "" {
			storage.ShowPatient(found.Object, y.show)
		}
		if !y.want.has(found.Object) {
			reader.GiveBack()
		} else if !y.yield(found, nil) {
			return false, nil
		}
	}
	return true, nil
}

// unsafeString gives bytes that nobody writes any more as a string.
func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
