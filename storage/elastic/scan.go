package elastic

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"iter"
	"math"
	"slices"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"samdok/access"
	"samdok/storage"
)

// Scan implements storage.Index: it walks through the hashes of streams, in
// windows that hold about a page, so that no shard sorts more than that. Nothing
// is held in the cluster in between.
func (x *Index) Scan(ctx context.Context, t access.Tenant, f storage.Filter, r access.Restriction) iter.Seq2[storage.Placed, error] {
	return func(yield func(storage.Placed, error) bool) {
		at, err := x.watermark(ctx, t)
		if err == nil && at.Seq > 0 {
			s := &scanning{x: x, tenant: t, at: at, want: seek(f, r), size: firstPage, width: math.MaxUint64}
			err = s.run(ctx, yield)
		}
		if err != nil {
			yield(storage.Placed{}, wrap("elastic.Scan", err))
		}
	}
}

type scanning struct {
	x      *Index
	tenant access.Tenant
	at     Watermark
	want   *sought
	size   int    // of a page
	width  uint64 // of the next window, in first eighths of hashes
}

func (s *scanning) run(ctx context.Context, yield func(storage.Placed, error) bool) error {
	to := &yielding{ctx: ctx, at: s.at.Seq, want: s.want, open: opener{keys: s.x.options.Keys}, yield: yield}
	for low, end := uint64(0), false; !end; {
		high := low + s.width
		if end = high < low; end { // beyond the last hash
			high = 0
		}
		hits, full, err := s.window(ctx, low, high, nil)
		for first := true; ; first = false {
			if err != nil {
				return err
			}
			if more, err := s.yield(ctx, to, hits); !more || err != nil {
				return err
			}
			if !full {
				if first && len(hits) < s.size/2 && s.width <= math.MaxUint64/2 {
					s.width *= 2
				}
				break
			}
			if first {
				s.width = max(s.width/8, 1)
			}
			hits, full, err = s.window(ctx, low, high, &hits[len(hits)-1])
		}
		low = high
	}
	return nil
}

// window reads the next page of the streams from low up to high, behind a hit; 0:
// to the end.
func (s *scanning) window(ctx context.Context, low, high uint64, after *hit) (hits []hit, full bool, err error) {
	limits := object{"gte": edge(low)}
	if high > 0 {
		limits["lt"] = edge(high)
	}
	body := object{
		"size": s.size, "track_total_hits": false, "sort": []string{"stream", "version", "part"},
		"query": s.want.query(s.at.Seq, object{"term": object{"tenant": s.x.hash.tenant(s.tenant).id()}}, object{"range": object{"stream": limits}}),
	}
	if after != nil {
		body["search_after"] = []any{after.Stream, after.Version, after.Part}
	}
	hits, bytes, err := s.x.search(ctx, s.tenant, &s.at, body, "")
	full = len(hits) == s.size
	if len(hits) > 0 {
		s.size = pageSize(len(hits), bytes)
	}
	return hits, full, err
}

// edge is the lowest term of hashes that begin with eight bytes.
func edge(first uint64) string {
	var h hash
	binary.BigEndian.PutUint64(h[:], first)
	return h.term()
}

// yield hands over the hits, of patients only.
func (s *scanning) yield(ctx context.Context, to *yielding, hits []hit) (bool, error) {
	f := s.x.family(s.tenant, s.at)
	var streams []hash
	for i := range hits {
		h, err := termOf(hits[i].Stream)
		if err != nil {
			return false, err
		}
		streams = append(streams, h)
	}
	if err := f.survivors(ctx, slices.Compact(slices.Clone(streams))); err != nil {
		return false, err
	}
	for i, of := range streams {
		owner, show, ok, err := f.owner(ctx, of)
		if err != nil {
			return false, err
		}
		if !ok || owner.Kind != storage.StreamPatient {
			continue
		}
		to.owner, to.show = owner, show
		if more, err := to.part(of, &hits[i]); !more || err != nil {
			return false, err
		}
	}
	return true, nil
}

// Changes yields where the changes of a stream lie in the journal, from a version
// on, as of a batch.
func (x *Index) Changes(ctx context.Context, t access.Tenant, at Watermark, s storage.Stream, from storage.Version) iter.Seq2[Range, error] {
	return func(yield func(Range, error) bool) {
		h := x.hash.stream(t, s)
		for {
			hits, _, err := x.search(ctx, t, &at, object{
				"size": most, "track_total_hits": false, "sort": []string{"version"}, "_source": []string{"version", "at"},
				"query": all(object{"term": object{"stream": h.term()}}, object{"term": object{"part": 0}},
					object{"range": object{"version": object{"gte": from}}}, object{"range": object{"seq": object{"lte": at.Seq}}}),
			}, h.term())
			if err != nil {
				yield(Range{}, wrap("elastic.Changes", err))
				return
			}
			for i := range hits {
				if !yield(Range{hits[i].Version, hits[i].At}, nil) {
					return
				}
				from = hits[i].Version + 1
			}
			if len(hits) < most {
				return
			}
		}
	}
}

// Streams yields the streams of a kind that are projected; those whose data key is gone are
// left out.
func (x *Index) Streams(ctx context.Context, t access.Tenant, kind storage.StreamKind) iter.Seq2[storage.Stream, error] {
	return func(yield func(storage.Stream, error) bool) {
		at, err := x.watermark(ctx, t)
		if err == nil {
			err = x.walk(ctx, t, at, kind, yield)
		}
		if err != nil {
			yield(storage.Stream{}, wrap("elastic.Streams", err))
		}
	}
}

func (x *Index) walk(ctx context.Context, t access.Tenant, at Watermark, kind storage.StreamKind, yield func(storage.Stream, error) bool) (err error) {
	index := []string{x.name(at.Generation, streamsIndex)}
	if _, err := x.client.do(ctx, func() esapi.Request { return esapi.IndicesRefreshRequest{Index: index} }); err != nil {
		return err
	}
	point, err := x.openView(ctx, index)
	if err != nil {
		return err
	}
	defer func() {
		if closed := point.close(ctx); err == nil {
			err = closed
		}
	}()
	stop := point.keep(ctx)
	defer stop()
	query := all(object{"term": object{"tenant": x.hash.tenant(t).id()}}, object{"term": object{"kind": kindTerm(kind)}})
	open := opener{keys: x.options.Keys}
	for after := []any(nil); ; {
		body := object{
			"size": most, "track_total_hits": false, "query": query, "_source": []string{"name", "head.marks"},
			"pit": point.body(), "sort": []object{{"_shard_doc": "asc"}},
		}
		if after != nil {
			body["search_after"] = after
		}
		var answer struct {
			Hits struct {
				Hits []struct {
					ID     string `json:"_id"`
					Source stream `json:"_source"`
					Sort   []any  `json:"sort"`
				} `json:"hits"`
			} `json:"hits"`
		}
		text, err := x.lookAt(ctx, body)
		if err != nil {
			return err
		}
		if json.Unmarshal(text, &answer) != nil {
			return odd("an answer")
		}
		for i := range answer.Hits.Hits {
			doc := &answer.Hits.Hits[i]
			after = doc.Sort
			if v, ok := doc.Source.Head.at(at.Seq); v == 0 && ok {
				continue // it begins later
			}
			name, ok, err := doc.Source.open(ctx, &open, doc.ID)
			if err != nil {
				return err
			}
			if ok && !yield(name.Stream, nil) {
				return nil
			}
		}
		if len(answer.Hits.Hits) < most {
			return nil
		}
	}
}
