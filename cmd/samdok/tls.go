package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
)

// tlsFlags say whom to trust and who we are, by certificates.
type tlsFlags struct{ ca, cert, key string }

func (c *cli) tlsFlags(f *pflag.FlagSet, t *tlsFlags) {
	f.StringVar(&t.ca, "ca", "", c.tr("`FILE`: trust only servers with a certificate from these authorities (PEM; also SAMDOK_CA)", "`FIL`: stol bare på tjenere med sertifikat fra disse utstederne (PEM; også SAMDOK_CA)"))
	f.StringVar(&t.cert, "cert", "", c.tr("`FILE`: your own certificate, for mutual TLS (PEM; also SAMDOK_CERT)", "`FIL`: eget sertifikat, for gjensidig TLS (PEM; også SAMDOK_CERT)"))
	f.StringVar(&t.key, "key", "", c.tr("`FILE`: its private key (PEM; also SAMDOK_KEY)", "`FIL`: den private nøkkelen til det (PEM; også SAMDOK_KEY)"))
}

// clientTLS is nil when the machine's own trust is enough.
func (c *cli) clientTLS(t tlsFlags) (*tls.Config, error) {
	t.ca, t.cert, t.key = first(t.ca, c.getenv("SAMDOK_CA")), first(t.cert, c.getenv("SAMDOK_CERT")), first(t.key, c.getenv("SAMDOK_KEY"))
	if t == (tlsFlags{}) {
		return nil, nil
	}
	if (t.cert == "") != (t.key == "") {
		return nil, c.usage("--cert and --key belong together", "--cert og --key hører sammen")
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.ca != "" {
		b, err := os.ReadFile(t.ca)
		if err != nil {
			return nil, exit(exitUsage, fmt.Errorf("--ca: %w", err))
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(b) {
			return nil, c.usage("--ca: %s holds no certificate in PEM", "--ca: %s har ikke noe sertifikat i PEM", t.ca)
		}
	}
	if t.cert != "" {
		pair, err := tls.LoadX509KeyPair(t.cert, t.key)
		if err != nil {
			return nil, exit(exitUsage, fmt.Errorf("--cert, --key: %w", err))
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

// isCertificate tells whether one side did not accept the other's certificate. In
// TLS 1.3 a server refuses a client after the handshake: what the client meets
// first is its alert or a connection that is gone.
func isCertificate(err error) bool {
	var ours *tls.CertificateVerificationError
	var theirs *net.OpError // crypto/tls has no type for the other side's alert
	var request *url.Error
	switch {
	case errors.As(err, &ours), errors.As(err, &theirs) && theirs.Op == "remote error":
		return true
	case errors.As(err, &request) && strings.HasPrefix(request.URL, "https:"):
		return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
	}
	return false
}

func (c *cli) explainCertificate(err error) error {
	var ours *tls.CertificateVerificationError
	if errors.As(err, &ours) {
		return fmt.Errorf("%w\n%s", err, c.tr("The server's certificate is not trusted; --ca FILE names the authority it comes from.",
			"Tjenerens sertifikat er ikke til å stole på; --ca FIL sier hvilken utsteder det kommer fra."))
	}
	return fmt.Errorf("%w\n%s", err, c.tr("The server did not accept the connection; perhaps it asks for a certificate: --cert FILE --key FILE.",
		"Tjeneren godtok ikke forbindelsen; kanskje ber den om et sertifikat: --cert FIL --key FIL."))
}
