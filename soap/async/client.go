package async

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
	"time"
)

// Options of a Client.
type Options struct {
	Addresses Addresses
	// Private lets names lead to private addresses.
	Private bool
	TLS     *tls.Config // nil: the system's authorities, no certificate of ours
}

// Client posts to allowed addresses and to no others. It follows no redirects and
// uses no proxy.
type Client struct {
	allowed Addresses
	http    *http.Client
}

// answerTimeout bounds the wait for the receiver's word after everything was sent.
const answerTimeout = time.Minute

// NewClient makes a client.
func NewClient(o Options) *Client {
	dial := &net.Dialer{Timeout: 10 * time.Second}
	t := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			d := *dial
			host := hostOf(address)
			d.ControlContext = func(_ context.Context, _, to string, _ syscall.RawConn) error {
				ap, err := netip.ParseAddrPort(to)
				if err != nil {
					return err
				}
				return reachable(host, ap.Addr(), o.Private)
			}
			return d.DialContext(ctx, network, address)
		},
		TLSClientConfig: o.TLS, TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true,
		ResponseHeaderTimeout: answerTimeout, IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: 16 << 10,
		DisableCompression: true,
	}
	return &Client{o.Addresses, &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// NotAllowedError is an address that is not on the list.
type NotAllowedError struct{ Why error }

func (e *NotAllowedError) Error() string {
	return "the address is not allowed (async.reply-to): " + e.Why.Error()
}

// Post sends a message. Errors name the host only: a path may hold a secret.
func (c *Client) Post(ctx context.Context, to, contentType string, length int64, body io.Reader) error {
	if err := c.allowed.Allowed(to); err != nil {
		return &NotAllowedError{err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, body)
	if err != nil {
		return errors.New("the address cannot be used")
	}
	req.ContentLength = length
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("User-Agent", "samdok")
	resp, err := c.http.Do(req)
	if err != nil {
		if u := (*url.Error)(nil); errors.As(err, &u) {
			err = u.Err
		}
		return fmt.Errorf("%s: %w", req.URL.Host, err)
	}
	defer resp.Body.Close()
	_, err = io.CopyN(io.Discard, resp.Body, 64<<10) // lets the connection be used again
	switch {
	case resp.StatusCode/100 == 2:
		return nil // the receiver has it, whatever becomes of the rest
	case resp.StatusCode/100 == 3:
		return fmt.Errorf("%s answered HTTP %d: redirects are not followed", req.URL.Host, resp.StatusCode)
	case err != nil && !errors.Is(err, io.EOF):
		return fmt.Errorf("%s answered HTTP %d, cut off", req.URL.Host, resp.StatusCode)
	}
	return fmt.Errorf("%s answered HTTP %d", req.URL.Host, resp.StatusCode)
}

// Stream posts what write writes, while it is written: an answer to to, a fault
// (any HTTP status but 200) to faultTo. The message's length is known from its
// headers; one that breaks off arrives as broken.
func (c *Client) Stream(ctx context.Context, to, faultTo string, write func(context.Context, http.ResponseWriter)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &stream{c: c, ctx: ctx, to: to, faultTo: faultTo, header: http.Header{}}
	defer func() { // also when write panics
		if s.pipe != nil {
			s.pipe.CloseWithError(errCutOff)
			<-s.done
		}
	}()
	write(ctx, s)
	if s.pipe == nil {
		return errors.New("no answer was made")
	}
	if s.cut {
		return errCutOff
	}
	if err := s.pipe.Close(); err != nil {
		return err
	}
	err := <-s.done
	s.pipe = nil
	return err
}

var errCutOff = errors.New("the answer broke off while it was sent")

// stream is a response that goes out as a request.
type stream struct {
	c           *Client
	ctx         context.Context
	to, faultTo string
	header      http.Header
	pipe        *io.PipeWriter
	done        chan error
	cut         bool
}

func (s *stream) Header() http.Header { return s.header }

func (s *stream) WriteHeader(status int) {
	if s.pipe != nil {
		return
	}
	to := s.to
	if status != http.StatusOK && s.faultTo != "" {
		to = s.faultTo
	}
	length, err := strconv.ParseInt(s.header.Get("Content-Length"), 10, 64)
	if err != nil {
		length = -1
	}
	from, pipe := io.Pipe()
	s.pipe, s.done = pipe, make(chan error, 1)
	go func() {
		err := s.c.Post(s.ctx, to, s.header.Get("Content-Type"), length, from)
		from.CloseWithError(err) // whoever writes learns of it
		s.done <- err
	}()
}

func (s *stream) Write(b []byte) (int, error) {
	s.WriteHeader(http.StatusOK)
	n, err := s.pipe.Write(b)
	if errors.Is(err, io.ErrClosedPipe) { // answered before everything was sent
		err = errCutOff
	}
	return n, err
}

// What http.ResponseController asks for. A deadline in the past is how a door
// breaks an answer off.
func (s *stream) SetWriteDeadline(t time.Time) error {
	s.cut = s.cut || !t.IsZero() && t.Before(time.Now())
	return nil
}
func (s *stream) SetReadDeadline(time.Time) error { return nil }
func (s *stream) EnableFullDuplex() error         { return nil }
func (s *stream) FlushError() error               { return nil }
