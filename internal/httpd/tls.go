package httpd

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// Secure is TLS 1.2 or later with a certificate chain and its key, both files in
// PEM. With clientCA, a file of certificates in PEM, clients must show a
// certificate from one of those authorities. settings is how their names begin,
// for errors: "tls".
func Secure(settings, cert, key, clientCA string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("settings %[1]s.cert and %[1]s.key: %[2]w", settings, err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if clientCA == "" {
		return c, nil
	}
	if c.ClientCAs, err = authorities(clientCA); err != nil {
		return nil, fmt.Errorf("setting %s.client-ca: %w", settings, err)
	}
	c.ClientAuth = tls.RequireAndVerifyClientCert
	return c, nil
}

func authorities(path string) (*x509.CertPool, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", path)
	}
	return pool, nil
}
