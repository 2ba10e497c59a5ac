package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// viewLife is how long the cluster keeps a walk's view when nobody asks for it.
const viewLife = 5 * time.Minute

// view is a moment of an index that the cluster keeps for a walk.
type view struct {
	x  *Index
	id string
}

func (x *Index) openView(ctx context.Context, index []string) (view, error) {
	var answer struct {
		ID string `json:"id"`
	}
	err := x.call(ctx, func() esapi.Request {
		return esapi.OpenPointInTimeRequest{Index: index, KeepAlive: keepAlive(x.viewLife)}
	}, &answer)
	return view{x, answer.ID}, err
}

func keepAlive(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + "ms" }

// body is what a search of the view says of it.
func (v view) body() object { return object{"id": v.id, "keep_alive": keepAlive(v.x.viewLife)} }

// keep asks for the view now and then until stop is called, however long whoever walks
// takes over a page.
func (v view) keep(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		again := time.NewTicker(v.x.viewLife / 3)
		defer again.Stop()
		for {
			select {
			case <-again.C:
			case <-ctx.Done():
				return
			}
			// When it fails, the next page tells.
			_, _ = v.x.lookAt(ctx, object{"size": 0, "track_total_hits": false, "pit": v.body()})
		}
	}()
	return func() { cancel(); <-ended }
}

func (v view) close(ctx context.Context) error {
	_, err := v.x.client.do(context.WithoutCancel(ctx), func() esapi.Request {
		return esapi.ClosePointInTimeRequest{Body: strings.NewReader(`{"id":"` + v.id + `"}`)}
	})
	if missing(err) {
		return nil
	}
	return err
}

// errView: the cluster has given up the view that was walked through.
var errView = errors.New("elastic: the view of the index that was walked through is gone (was a node of Elasticsearch restarted?); begin again")

// lookAt asks a view for a page.
func (x *Index) lookAt(ctx context.Context, body object) ([]byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	no := false
	answer, err := x.client.do(ctx, func() esapi.Request {
		return esapi.SearchRequest{Body: bytes.NewReader(text), AllowPartialSearchResults: &no}
	})
	if missing(err) {
		err = errView
	}
	return answer, err
}
