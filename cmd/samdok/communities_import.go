package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"samdok/gateway/directory"
)

const (
	fhirJSON = "application/fhir+json"
	// fhirWithin is for all pages of a directory, maxPages how many there may be.
	fhirWithin = 2 * time.Minute
	maxPages   = 1000
)

func (c *cli) importCommunitiesCommand() *cobra.Command {
	var from, output string
	var tls tlsFlags
	cmd := c.command("import --fhir FILE|URL", c.tr("Make a file of communities from a FHIR directory (mCSD)", "Lag en fil med fellesskap fra en FHIR-katalog (mCSD)"),
		c.tr(`Reads a Bundle of Organizations and Endpoints and writes the communities in it in the form
of gateway.communities: each active Organization with a homeCommunityId (an identifier that
is an OID, its own or its Endpoint's) and one active Endpoint of the type ihe-xca, or two that
say which is for queries and which for documents; one of the type ihe-xcpd becomes discover.
What cannot be used is told. A server that uses the written file takes it within 5 seconds.
Deadlines, TLS identities and other keys are a person's to add.

An address is searched with all its pages, such as
https://directory.example/fhir/Organization?_include=Organization:endpoint`,
			`Leser en Bundle med Organization og Endpoint og skriver fellesskapene i den på samme form som
gateway.communities: hver aktive Organization med en homeCommunityId (en identifikator som er en
OID, dens egen eller Endpointets) og ett aktivt Endpoint av typen ihe-xca, eller to som sier hva
som er for spørringer og hva som er for dokumenter; et av typen ihe-xcpd blir discover. Det som
ikke kan brukes, sies fra om. En tjener som bruker filen, tar den i bruk innen 5 sekunder.
Frister, TLS-identiteter og andre nøkler legges til av et menneske.

En adresse søkes med alle sidene, for eksempel
https://katalog.example/fhir/Organization?_include=Organization:endpoint`),
		"  samdok communities import --fhir directory.json\n  samdok communities import --fhir 'https://directory.example/fhir/Organization?_count=500' \\\n      -o communities.yaml",
		func(cmd *cobra.Command, _ []string) error {
			return c.importCommunities(cmd.Context(), from, output, tls)
		})
	cmd.Args = cobra.NoArgs
	f := cmd.Flags()
	f.StringVar(&from, "fhir", "", c.tr("`FILE` or address of the Bundle, in JSON", "`FIL` eller adresse til Bundle, i JSON"))
	f.StringVarP(&output, "output", "o", "-", c.tr("`FILE` to replace, - for standard output", "`FIL` som erstattes, - for standard ut"))
	c.tlsFlags(f, &tls)
	return cmd
}

func (c *cli) importCommunities(ctx context.Context, from, output string, flags tlsFlags) error {
	if from == "" {
		return c.usage("--fhir is needed", "--fhir trengs")
	}
	web := strings.HasPrefix(from, "http://") || strings.HasPrefix(from, "https://")
	if scheme, _, ok := strings.Cut(from, "://"); ok && !web {
		return c.usage("--fhir: an address begins with https:// or http://, not %s://", "--fhir: en adresse begynner med https:// eller http://, ikke %s://", scheme)
	}
	ctx, cancel := context.WithTimeout(ctx, fhirWithin)
	defer cancel()
	open := func(name string) (io.ReadCloser, error) { return os.Open(name) }
	if web {
		secure, err := c.clientTLS(flags)
		if err != nil {
			return err
		}
		client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: secure}}
		defer client.CloseIdleConnections()
		open = func(address string) (io.ReadCloser, error) { return getFHIR(ctx, client, from, address) }
	}
	all, err := c.gather(from, open)
	if err != nil {
		return err
	}
	if len(all) == 0 { // a server that uses the file would forget all that it has
		return errors.New(c.tr("there is no community in it that can be used, so nothing is written; look for an active Organization with an OID as identifier and an active Endpoint of the type ihe-xca",
			"det er ikke noe fellesskap i den som kan brukes, så ingenting er skrevet; se etter en aktiv Organization med en OID som identifikator og et aktivt Endpoint av typen ihe-xca"))
	}
	var b bytes.Buffer
	if err := directory.Write(&b, all); err != nil {
		return err
	}
	if output == "-" {
		_, err := c.out.Write(b.Bytes())
		return err
	}
	if err := replaceFile(output, b.Bytes()); err != nil {
		return err
	}
	c.note("Wrote %d communities to %s.", "Skrev %d fellesskap til %s.", len(all), output)
	return nil
}

// gather reads all pages and tells what of them cannot be used.
func (c *cli) gather(from string, open func(string) (io.ReadCloser, error)) ([]directory.Community, error) {
	gathered, seen := directory.NewImport(c.clock()), map[string]bool{}
	for page := from; page != ""; {
		if seen[page] = true; len(seen) > maxPages {
			return nil, fmt.Errorf("the directory has more than %d pages", maxPages)
		}
		r, err := open(page)
		if err != nil {
			return nil, err
		}
		next, err := gathered.Add(r)
		if err := errors.Join(err, r.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", page, err)
		}
		if !strings.HasPrefix(page, "http") && next != "" {
			c.note("The Bundle has a next page, %s, which is not in this file.", "Bundle har en neste side, %s, som ikke er i denne filen.", clean(next))
			break
		}
		if page, err = following(page, next); err != nil {
			return nil, err
		}
		if seen[page] {
			return nil, fmt.Errorf("the directory leads back to the page %s", page)
		}
	}
	all, notes := gathered.Communities()
	for _, n := range notes {
		c.note("left out: %s", "utelatt: %s", clean(n))
	}
	return all, nil
}

// following is the address of the next page; a directory may write it from its own.
func following(page, next string) (string, error) {
	if next == "" {
		return "", nil
	}
	at, err := url.Parse(page)
	if err != nil {
		return "", err
	}
	to, err := at.Parse(next)
	if err != nil {
		return "", fmt.Errorf("the address of the next page: %w", err)
	}
	return to.String(), nil
}

// getFHIR reads one page. Pages of another server are not asked for.
func getFHIR(ctx context.Context, client *http.Client, first, address string) (io.ReadCloser, error) {
	a, err1 := url.Parse(first)
	b, err2 := url.Parse(address)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	if a.Scheme != b.Scheme || a.Host != b.Host {
		return nil, fmt.Errorf("the next page is of another server (%s), which is not asked", b.Host)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", fhirJSON)
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("%s answered HTTP %d", b.Host, resp.StatusCode)
	}
	return resp.Body, nil
}

// replaceFile exchanges a file at once, so that a server never reads half of it.
func replaceFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), path)
}
