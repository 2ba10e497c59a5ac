package elastic

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"samdok/access"
	"samdok/storage"
)

// Options say which Elasticsearch, and how it is used. Zero values mean the
// defaults named.
type Options struct {
	URLs               []string // of the cluster's nodes, "https://host:9200"
	Username, Password string
	APIKey             string
	TLS                *tls.Config // nil: the system's authorities
	// Wrap is put around the connections, for metrics and traces.
	Wrap      func(http.RoundTripper) http.RoundTripper
	Transport http.RoundTripper // nil: a pool of connections of its own
	// Prefix stands before the names of all indexes: "samdok-".
	Prefix string
	// Secret is the key of the hashes that stand for identifiers. It never changes.
	Secret [32]byte
	// Keys opens data keys; nil: nothing is sealed.
	Keys Keys
	// Shards of the largest index of a new generation: 1; the others have a quarter
	// and a sixteenth of them. Replicas of each: 0 means one as
	// soon as there are two nodes, a negative number none.
	Shards, Replicas int
	// Timeout of a call with its repetitions: 30 s. Attempts of one: 6.
	Timeout  time.Duration
	Attempts int
}

// Index is an open projection. Its methods may be called at the same time.
type Index struct {
	options Options
	client  *client
	hash    hasher
	gets    together[[]*wanted, []document]
	seen    marks
	lately  lately

	viewLife time.Duration // viewLife, less in tests
}

// Open connects and makes what is missing of the state and the first generation.
func Open(ctx context.Context, o Options) (*Index, error) {
	const op = "elastic.Open"
	o.Prefix = cmp.Or(o.Prefix, "samdok-")
	o.Shards = cmp.Or(o.Shards, 1)
	o.Timeout = cmp.Or(o.Timeout, 30*time.Second)
	o.Attempts = cmp.Or(o.Attempts, 6)
	c, err := newClient(&o)
	if err != nil {
		return nil, err
	}
	x := &Index{options: o, client: c, hash: hasher{o.Secret}, viewLife: viewLife}
	x.gets.call, x.gets.atOnce, x.gets.most = x.read, readsAtOnce, readsMost
	if err := x.prepare(ctx); err != nil {
		x.Close()
		return nil, wrap(op, err)
	}
	return x, nil
}

// prepare makes the state, and generation 1 when none serves.
func (x *Index) prepare(ctx context.Context) error {
	if _, err := x.create(ctx, stateIndex, x.state()); err != nil {
		return err
	}
	if err := x.own(ctx); err != nil {
		return err
	}
	_, err := x.serving(ctx)
	if missing(err) {
		if err := x.complete(ctx, 1); err != nil {
			return err
		}
		err = x.Serve(ctx, 1)
	}
	if err != nil {
		return err
	}
	return x.readable(ctx)
}

// readable checks the form of the indexes.
func (x *Index) readable(ctx context.Context) error {
	w, err := x.serving(ctx)
	if err != nil {
		return err
	}
	body, err := x.client.do(ctx, func() esapi.Request {
		return esapi.IndicesGetMappingRequest{Index: []string{x.state(), x.name(w.Generation, changesIndex), x.name(w.Generation, streamsIndex), x.name(w.Generation, idsIndex)}}
	})
	if err != nil {
		return err
	}
	var found map[string]struct {
		Mappings struct {
			Meta struct{ Samdok int } `json:"_meta"`
		}
	}
	if err := json.Unmarshal(body, &found); err != nil {
		return odd("the mappings")
	}
	for name, index := range found {
		switch v := index.Mappings.Meta.Samdok; {
		case v > format:
			return fmt.Errorf("%w (%s has format %d, this program knows %d)", ErrNewer, name, v, format)
		case v < 1:
			return fmt.Errorf("%w (%s was not made by samdok)", ErrForeign, name)
		}
	}
	return nil
}

// Close waits for reads under way and gives up its connections.
func (x *Index) Close() {
	x.gets.wait()
	x.client.close()
}

// Ready is nil when the cluster answers and its indexes are of a form that this
// program knows; the error names what mends it.
func (x *Index) Ready(ctx context.Context) error {
	within, cancel := ctx, context.CancelFunc(func() {})
	if end, ok := ctx.Deadline(); ok { // time is left to say which cluster is silent
		within, cancel = context.WithTimeout(ctx, time.Until(end)*4/5)
	}
	defer cancel()
	err := x.readable(within)
	if err != nil && within.Err() != nil && ctx.Err() == nil {
		err = x.client.lost("it did not answer in time")
	}
	return wrap("elastic.Ready", err)
}

// Reference names a stream by its keyed hash, whether it exists or not.
func (x *Index) Reference(t access.Tenant, s storage.Stream) [16]byte { return x.hash.stream(t, s) }
