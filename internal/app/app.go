package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"samdok/access"
	"samdok/access/decider"
	"samdok/access/guard"
	"samdok/audit"
	"samdok/audit/ledger"
	"samdok/fault"
	"samdok/hl7/mllp"
	"samdok/internal/config"
	"samdok/internal/httpd"
	"samdok/internal/jobs"
	"samdok/internal/outward"
	"samdok/internal/telemetry"
	"samdok/internal/xmlscan"
	pil "samdok/locator/rest"
	"samdok/mailbox"
	"samdok/metadata/ebrim"
	"samdok/metadata/profile"
	"samdok/registry"
	"samdok/repository"
	"samdok/repository/malware"
	"samdok/sharing"
	"samdok/soap/mtom"
	"samdok/soap/xds"
	"samdok/storage/scaled"
)

// Options of Open. All are required.
type Options struct {
	Config  *config.Config
	Log     *slog.Logger
	Clock   func() time.Time
	Version string

	// recorder stands in for the ledger in the benchmark of what recording costs.
	// Nothing outside this package's tests can set it.
	recorder audit.Recorder
}

// recorderOf is the ledger.
func recorderOf(o *Options, d *data) audit.Recorder {
	if o.recorder != nil {
		return o.recorder
	}
	return d.ledger
}

// App is a running server. Make one with Open.
type App struct {
	Options
	data *data

	sharing  sharing.Service
	refused  func(context.Context, access.Caller, sharing.Refused) error // records what no use case sees
	gateways gateways
	keeping  sharing.Keeping
	gate     *outward.Gate
	notifier *notifier // nil when DSUB is off
	locating *locating // nil when no locator is used
	metrics  *telemetry.Metrics
	tracing  *telemetry.Tracing // nil when off
	public   *httpd.Public
	outside  *httpd.Listener
	inside   *httpd.Listener // nil when off
	internal http.Handler    // of inside, when the start is done
	feed     *mllp.Server    // nil when off
	control  *httpd.Listener // for the operator's commands on this machine
	doors    doors
	draining atomic.Bool
	jobs     *jobs.Runner
	sweep    jobs.Job
	answers  *answers
	// Of a repository that registers elsewhere; nil otherwise.
	elsewhere *elsewhere
	settle    *jobs.Job
	started   bool // the start is recorded
}

// Info is what a person or a script needs to know of a running server.
type Info struct {
	URL                string `json:"url"`
	Registry           string `json:"registry"`
	Repository         string `json:"repository"`
	Recipient          string `json:"recipient,omitempty"`
	PatientIdentity    string `json:"patient_identity"`
	Gateway            string `json:"gateway,omitempty"` // initiating: ITI-18 and ITI-43 over all communities
	XCA                string `json:"xca,omitempty"`     // responding: ITI-38 and ITI-39
	XCPD               string `json:"xcpd,omitempty"`    // ITI-55 and ITI-56
	Subscription       string `json:"subscription,omitempty"`
	Locator            string `json:"locator,omitempty"`
	Internal           string `json:"internal,omitempty"`
	MLLP               string `json:"mllp,omitempty"`
	HomeCommunityID    string `json:"home_community_id"`
	RepositoryUniqueID string `json:"repository_unique_id"`
	Tenant             string `json:"tenant"`
	Profile            string `json:"profile"`
	Data               string `json:"data"`
	Created            bool   `json:"created"` // the data folder was made now
}

const (
	registryPath   = "/services/registry"
	repositoryPath = "/services/repository"
	identityPath   = "/services/patient-identity"
	recipientPath  = "/services/recipient"
	readyTimeout   = 5 * time.Second
)

// Open makes a server that already holds its ports but does not answer yet. On
// an error everything is closed again. A node whose engines are away waits for them, for
// as long as ctx lives, and says so to whoever asks; ErrStopped when ctx ends first.
func Open(ctx context.Context, o Options) (_ *App, err error) {
	a := &App{Options: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close(), a.doors.ended())
		}
	}()
	if a.metrics, err = telemetry.NewMetrics(o.Version); err != nil {
		return nil, err
	}
	if a.tracing, err = openTracing(ctx, o.Config, o.Version); err != nil {
		return nil, err
	}
	watch, err := a.watchEngines()
	if err != nil {
		return nil, err
	}
	if o.Config.Scaled() {
		if watch.wait, err = a.await(); err != nil {
			return nil, err
		}
	}
	if a.data, err = openWatched(ctx, o.Config, o.Log, o.Clock, watch); err != nil {
		return nil, err
	}
	if a.gate, err = openGate(o.Config); err != nil {
		return nil, err
	}
	if err := a.useCases(); err != nil {
		return nil, err
	}
	if err := a.listen(); err != nil {
		return nil, err
	}
	if a.control, err = listenControl(a.data, a.sharing, a.serveKeep, a.Communities, a.locating, a.Clock, a.Log); err != nil {
		return nil, err
	}
	if err := a.data.recordStart(ctx, a.Config, a.Version, a.Clock()); err != nil {
		return nil, err
	}
	a.started = true
	return a, nil
}

// useCases builds everything between the data and the doors.
func (a *App) useCases() error {
	c, d := a.Config, a.data
	p, err := profile.Load(c.Profile)
	if err != nil {
		return fmt.Errorf("setting profile: %w", err)
	}
	p = p.WithNumbers(numberCheck(c.IdentityNumbers))
	tenant := access.Tenant(d.identity.Tenant)
	documents := repository.New(repository.Options{
		Documents: d.documents, Log: d.log, ID: d.identity.RepositoryUniqueID, Clock: a.Clock, Logger: a.Log,
		Scan: scanner(c.Malware), AdmitUnscanned: c.Malware.AdmitUnscanned,
		Limits:   repository.Limits{DocumentBytes: c.Limits.DocumentBytes, Documents: max(c.Limits.Documents, c.Limits.RetrieveDocuments), DrainBytes: c.Limits.DrainBytes},
		SweepAge: c.Sweep.Age,
	})
	entries := registry.New(registry.Options{
		Log: d.log, Index: d.log, Profile: p, Clock: a.Clock, Home: d.identity.HomeCommunityID, KnownPatients: c.Patients == "known",
		UnknownLogicalID: unknownLogicalID(c), ObjectTypeError: c.ChangedObjectType == "object-type",
		Limits: registry.Limits{LeafClass: c.Limits.QueryLeafClass, ObjectRefs: c.Limits.QueryObjectRefs,
			AcrossPatients: c.Across.Patients, AcrossRange: c.Across.Range, AcrossObjects: c.Across.Objects},
	})
	a.notifier = a.openNotifier()
	g := guard.New(guard.Options{Decider: deciderOf(c), Recorder: recorderOf(&a.Options, d), Clock: a.Clock})
	if a.locating, err = openLocating(c, d, g, a.Log, a.Clock); err != nil {
		return fmt.Errorf("settings of the locator: %w", err)
	}
	var registrar sharing.Registrar = entries
	made := onDemand(c, p, d.dir)
	if !c.HasRegistry() {
		made = sharing.OnDemand{} // what they are made of is in somebody else's registry
		if registrar, err = a.remote(g, documents, tenant); err != nil {
			return err
		}
	}
	all := sharing.New(sharing.Options{
		Registry: entries, Registrar: registrar, Repository: documents, Mail: mailboxes(c, d, a.Clock), Index: d.log, Tenant: tenant, Home: d.identity.HomeCommunityID, Logger: a.Log, Clock: a.Clock,
		OnDemand:      made,
		RefuseUnheld:  c.RefusesUnheld(),
		Guard:         g,
		Subscriptions: a.notifier.uses(c),
		Keeper:        d.keeper,
	})
	a.refused = all.Refuse
	a.sharing, a.keeping = watch(all, a.metrics, a.Clock, a.notifier, a.locating, a.forget), all
	if err := a.useGateways(all, g); err != nil {
		return err
	}
	a.sweep = jobs.Job{Name: "sweep", Every: c.Sweep.Interval, Do: func(ctx context.Context) error {
		s, err := documents.Sweep(ctx, false)
		if err == nil && s.Deleted+s.Unreadable > 0 {
			a.Log.Info("swept documents that were never registered", "seen", s.Seen, "deleted", s.Deleted, "unreadable", s.Unreadable)
		}
		return err
	}}
	return nil
}

// watchEngines counts and traces what this node does with its engines.
func (a *App) watchEngines() (watching, error) {
	records, err := a.metrics.NewRecords()
	if err != nil {
		return watching{}, err
	}
	book := ledger.Watch{Wrote: records.Wrote, Waited: records.Waited}
	if !a.Config.Scaled() {
		w := unwatched()
		w.book = book
		return w, nil
	}
	calls, err := a.metrics.NewEngines(a.Clock)
	if err != nil {
		return watching{}, err
	}
	batches, err := a.metrics.NewBatches()
	if err != nil {
		return watching{}, err
	}
	return watching{
		calls: func(engine string, next http.RoundTripper) http.RoundTripper {
			return calls.Transport(engine, a.tracing.Transport(engine, next))
		},
		log:  scaled.Watch{Work: a.tracing.Work, Wrote: batches.Wrote, Projected: batches.Projected},
		book: book,
	}, nil
}

func openTracing(ctx context.Context, c *config.Config, version string) (*telemetry.Tracing, error) {
	node, err := c.NodeName()
	if err != nil {
		return nil, err
	}
	return telemetry.OpenTracing(ctx, telemetry.TracingOptions{Endpoint: c.Tracing.Endpoint, Sample: float64(c.Tracing.Sample) / 100, Version: version, Node: node})
}

// openGate makes the one way to addresses that others name.
func openGate(c *config.Config) (*outward.Gate, error) {
	o := c.Outward
	return outward.New(outward.Options{Allowed: o.Allow, Networks: o.Networks, CA: o.CA, Cert: o.Cert, Key: o.Key})
}

func numberCheck(setting string) profile.NumberCheck {
	switch setting {
	case "unchecked":
		return profile.TakeNumbers
	case "checked-2032":
		return profile.CheckNumbers2032
	}
	return profile.CheckNumbers
}

func deciderOf(c *config.Config) access.Decider {
	if c.Decider == "open" {
		return decider.NewOpen(decider.Options{AllowRemote: c.AllowRemoteOpen})
	}
	return decider.DenyAll{}
}

// scanner is nil when documents are not scanned. config has checked the address.
func scanner(m config.Malware) func(context.Context, malware.Document) (*malware.Scan, error) {
	switch m.Kind {
	case "clamd":
		return (&malware.Clamd{Address: m.Address, Timeout: m.Timeout}).Open
	case "icap":
		u, err := url.Parse(m.Address)
		if err != nil {
			return nil
		}
		return (&malware.ICAP{Address: u.Host, Service: strings.TrimPrefix(u.Path, "/"), Timeout: m.Timeout}).Open
	}
	return nil
}

func unknownLogicalID(c *config.Config) fault.Code {
	if c.UnknownLogicalID == "version" {
		return fault.MetadataVersionError
	}
	return fault.UnresolvedReference
}

// listen mounts the doors and opens the ports that are not open yet.
func (a *App) listen() (err error) {
	c := a.Config
	a.answers = &answers{app: a}
	door := a.door()
	door.Later = a.answers.later()
	endpoints := a.endpoints(door)
	for i, e := range endpoints {
		endpoints[i].Handler = a.tracing.Handler(e.Path, e.Handler)
	}
	a.public, err = httpd.NewPublic(httpd.PublicOptions{
		Endpoints: endpoints,
		Identity:  httpd.Identity{URL: c.PublicURL, HomeCommunityID: a.data.identity.HomeCommunityID, RepositoryUniqueID: a.data.identity.RepositoryUniqueID, Profile: c.Profile, Version: a.Version},
		Rate:      c.HTTP.Rate, Burst: c.HTTP.Burst, Clients: c.HTTP.Clients, Concurrent: c.Limits.ConcurrentRequests, Share: c.HTTP.Share,
		StallTimeout: c.HTTP.StallTimeout, TLS: c.TLSCert != "", Clock: a.Clock, Log: a.Log,
		Watch: httpd.Watch{Done: a.metrics.HTTP, Refused: a.metrics.Refused},
	})
	if err != nil {
		return err
	}
	if a.outside == nil {
		if err := a.bind(nil, nil); err != nil {
			return err
		}
	}
	if err := a.listenMLLP(); err != nil {
		return err
	}
	if a.inside == nil {
		return nil
	}
	a.internal = a.internalPages(a.dependencies(), map[string]http.HandlerFunc{TestimonyPath: a.data.testify})
	return errors.Join(
		a.letterMetrics(),
		a.metrics.Gauge("samdok_http_requests_in_work", "Requests being answered.", func() float64 { return float64(a.public.InWork()) }),
		a.notifier.watch(a.metrics.Gauge),
		a.locating.watch(a.metrics.Gauge),
		a.data.watch(a.metrics.Gauge),
		a.metrics.Gauge("samdok_log_queue", "Submissions that wait for the log's writer.", func() float64 { return float64(a.data.log.Waiting()) }),
	)
}

// bind opens the ports of HTTP. Serve turns both to their last handlers.
func (a *App) bind(public, internal http.Handler) (err error) {
	c := a.Config
	var secure *tls.Config
	if c.TLSCert != "" {
		if secure, err = httpd.Secure("tls", c.TLSCert, c.TLSKey, c.TLSClientCA); err != nil {
			return err
		}
	}
	manners := httpd.Manners{HeaderTimeout: c.HTTP.HeaderTimeout, IdleTimeout: c.HTTP.IdleTimeout, HeaderBytes: c.HTTP.HeaderBytes}
	if a.outside, err = httpd.Listen(c.Listen, secure, public, manners, a.Log); err != nil {
		return fmt.Errorf("public listener: %w", err)
	}
	if c.InternalListen == "" {
		return nil
	}
	if a.inside, err = httpd.Listen(c.InternalListen, nil, internal, manners, a.Log); err != nil {
		return fmt.Errorf("internal listener (--internal-listen off does without): %w", err)
	}
	return nil
}

// dependencies are what readiness asks about.
func (a *App) dependencies() []httpd.Dependency {
	all := append(a.data.log.Dependencies(),
		httpd.Dependency{Name: "ledger", Check: a.data.ledger.Ready}, httpd.Dependency{Name: "disk", Check: a.diskSpace},
		httpd.Dependency{Name: "outbox", Warn: a.outboxWarning})
	if a.data.cards != nil {
		all = append(all, httpd.Dependency{Name: "locator", Check: a.data.cards.Ready})
	}
	if a.elsewhere != nil {
		all = append(all, httpd.Dependency{Name: "registry", Check: a.elsewhere.reach})
	}
	return all
}

func (a *App) internalPages(dependencies []httpd.Dependency, more map[string]http.HandlerFunc) http.Handler {
	return httpd.NewInternal(httpd.InternalOptions{
		Dependencies: dependencies, Metrics: a.metrics.Handler(), Draining: &a.draining, Timeout: readyTimeout, Profile: a.Config.Profiling, More: more,
	})
}

func mailboxes(c *config.Config, d *data, clock func() time.Time) *mailbox.Mailboxes {
	return mailbox.New(mailbox.Options{Log: d.log, Index: d.log, Clock: clock, Organisations: c.Mailbox.Organisations, Any: c.Mailbox.Any, Default: c.Mailbox.Default})
}

// endpoints are the doors of the roles that are switched on.
func (a *App) endpoints(door xds.DoorOptions) []httpd.Endpoint {
	var all []httpd.Endpoint
	doors := map[string]xds.Door{} // the same handlers answer what was stored
	if a.Config.HasRegistry() {
		doors[xds.RegistryDoor], doors[xds.IdentityDoor] = xds.RegistryHandler(a.sharing, door), xds.IdentityHandler(a.sharing, door)
		all = append(all,
			httpd.Endpoint{Path: registryPath, Name: "Document Registry", Transactions: xds.RegistryTransactions(door), Handler: doors[xds.RegistryDoor]},
			httpd.Endpoint{Path: identityPath, Name: "Patient identity feed", Transactions: xds.IdentityTransactions(), Handler: doors[xds.IdentityDoor]})
	}
	if a.Config.HasRepository() {
		doors[xds.RepositoryDoor] = xds.RepositoryHandler(a.sharing, door)
		all = append(all, httpd.Endpoint{Path: repositoryPath, Name: "Document Repository", Transactions: xds.RepositoryTransactions(), Handler: doors[xds.RepositoryDoor]})
	}
	all = append(all, a.gatewayEndpoints(door, doors)...)
	all = append(all, a.locating.endpoints(caller)...)
	a.answers.doors = doors
	if a.notifier != nil {
		all = append(all, httpd.Endpoint{Path: subscriptionPath, Name: "Notification broker", Transactions: xds.SubscriptionTransactions(), Handler: xds.SubscriptionHandler(a.sharing, door, a.brokerAddress)})
	}
	if a.Config.Mailbox.On {
		doors[xds.RecipientDoor] = xds.RecipientHandler(a.sharing, door)
		all = append(all, httpd.Endpoint{Path: recipientPath, Name: "Document Recipient", Transactions: xds.RecipientTransactions(), Handler: doors[xds.RecipientDoor]})
	}
	return all
}

func (a *App) door() xds.DoorOptions {
	l := a.Config.Limits
	return xds.DoorOptions{
		Caller: caller, Refused: a.refused, Log: a.Log, TempDir: filepath.Join(a.data.dir, spoolName), Authorities: authorities(a.Config), Across: a.Config.Across.On,
		Limits: xds.Limits{
			Message:  mtom.Limits{Parts: l.Documents + 1, HeaderBytes: l.PartHeaderBytes, RootBytes: l.RootBytes, PartBytes: l.DocumentBytes, TotalBytes: l.SubmissionBytes},
			XML:      xmlscan.Limits{Size: int(l.RootBytes), Depth: l.Depth, Attributes: l.Attributes, Text: l.ValueBytes},
			Metadata: ebrim.Limits{Objects: l.Objects, Slots: l.Slots, Values: l.Values},
			Retrieve: l.RetrieveDocuments,
		},
	}
}

// Info tells addresses and OIDs.
func (a *App) Info() Info {
	base := a.Config.PublicURL
	if base == "" {
		base = a.outside.URL()
	}
	i := Info{
		URL: base, Registry: base + registryPath, Repository: base + repositoryPath, PatientIdentity: base + identityPath,
		HomeCommunityID: a.data.identity.HomeCommunityID, RepositoryUniqueID: a.data.identity.RepositoryUniqueID,
		Tenant: a.data.identity.Tenant, Profile: a.Config.Profile, Data: a.data.dir, Created: a.data.created,
	}
	if a.Config.Mailbox.On {
		i.Recipient = base + recipientPath
	}
	if a.gateways.initiating != nil {
		i.Gateway = base + initiatingPath
	}
	if a.gateways.responding != nil {
		i.XCA = base + respondingPath
	}
	if a.gateways.discovery != nil {
		i.XCPD = base + discoveryPath
	}
	if !a.Config.HasRegistry() {
		i.Registry, i.PatientIdentity = a.Config.Registry.URL, ""
	}
	if !a.Config.HasRepository() {
		i.Repository, i.RepositoryUniqueID = "", ""
	}
	if a.inside != nil {
		i.Internal = a.inside.URL()
	}
	if a.feed != nil {
		i.MLLP = a.feed.Address()
	}
	if a.Config.Locator.On {
		i.Locator = base + pil.Root
	}
	if a.notifier != nil {
		i.Subscription = base + subscriptionPath
	}
	return i
}

// Serve answers until ctx ends or a listener breaks, then lets the requests in
// work end within http.drain-timeout and closes everything. ready is called when
// clients may come; its error ends the server. Serve is called once.
func (a *App) Serve(ctx context.Context, ready func() error) error {
	a.jobs = jobs.Start(jobs.Options{Log: a.Log, Clock: a.Clock, Done: a.metrics.Job}, a.work()...)
	a.answers.start()
	if a.notifier != nil {
		a.notifier.start(a.sharing)
	}
	a.locating.start()
	a.outside.Turn(a.public)
	if a.inside != nil {
		a.inside.Turn(a.internal)
	}
	a.doors.open(a.listeners()...)
	failure := ready()
	if failure == nil {
		select {
		case <-ctx.Done():
		case failure = <-a.doors.broken:
			a.doors.serving--
		}
	}
	a.Log.Info("stopping: requests in work may end", "in_work", a.public.InWork(), "at_most", a.Config.HTTP.DrainTimeout.String())
	a.draining.Store(true)
	return errors.Join(failure, a.close(), a.doors.ended())
}

// work is what is done in the background.
func (a *App) work() []jobs.Job {
	all := append([]jobs.Job{a.sweep}, a.locating.work()...)
	if a.data.ledgers != nil {
		all = append(all, a.data.ledgers.job(listsEach*a.Config.CheckpointInterval))
	}
	if a.gateways.reload != nil {
		all = append(all, *a.gateways.reload)
	}
	if a.gateways.follow != nil {
		all = append(all, *a.gateways.follow)
	}
	if a.settle != nil {
		all = append(all, *a.settle)
	}
	return all
}

func (a *App) listeners() []listener {
	all := []listener{a.outside, a.control}
	if a.inside != nil {
		all = append(all, a.inside)
	}
	if a.feed != nil {
		all = append(all, a.feed)
	}
	return all
}

// Close gives up a server that was opened but shall not serve.
func (a *App) Close() error { return errors.Join(a.close(), a.doors.ended()) }

// close undoes Open from bottom to top. The internal listener ends last of the
// two, so that readiness can be asked while the public one drains.
func (a *App) close() error {
	var errs []error
	ctx, cancel := context.WithTimeout(context.Background(), a.Config.HTTP.DrainTimeout)
	defer cancel()
	if a.feed != nil {
		errs = append(errs, a.feed.Stop(ctx))
	}
	if a.outside != nil {
		errs = append(errs, a.outside.Stop(ctx))
	}
	if a.control != nil {
		errs = append(errs, a.control.Stop(ctx))
	}
	if a.inside != nil {
		errs = append(errs, a.inside.Stop(ctx))
	}
	if a.public != nil {
		a.public.Close()
	}
	if a.answers != nil {
		a.answers.stop(ctx)
	}
	if a.jobs != nil {
		a.jobs.Stop()
	}
	for _, f := range a.gateways.closeIdle {
		f()
	}
	a.notifier.close(ctx)
	a.locating.close(ctx)
	if a.gate != nil {
		a.gate.Close()
	}
	if a.data != nil {
		if a.started {
			a.started = false
			errs = append(errs, a.data.record(context.WithoutCancel(ctx), a.data.event(audit.KindStop, a.Clock())))
		}
		errs = append(errs, a.data.close())
	}
	if err := a.tracing.Close(ctx); err != nil {
		a.Log.Warn("the last spans could not be sent", "error", err) // nothing rests on them
	}
	return errors.Join(errs...)
}
