package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"samdok/internal/app"
	"samdok/internal/config"
)

// authority issues certificates into a folder.
type authority struct {
	dir, name string
	cert      *x509.Certificate
	key       *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, dir, name string) *authority {
	t.Helper()
	a := &authority{dir: dir, name: name}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.issue(t, name, a.cert)
	return a
}

// issue writes NAME.pem and NAME.key.
func (a *authority) issue(t *testing.T, name string, c *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if a.key == nil {
		a.key = key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for suffix, block := range map[string]*pem.Block{".pem": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(a.dir, name+suffix), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func leaf(n int64, usage x509.ExtKeyUsage) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(n), Subject: pkix.Name{CommonName: "samdok test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
}

// serveTLS runs a server with these settings until the test ends.
func serveTLS(t *testing.T, flags map[string]string) app.Info {
	t.Helper()
	conf, err := config.Load(config.Input{Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.Open(t.Context(), app.Options{Config: conf, Log: slog.New(slog.DiscardHandler), Clock: time.Now, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Serve(ctx, func() error { return nil }) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return a.Info()
}

// Every client command speaks TLS, with an own authority and an own certificate,
// and says what is missing when the server does not accept it.
func TestMutualTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := newAuthority(t, dir, "ca")
	a.issue(t, "server", leaf(2, x509.ExtKeyUsageServerAuth))
	a.issue(t, "client", leaf(3, x509.ExtKeyUsageClientAuth))
	other := newAuthority(t, dir, "other")
	other.issue(t, "stranger", leaf(4, x509.ExtKeyUsageClientAuth))
	at := func(name string) string { return filepath.Join(dir, name) }
	info := serveTLS(t, map[string]string{
		"data": at("data"), "listen": "127.0.0.1:0", "internal-listen": "off", "profile": "norway",
		"tls-cert": at("server.pem"), "tls-key": at("server.key"), "tls-client-ca": at("ca.pem"),
	})
	if !strings.HasPrefix(info.URL, "https://") {
		t.Fatal(info.URL)
	}
	if err := os.WriteFile(at("note.txt"), []byte("A note."), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(at("many/13911699170"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at("many/13911699170/A03-2_first.txt"), []byte("First."), 0o600); err != nil {
		t.Fatal(err)
	}
	good := []string{"--ca", at("ca.pem"), "--cert", at("client.pem"), "--key", at("client.key")}
	find := []string{"find", "--url", info.URL, "--patient", "13911699170"}
	for _, tc := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"put", append([]string{"put", at("note.txt"), "--url", info.URL, "--patient", "13911699170", "--type", "A03-2"}, good...), exitOK, "Registered"},
		{"import", append([]string{"import", at("many"), "--url", info.URL, "--pattern", "{patient}/{type}_{title}.*"}, good...), exitOK, ""},
		{"find", append(find[:len(find):len(find)], good...), exitOK, "note"},
		{"conform", append([]string{"conform", "--registry", info.Registry, "--repository", info.Repository, "--only", "ITI-18/type-code"}, good...), exitOK, "pass"},
		{"bench", append([]string{"bench", "register", "--url", info.URL, "--rounds", "1", "--round", "100ms", "--warm-up", "10ms", "--patients", "4", "--concurrency", "1"}, good...), exitOK, "register"},
		{"no trust", find, exitUnreachable, "--ca FILE"},
		{"no certificate", append(find[:len(find):len(find)], "--ca", at("ca.pem")), exitUnreachable, "--cert FILE"},
		{"a stranger's certificate", append(find[:len(find):len(find)], "--ca", at("ca.pem"), "--cert", at("stranger.pem"), "--key", at("stranger.key")), exitUnreachable, "--cert FILE"},
		{"a stranger's authority", append(find[:len(find):len(find)], "--ca", at("other.pem")), exitUnreachable, "--ca FILE"},
		{"half", append(find[:len(find):len(find)], "--cert", at("client.pem")), exitUsage, "belong together"},
		{"no PEM", append(find[:len(find):len(find)], "--ca", at("note.txt")), exitUsage, "no certificate in PEM"},
		{"no file", append(find[:len(find):len(find)], "--ca", at("none.pem")), exitUsage, "none.pem"},
	} {
		code, out := command(t, nil, tc.args...)
		if code != tc.code || !strings.Contains(out, tc.says) {
			t.Errorf("%s: exit code %d instead of %d, or no %q in\n%s", tc.name, code, tc.code, tc.says, out)
		}
	}
	environment := []string{"SAMDOK_URL=" + info.URL, "SAMDOK_CA=" + at("ca.pem"), "SAMDOK_CERT=" + at("client.pem"), "SAMDOK_KEY=" + at("client.key")}
	if code, out := command(t, environment, "find", "--patient", "13911699170"); code != exitOK {
		t.Errorf("by variables: %d, %s", code, out)
	}
}

// A repository and its registry know each other by certificates. Whoever is not the
// registry that was meant gets no submission, and nothing of it is kept.
func TestMutualTLSToTheRegistry(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := newAuthority(t, dir, "ca")
	a.issue(t, "server", leaf(2, x509.ExtKeyUsageServerAuth))
	a.issue(t, "client", leaf(3, x509.ExtKeyUsageClientAuth))
	newAuthority(t, dir, "other").issue(t, "stranger", leaf(4, x509.ExtKeyUsageClientAuth))
	at := func(name string) string { return filepath.Join(dir, name) }
	registry := serveTLS(t, map[string]string{
		"data": at("registry"), "listen": "127.0.0.1:0", "internal-listen": "off", "roles": "registry",
		"tls-cert": at("server.pem"), "tls-key": at("server.key"), "tls-client-ca": at("ca.pem"),
	})
	elsewhere := strings.Replace(registry.Registry, "127.0.0.1", "localhost", 1) // the certificate does not name it
	if registry.Registry == elsewhere || !strings.HasPrefix(elsewhere, "https://") {
		t.Fatal(registry.Registry)
	}
	if err := os.WriteFile(at("note.txt"), []byte("A note."), 0o600); err != nil {
		t.Fatal(err)
	}
	good := []string{"--ca", at("ca.pem"), "--cert", at("client.pem"), "--key", at("client.key")}
	want := 0
	for _, tc := range []struct {
		name, url, ca, cert string
		code                int
	}{
		{"both know each other", registry.Registry, "ca", "client", exitOK},
		{"no certificate of ours", registry.Registry, "ca", "", exitRefused},
		{"a stranger's certificate", registry.Registry, "ca", "stranger", exitRefused},
		{"a stranger's authority", registry.Registry, "other", "client", exitRefused},
		{"the system's authorities", registry.Registry, "", "client", exitRefused},
		{"another name", elsewhere, "ca", "client", exitRefused},
		{"no TLS", strings.Replace(registry.Registry, "https", "http", 1), "", "", exitRefused},
	} {
		flags := map[string]string{"data": at(tc.name), "listen": "127.0.0.1:0", "internal-listen": "off", "roles": "repository", "registry-url": tc.url, "registry-timeout": "5s"}
		if tc.ca != "" {
			flags["registry-ca"] = at(tc.ca + ".pem")
		}
		if tc.cert != "" {
			flags["registry-cert"], flags["registry-key"] = at(tc.cert+".pem"), at(tc.cert+".key")
		}
		repository := serveTLS(t, flags)
		code, out := command(t, nil, "put", at("note.txt"), "--url", repository.URL, "--patient", "13911699170", "--type", "A03-2")
		if code != tc.code || code != exitOK && !strings.Contains(out, "XDSRegistryNotAvailable") {
			t.Errorf("%s: exit code %d instead of %d: %s", tc.name, code, tc.code, out)
		}
		if tc.code == exitOK {
			want++
		}
	}
	code, out := command(t, nil, append([]string{"find", "--url", registry.URL, "--patient", "13911699170", "--ids"}, good...)...)
	if n := strings.Count(out, "\n"); code != exitOK || n != want {
		t.Errorf("the registry has %d entries instead of %d: %s", n, want, out)
	}
}

func TestServerNeedsUsableAuthorities(t *testing.T) {
	dir := t.TempDir()
	newAuthority(t, dir, "ca")
	bad := filepath.Join(dir, "ca.key")
	conf, err := config.Load(config.Input{Flags: map[string]string{
		"data": filepath.Join(dir, "data"), "listen": "127.0.0.1:0", "internal-listen": "off",
		"tls-cert": filepath.Join(dir, "ca.pem"), "tls-key": filepath.Join(dir, "ca.key"), "tls-client-ca": bad,
	}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = app.Open(t.Context(), app.Options{Config: conf, Log: slog.New(slog.DiscardHandler), Clock: time.Now, Version: "test"})
	if err == nil || !strings.Contains(err.Error(), "tls.client-ca") {
		t.Errorf("it started: %v", err)
	}
}

// command runs one command line in this process and returns all that it printed.
func command(t *testing.T, environment []string, args ...string) (code int, output string) {
	t.Helper()
	var b bytes.Buffer
	c := &cli{in: strings.NewReader(""), out: &b, err: &b, environment: environment, clock: time.Now}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	code = c.execute(ctx, args)
	return code, b.String()
}
