package directory

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"regexp"
	"time"

	"go.yaml.in/yaml/v3"
)

// Community is one entry of the file.
type Community struct {
	// Home is the homeCommunityId, with or without urn:oid:.
	Home string `yaml:"home"`
	Name string `yaml:"name"`
	// Kind is "xca" for a responding gateway, "xds" for a plain registry and
	// repository.
	Kind string `yaml:"kind"`
	// Query takes ITI-38 (or ITI-18), Retrieve ITI-39 (or ITI-43); "" means Query's.
	Query    string   `yaml:"query"`
	Retrieve string   `yaml:"retrieve"`
	Others   []string `yaml:"others"`
	// Repositories are the repositoryUniqueIds that stand there, for a plain registry
	// that shares its home with others.
	Repositories []string `yaml:"repositories"`
	Bridge       bool     `yaml:"bridge"`
	// Authority replaces the assigning authority of patient ids; an OID.
	Authority string `yaml:"assigning-authority"`
	// Locator is the URL of the community's own locator; "": it has none, or tells all.
	Locator string `yaml:"locator"`
	// Discover takes ITI-55: the community has ids of its own for patients; "": ids are
	// the same there.
	Discover string `yaml:"discover"`
	// HealthDataLocator takes ITI-56: the community knows where patients have data; "": it
	// does not. Locates are homes of which it knows everything: one that it does not name
	// is not asked.
	HealthDataLocator string   `yaml:"health-data-locator"`
	Locates           []string `yaml:"locates"`

	Deadline   Duration `yaml:"deadline"`
	Stall      Duration `yaml:"stall"`
	Concurrent int      `yaml:"concurrent"`
	Retries    *int     `yaml:"retries"`
	QuotaMiB   int64    `yaml:"quota-mib"`
	Failures   int      `yaml:"failures"`
	Pause      Duration `yaml:"pause"`

	TLS TLS `yaml:"tls"`
}

// TLS is the identity towards one community, as files in PEM.
type TLS struct {
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
	CA   string `yaml:"ca"` // authorities that its server certificate must come from; "" means the system's
}

// Duration is written as 10s or 1m30s.
type Duration time.Duration

// UnmarshalYAML implements yaml.Unmarshaler.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if err != nil || v <= 0 {
		return fmt.Errorf("line %d: %q is not a duration; write such as 10s or 1m30s", n.Line, n.Value)
	}
	*d = Duration(v)
	return nil
}

// maxFile bounds the file: 17,000 communities have room in it.
const maxFile = 32 << 20

// Load reads a file. The error names each mistake that was found.
func Load(path string) ([]Community, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d octets", path, maxFile)
	}
	list, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return list, nil
}

// Parse reads the content of a file: a list under "communities".
func Parse(b []byte) ([]Community, error) {
	var file struct {
		Communities []Community `yaml:"communities"`
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	var errs []error
	for i := range file.Communities {
		if err := file.Communities[i].check(); err != nil {
			errs = append(errs, fmt.Errorf("community %d (%s): %w", i+1, file.Communities[i].label(), err))
		}
	}
	return file.Communities, errors.Join(errs...)
}

func (c *Community) label() string {
	if c.Name != "" {
		return c.Name
	}
	return c.Home
}

var oid = regexp.MustCompile(`^(urn:oid:)?[0-2](\.(0|[1-9][0-9]*))+$`)

// check completes an entry and tells all that is wrong with it.
func (c *Community) check() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	urn := func(what string, s *string) {
		switch {
		case !oid.MatchString(*s) || len(*s) > 64+len("urn:oid:"):
			wrong("%s %q is not an OID; write such as urn:oid:2.16.578.1.12.4.5.100.1", what, *s)
		case len(*s) < 8 || (*s)[:8] != "urn:oid:":
			*s = "urn:oid:" + *s
		}
	}
	urn("home", &c.Home)
	for i := range c.Others {
		urn("others", &c.Others[i])
	}
	for i := range c.Locates {
		urn("locates", &c.Locates[i])
	}
	if len(c.Locates) > 0 && c.HealthDataLocator == "" {
		wrong("locates needs health-data-locator, the address that takes ITI-56")
	}
	if c.Kind == "" {
		c.Kind = "xca"
	}
	if c.Kind != "xca" && c.Kind != "xds" {
		wrong("kind %q is neither xca (a responding gateway) nor xds (a registry and a repository)", c.Kind)
	}
	if c.Kind == "xds" && (c.Bridge || len(c.Others) > 0) {
		wrong("a plain registry answers for one community only: leave bridge and others out")
	}
	if c.Kind != "xds" && len(c.Repositories) > 0 {
		wrong("repositories are for kind xds: a responding gateway knows its own")
	}
	for _, r := range c.Repositories {
		if !oid.MatchString(r) || r[0] == 'u' {
			wrong("repositories: %q is not an OID", r)
		}
	}
	if c.Retrieve == "" {
		c.Retrieve = c.Query
	}
	for what, address := range map[string]string{"query": c.Query, "retrieve": c.Retrieve, "discover": c.Discover, "health-data-locator": c.HealthDataLocator} {
		if address == "" && (what == "discover" || what == "health-data-locator") {
			continue
		}
		if u, err := url.Parse(address); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
			wrong("%s %q is not an address that begins with https:// or http://", what, address)
		}
	}
	if c.Authority != "" && (!oid.MatchString(c.Authority) || c.Authority[0] == 'u') {
		wrong("assigning-authority %q is not an OID", c.Authority)
	}
	if c.Authority != "" && c.Discover != "" {
		wrong("a community has patient ids of its own (discover) or ids of another authority (assigning-authority), not both")
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		wrong("tls.cert and tls.key belong together")
	}
	if c.Concurrent < 0 || c.QuotaMiB < 0 || c.Failures < 0 || c.Retries != nil && *c.Retries < 0 {
		wrong("concurrent, quota-mib, failures and retries cannot be negative")
	}
	return errors.Join(errs...)
}
