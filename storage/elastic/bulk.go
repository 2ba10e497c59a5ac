package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// outcome of one document of a bulk.
type outcome struct {
	Status int    `json:"status"`
	Error  *cause `json:"error"`
}

// bulkSome sends one bulk, and again what the cluster was too busy for.
func (x *Index) bulkSome(ctx context.Context, list []write, body []byte, show bool) (old bool, err error) {
	pause := firstPause
	for attempt := 1; ; attempt++ {
		outcomes, err := x.sendBulk(ctx, body, show, len(list))
		if err != nil {
			return false, err
		}
		var again []write
		var busy error
		for i := range outcomes {
			o := &outcomes[i].Index
			switch failed := (&statusError{status: o.Status}); {
			case o.Status < 300:
			case o.Status == http.StatusConflict:
				old = true
			case failed.passing() && attempt < x.client.attempts:
				again = append(again, list[i])
				busy = failed
			default:
				if o.Error != nil {
					failed.kind, failed.reason = o.Error.Type, o.Error.Reason
				}
				return false, failed
			}
		}
		if len(again) == 0 {
			return old, nil
		}
		select {
		case <-ctx.Done():
			return false, busy
		case <-time.After(pause/2 + rand.N(pause/2)):
		}
		pause = min(2*pause, lastPause)
		list, body = again, nil // the old one may still be read
		for i := range again {
			body = again[i].append(body)
		}
	}
}

func (x *Index) sendBulk(ctx context.Context, body []byte, show bool, n int) ([]struct{ Index outcome }, error) {
	refresh, alias := "false", true
	if show {
		refresh = "true"
	}
	text, err := x.client.do(ctx, func() esapi.Request {
		return esapi.BulkRequest{
			Body: bytes.NewReader(body), Refresh: refresh, RequireAlias: &alias,
			FilterPath: []string{"items.*.status", "items.*.error.type", "items.*.error.reason"},
		}
	})
	if err != nil {
		return nil, err
	}
	var answer struct{ Items []struct{ Index outcome } }
	if err := json.Unmarshal(text, &answer); err != nil || len(answer.Items) != n {
		return nil, odd("an answer to a bulk")
	}
	return answer.Items, nil
}
