package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
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

// getAtOnce is how many documents one call reads.
const getAtOnce = 512

// get reads documents in real time: also those that no search sees yet.
func (x *Index) get(ctx context.Context, list []*wanted) error {
	for len(list) > 0 {
		n := min(len(list), getAtOnce)
		if err := x.getSome(ctx, list[:n]); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

func (x *Index) getSome(ctx context.Context, list []*wanted) error {
	var b []byte
	b = append(b, `{"docs":[`...)
	for i, w := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendTarget(b, w.index, w.id, w.routing)
		b = append(b, '}')
	}
	b = append(b, `]}`...)
	_, err := x.client.do(ctx,
		func() esapi.Request { return esapi.MgetRequest{Body: bytes.NewReader(b)} },
		func(body []byte) error { return found(body, list) })
	return err
}

// found reads the documents of an answer.
func found(body []byte, list []*wanted) error {
	var answer struct {
		Docs []struct {
			Found   bool            `json:"found"`
			Version uint64          `json:"_version"`
			Source  json.RawMessage `json:"_source"`
			Error   *cause          `json:"error"`
		} `json:"docs"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || len(answer.Docs) != len(list) {
		return odd("an answer to a read")
	}
	for i := range answer.Docs {
		d := &answer.Docs[i]
		if d.Error != nil {
			return itemError(d.Error)
		}
		if !d.Found {
			continue
		}
		list[i].version = d.Version
		if err := json.Unmarshal(d.Source, list[i].source); err != nil {
			return odd("document " + list[i].id + " of " + list[i].index)
		}
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
}

// bulkBytes is about how much one call writes.
const bulkBytes = 4 << 20

// bulk writes documents, all of them or an error. old tells whether some were
// there already. show lets searches see them.
func (x *Index) bulk(ctx context.Context, list []write, show bool) (old bool, err error) {
	if len(list) == 0 {
		return false, nil
	}
	for from := 0; from < len(list); {
		var b []byte
		to := from
		for ; to < len(list) && len(b) < bulkBytes; to++ {
			if b, err = list[to].append(b); err != nil {
				return false, err
			}
		}
		whole := from == 0 && to == len(list)
		some, err := x.bulkSome(ctx, list[from:to], b, show && whole)
		if err != nil {
			return false, err
		}
		old = old || some || show && !whole // the caller refreshes
		from = to
	}
	return old, nil
}

func (w *write) append(b []byte) ([]byte, error) {
	b = append(b, `{"index":`...)
	b = appendTarget(b, w.index, w.id, w.routing)
	b = append(b, `,"version_type":"external","version":`...)
	b = strconv.AppendUint(b, w.version, 10)
	b = append(b, "}}\n"...)
	text, err := json.Marshal(w.source)
	if err != nil {
		return b, err
	}
	return append(append(b, text...), '\n'), nil
}
