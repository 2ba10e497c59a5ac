package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// balancer passes connections on to nodes that say they are ready, in turn. It is
// what a load balancer of layer 4 does, and no more.
type balancer struct {
	ln    net.Listener
	mu    sync.Mutex
	nodes []*node
	next  int
	open  sync.WaitGroup
	conns map[net.Conn]bool
}

func balance(nodes []*node) (*balancer, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &balancer{ln: ln, nodes: nodes, conns: map[net.Conn]bool{}}
	b.open.Go(b.accept)
	return b, nil
}

func (b *balancer) url() string { return "http://" + b.ln.Addr().String() }

func (b *balancer) accept() {
	for {
		c, err := b.ln.Accept()
		if err != nil {
			return
		}
		b.open.Go(func() { b.serve(c) })
	}
}

// keep remembers a connection so that close can end it.
func (b *balancer) keep(c net.Conn, kept bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if kept {
		b.conns[c] = true
	} else {
		delete(b.conns, c)
	}
}

func (b *balancer) serve(c net.Conn) {
	defer c.Close()
	b.keep(c, true)
	defer b.keep(c, false)
	to, err := b.dial()
	if err != nil {
		return // the client sees a connection that ends, and tries again
	}
	defer to.Close()
	b.keep(to, true)
	defer b.keep(to, false)
	var both sync.WaitGroup
	pass := func(to, from net.Conn) {
		_, err := io.Copy(to, from)
		if err != nil {
			_ = to.Close()
		}
		if t, ok := to.(*net.TCPConn); ok {
			_ = t.CloseWrite()
		}
	}
	both.Go(func() { pass(to, c) })
	both.Go(func() { pass(c, to) })
	both.Wait()
}

// dial takes the next node that is ready and can be reached.
func (b *balancer) dial() (net.Conn, error) {
	b.mu.Lock()
	from := b.next
	b.next++
	b.mu.Unlock()
	for i := range b.nodes {
		n := b.nodes[(from+i)%len(b.nodes)]
		if !n.ready.Load() {
			continue
		}
		if c, err := net.DialTimeout("tcp", n.address(), time.Second); err == nil {
			return c, nil
		}
	}
	return nil, errors.New("no node is ready")
}

// watch asks a node for its readiness until ctx ends.
func (n *node) watch(ctx context.Context) {
	client := &http.Client{Timeout: 2 * time.Second}
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		n.ready.Store(n.ask(ctx, client))
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (n *node) ask(ctx context.Context, client *http.Client) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, n.info.Load().Internal+"/readyz", nil)
	if err != nil {
		return false
	}
	a, err := client.Do(r)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, a.Body)
	return errors.Join(err, a.Body.Close()) == nil && a.StatusCode == http.StatusOK
}

func (b *balancer) close() {
	_ = b.ln.Close()
	b.mu.Lock()
	for c := range b.conns {
		_ = c.Close()
	}
	b.mu.Unlock()
	b.open.Wait()
}
