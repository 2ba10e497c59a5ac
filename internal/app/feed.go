package app

import (
	"context"
	"crypto/tls"
	"fmt"

	"samdok/access"
	"samdok/hl7/hl7v2"
	feeds "samdok/hl7/identity"
	"samdok/hl7/mllp"
	"samdok/internal/config"
	"samdok/internal/httpd"
)

// authorities are those of this affinity domain.
func authorities(c *config.Config) feeds.Authorities {
	var all feeds.Authorities
	for _, a := range c.PatientAuthorities {
		all = append(all, feeds.Authority(a))
	}
	return all
}

// listenMLLP opens the port of ITI-8 when there is one.
func (a *App) listenMLLP() (err error) {
	c := a.Config.MLLP
	if c.Listen == "" {
		return nil
	}
	var secure *tls.Config
	if c.Cert != "" {
		if secure, err = httpd.Secure("mllp", c.Cert, c.Key, c.ClientCA); err != nil {
			return err
		}
	}
	l, err := httpd.ListenTCP(c.Listen)
	if err != nil {
		return fmt.Errorf("MLLP listener (setting mllp.listen): %w", err)
	}
	door := &feeds.Door{Service: a.sharing, Refused: a.refused, Authorities: authorities(a.Config), Limits: hl7v2.Limits{Bytes: c.MessageBytes}, Clock: a.Clock, Log: a.Log}
	a.feed = mllp.NewServer(l, mllp.Options{
		TLS: secure, MessageBytes: c.MessageBytes, Connections: c.Connections, StallTimeout: c.StallTimeout, IdleTimeout: c.IdleTimeout,
		Log: a.Log, Refused: a.metrics.MLLPClosed,
		Handle: func(ctx context.Context, p mllp.Peer, message []byte, tooLong bool) []byte {
			return door.Answer(ctx, feeder(p), message, tooLong)
		},
	})
	return a.metrics.Gauge("samdok_mllp_connections", "Open connections to mllp.listen.", func() float64 { return float64(a.feed.Open()) })
}

// feeder says who sends over MLLP: whom the certificate names, else only where the
// connection comes from.
func feeder(p mllp.Peer) access.Caller {
	return access.Caller{Door: "mllp", Subject: p.Subject, Name: p.Name, Remote: p.Remote, Loopback: p.Loopback}
}
