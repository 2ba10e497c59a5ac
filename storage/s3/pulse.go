package s3

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// errSilent ends a call during which nothing moved for too long.
var errSilent = errors.New("it is silent")

// pulse is the deadline of a call, which moves as bytes move: a large object takes as
// long as it takes, and a store that says nothing is found out soon.
type pulse struct {
	limit time.Duration // of silence
	mu    sync.Mutex
	timer *time.Timer
	sent  int
}

// unseen is what may lie in the buffers of the kernel: bytes that are given to it may
// still be on their way, at 1 MiB/s or more.
const unseen = 4 << 20

type pulseKey struct{}

// withPulse is a context that ends when the call that uses it is silent for longer than
// limit; its cause then is errSilent.
func withPulse(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	p := &pulse{limit: limit}
	p.timer = time.AfterFunc(limit, func() { cancel(errSilent) })
	return context.WithValue(ctx, pulseKey{}, p), func() { p.timer.Stop(); cancel(nil) }
}

// wentOut notes that bytes of the request were sent.
func (p *pulse) wentOut(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = min(p.sent+n, unseen)
	p.beat(time.Duration(p.sent) * time.Second >> 20)
}

// cameIn notes that something of the answer has come.
func (p *pulse) cameIn() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.beat(0)
}

// beat begins to wait anew, unless the call is over.
func (p *pulse) beat(more time.Duration) {
	if p.timer.Stop() {
		p.timer.Reset(p.limit + more)
	}
}

// felt lets the pulse of a request, if it has one, follow its body.
func felt(r *http.Request) (*http.Request, *pulse) {
	p, _ := r.Context().Value(pulseKey{}).(*pulse)
	if p == nil || r.Body == nil || r.Body == http.NoBody {
		return r, p
	}
	with := *r // a RoundTripper must not change its request
	with.Body = &moving{r.Body, p.wentOut}
	return &with, p
}

// moving tells how many bytes were read.
type moving struct {
	io.ReadCloser
	moved func(n int)
}

// Read implements io.Reader.
func (m *moving) Read(b []byte) (int, error) {
	n, err := m.ReadCloser.Read(b)
	if n > 0 {
		m.moved(n)
	}
	return n, err
}

// silent tells whether a call ended because the store said nothing. ctx is the call's.
func silent(ctx context.Context, err error) bool {
	var n net.Error
	return err != nil && (errors.Is(context.Cause(ctx), errSilent) || errors.As(err, &n) && n.Timeout())
}
