package enginetest

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// Proxy is a way to an engine that can be closed: the shared engine itself is never
// stopped, for others use it.
type Proxy struct {
	URL string // in the place of the engine's

	to     string // host and port
	listen net.Listener
	all    sync.WaitGroup
	mu     sync.Mutex
	shut   bool
	conns  map[net.Conn]bool
}

// NewProxy opens a way to the engine at an address.
func NewProxy(t testing.TB, engine string) *Proxy {
	t.Helper()
	u, err := url.Parse(engine)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{to: u.Host, conns: map[net.Conn]bool{}}
	if p.listen, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	u.Host = p.listen.Addr().String()
	p.URL = u.String()
	p.all.Go(p.serve)
	t.Cleanup(func() {
		p.listen.Close()
		p.Shut()
		p.all.Wait()
	})
	return p
}

// Shut resets all connections and refuses new ones, as if the engine had died.
func (p *Proxy) Shut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = true
	for c := range p.conns {
		reset(c)
	}
}

// Open lets connections through again.
func (p *Proxy) Open() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = false
}

func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	c.Close()
}

func (p *Proxy) serve() {
	for {
		c, err := p.listen.Accept()
		if err != nil {
			return
		}
		p.all.Go(func() { p.pass(c) })
	}
}

func (p *Proxy) pass(c net.Conn) {
	defer reset(c)
	if !p.add(c) {
		return
	}
	defer p.remove(c)
	to, err := net.Dial("tcp", p.to)
	if err != nil || !p.add(to) {
		return
	}
	defer p.remove(to)
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{c, to}, {to, c}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			reset(way[0])
			reset(way[1])
		})
	}
	both.Wait()
}

func (p *Proxy) add(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shut {
		return false
	}
	p.conns[c] = true
	return true
}

func (p *Proxy) remove(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}
