package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"samdok/access"
	"samdok/access/guard"
	"samdok/discovery"
	"samdok/gateway"
	"samdok/gateway/directory"
	"samdok/internal/config"
	"samdok/internal/httpd"
	"samdok/internal/jobs"
	"samdok/internal/telemetry"
	"samdok/metadata"
	"samdok/sharing"
	"samdok/soap/mtom"
	"samdok/soap/xds"
)

const (
	initiatingPath = "/services/gateway"
	respondingPath = "/services/xca"
	discoveryPath  = "/services/xcpd"
	// followEvery is how often the index of names is brought up to the log; a query does
	// it too.
	followEvery = time.Minute
	// reloadEvery is how soon a changed file of communities is noticed.
	reloadEvery = 5 * time.Second
)

// gateways are the roles towards other communities; the zero value has none.
type gateways struct {
	others     *gateway.Gateway   // nil: no other communities
	initiating sharing.Reader     // nil: off
	patients   sharing.Discoverer // of the initiating gateway
	responding sharing.Reader     // nil: off
	discovery  sharing.Discoverer // nil: off
	reload     *jobs.Job          // nil: nothing to reload
	follow     *jobs.Job          // nil: there is no index of names
	closeIdle  []func()
}

// useGateways builds the roles that the configuration turns on.
func (a *App) useGateways(own *sharing.Sharing, g *guard.Guard) error {
	c := a.Config.Gateway
	if c.Communities == "" && !c.Respond && c.Discovery == "off" {
		return nil
	}
	people := sharing.NewDiscovery(sharing.DiscoveryOptions{Own: own, Log: a.data.log, Names: c.Discovery == "names", Elsewhere: a.elsewhereOf()})
	if c.Discovery != "off" {
		a.gateways.discovery = &watchedDiscoverer{people, a.Clock, a.metrics.Transaction("ITI-55"), a.metrics.Transaction("ITI-56")}
	}
	if c.Discovery == "names" {
		a.gateways.follow = &jobs.Job{Name: "names", Every: followEvery, Do: people.Follow}
	}
	options := gateway.Options{Clock: a.Clock, TempDir: filepath.Join(a.data.dir, spoolName), Observe: a.observeCommunity, Person: people.Person,
		Locate: a.locating.forGateway(), LocateWithin: a.Config.Locator.Deadline, Probe: float64(a.Config.Locator.Probe) / 100, Judged: func(why gateway.Why, result string) { a.metrics.Located(why.String(), result) }}
	federate := func(to *gateway.Gateway, responding bool) sharing.Reader {
		find, retrieve := "ITI-18 gateway", "ITI-43 gateway"
		if responding {
			find, retrieve = "ITI-38", "ITI-39"
		}
		f := sharing.NewFederation(sharing.FederationOptions{
			Gateway: to, Own: own, People: people, Guard: g, Tenant: access.Tenant(a.data.identity.Tenant), Logger: a.Log,
			Responding: responding, Alone: responding && c.Scope == "local", DocumentsOnly: responding && c.Kinds == "documents",
		})
		if !responding {
			a.gateways.patients = &watchedDiscoverer{f, a.Clock, a.metrics.Transaction("ITI-55 gateway"), a.metrics.Transaction("ITI-56 gateway")}
		}
		counted := a.metrics.Transaction(find)
		return &watchedReader{f, a.Clock, counted, a.metrics.Transaction(retrieve), counted}
	}
	if c.Communities != "" {
		members, seen, err := a.members()
		if err != nil {
			return fmt.Errorf("setting gateway.communities: %w", err)
		}
		if a.gateways.others, err = gateway.New(options, members); err != nil {
			return fmt.Errorf("setting gateway.communities: %w", err)
		}
		a.gateways.initiating = federate(a.gateways.others, false)
		a.gateways.reload = &jobs.Job{Name: "communities", Every: reloadEvery, Do: func(context.Context) error { return a.reloadCommunities(&seen) }}
	}
	if !c.Respond {
		return nil
	}
	to := a.gateways.others
	if to == nil {
		var err error
		if to, err = gateway.New(options, nil); err != nil {
			return err
		}
	}
	a.gateways.responding = federate(to, true)
	return nil
}

// elsewhereOf tells which other communities have a patient; nil when there are none.
func (a *App) elsewhereOf() func(metadata.PatientID) []discovery.Location {
	if a.Config.Gateway.Communities == "" {
		return nil
	}
	return func(p metadata.PatientID) []discovery.Location { return a.gateways.others.Elsewhere(p) }
}

// forget drops what other communities said of patients who were merged.
func (a *App) forget(patients ...metadata.PatientID) {
	if a.gateways.others != nil {
		a.gateways.others.Forget(patients...)
	}
}

func (a *App) observeCommunity(home string, query bool, _ int, took time.Duration, err error) {
	a.metrics.Community(home, query, gateway.Outcome(err), took)
}

// stamp tells whether a file has changed.
type stamp struct {
	modified time.Time
	size     int64
}

func stampOf(path string) (stamp, error) {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}, err
	}
	return stamp{info.ModTime(), info.Size()}, nil
}

// reloadCommunities takes a changed file. A wrong one leaves the old communities in
// force, and is told of once.
func (a *App) reloadCommunities(seen *stamp) error {
	now, err := stampOf(a.Config.Gateway.Communities)
	if err != nil || now == *seen {
		return err
	}
	*seen = now
	old := a.gateways.closeIdle
	members, _, err := a.members()
	if err == nil {
		err = a.gateways.others.Replace(members)
	}
	if err != nil {
		a.gateways.closeIdle = old
		return fmt.Errorf("the changed file of communities is not used: %w", err)
	}
	for _, f := range old {
		f()
	}
	a.Log.Info("the file of communities has changed", "communities", len(members))
	return nil
}

// members reads the file of communities.
func (a *App) members() (members []gateway.Member, seen stamp, err error) {
	path := a.Config.Gateway.Communities
	if seen, err = stampOf(path); err != nil {
		return nil, seen, err
	}
	list, err := directory.Load(path)
	if err != nil {
		return nil, seen, err
	}
	a.gateways.closeIdle = nil
	var errs []error
	for i := range list {
		m, err := a.member(&list[i], filepath.Dir(path))
		if err != nil {
			errs = append(errs, fmt.Errorf("community %s: %w", list[i].Home, err))
		}
		members = append(members, m)
	}
	if len(errs) == 0 {
		errs = append(errs, a.meetLocators(list, filepath.Dir(path)))
	}
	return members, seen, errors.Join(errs...)
}

// member makes a remote community. Files of its TLS identity are named from the
// folder of the file of communities.
func (a *App) member(c *directory.Community, dir string) (gateway.Member, error) {
	own := &a.data.identity
	if slices.Contains(c.Repositories, own.RepositoryUniqueID) {
		return gateway.Member{}, errors.New("repositories: " + own.RepositoryUniqueID + " is the server's own, which is asked anyway")
	}
	for _, home := range append([]string{c.Home}, c.Others...) {
		if home == own.HomeCommunityID && len(c.Repositories) == 0 {
			return gateway.Member{}, errors.New("this is the server's own homeCommunityId: a gateway that asks itself would go round in a circle")
		}
	}
	client, err := clientFor(c, dir)
	if err != nil {
		return gateway.Member{}, err
	}
	a.gateways.closeIdle = append(a.gateways.closeIdle, client.CloseIdleConnections)
	limits := gateway.Limits{
		Deadline: time.Duration(c.Deadline), Stall: time.Duration(c.Stall), Concurrent: c.Concurrent,
		Quota: c.QuotaMiB << 20, Failures: c.Failures, Pause: time.Duration(c.Pause),
	}
	if c.Retries != nil {
		if limits.Retries = *c.Retries; limits.Retries == 0 {
			limits.Retries = -1
		}
	}
	l := a.Config.Limits
	community := xds.NewCommunity(xds.CommunityOptions{
		Plain: c.Kind == "xds", Home: c.Home, From: own.HomeCommunityID,
		Client: xds.Options{QueryURL: c.Query, RetrieveURL: c.Retrieve, DiscoverURL: c.Discover, LocateURL: c.HealthDataLocator, HTTP: client, TempDir: filepath.Join(a.data.dir, spoolName),
			Limits: mtom.Limits{RootBytes: quotaOf(c), HeaderBytes: l.PartHeaderBytes, PartBytes: l.DocumentBytes, TotalBytes: l.SubmissionBytes, Parts: l.RetrieveDocuments + 1}},
	})
	m := gateway.Member{Home: c.Home, Name: c.Name, Others: c.Others, Bridge: c.Bridge, Repositories: c.Repositories, Authority: c.Authority, Limits: limits, Community: community}
	if c.Discover != "" {
		m.Discover = community.Discover
	}
	if c.HealthDataLocator != "" {
		m.Where, m.Knows = community.Where, c.Locates
	}
	return m, nil
}

// quotaOf is how many octets of an answer to a query are taken in, before what is in
// them is known.
func quotaOf(c *directory.Community) int64 {
	if c.QuotaMiB > 0 {
		return c.QuotaMiB << 20
	}
	return gateway.DefaultQuota
}

// clientFor connects to one community only, under an identity for it.
func clientFor(c *directory.Community, dir string) (*http.Client, error) {
	file := func(name string) string {
		if name == "" || filepath.IsAbs(name) {
			return name
		}
		return filepath.Join(dir, name)
	}
	secure := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.TLS.CA != "" {
		pem, err := os.ReadFile(file(c.TLS.CA))
		if err != nil {
			return nil, fmt.Errorf("certificates of its authorities: %w", err)
		}
		secure.RootCAs = x509.NewCertPool()
		if !secure.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("certificates of its authorities: there is none in %s", c.TLS.CA)
		}
	}
	if c.TLS.Cert != "" {
		cert, err := tls.LoadX509KeyPair(file(c.TLS.Cert), file(c.TLS.Key))
		if err != nil {
			return nil, fmt.Errorf("own certificate and key: %w", err)
		}
		secure.Certificates = []tls.Certificate{cert}
	}
	return &http.Client{
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSClientConfig:     secure,
			TLSHandshakeTimeout: 5 * time.Second,
			MaxIdleConnsPerHost: 64,
			IdleConnTimeout:     90 * time.Second,
			DisableCompression:  true,
			// A community cannot fill memory by headers.
			MaxResponseHeaderBytes: 64 << 10,
			ForceAttemptHTTP2:      true,
		},
		// An address that moved must be put into the file by a person.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// gatewayEndpoints are the doors of the roles that are on; they are added to doors.
func (a *App) gatewayEndpoints(o xds.DoorOptions, doors map[string]xds.Door) (list []httpd.Endpoint) {
	if r := a.gateways.initiating; r != nil {
		doors[xds.InitiatingDoor] = xds.InitiatingHandler(r, a.gateways.patients, a.data.identity.HomeCommunityID, a.gateways.others.Knows, o)
		list = append(list, httpd.Endpoint{Path: initiatingPath, Name: "Initiating Gateway", Transactions: xds.InitiatingTransactions(), Handler: doors[xds.InitiatingDoor]})
	}
	if r := a.gateways.responding; r != nil {
		doors[xds.RespondingDoor] = xds.RespondingHandler(r, a.data.identity.HomeCommunityID, o)
		list = append(list, httpd.Endpoint{Path: respondingPath, Name: "Responding Gateway", Transactions: xds.RespondingTransactions(), Handler: doors[xds.RespondingDoor]})
	}
	if d := a.gateways.discovery; d != nil {
		doors[xds.DiscoveryDoor] = xds.DiscoveryHandler(d, xds.DiscoveryOptions{Home: a.data.identity.HomeCommunityID, Keep: a.Config.Gateway.DiscoveryKeep}, o)
		list = append(list, httpd.Endpoint{Path: discoveryPath, Name: "Patient discovery", Transactions: xds.DiscoveryTransactions(), Handler: doors[xds.DiscoveryDoor]})
	}
	return list
}

// Communities is how the other communities have done since the start. What they said in
// the place of an answer may name somebody.
func (a *App) Communities() []gateway.Status {
	if a.gateways.others == nil {
		return nil
	}
	all := a.gateways.others.Status()
	for i := range all {
		all[i].Reason = telemetry.Redact(all[i].Reason)
	}
	return all
}

// AskCommunities asks the server on a data folder how the other communities have
// done. There is nothing to tell when no server runs.
func AskCommunities(ctx context.Context, c *config.Config) (all []gateway.Status, err error) {
	if err := hasData(c); err != nil {
		return nil, err
	}
	conn, err := dialControl(ctx, c.Data)
	if err != nil {
		return nil, fmt.Errorf("no server on %s can be asked; start it with samdok serve: %w", c.Data, err)
	}
	err = askServer(ctx, conn, "/communities", struct{}{}, &all)
	return all, err
}
