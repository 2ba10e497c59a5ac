package outward

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"syscall"
	"time"
)

// Options of New. The zero value allows nothing.
type Options struct {
	Allowed Allowed
	// Networks that are not public and that allowed names may lead to.
	Networks Networks
	// CA has the authorities that receivers' certificates come from, in PEM; "": the
	// system's. Cert and Key are shown to receivers; "": nothing is.
	CA, Cert, Key string
	// Resolver finds the addresses of names; nil: the system's.
	Resolver *net.Resolver
}

// Gate is the one way out. It follows no redirects, for they could lead anywhere,
// and uses no proxy, which would look names up itself. It is safe for concurrent
// use.
type Gate struct {
	allowed Allowed
	client  *http.Client
}

const (
	dialTimeout = 10 * time.Second
	// answerTimeout bounds the wait for the receiver's word after everything was sent.
	answerTimeout = time.Minute
)

// New makes a Gate.
func New(o Options) (*Gate, error) {
	secure, err := secure(&o)
	if err != nil {
		return nil, err
	}
	t := &http.Transport{
		DialContext:     dialer(&o),
		TLSClientConfig: secure, TLSHandshakeTimeout: dialTimeout, ForceAttemptHTTP2: true,
		MaxIdleConns: 100, MaxIdleConnsPerHost: 8, IdleConnTimeout: 30 * time.Second,
		ResponseHeaderTimeout: answerTimeout, MaxResponseHeaderBytes: 16 << 10, DisableCompression: true,
	}
	return &Gate{o.Allowed, &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

// dialer connects only where a name may lead. The address is looked at when the
// connection is made, so that a name that changes between two looks gains nothing.
func dialer(o *Options) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		d := net.Dialer{Timeout: dialTimeout, Resolver: o.Resolver, ControlContext: func(_ context.Context, _, to string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(to)
			if err != nil {
				return err
			}
			return o.Networks.reach(host, ap.Addr())
		}}
		return d.DialContext(ctx, network, address)
	}
}

func secure(o *Options) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CA != "" {
		pem, err := os.ReadFile(o.CA)
		if err != nil {
			return nil, fmt.Errorf("setting outward.ca: %w", err)
		}
		if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("setting outward.ca: %s holds no certificate in PEM", o.CA)
		}
	}
	if o.Cert != "" {
		pair, err := tls.LoadX509KeyPair(o.Cert, o.Key)
		if err != nil {
			return nil, fmt.Errorf("settings outward.cert and outward.key: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// Check tells why nothing may be sent to an address; nil: it may.
func (g *Gate) Check(address string) error { return g.allowed.Check(address) }

// NotAllowedError is an address that is not allowed, or not any more.
type NotAllowedError struct{ Why error }

func (e *NotAllowedError) Error() string {
	return "the address is not allowed (outward.allow): " + e.Why.Error()
}

// Post sends a message of length bytes, -1 when that is not known, whose receiver
// takes it with a status of success. Errors name host and port only: a path may
// hold a secret.
func (g *Gate) Post(ctx context.Context, to, contentType string, length int64, body io.Reader) error {
	if err := g.allowed.Check(to); err != nil {
		return &NotAllowedError{err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, body)
	if err != nil {
		return errors.New("the address cannot be used")
	}
	req.ContentLength = length
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("User-Agent", "samdok")
	resp, err := g.client.Do(req)
	if err != nil {
		if u := (*url.Error)(nil); errors.As(err, &u) { // its text has the whole address
			err = u.Err
		}
		return fmt.Errorf("%s: %w", Host(to), err)
	}
	defer resp.Body.Close()
	_, err = io.CopyN(io.Discard, resp.Body, 64<<10) // lets the connection be used again
	switch {
	case resp.StatusCode/100 == 2:
		return nil // the receiver has it, whatever becomes of the rest
	case resp.StatusCode/100 == 3:
		return fmt.Errorf("%s answered HTTP %d: redirects are not followed", Host(to), resp.StatusCode)
	case err != nil && !errors.Is(err, io.EOF):
		return fmt.Errorf("%s answered HTTP %d, cut off", Host(to), resp.StatusCode)
	}
	return fmt.Errorf("%s answered HTTP %d", Host(to), resp.StatusCode)
}

// Close gives idle connections up.
func (g *Gate) Close() { g.client.CloseIdleConnections() }
