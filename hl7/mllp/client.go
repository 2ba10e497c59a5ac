package mllp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"
)

// Client sends messages over one connection, one after another. Use one Client in
// one goroutine only.
type Client struct {
	conn   net.Conn
	frames reader
	buf    []byte
}

// Dial connects. secure is nil for plain TCP.
func Dial(ctx context.Context, address string, secure *tls.Config) (*Client, error) {
	var conn net.Conn
	var err error
	if secure == nil {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", address)
	} else {
		conn, err = (&tls.Dialer{Config: secure}).DialContext(ctx, "tcp", address)
	}
	if err != nil {
		return nil, err
	}
	return &Client{conn: conn, frames: reader{r: conn, limit: 1 << 20, begun: func() {}}}, nil
}

// Send sends a message and returns its answer, valid until the next Send. After an
// error nobody knows whether the message had its effect; Close the client.
func (c *Client) Send(ctx context.Context, message []byte) ([]byte, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Time{}
	}
	if err := c.conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	c.buf = Append(c.buf[:0], message)
	if _, err := c.conn.Write(c.buf); err != nil {
		return nil, errors.Join(ctx.Err(), err)
	}
	answer, err := c.frames.next()
	if err != nil {
		return nil, errors.Join(ctx.Err(), err)
	}
	return answer, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }
