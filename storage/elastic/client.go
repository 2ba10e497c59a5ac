package elastic

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"github.com/elastic/go-elasticsearch/v8/esapi"
	"github.com/sony/gobreaker/v2"
)

// client makes calls that may all be repeated: what they write has a version of
// its own.
type client struct {
	nodes    *elastictransport.Client
	pool     *http.Transport // nil: the caller's
	breaker  *gobreaker.TwoStepCircuitBreaker[struct{}]
	timeout  time.Duration
	attempts int
	hosts    int           // of the cluster that are known
	where    string        // their addresses, for errors
	heard    atomic.Uint64 // answers
	mute     atomic.Bool   // it said nothing to anybody for as long as a call may take
}

const (
	// tripAfter calls in a row that the cluster did not take, none is made for
	// restAfter.
	tripAfter = 20
	restAfter = 2 * time.Second
	// Pauses between attempts double from the first to the last.
	firstPause, lastPause = 50 * time.Millisecond, 2 * time.Second
	// maxAnswer bounds what one call may answer.
	maxAnswer = 256 << 20
)

func newClient(o *Options) (*client, error) {
	c := &client{timeout: o.Timeout, attempts: o.Attempts}
	var nodes []*url.URL
	for _, s := range o.URLs {
		u, err := url.Parse(s)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("elastic: the address of an Elasticsearch node must look like https://host:9200, %q does not", redactURL(s))
		}
		nodes = append(nodes, u)
		c.where = strings.TrimPrefix(c.where+", "+u.Redacted(), ", ")
	}
	if len(nodes) == 0 {
		return nil, errors.New("elastic: no address of an Elasticsearch node is given")
	}
	c.hosts = len(nodes)
	transport := o.Transport
	if transport == nil {
		c.pool = &http.Transport{
			Proxy:        http.ProxyFromEnvironment,
			DialContext:  (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			MaxIdleConns: 256, MaxIdleConnsPerHost: 128, IdleConnTimeout: 90 * time.Second,
			TLSHandshakeTimeout: 5 * time.Second, TLSClientConfig: o.TLS,
			DisableCompression: true, // most of it is sealed; packing costs both sides more than the network
		}
		transport = c.pool
	}
	if o.Wrap != nil {
		transport = o.Wrap(transport)
	}
	options := []elastictransport.Option{elastictransport.WithURLs(nodes...), elastictransport.WithTransport(transport), elastictransport.WithDisableRetry()}
	if o.APIKey != "" {
		options = append(options, elastictransport.WithAPIKey(o.APIKey))
	} else if o.Username != "" {
		options = append(options, elastictransport.WithBasicAuth(o.Username, o.Password))
	}
	var err error
	if c.nodes, err = elastictransport.NewClient(options...); err != nil {
		return nil, fmt.Errorf("elastic: %w", err)
	}
	c.breaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name: "elasticsearch", Timeout: restAfter, MaxRequests: 4,
		ReadyToTrip: func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= tripAfter || c.mute.Load() },
	})
	return c, nil
}

// redactURL leaves out a password.
func redactURL(s string) string {
	if u, err := url.Parse(s); err == nil {
		return u.Redacted()
	}
	return "(unreadable)"
}

func (c *client) close() {
	if c.pool != nil {
		c.pool.CloseIdleConnections()
	}
}

// statusError is an answer that says no.
type statusError struct {
	status int
	kind   string // "index_not_found_exception" ...
	reason string
}

func (e *statusError) Error() string {
	if e.kind == "" { // not in its own words: something else is there
		return fmt.Sprintf("Elasticsearch answers %d", e.status)
	}
	return fmt.Sprintf("Elasticsearch answers %d %s: %s", e.status, e.kind, e.reason)
}

// passing tells whether the same call may be taken a little later.
func (e *statusError) passing() bool {
	switch e.status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

var (
	// errLost: no answer came. Whoever wraps it names the cluster: client.lost.
	errLost = errors.New("no answer of Elasticsearch")
	// errSilent: the deadline of a call passed, not the caller's.
	errSilent = errors.New("no answer within the deadline of a call")
	// errUntrusted: a node has a certificate that is refused. Asking it again changes
	// nothing, but another node may have one that is right.
	errUntrusted = errors.New("the certificate of Elasticsearch is refused")
)

// do sends a request until it is answered, at most c.attempts times, and
// returns the answer's body. check may find in it that the cluster was not able to
// answer wholly.
func (c *client) do(caller context.Context, request func() esapi.Request, check ...func(body []byte) error) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(caller, c.timeout, errSilent)
	defer cancel()
	pause := firstPause
	for attempt := 1; ; attempt++ {
		body, err := c.once(ctx, request())
		for i := 0; i < len(check) && err == nil; i++ {
			err = check[i](body)
		}
		again := repeatable(err) && attempt < c.attempts || errors.Is(err, errUntrusted) && attempt < c.hosts
		if err == nil || ctx.Err() != nil || !again {
			return body, err
		}
		wait := time.NewTimer(pause/2 + rand.N(pause/2))
		select {
		case <-ctx.Done():
			wait.Stop()
			if caller.Err() == nil {
				return nil, err
			}
			return nil, fmt.Errorf("%w (%w)", ctx.Err(), err)
		case <-wait.C:
		}
		pause = min(2*pause, lastPause)
	}
}

func repeatable(err error) bool {
	var status *statusError
	if errors.As(err, &status) {
		return status.passing()
	}
	return errors.Is(err, errLost)
}

func (c *client) once(ctx context.Context, request esapi.Request) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	done, err := c.breaker.Allow()
	if err != nil {
		return nil, c.lost("it failed many times in a row, or was silent, and is left alone for a moment")
	}
	before := c.heard.Load()
	body, err := c.send(ctx, request)
	if ctx.Err() != nil && err != nil {
		if errors.Is(context.Cause(ctx), errSilent) {
			// One call may be slow. A cluster that answers nobody is left alone at once:
			// each caller would wait as long before it is refused.
			c.mute.Store(c.heard.Load() == before)
			done(errSilent)
			return nil, c.lost(fmt.Sprintf("it did not answer within %s (SAMDOK_ELASTICSEARCH_TIMEOUT)", c.timeout))
		}
		done(nil) // the caller went away: that says nothing of the cluster
		return nil, fmt.Errorf("%w (%w)", ctx.Err(), err)
	}
	if repeatable(err) {
		done(err)
	} else {
		done(nil)
	}
	return body, err
}

func (c *client) send(ctx context.Context, request esapi.Request) ([]byte, error) {
	res, err := request.Do(ctx, c.nodes)
	var refused *tls.CertificateVerificationError
	if errors.As(err, &refused) || errors.Is(err, http.ErrSchemeMismatch) {
		return nil, fmt.Errorf("%w: %w", errUntrusted, err)
	}
	if err != nil {
		return nil, c.lost(err.Error())
	}
	c.heard.Add(1)
	c.mute.Store(false)
	if res.Body == nil {
		return nil, nil
	}
	defer res.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(io.LimitReader(res.Body, maxAnswer+1)); err != nil {
		return nil, c.lost(err.Error())
	}
	if body.Len() > maxAnswer {
		return nil, fmt.Errorf("elastic: an answer of more than %d MiB", maxAnswer>>20)
	}
	if res.StatusCode < 300 {
		return body.Bytes(), nil
	}
	e := statusOf(res.StatusCode, body.Bytes())
	if e.status == http.StatusUnauthorized || e.status == http.StatusForbidden {
		return nil, fmt.Errorf("%s: %w; check the user, the password or the API key and their rights (SAMDOK_ELASTICSEARCH_USER, _PASSWORD, _API_KEY), and that it is Elasticsearch", c.where, e)
	}
	return nil, e
}

// lost says what happened and what to do.
func (c *client) lost(what string) error {
	return fmt.Errorf("%w at %s: %s; see that it runs, can be reached (SAMDOK_ELASTICSEARCH_URL) and is not overloaded", errLost, c.where, what)
}

// cause is the error in an answer.
type cause struct {
	Type, Reason string
}

func statusOf(status int, body []byte) *statusError {
	e := &statusError{status: status}
	var answer struct{ Error json.RawMessage }
	var of cause
	if json.Unmarshal(body, &answer) == nil && json.Unmarshal(answer.Error, &of) == nil {
		e.kind, e.reason = of.Type, of.Reason
	}
	return e
}

// missing tells whether what was asked for is not there: a document or an index.
func missing(err error) bool {
	var status *statusError
	return errors.As(err, &status) && status.status == http.StatusNotFound
}

const noIndex = "index_not_found_exception"

// errGone: the generation that was read was dropped.
var errGone = errors.New("elastic: the index was dropped meanwhile")

func gone(err error) bool {
	var status *statusError
	return errors.Is(err, errGone) || errors.As(err, &status) && status.kind == noIndex
}
