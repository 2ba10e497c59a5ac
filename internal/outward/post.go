package outward

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"
)

// Options of New. The zero value allows nothing.
type Options struct {
	Allowed Allowed
	// CA has the authorities that receivers' certificates come from, in PEM; "": the
	// system's. Cert and Key are shown to receivers; "": nothing is.
	CA, Cert, Key string
	Timeout       time.Duration // of one message; 0: 30 s
}

// Gate is the one way out. It is safe for concurrent use.
type Gate struct {
	allowed Allowed
	client  *http.Client
}

// New makes a Gate.
func New(o Options) (*Gate, error) {
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, MaxIdleConns: 100, MaxIdleConnsPerHost: 8, IdleConnTimeout: 90 * time.Second,
		DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext, TLSHandshakeTimeout: 10 * time.Second,
		ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, MaxResponseHeaderBytes: 64 << 10,
	}
	if o.CA != "" {
		pem, err := os.ReadFile(o.CA)
		if err != nil {
			return nil, fmt.Errorf("setting outward.ca: %w", err)
		}
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("setting outward.ca: the file holds no certificate in PEM")
		}
	}
	if o.Cert != "" {
		pair, err := tls.LoadX509KeyPair(o.Cert, o.Key)
		if err != nil {
			return nil, fmt.Errorf("settings outward.cert and outward.key: %w", err)
		}
		t.TLSClientConfig.Certificates = []tls.Certificate{pair}
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	return &Gate{o.Allowed, &http.Client{Transport: t, Timeout: o.Timeout, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // it could lead anywhere
	}}}, nil
}

// Check tells why nothing may be sent to an address; nil: it may.
func (g *Gate) Check(address string) error { return g.allowed.Check(address) }

// Post sends a message whose receiver takes it with a status of success. The text
// of the error holds no more of the address than host and port.
func (g *Gate) Post(ctx context.Context, address, contentType string, body []byte) error {
	if err := g.allowed.Check(address); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return errors.New("the address cannot be used")
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("User-Agent", "samdok")
	resp, err := g.client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) { // its text has the whole address
			err = u.Err
		}
		return fmt.Errorf("%s: %w", Host(address), err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // what it says does not matter; the connection is used again
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s answered HTTP %d %s", Host(address), resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	return nil
}

// Close gives idle connections up.
func (g *Gate) Close() { g.client.CloseIdleConnections() }
