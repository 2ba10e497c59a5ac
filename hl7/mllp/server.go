package mllp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"
)

// Peer is who sends.
type Peer struct {
	Remote   string // network address without port
	Loopback bool
	// Subject and Name are those of a verified client certificate: the whole
	// distinguished name, and its common name. "" without one.
	Subject, Name string
}

// Options of a Server. Handle is required; zero numbers mean their defaults.
type Options struct {
	// Handle answers a message, which is valid until it returns. nil as an answer
	// closes the connection. tooLong tells that message is only the beginning of one
	// that passes MessageBytes; the connection is closed after the answer.
	Handle func(ctx context.Context, p Peer, message []byte, tooLong bool) (answer []byte)
	// TLS is nil for plain TCP.
	TLS *tls.Config
	// MessageBytes is the largest message. Default 1 MiB.
	MessageBytes int
	// Connections is how many may be open. One more takes the place of the one that
	// was silent longest between two messages; when none is, it is closed at once.
	// Default 100.
	Connections int
	// StallTimeout is the time without an octet inside a message, or while an answer
	// is sent. A whole message may take ten times as long. Default 1 minute.
	StallTimeout time.Duration
	// IdleTimeout is the time between two messages. Default 1 hour.
	IdleTimeout time.Duration
	Log         *slog.Logger // nil: none
	// Refused is told why a connection was closed on the server's side: "crowd",
	// "stalled", "no frame", "too long", "panic". It may be nil.
	Refused func(reason string)
}

// Server answers on one listener. Make one with NewServer.
type Server struct {
	Options
	listener net.Listener
	ctx      context.Context // ends when requests in work are cut off
	cut      context.CancelFunc

	mu       sync.Mutex
	conns    map[*conn]struct{}
	stopping bool
	group    sync.WaitGroup
}

// NewServer makes a server on a listener, which it closes in Stop.
func NewServer(l net.Listener, o Options) *Server {
	if o.MessageBytes <= 0 {
		o.MessageBytes = 1 << 20
	}
	if o.Connections <= 0 {
		o.Connections = 100
	}
	if o.StallTimeout <= 0 {
		o.StallTimeout = time.Minute
	}
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = time.Hour
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Refused == nil {
		o.Refused = func(string) {}
	}
	s := &Server{Options: o, listener: l, conns: map[*conn]struct{}{}}
	s.ctx, s.cut = context.WithCancel(context.Background())
	return s
}

// Address is HOST:PORT of the listener.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Open is the number of open connections.
func (s *Server) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Serve answers until Stop; it returns nil after Stop.
func (s *Server) Serve() error {
	for pause := time.Duration(0); ; {
		c, err := s.listener.Accept()
		switch {
		case err == nil:
			pause = 0
			s.admit(c)
		case s.isStopping():
			return nil
		case temporary(err):
			// Too many open files, most likely: it passes when connections end.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.Log.Warn("a connection could not be accepted", "listener", "mllp", "error", err.Error())
			time.Sleep(pause)
		default:
			return fmt.Errorf("mllp listener: %w", err)
		}
	}
}

// temporary tells errors of one connection or of the moment from a broken listener.
func temporary(err error) bool {
	var n interface{ Temporary() bool }
	return errors.As(err, &n) && n.Temporary()
}

func (s *Server) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

// admit gives a connection a place and a goroutine.
func (s *Server) admit(nc net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopping && len(s.conns) >= s.Connections {
		s.Refused("crowd")
		if quiet := s.quietest(); quiet != nil {
			quiet.drop()
			delete(s.conns, quiet)
		}
	}
	if s.stopping || len(s.conns) >= s.Connections {
		closing(nc)
		return
	}
	c := &conn{s: s, raw: nc, idleSince: time.Now()}
	s.conns[c] = struct{}{}
	s.group.Go(func() {
		defer s.leave(c)
		c.serve()
	})
}

// quietest is the connection that has been without a message longest; nil when all
// have one in work.
func (s *Server) quietest() *conn {
	var found *conn
	for c := range s.conns {
		if c.busy || c.dropped {
			continue
		}
		if found == nil || c.idleSince.Before(found.idleSince) {
			found = c
		}
	}
	return found
}

func (s *Server) leave(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	closing(c.raw)
}

// Stop takes no more connections, closes those that are silent and waits for the
// messages in work. When ctx ends first, it cancels and cuts them and says so.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	s.stopping = true
	for c := range s.conns {
		if !c.busy {
			c.drop()
		}
	}
	s.mu.Unlock()
	defer s.cut()
	err := s.listener.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	done := make(chan struct{})
	go func() { s.group.Wait(); close(done) }()
	select {
	case <-done:
		return err
	case <-ctx.Done():
	}
	s.mu.Lock()
	for c := range s.conns { // before the work is cut: what a cut handler says is no answer
		c.drop()
	}
	s.mu.Unlock()
	s.cut()
	<-done
	return errors.Join(err, fmt.Errorf("messages were cut off: %w", ctx.Err()))
}

// conn is one connection. busy, dropped and idleSince belong to the server's mutex.
type conn struct {
	s         *Server
	raw       net.Conn
	busy      bool // a message is being read, worked on or answered
	dropped   bool
	idleSince time.Time

	whole time.Time // when the message in work must have arrived
	moved time.Time // when the deadline was set
}

// drop ends the connection's reads and writes at once. The mutex is held.
func (c *conn) drop() {
	c.dropped = true
	closing(c.raw)
}

// closing ignores the error: nobody is left to tell.
func closing(c net.Conn) { _ = c.Close() }

func (c *conn) serve() {
	defer func() {
		if p := recover(); p != nil { // its text may quote a patient
			c.s.Refused("panic")
			c.s.Log.Error("a message ended in a panic", "listener", "mllp", "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
		}
	}()
	stream := c.raw
	peer := peerOf(c.raw)
	if c.s.TLS != nil {
		secure := tls.Server(c.raw, c.s.TLS)
		ctx, cancel := context.WithTimeout(c.s.ctx, c.s.StallTimeout)
		err := secure.HandshakeContext(ctx)
		cancel()
		if err != nil {
			c.s.Log.Debug("a TLS handshake failed", "listener", "mllp", "error", err.Error())
			return
		}
		if certs := secure.ConnectionState().PeerCertificates; len(certs) > 0 {
			peer.Subject, peer.Name = certs[0].Subject.String(), certs[0].Subject.CommonName
		}
		stream = secure
	}
	r := reader{r: progress{c, stream}, limit: c.s.MessageBytes, begun: c.begin}
	for c.exchange(stream, &r, peer) {
	}
}

// exchange takes one message and answers it; false ends the connection.
func (c *conn) exchange(stream net.Conn, r *reader, peer Peer) bool {
	if !c.rest() {
		return false
	}
	message, err := r.next()
	if err != nil && !errors.Is(err, ErrTooLong) {
		c.ended(err)
		return false
	}
	answer := c.s.Handle(c.s.ctx, peer, message, err != nil)
	if answer == nil {
		return false
	}
	if e := c.send(stream, answer); e != nil {
		c.s.Log.Debug("an answer could not be sent", "listener", "mllp", "error", e.Error())
		return false
	}
	if err != nil {
		c.s.Refused("too long")
		c.discard(stream)
		return false
	}
	return true
}

// rest waits for the next message; false when the server stops.
func (c *conn) rest() bool {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.busy, c.idleSince = false, time.Now()
	if c.s.stopping || c.dropped {
		return false
	}
	_ = c.raw.SetReadDeadline(c.idleSince.Add(c.s.IdleTimeout))
	return true
}

// begin is called when a message begins: from now on octets must come.
func (c *conn) begin() {
	c.s.mu.Lock()
	c.busy = true
	c.s.mu.Unlock()
	now := time.Now()
	c.whole, c.moved = now.Add(10*c.s.StallTimeout), now
	_ = c.raw.SetReadDeadline(now.Add(c.s.StallTimeout))
}

// progress moves the read deadline along while a message comes.
type progress struct {
	c      *conn
	stream net.Conn
}

func (p progress) Read(b []byte) (int, error) {
	n, err := p.stream.Read(b)
	if c := p.c; n > 0 && !c.whole.IsZero() {
		if now := time.Now(); now.Sub(c.moved) > c.s.StallTimeout/8 {
			c.moved = now
			_ = c.raw.SetReadDeadline(earlier(now.Add(c.s.StallTimeout), c.whole))
		}
	}
	return n, err
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// send writes an answer in its frame.
func (c *conn) send(stream net.Conn, answer []byte) error {
	c.whole = time.Time{}
	_ = c.raw.SetWriteDeadline(time.Now().Add(c.s.StallTimeout))
	_, err := stream.Write(Append(make([]byte, 0, len(answer)+3), answer))
	return err
}

// discard reads on for a while, so that a sender in the middle of a message that is
// too long sees the answer and not a reset.
func (c *conn) discard(stream net.Conn) {
	const most, patience = 16 << 20, 2 * time.Second
	if t, ok := stream.(interface{ CloseWrite() error }); ok {
		_ = t.CloseWrite()
	}
	_ = c.raw.SetReadDeadline(time.Now().Add(min(patience, c.s.StallTimeout)))
	buf := make([]byte, 32<<10)
	for left := most; left > 0; {
		n, err := stream.Read(buf)
		if left -= n; err != nil {
			return
		}
	}
}

// ended tells why a connection ended, when it was not the sender's wish.
func (c *conn) ended(err error) {
	var n net.Error
	c.s.mu.Lock()
	inside := c.busy
	c.s.mu.Unlock()
	switch {
	case errors.Is(err, ErrNoFrame):
		c.s.Refused("no frame")
	case errors.As(err, &n) && n.Timeout() && inside:
		c.s.Refused("stalled")
	}
	c.s.Log.Debug("a connection ended", "listener", "mllp", "reason", err.Error())
}

func peerOf(c net.Conn) Peer {
	host, _, err := net.SplitHostPort(c.RemoteAddr().String())
	if err != nil {
		host = c.RemoteAddr().String()
	}
	ip := net.ParseIP(host)
	return Peer{Remote: host, Loopback: ip != nil && ip.IsLoopback()}
}
