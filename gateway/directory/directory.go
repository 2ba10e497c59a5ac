package directory

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"regexp"
	"slices"
	"time"

	"samdok/internal/strictfile"
)

// Community is one entry of the file.
type Community struct {
	// Home is the homeCommunityId, with or without urn:oid:.
	Home string `yaml:"home" example:"urn:oid:2.16.578.1.12.4.5.100.1"`
	Name string `yaml:"name" example:"Region West"`
	// Kind is "xca" for a responding gateway, "xds" for a plain registry and
	// repository.
	Kind string `yaml:"kind" example:"xca"`
	// Query takes ITI-38 (or ITI-18), Retrieve ITI-39 (or ITI-43); "" means Query's.
	Query    string   `yaml:"query" example:"https://xca.west.example.no/services/xca"`
	Retrieve string   `yaml:"retrieve" example:"https://xca.west.example.no/services/xca"`
	Others   []string `yaml:"others" example:"[urn:oid:2.16.578.1.12.4.5.100.2]"`
	// Repositories are the repositoryUniqueIds that stand there, for a plain registry
	// that shares its home with others.
	Repositories []string `yaml:"repositories" example:"[2.16.578.1.12.4.5.100.3.1]"`
	Bridge       bool     `yaml:"bridge" example:"true"`
	// Authority replaces the assigning authority of patient ids; an OID.
	Authority string `yaml:"assigning-authority" example:"2.16.578.1.12.4.1.4.1"`
	// Locator is the URL of the community's own locator; "": it has none, or tells all.
	Locator string `yaml:"locator" example:"https://locator.west.example.no"`
	// Discover takes ITI-55: the community has ids of its own for patients; "": ids are
	// the same there.
	Discover string `yaml:"discover" example:"https://xca.west.example.no/services/xcpd"`
	// HealthDataLocator takes ITI-56: the community knows where patients have data; "": it
	// does not. Locates are homes of which it knows everything: one that it does not name
	// is not asked.
	HealthDataLocator string   `yaml:"health-data-locator" example:"https://xca.west.example.no/services/xcpd"`
	Locates           []string `yaml:"locates" example:"[urn:oid:2.16.578.1.12.4.5.100.2]"`

	Deadline   Duration `yaml:"deadline" example:"10s"`
	Stall      Duration `yaml:"stall" example:"20s"`
	Concurrent int      `yaml:"concurrent" example:"64"`
	Retries    *int     `yaml:"retries" example:"1"`
	QuotaMiB   int64    `yaml:"quota-mib" example:"16"`
	Failures   int      `yaml:"failures" example:"3"`
	Pause      Duration `yaml:"pause" example:"30s"`

	TLS TLS `yaml:"tls" example:"{cert: gateway.pem, key: gateway.key, ca: west-ca.pem}"`
}

// TLS is the identity towards one community, as files in PEM.
type TLS struct {
	Cert string `yaml:"cert" example:"gateway.pem"`
	Key  string `yaml:"key" example:"gateway.key"`
	CA   string `yaml:"ca" example:"west-ca.pem"` // authorities that its server certificate must come from; "" means the system's
}

// Duration is written as 10s or 1m30s.
type Duration time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v <= 0 {
		return fmt.Errorf("%q is not a duration of more than 0", text)
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
		return nil, strictfile.In(path, err)
	}
	return list, nil
}

// Parse reads the content of a file: a list under "communities". The error tells all
// that is wrong, each with its line.
func Parse(b []byte) ([]Community, error) {
	var file struct {
		Communities []Community `yaml:"communities"`
	}
	read, err := strictfile.YAML(b, &file)
	if err != nil {
		return nil, err
	}
	var wrong strictfile.Problems
	for i := range file.Communities {
		c := &file.Communities[i]
		c.check(func(key, format string, args ...any) {
			p := strictfile.Problem{Line: read.Line("communities", i, key), Key: fmt.Sprintf("communities[%d]", i+1), Text: fmt.Sprintf(format, args...)}
			if name := c.label(); name != "" {
				p.Key += " (" + name + ")"
			}
			wrong = append(wrong, p)
		})
	}
	return file.Communities, wrong.Err()
}

func (c *Community) label() string {
	if c.Name != "" {
		return c.Name
	}
	return c.Home
}

var oid = regexp.MustCompile(`^(urn:oid:)?[0-2](\.(0|[1-9][0-9]*))+$`)

// check completes an entry and tells all that is wrong with it, and the key at which.
func (c *Community) check(wrong func(key, format string, args ...any)) {
	urn := func(key string, s *string) {
		switch {
		case *s == "":
			wrong(key, "%s is missing; write for example %s: urn:oid:2.16.578.1.12.4.5.100.1", key, key)
		case !oid.MatchString(*s) || len(*s) > 64+len("urn:oid:"):
			wrong(key, "%s %q is not an OID; write such as urn:oid:2.16.578.1.12.4.5.100.1", key, *s)
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
	c.checkKind(wrong)
	c.checkAddresses(wrong)
	if c.Authority != "" && (!oid.MatchString(c.Authority) || c.Authority[0] == 'u') {
		wrong("assigning-authority", "assigning-authority %q is not an OID without urn:oid:; write such as 2.16.578.1.12.4.1.4.1", c.Authority)
	}
	if c.Authority != "" && c.Discover != "" {
		wrong("discover", "a community has patient ids of its own (discover) or ids of another authority (assigning-authority), not both")
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		wrong("tls", "tls.cert and tls.key belong together; give both or none")
	}
	retries := int64(0)
	if c.Retries != nil {
		retries = int64(*c.Retries)
	}
	for _, n := range []struct {
		key   string
		value int64
	}{{"concurrent", int64(c.Concurrent)}, {"quota-mib", c.QuotaMiB}, {"failures", int64(c.Failures)}, {"retries", retries}} {
		if n.value < 0 {
			wrong(n.key, "%s cannot be negative, and it is %d", n.key, n.value)
		}
	}
}

func (c *Community) checkKind(wrong func(key, format string, args ...any)) {
	if c.Kind == "" {
		c.Kind = "xca"
	}
	if c.Kind != "xca" && c.Kind != "xds" {
		wrong("kind", "kind %q is neither xca (a responding gateway) nor xds (a registry and a repository)", c.Kind)
	}
	if c.Kind == "xds" && (c.Bridge || len(c.Others) > 0) {
		wrong("kind", "a plain registry answers for one community only: leave bridge and others out")
	}
	if c.Kind != "xds" && len(c.Repositories) > 0 {
		wrong("repositories", "repositories are for kind xds: a responding gateway knows its own")
	}
	for _, r := range c.Repositories {
		if !oid.MatchString(r) || r[0] == 'u' {
			wrong("repositories", "repositories: %q is not an OID without urn:oid:; write such as 2.16.578.1.12.4.5.100.3.1", r)
		}
	}
}

func (c *Community) checkAddresses(wrong func(key, format string, args ...any)) {
	if len(c.Locates) > 0 && c.HealthDataLocator == "" {
		wrong("locates", "locates needs health-data-locator, the address that takes ITI-56")
	}
	if c.Query == "" {
		wrong("query", "query is missing; write for example query: https://xca.west.example.no/services/xca")
	}
	for _, a := range []struct{ key, address string }{{"query", c.Query}, {"retrieve", c.Retrieve}, {"discover", c.Discover}, {"health-data-locator", c.HealthDataLocator}, {"locator", c.Locator}} {
		u, err := url.Parse(a.address)
		switch {
		case a.address == "":
		case err == nil && u.User != nil: // not repeated: there may be a password in it
			wrong(a.key, "%s must not hold a user name or password; it begins with https:// or http:// and a host. We show a certificate of ours instead: tls", a.key)
		case err != nil || u.Host == "" || !slices.Contains([]string{"http", "https"}, u.Scheme):
			wrong(a.key, "%s %q is not an address that begins with https:// or http://", a.key, a.address)
		}
	}
	if c.Retrieve == "" {
		c.Retrieve = c.Query
	}
}
