package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"samdok/fault"
	"samdok/metadata"
	"samdok/soap/mtom"
	"samdok/soap/xds"
)

const defaultURL = "http://127.0.0.1:8080"

// serverFlags say where the server is.
type serverFlags struct {
	url, registry, repository string
	identity                  string // of patient commands only
	async                     string // HOST:PORT for answers; "": they come in the same connection
	gateway                   bool   // over all communities: its initiating gateway instead of registry and repository
	wait                      time.Duration
	tls                       tlsFlags
}

func (c *cli) serverFlags(f *pflag.FlagSet) *serverFlags {
	s := &serverFlags{}
	f.StringVar(&s.url, "url", "", c.tr("`URL` of a samdok server (also SAMDOK_URL; default "+defaultURL+")", "`URL` til en samdok-tjener (også SAMDOK_URL; standard "+defaultURL+")"))
	f.StringVar(&s.registry, "registry", "", c.tr("`URL`: registry endpoint of any XDS.b server, instead of --url (also SAMDOK_REGISTRY)", "`URL`: registerendepunkt hos en hvilken som helst XDS.b-tjener, i stedet for --url (også SAMDOK_REGISTRY)"))
	f.StringVar(&s.repository, "repository", "", c.tr("`URL`: repository endpoint, instead of --url (also SAMDOK_REPOSITORY)", "`URL`: arkivendepunkt, i stedet for --url (også SAMDOK_REPOSITORY)"))
	f.DurationVar(&s.wait, "wait", 30*time.Second, c.tr("how long the server may take to begin its answer", "hvor lenge tjeneren kan bruke på å begynne å svare"))
	f.StringVar(&s.async, "async", "", c.tr("`HOST:PORT` of this machine where answers are taken (wsa:ReplyTo); the server must allow it", "`VERT:PORT` på denne maskinen der svar tas imot (wsa:ReplyTo); tjeneren må tillate den"))
	c.tlsFlags(f, &s.tls)
	grouped(c.tr("Where the server is, and trust", "Hvor tjeneren er, og tillit"), f, "url", "registry", "repository", "wait", "async", "ca", "cert", "key")
	return s
}

// client connects nowhere yet. parallel is how many connections are kept open.
func (c *cli) client(s *serverFlags, parallel int) (*xds.Client, error) {
	base := strings.TrimRight(first(s.url, c.getenv("SAMDOK_URL"), defaultURL), "/")
	registry, repository := base+"/services/registry", base+"/services/repository"
	if s.gateway {
		registry, repository = base+"/services/gateway", base+"/services/gateway"
	}
	o := xds.Options{
		RegistryURL:   first(s.registry, c.getenv("SAMDOK_REGISTRY"), registry),
		RepositoryURL: first(s.repository, c.getenv("SAMDOK_REPOSITORY"), repository),
		IdentityURL:   first(s.identity, c.getenv("SAMDOK_IDENTITY"), base+"/services/patient-identity"),
	}
	for _, u := range []string{o.RegistryURL, o.RepositoryURL, o.IdentityURL} {
		if err := c.checkAddress(u); err != nil {
			return nil, err
		}
	}
	var err error
	if o.HTTP, _, err = c.http(s, parallel); err != nil {
		return nil, err
	}
	if s.async != "" {
		if o.Inbox, err = c.inbox(s.async); err != nil {
			return nil, err
		}
		o.Patience = s.wait
	}
	return xds.NewClient(o), nil
}

// inbox takes answers until the command ends.
func (c *cli) inbox(hostPort string) (*xds.Inbox, error) {
	host, _, err := net.SplitHostPort(hostPort)
	if ip := net.ParseIP(host); err != nil || host == "" || ip != nil && ip.IsUnspecified() {
		return nil, c.usage("--async %s: give HOST:PORT as the server reaches this machine; port 0 picks a free one", "--async %s: oppgi VERT:PORT slik tjeneren når denne maskinen; port 0 velger en ledig", hostPort)
	}
	l, err := net.Listen("tcp", hostPort)
	if err != nil {
		return nil, c.usage("--async %s: %v; give the address of this machine, with a free port", "--async %s: %v; oppgi adressen til denne maskinen, med en ledig port", hostPort, err)
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	in := xds.NewInbox("http://"+net.JoinHostPort(host, port)+"/answers", mtom.Limits{}, "")
	h := &http.Server{Handler: in, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = h.Serve(l) // it ends with Shutdown; a broken listener shows as an answer that does not come
	}()
	c.ending = append(c.ending, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if h.Shutdown(ctx) != nil { // lets the server hear that its answer was taken
			h.Close()
		}
		<-ended
	})
	return in, nil
}

func (c *cli) checkAddress(address string) error {
	if p, err := url.Parse(address); err != nil || p.Host == "" || p.Scheme != "http" && p.Scheme != "https" {
		return c.usage("%q is not the address of a server; write one like %s", "%q er ikke adressen til en tjener; skriv en som %s", address, defaultURL)
	}
	return nil
}

// http connects nowhere yet; base is the server's own address.
func (c *cli) http(s *serverFlags, parallel int) (client *http.Client, base string, err error) {
	base = strings.TrimRight(first(s.url, c.getenv("SAMDOK_URL"), defaultURL), "/")
	if err := c.checkAddress(base); err != nil {
		return nil, "", err
	}
	secure, err := c.clientTLS(s.tls)
	if err != nil {
		return nil, "", err
	}
	return &http.Client{Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		TLSClientConfig:       secure,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: s.wait,
		ExpectContinueTimeout: 2 * time.Second,
		MaxIdleConnsPerHost:   parallel,
	}}, base, nil
}

// explain turns an error of a transaction into words and an exit code.
func (c *cli) explain(ctx context.Context, err error) error {
	var refused *xds.RefusedError
	var soapFault *xds.FaultError
	var unacknowledged *xds.FeedRefusedError
	var status *xds.HTTPError
	var network net.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return exit(exitInterrupted, errors.New(c.tr("interrupted", "avbrutt")))
	case errors.As(err, &refused):
		return exit(exitRefused, errors.New(c.problems(refused.Problems)))
	case errors.As(err, &unacknowledged), errors.As(err, &soapFault):
		return exit(exitRefused, err)
	case errors.As(err, &status) && isBusy(err): // in the server's words
		return exit(exitRefused, err)
	case errors.As(err, &status):
		return exit(exitRefused, fmt.Errorf("%w%s", err, c.tr("; is this the right address?", "; er dette riktig adresse?")))
	case errors.Is(err, xds.ErrNoAnswer):
		return exit(exitUnreachable, fmt.Errorf("%w; %s", err, c.tr("look whether it was done before you ask again (samdok outbox at the server shows answers that wait)", "undersøk om det er gjort før du spør igjen (samdok outbox på tjeneren viser svar som venter)")))
	case errors.As(err, &network) && network.Timeout():
		return exit(exitUnreachable, fmt.Errorf("%s: %w", c.tr("the server did not answer in time", "tjeneren svarte ikke i tide"), err))
	case isCertificate(err):
		return exit(exitUnreachable, c.explainCertificate(err))
	case brokeOff(err):
		return exit(exitUnreachable, fmt.Errorf("%w\n%s", err, c.tr("The connection broke off in the middle. If something was to be changed, look whether it was (samdok find) before you ask again.", "Forbindelsen ble brutt midtveis. Skulle noe endres, så undersøk om det ble gjort (samdok find) før du spør igjen.")))
	case isNetwork(err):
		return exit(exitUnreachable, fmt.Errorf("%w\n%s", err, c.tr("Is the server running? `samdok serve` starts one; --url or SAMDOK_URL says where it is.", "Kjører tjeneren? `samdok serve` starter en; --url eller SAMDOK_URL sier hvor den er.")))
	}
	return exit(exitFailed, err)
}

// brokeOff tells a connection that ended from one that was never there.
func brokeOff(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op == "read" || op.Op == "write"
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

func isNetwork(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &op) || errors.As(err, &dns)
}

// problems are the server's own words about our own request.
func (c *cli) problems(list []fault.Problem) string {
	if len(list) == 0 {
		return c.tr("the server refused and did not say why", "tjeneren nektet og sa ikke hvorfor")
	}
	var b strings.Builder
	b.WriteString(c.tr("the server refused:", "tjeneren nektet:"))
	for _, p := range list {
		b.WriteString("\n  " + string(p.Code) + ": " + clean(p.Context))
		if p.Severity == fault.SeverityWarning {
			b.WriteString(c.tr(" (warning)", " (advarsel)"))
		}
	}
	return b.String()
}

// warn shows problems that came with a success.
func (c *cli) warn(list []fault.Problem) {
	for _, p := range list {
		c.note("Note from the server: %s: %s", "Merknad fra tjeneren: %s: %s", p.Code, clean(p.Context))
	}
}

// isBusy tells whether trying again later may help.
func isBusy(err error) bool {
	var status *xds.HTTPError
	if errors.As(err, &status) {
		return status.Status == http.StatusServiceUnavailable || status.Status == http.StatusTooManyRequests
	}
	var refused *xds.RefusedError
	if errors.As(err, &refused) {
		for _, p := range refused.Problems {
			switch p.Code {
			case fault.RegistryBusy, fault.RepositoryBusy, fault.RegistryNotAvailable:
				return true
			}
		}
		return false
	}
	return isNetwork(err)
}

// getDocuments asks for entries by entryUUID or, when id is none, by uniqueId.
func getDocuments(ctx context.Context, client *xds.Client, id string) ([]*metadata.DocumentEntry, error) {
	return getDocumentsOf(ctx, client, "", id)
}

// getDocumentsOf asks a gateway for documents of the community home; "" asks a registry.
func getDocumentsOf(ctx context.Context, client *xds.Client, home, id string) ([]*metadata.DocumentEntry, error) {
	q := &metadata.GetDocuments{}
	if uuid, ok := entryUUID(id); ok {
		q.Documents.IDs = []metadata.ID{uuid}
	} else {
		q.Documents.UniqueIDs = []string{id}
	}
	answer, err := client.Find(ctx, metadata.StoredQuery{Home: home, Query: q})
	if err != nil {
		return nil, err
	}
	return entriesOf(answer.Objects), nil
}

func entriesOf(objects []metadata.Object) []*metadata.DocumentEntry {
	var out []*metadata.DocumentEntry
	for _, o := range objects {
		if e, ok := o.(*metadata.DocumentEntry); ok {
			out = append(out, e)
		}
	}
	return out
}

// clean makes text of strangers fit for a terminal: no control characters, which
// could move the cursor or change colours, and no characters that turn the
// direction of writing.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
			return '\ufffd'
		}
		return r
	}, s)
}
