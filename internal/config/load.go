package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"sort"
	"strings"

	"samdok/internal/strictfile"
)

// Input is where settings come from besides the defaults.
type Input struct {
	// File is the YAML file; "" for none.
	File string
	// Environment is a list of NAME=value, as os.Environ gives.
	Environment []string
	// Flags are the flags that were set, by flag name without dashes.
	Flags map[string]string
	// StoreOnly: the command only reads what lies in the open in the store, so that
	// neither the master key nor Elasticsearch need be given.
	StoreOnly bool
}

// Load reads and checks all sources. The error joins everything that is wrong,
// so that one run shows all of it.
func Load(in Input) (*Config, error) {
	l := loader{config: &Config{from: map[string]Source{}}, settings: Settings()}
	for _, s := range l.settings {
		l.set(s, s.Default, Source{})
	}
	l.file(in.File)
	l.environment(in.Environment)
	l.flags(in.Flags)
	l.storeOnly = in.StoreOnly
	if len(l.problems) == 0 {
		l.check()
	}
	return l.config, errors.Join(l.problems...)
}

type loader struct {
	config    *Config
	storeOnly bool
	settings  []*Setting
	problems  []error
}

func (l *loader) fail(s string, from Source, format string, args ...any) {
	l.problems = append(l.problems, &Error{Setting: s, Source: from, Problem: fmt.Sprintf(format, args...)})
}

func (l *loader) set(s *Setting, value string, from Source) {
	if err := s.set(l.config, value); err != nil {
		problem := err.Error()
		if s.Secret {
			problem = "the value cannot be used"
		}
		l.fail(s.Name, from, "%s", problem)
		return
	}
	l.config.from[s.Name] = from
}

// secretFile reads a secret from a file, without the line end an editor adds.
func (l *loader) secretFile(s *Setting, path string, from Source) {
	b, err := os.ReadFile(path)
	if err != nil {
		l.fail(s.Name, from, "%v; the file must exist and be readable by this user", err)
		return
	}
	l.set(s, strings.TrimRight(string(b), "\r\n"), from)
}

func (l *loader) environment(environ []string) {
	plain, files := map[string]*Setting{}, map[string]*Setting{}
	var names []string
	for _, s := range l.settings {
		plain[s.Env()] = s
		names = append(names, s.Env())
		if f := s.EnvFile(); f != "" {
			files[f] = s
			names = append(names, f)
		}
	}
	environ = append([]string(nil), environ...)
	sort.Strings(environ)
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, "SAMDOK_") || clientVariable(name) {
			continue
		}
		from := Source{Kind: FromEnvironment, Name: name}
		if s := plain[name]; s != nil {
			l.set(s, value, from)
		} else if s := files[name]; s != nil {
			if value != "" {
				l.secretFile(s, value, from)
			}
		} else {
			l.unknown(name, from, names)
		}
	}
}

// clientVariable tells the variables that belong to client commands and to the
// choice of file and language, see `samdok help`.
func clientVariable(name string) bool {
	switch name {
	case "SAMDOK_CONFIG", "SAMDOK_LANG", "SAMDOK_URL", "SAMDOK_REGISTRY", "SAMDOK_REPOSITORY", "SAMDOK_IDENTITY", "SAMDOK_CA", "SAMDOK_CERT", "SAMDOK_KEY":
		return true
	case "SAMDOK_BIN", "SAMDOK_LONG": // of the tests, whose servers inherit them
		return true
	}
	return strings.HasPrefix(name, "SAMDOK_TEST_")
}

func (l *loader) flags(flags map[string]string) {
	for _, s := range l.settings {
		value, ok := flags[s.Flag()]
		if !ok {
			continue
		}
		from := Source{Kind: FromFlag, Name: "--" + s.Flag()}
		if s.Secret {
			l.secretFile(s, value, from)
		} else {
			l.set(s, value, from)
		}
	}
}

func (l *loader) unknown(name string, from Source, names []string) {
	problem := "there is no such setting"
	if near := strictfile.Nearest(name, names); near != "" {
		problem += "; did you mean " + near + "?"
	} else {
		problem += "; `samdok config print` shows all"
	}
	l.fail(name, from, "%s", problem)
}

// check holds the rules that concern more than one setting.
func (l *loader) check() {
	c := l.config
	if (c.TLSCert == "") != (c.TLSKey == "") {
		l.fail("tls.cert", c.from["tls.cert"], "tls.cert and tls.key belong together; give both or none")
	}
	if c.TLSClientCA != "" && c.TLSCert == "" {
		l.fail("tls.client-ca", c.from["tls.client-ca"], "asks clients for certificates, which needs TLS: give tls.cert and tls.key too")
	}
	l.checkGateway()
	l.checkLocator()
	l.checkMLLP()
	l.checkOutward()
	l.checkSubscriptions()
	l.checkRegistry()
	l.checkScaled()
	if c.Data == "" {
		l.fail("data", c.from["data"], "must name a folder")
	}
	if c.Tenant == "" {
		l.fail("tenant", c.from["tenant"], "must not be empty")
	}
	if c.Decider == "open" && !c.AllowRemoteOpen && !loopback(c.Listen) {
		l.fail("listen", c.from["listen"], "%s can be reached from other machines, and access.decider open would answer them all; "+
			"listen on 127.0.0.1, or set access.allow-remote-open on in a closed test network, or access.decider deny", c.Listen)
	}
	if c.Malware.Kind != "off" && c.Malware.Address == "" {
		l.fail("malware.address", c.from["malware.address"], "malware.scanner is %s but no address is given", c.Malware.Kind)
	}
	if u, err := url.Parse(c.Malware.Address); c.Malware.Kind == "icap" && (err != nil || u.Scheme != "icap" || u.Host == "" || len(u.Path) < 2) {
		l.fail("malware.address", c.from["malware.address"], "%q is not icap://HOST:PORT/SERVICE", c.Malware.Address)
	}
	if c.Limits.DocumentBytes > c.Limits.SubmissionBytes {
		l.fail("limits.submission-bytes", c.from["limits.submission-bytes"], "must not be less than limits.document-bytes (%s)", FormatSize(c.Limits.DocumentBytes))
	}
	if !c.Encryption && c.MasterKey != "" {
		l.fail("encryption", c.from["encryption"], "is off although a master key is given; remove one of them")
	}
	if c.OtherKey != "" && !(c.Scaled() && c.Encryption) {
		l.fail("other-master-key", c.from["other-master-key"], "is only for storage scaled, with encryption; remove it")
	}
}

func (l *loader) checkRegistry() {
	c := l.config
	switch r := c.Registry; {
	case !c.HasRegistry() && r.URL == "":
		l.fail("registry.url", c.from["registry.url"], "roles is repository: give the URL of the registry that documents are registered with")
	case c.HasRegistry() && r.URL != "":
		l.fail("registry.url", c.from["registry.url"], "is for a repository without a registry of its own: set roles to repository, or remove it")
	case (r.Cert == "") != (r.Key == ""):
		l.fail("registry.cert", c.from["registry.cert"], "registry.cert and registry.key belong together; give both or none")
	}
	if c.OnDemand.Register != "off" && c.Roles != RolesBoth {
		l.fail("on-demand.register", c.from["on-demand.register"], "needs a server that is registry and repository: it registers what it makes itself")
	}
	if c.DSUB.On && !c.HasRegistry() {
		l.fail("dsub.broker", c.from["dsub.broker"], "tells of what is registered here, and roles is repository")
	}
	if !c.HasRegistry() && c.MLLP.Listen != "" {
		l.fail("mllp.listen", c.from["mllp.listen"], "the identity feed is for a registry, and roles is repository")
	}
}

func (l *loader) checkMLLP() {
	c := l.config
	m := c.MLLP
	if (m.Cert == "") != (m.Key == "") {
		l.fail("mllp.cert", c.from["mllp.cert"], "mllp.cert and mllp.key belong together; give both or none")
	}
	if m.Listen != "" && !c.HasRegistry() {
		l.fail("mllp.listen", c.from["mllp.listen"], "feeds a registry, and roles is %s: send identities to the registry itself", c.Roles)
	}
	if m.ClientCA != "" && m.Cert == "" {
		l.fail("mllp.client-ca", c.from["mllp.client-ca"], "asks senders for certificates, which needs TLS: give mllp.cert and mllp.key too")
	}
	if c.Decider == "open" && !c.AllowRemoteOpen && m.Listen != "" && !loopback(m.Listen) {
		l.fail("mllp.listen", c.from["mllp.listen"], "%s can be reached from other machines, and access.decider open would answer them all; "+
			"listen on 127.0.0.1, or set access.allow-remote-open on in a closed test network, or access.decider deny", m.Listen)
	}
}

// loopback tells whether only this machine can reach HOST:PORT.
func loopback(hostPort string) bool {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

func (l *loader) checkGateway() {
	c := l.config
	if c.Gateway.Scope == "communities" && (c.Gateway.Communities == "" || !c.Gateway.Respond) {
		l.fail("gateway.respond-scope", c.from["gateway.respond-scope"], "communities needs gateway.communities and gateway.respond on")
	}
	if (c.Gateway.Communities != "" || c.Gateway.Respond || c.Gateway.Discovery != "off") && !(c.HasRegistry() && c.HasRepository()) {
		l.fail("roles", c.from["roles"], "gateway.communities, gateway.respond and gateway.discovery need both the registry and the repository")
	}
}

func (l *loader) checkLocator() {
	c := l.config
	o := c.Locator
	switch {
	case o.On && c.Scaled():
		// What others stated lies in a file of one node.
		l.fail("locator.on", c.from["locator.on"], "needs storage embedded: run the locator on a server of its own, and name it by locator.url")
	case o.Gateway == "own" && !o.On:
		l.fail("locator.gateway", c.from["locator.gateway"], "own needs locator.on")
	case o.Gateway == "remote" && o.URL == "":
		l.fail("locator.gateway", c.from["locator.gateway"], "remote needs locator.url")
	case o.Gateway != "off" && c.Gateway.Communities == "":
		l.fail("locator.gateway", c.from["locator.gateway"], "is about the communities of gateway.communities, and there are none")
	case o.Level == "organisation" && o.URL != "" && !o.On:
		l.fail("locator.level", c.from["locator.level"], "organisation needs locator.on: this server's own locator is asked for the rest")
	}
	if (o.Cert == "") != (o.Key == "") {
		l.fail("locator.cert", c.from["locator.cert"], "locator.cert and locator.key belong together; give both or none")
	}
	if o.Report > o.Stale/2 {
		l.fail("locator.report-every", c.from["locator.report-every"], "must not be more than half of locator.stale (%s), or one lost report makes the locator unsure", formatDuration(o.Stale))
	}
}

func (l *loader) checkOutward() {
	c := l.config
	if (c.Outward.Cert == "") != (c.Outward.Key == "") {
		l.fail("outward.cert", c.from["outward.cert"], "outward.cert and outward.key belong together; give both or none")
	}
	if (c.DSUB.On || c.Async.On) && len(c.Outward.Allow) == 0 {
		l.fail("outward.allow", c.from["outward.allow"], "names no address, and dsub.broker or async.answers is on: name those that something may be sent to, or give loopback for receivers on this machine")
	}
}

func (l *loader) checkSubscriptions() {
	c := l.config
	if c.DSUB.On && !c.HasRegistry() {
		l.fail("dsub.broker", c.from["dsub.broker"], "needs the role registry: what is notified is what it registers")
	}
	if c.DSUB.Usual > c.DSUB.Longest {
		l.fail("dsub.usual", c.from["dsub.usual"], "must not be more than dsub.longest (%s)", formatDuration(c.DSUB.Longest))
	}
}
