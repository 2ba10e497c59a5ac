package httpd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// Manners are the timeouts and sizes of one listener.
type Manners struct {
	HeaderTimeout time.Duration
	IdleTimeout   time.Duration
	HeaderBytes   int
}

// Listener serves one handler at a time on one address.
type Listener struct {
	handler  atomic.Pointer[http.Handler]
	listener net.Listener
	server   *http.Server
	cancel   context.CancelFunc
	tls      bool
}

// Listen opens the address, so that a port in use is known at once; Serve then
// answers. secure is nil for plain HTTP.
func Listen(address string, secure *tls.Config, h http.Handler, m Manners, l *slog.Logger) (*Listener, error) {
	ln, err := ListenTCP(address)
	if err != nil {
		return nil, err
	}
	return ListenOn(ln, secure, h, m, l), nil
}

// ListenTCP opens an address for any protocol; its error says what to do.
func ListenTCP(address string) (net.Listener, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, explainListen(address, err)
	}
	return ln, nil
}

// ListenOn is Listen on a listener that is already there, such as a Unix socket.
func ListenOn(ln net.Listener, secure *tls.Config, h http.Handler, m Manners, l *slog.Logger) *Listener {
	base, cancel := context.WithCancel(context.Background())
	made := &Listener{listener: ln, cancel: cancel, tls: secure != nil}
	made.Turn(h)
	made.server = &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*made.handler.Load()).ServeHTTP(w, r) }),
		ReadHeaderTimeout: m.HeaderTimeout,
		IdleTimeout:       m.IdleTimeout,
		MaxHeaderBytes:    m.HeaderBytes,
		BaseContext:       func(net.Listener) context.Context { return base },
		ErrorLog:          log.New(errorLog{l}, "", 0),
		TLSConfig:         secure,
	}
	return made
}

// Turn gives the requests that come from here on to another handler.
func (l *Listener) Turn(h http.Handler) { l.handler.Store(&h) }

func explainListen(address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("cannot listen on %s: another program uses this port; stop it, or choose another port (port 0 picks a free one): %w", address, err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("cannot listen on %s: ports below 1024 need a privilege; choose a higher port: %w", address, err)
	}
	return fmt.Errorf("cannot listen on %s: %w", address, err)
}

// Address is the real HOST:PORT, also when port 0 was asked for.
func (l *Listener) Address() string { return l.listener.Addr().String() }

// URL is the address with its scheme. A wildcard host is shown as localhost.
func (l *Listener) URL() string {
	host, port, err := net.SplitHostPort(l.Address())
	if err != nil {
		host, port = l.Address(), ""
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	if l.tls {
		return "https://" + net.JoinHostPort(host, port)
	}
	return "http://" + net.JoinHostPort(host, port)
}

// Serve answers until Stop; it returns nil after Stop.
func (l *Listener) Serve() error {
	var err error
	if l.tls {
		err = l.server.ServeTLS(l.listener, "", "")
	} else {
		err = l.server.Serve(l.listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Stop takes no more connections and waits for the requests in work. When ctx
// ends first, it cancels and cuts them and says so.
func (l *Listener) Stop(ctx context.Context) error {
	defer l.cancel()
	err := l.server.Shutdown(ctx)
	// net/http knows the listener only once Serve has begun.
	if closing := l.listener.Close(); closing != nil && !errors.Is(closing, net.ErrClosed) {
		err = errors.Join(err, closing)
	}
	if err == nil {
		return nil
	}
	l.cancel()
	return errors.Join(fmt.Errorf("requests were cut off: %w", err), l.server.Close())
}

// errorLog passes net/http's own complaints on. They are about connections of
// strangers (broken TLS, malformed requests) and belong to the debug level, except
// panics, which this package catches before net/http sees them.
type errorLog struct{ log *slog.Logger }

func (e errorLog) Write(b []byte) (int, error) {
	e.log.Debug("http", "problem", strings.TrimSpace(string(b)))
	return len(b), nil
}
