package elastic

import (
	"context"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"samdok/access"
	"samdok/storage"
)

// Held is one change of a journal, and what the index has of it.
type Held struct {
	Ref     [16]byte // of its stream
	Version storage.Version

	Head  storage.Version // of the stream; 0: it is not there
	There bool            // the change's first part is
}

// Hold fills in what the index has of some changes, at this moment.
func (x *Index) Hold(ctx context.Context, t access.Tenant, list []Held) error {
	const op = "elastic.Hold"
	if len(list) == 0 {
		return nil
	}
	at, err := x.watermark(ctx, t)
	if err != nil {
		return wrap(op, err)
	}
	return wrap(op, x.inGeneration(ctx, t, &at, func() error {
		heads, parts := make([]stream, len(list)), make([]struct{}, len(list))
		var gets []*wanted
		for i := range list {
			h := hash(list[i].Ref)
			p := place{stream: h, version: list[i].Version}
			gets = append(gets,
				&wanted{index: x.name(at.Generation, streamsIndex), id: h.id(), source: &heads[i]},
				&wanted{index: x.name(at.Generation, changesIndex), id: p.id(), routing: h.term(), source: &parts[i]})
		}
		// What is sealed in them is not needed.
		var docs []document
		_, err := x.client.do(ctx,
			func() esapi.Request { return esapi.MgetRequest{Body: targets(gets), SourceIncludes: []string{"head"}} },
			func(body []byte) (err error) { docs, err = documents(body, len(gets)); return err })
		if err == nil {
			err = fill(gets, docs)
		}
		for i := range list {
			list[i].Head, list[i].There = 0, gets[2*i+1].version > 0
			if marks := heads[i].Head.Marks; gets[2*i].version > 0 && len(marks) > 0 {
				list[i].Head = marks[len(marks)-1].Version
			}
		}
		return err
	}))
}
