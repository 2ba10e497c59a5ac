package httpd

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"
)

// clientOf is what counts as one client: an IPv4 address, or the /64 of an IPv6
// address, which is what one client owns. Loopback addresses stay apart. It is
// false for what is no address and port, such as a Unix socket.
func clientOf(remote string) (netip.Prefix, bool) {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{}, false
	}
	a := ap.Addr().Unmap()
	bits := a.BitLen()
	if a.Is6() && !a.IsLoopback() {
		bits = 64
	}
	key, err := a.WithZone("").Prefix(bits)
	return key, err == nil
}

// limiter keeps one token bucket per client address. It remembers a
// bounded number of clients; one that was forgotten starts with a full bucket.
type limiter struct {
	clients *otter.Cache[netip.Prefix, *rate.Limiter]
	rate    rate.Limit
	burst   int
	clock   func() time.Time
}

func newLimiter(perSecond float64, burst, clients int, clock func() time.Time) (*limiter, error) {
	c, err := otter.New(&otter.Options[netip.Prefix, *rate.Limiter]{MaximumSize: clients})
	if err != nil {
		return nil, fmt.Errorf("rate limiter: %w", err)
	}
	return &limiter{clients: c, rate: rate.Limit(perSecond), burst: burst, clock: clock}, nil
}

func (l *limiter) close() { l.clients.StopAllGoroutines() }

// wait is how long a client must wait; 0 when it may go on.
func (l *limiter) wait(remote string) time.Duration {
	key, ok := clientOf(remote)
	if !ok || key.Addr().IsLoopback() {
		return 0
	}
	bucket, ok := l.clients.GetIfPresent(key)
	if !ok {
		bucket, _ = l.clients.SetIfAbsent(key, rate.NewLimiter(l.rate, l.burst))
	}
	now := l.clock()
	if bucket.AllowN(now, 1) {
		return 0
	}
	return time.Duration(float64(time.Second) / float64(l.rate))
}
