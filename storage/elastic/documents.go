package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// wanted is a document to read in real time.
type wanted struct {
	index, id, routing string
	// source is decoded into when it is found.
	source any
	// version of the document; 0 when it is not there.
	version uint64
}

func (w *wanted) target() target { return target{w.index, w.id} }

// getAtOnce is how many documents one call reads.
const getAtOnce = 512

// get reads documents in real time: also those that no search sees yet.
func (x *Index) get(ctx context.Context, list []*wanted) error { return x.getAnd(ctx, list, nil) }

// getAnd is get, and tells note, if there is one, what was read.
func (x *Index) getAnd(ctx context.Context, list []*wanted, note func([]*wanted, []document)) error {
	calls := slices.Collect(slices.Chunk(list, getAtOnce))
	found := make([][]document, len(calls))
	err := spread(len(calls), func(i int) (err error) {
		if found[i], err = x.gets.ask(ctx, calls[i]); err != nil {
			return err
		}
		return fill(calls[i], found[i])
	})
	for i := range calls {
		if err == nil && note != nil {
			note(calls[i], found[i])
		}
	}
	return err
}

// Reads that are under way, and callers who share one.
const (
	readsAtOnce = 2
	readsMost   = 32
)

// read reads what several callers want, each document once: most want the watermark.
func (x *Index) read(ctx context.Context, lists [][]*wanted) (found [][]document, err error) {
	var list []*wanted
	places := map[target]int{}
	for _, w := range slices.Concat(lists...) {
		if _, asked := places[w.target()]; !asked {
			places[w.target()] = len(list)
			list = append(list, w)
		}
	}
	var docs []document
	if _, err := x.client.do(ctx,
		func() esapi.Request { return esapi.MgetRequest{Body: targets(list)} },
		func(body []byte) (err error) { docs, err = documents(body, len(list)); return err }); err != nil {
		return nil, err
	}
	for _, l := range lists {
		some := make([]document, len(l))
		for i, w := range l {
			some[i] = docs[places[w.target()]]
		}
		found = append(found, some)
	}
	return found, nil
}

// targets is the body that asks for documents.
func targets(list []*wanted) io.Reader {
	var b []byte
	b = append(b, `{"docs":[`...)
	for i, w := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendTarget(b, w.index, w.id, w.routing)
		b = append(b, '}')
	}
	return bytes.NewReader(append(b, `]}`...))
}

// document is one of an answer.
type document struct {
	Found   bool            `json:"found"`
	Version uint64          `json:"_version"`
	Source  json.RawMessage `json:"_source"`
	Error   *cause          `json:"error"`
}

// documents are those of an answer; an error when some may be answered a little
// later.
func documents(body []byte, n int) ([]document, error) {
	var answer struct{ Docs []document }
	if err := json.Unmarshal(body, &answer); err != nil || len(answer.Docs) != n {
		return nil, odd("an answer to a read")
	}
	for i := range answer.Docs {
		if c := answer.Docs[i].Error; c != nil && repeatable(itemError(c)) {
			return nil, itemError(c)
		}
	}
	return answer.Docs, nil
}

// fill puts what was found into what was wanted.
func fill(list []*wanted, docs []document) error {
	for i := range docs {
		if err := list[i].fill(&docs[i]); err != nil {
			return err
		}
	}
	return nil
}

func (w *wanted) fill(d *document) error {
	if d.Error != nil {
		return itemError(d.Error)
	}
	if !d.Found {
		return nil
	}
	w.version = d.Version
	if err := json.Unmarshal(d.Source, w.source); err != nil {
		return odd("document " + w.id + " of " + w.index)
	}
	return nil
}

// itemError is the failure of one of many documents, whose status is not told.
func itemError(c *cause) error {
	status := http.StatusServiceUnavailable
	if c.Type == noIndex {
		status = http.StatusNotFound
	}
	return &statusError{status: status, kind: c.Type, reason: c.Reason}
}

// appendTarget writes {"_index":..,"_id":..,"routing":.. without its end. The
// names need no escapes.
func appendTarget(b []byte, index, id, routing string) []byte {
	b = append(b, `{"_index":"`...)
	b = append(b, index...)
	b = append(b, `","_id":"`...)
	b = append(b, id...)
	b = append(b, '"')
	if routing != "" {
		b = append(b, `,"routing":"`...)
		b = append(b, routing...)
		b = append(b, '"')
	}
	return b
}

// write is a document to be written, unless one of its version or a newer one is there.
type write struct {
	index, id, routing string
	version            uint64
	source             any
	text               []byte // of the source
	// first: it must be there before the next one, and goes with it in one call.
	first bool
}

// bulkBytes is about how much one call writes, bulkCalls how many run at a time.
const (
	bulkBytes = 4 << 20
	bulkCalls = 4
)

// bulk writes documents, all of them or an error. old tells whether the caller
// must refresh to let searches see them: some were there already, or they took
// more than one call. show: they are seen without that otherwise.
func (x *Index) bulk(ctx context.Context, list []write, show bool) (old bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		old bool
		err error
	}
	results, running := make(chan result, bulkCalls), 0
	take := func() {
		r := <-results
		running--
		old = old || r.old
		if r.err != nil {
			cancel()
		}
		if err == nil {
			err = r.err
		}
	}
	if err := spread(len(list), func(i int) (err error) { list[i].text, err = json.Marshal(list[i].source); return err }); err != nil {
		return false, err
	}
	for from := 0; from < len(list) && err == nil; {
		var b []byte
		to := from
		for ; to < len(list) && (len(b) < bulkBytes || list[to-1].first); to++ {
			b = list[to].append(b)
		}
		whole := from == 0 && to == len(list)
		if running == bulkCalls {
			take()
		}
		running++
		go func(part []write) {
			some, err := x.bulkSome(ctx, part, b, show && whole)
			results <- result{some || show && !whole, err}
		}(list[from:to])
		from = to
	}
	for running > 0 {
		take()
	}
	return old, err
}

// append writes the two lines of a document whose text is there.
func (w *write) append(b []byte) []byte {
	b = append(b, `{"index":`...)
	b = appendTarget(b, w.index, w.id, w.routing)
	b = append(b, `,"version_type":"external","version":`...)
	b = strconv.AppendUint(b, w.version, 10)
	b = append(b, "}}\n"...)
	return append(append(b, w.text...), '\n')
}
