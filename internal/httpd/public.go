package httpd

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// Endpoint is one actor at a fixed path.
type Endpoint struct {
	Path         string // "/services/registry"
	Name         string // "Document Registry"
	Transactions []string
	Handler      http.Handler
	// Below: it is no SOAP actor; the handler answers all that lies below Path, whatever
	// the method.
	Below bool
}

// PublicOptions describe the public listener.
type PublicOptions struct {
	Endpoints    []Endpoint
	Identity     Identity
	Rate         float64 // requests per second and client, 0 for no limit
	Burst        int
	Clients      int
	Concurrent   int
	Share        int // percent of Concurrent that one client may have; 0 and 100 for all
	StallTimeout time.Duration
	TLS          bool
	Clock        func() time.Time
	Log          *slog.Logger
	Watch        Watch
}

// Watch is told what happens, for metrics. Its functions must be fast.
type Watch struct {
	// Done is called after each request that was let in.
	Done func(endpoint string, status int, took time.Duration)
	// Refused is called for each request that was not: "rate", "share", "busy", "starting".
	Refused func(reason string)
}

// Identity is what the landing page tells about this installation.
type Identity struct {
	URL                string // "" means: as the client addressed it
	HomeCommunityID    string
	RepositoryUniqueID string
	Profile            string
	Version            string
}

// Public is the handler of the public listener. Close it after the listener has
// stopped.
type Public struct {
	gate   *gate
	router *gin.Engine
}

// NewPublic puts the endpoints behind the gate: limits first, then the router,
// then the door.
func NewPublic(o PublicOptions) (*Public, error) {
	page, err := newLanding(o.Identity, o.Endpoints)
	if err != nil {
		return nil, err
	}
	gin.SetMode(gin.ReleaseMode) // otherwise gin prints its routes on stdout
	r := gin.New()
	r.HandleMethodNotAllowed = true
	r.RedirectTrailingSlash = false
	r.RedirectFixedPath = false
	r.GET("/", gin.WrapH(page))
	r.HEAD("/", gin.WrapH(page))
	for _, e := range o.Endpoints {
		if e.Below {
			r.Any(e.Path+"/*below", gin.WrapH(e.Handler))
			continue
		}
		r.POST(e.Path, gin.WrapH(e.Handler))
		r.GET(e.Path, gin.WrapF(explainEndpoint(e)))
	}
	r.NoRoute(gin.WrapF(page.notFound))
	r.NoMethod(gin.WrapF(page.wrongMethod))
	g, err := newGate(o, r)
	if err != nil {
		return nil, err
	}
	return &Public{gate: g, router: r}, nil
}

func (p *Public) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.gate.ServeHTTP(w, r) }

// InWork is the number of requests that are being answered.
func (p *Public) InWork() int { return len(p.gate.slots) }

// Close ends the rate limiter's background work.
func (p *Public) Close() { p.gate.close() }
