package httpd

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"samdok/fault"
)

// Dependency is one thing that readiness asks about. Check returns nil or an
// error that names the command or action that mends it.
type Dependency struct {
	Name  string
	Check func(context.Context) error
	// Warn returns what an operator should see to although the server is ready, or
	// ""; nil: there is no such thing.
	Warn func(context.Context) string
}

// InternalOptions describe the internal listener.
type InternalOptions struct {
	Dependencies []Dependency
	Metrics      http.Handler
	// Draining is set when the server no longer wants new clients.
	Draining *atomic.Bool
	Timeout  time.Duration // for all checks together
	Profile  bool          // offer /debug/profile
	// More are further pages, by path.
	More map[string]http.HandlerFunc
}

// NewInternal is the handler of the internal listener.
func NewInternal(o InternalOptions) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.GET("/healthz", func(c *gin.Context) { writeText(c.Writer, http.StatusOK, "ok: the process runs\n") })
	r.GET("/readyz", func(c *gin.Context) { ready(o, c.Writer, c.Request) })
	r.GET("/metrics", gin.WrapH(o.Metrics))
	if o.Profile {
		r.GET("/debug/profile", profile)
	}
	for path, page := range o.More {
		r.GET(path, gin.WrapF(page))
	}
	r.NoRoute(func(c *gin.Context) {
		writeText(c.Writer, http.StatusNotFound, "This is samdok's internal listener. It has /healthz, /readyz and /metrics.\n")
	})
	return r
}

func ready(o InternalOptions, w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), o.Timeout)
	defer cancel()
	status := http.StatusOK
	var b strings.Builder
	if o.Draining.Load() {
		status = http.StatusServiceUnavailable
		b.WriteString("stopping: the server ends its last requests\n")
	}
	// All at once: one that does not answer must not use up the time of the others,
	// or it would look as if they did not either.
	answers := make([]readiness, len(o.Dependencies))
	var all sync.WaitGroup
	for i := range o.Dependencies {
		all.Go(func() { answers[i] = o.Dependencies[i].ask(ctx) })
	}
	all.Wait()
	for _, a := range answers {
		b.WriteString(a.text + "\n")
		if !a.ready {
			status = http.StatusServiceUnavailable
		}
	}
	writeText(w, status, b.String())
}

// readiness is what one dependency says.
type readiness struct {
	ready bool
	text  string
}

func (d *Dependency) ask(ctx context.Context) readiness {
	if d.Check != nil {
		if err := d.Check(ctx); err != nil {
			return readiness{false, d.Name + ": not ready: " + remedy(err)}
		}
	}
	text := d.Name + ": ready"
	if d.Warn != nil {
		if warning := d.Warn(ctx); warning != "" {
			text += "; warning: " + warning
		}
	}
	return readiness{true, text}
}

// remedy is the text for the operator: an engine's error keeps the words that name
// the remedy apart from its codes.
func remedy(err error) string {
	text := err.Error()
	for _, p := range fault.ProblemsOf(err) {
		text += ". " + p.Context
	}
	return text
}
