package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"samdok/access"
	"samdok/access/guard"
	"samdok/fault"
	"samdok/gateway"
	"samdok/gateway/directory"
	"samdok/internal/config"
	"samdok/internal/courier"
	"samdok/internal/httpd"
	"samdok/internal/jobs"
	"samdok/locator"
	pil "samdok/locator/rest"
	"samdok/metadata"
	"samdok/sharing"
	"samdok/soap"
	"samdok/soap/wsnt"
	"samdok/storage"
)

const (
	// noticePath takes notifications of documents elsewhere (ITI-53) for the locator.
	noticePath = "/services/locator"
	// purgeEvery is how often what was withdrawn long ago is forgotten.
	purgeEvery = 24 * time.Hour
	// tellTimeout bounds one message to another locator.
	tellTimeout = 30 * time.Second
)

// locating is this server's part in locating patients' information.
type locating struct {
	c       config.Locator
	home    string
	use     *sharing.Locating
	own     *locator.Locator // nil: off
	client  *pil.Client      // of locator.url; nil: none
	to      string           // its host
	idle    func()           // closes its connections
	outbox  storage.Outbox
	log     *slog.Logger
	clock   func() time.Time
	peers   atomic.Pointer[[]sharing.LocatorPeer]
	names   atomic.Pointer[map[string]string] // of communities
	poke    chan struct{}
	restart chan chan error

	projector *locator.Projector // nil: no registry, or nobody to tell
	courier   *courier.Courier
	stop      context.CancelFunc
	running   sync.WaitGroup
	end       atomic.Int64  // when the log was last followed to its end, in Unix nanoseconds
	first     chan struct{} // closed when that was done once
}

// openLocating is nil when nothing of it is on.
func openLocating(c *config.Config, d *data, g *guard.Guard, l *slog.Logger, clock func() time.Time) (*locating, error) {
	o := c.Locator
	if !o.On && o.URL == "" {
		return nil, nil
	}
	tenant := access.Tenant(d.identity.Tenant)
	x := &locating{c: o, home: d.identity.HomeCommunityID, outbox: d.log, log: l, clock: clock, poke: make(chan struct{}, 1), restart: make(chan chan error), first: make(chan struct{})}
	if o.On {
		x.own = locator.New(locator.Options{Cards: d.cards, Tenant: tenant, Clock: clock, Stale: o.Stale, KeepWithdrawn: o.KeepWithdrawn})
	}
	if o.URL != "" {
		u, err := url.Parse(o.URL)
		if err != nil {
			return nil, err
		}
		h, err := clientFor(&directory.Community{TLS: directory.TLS{CA: o.CA, Cert: o.Cert, Key: o.Key}}, "")
		if err != nil {
			return nil, err
		}
		x.client, x.to, x.idle = pil.NewClient(o.URL, h), u.Host, h.CloseIdleConnections
	}
	x.use = sharing.NewLocating(sharing.LocatingOptions{Locator: x.own, Guard: g, Tenant: tenant, Peers: x.known, Deadline: o.Deadline, Logger: l})
	if !c.HasRegistry() {
		return x, nil
	}
	p := locator.ProjectorOptions{Feed: d.log, Index: d.log, Outbox: d.log, Tenant: tenant, Clock: clock,
		Source: locator.Source{Community: x.home, System: d.identity.RepositoryUniqueID}}
	if x.own != nil {
		p.Own = x.use.Follow
	}
	if x.client != nil {
		p.Letters = o.Retry
	}
	x.projector = locator.NewProjector(p)
	return x, nil
}

// known are the communities' own locators.
func (x *locating) known() []sharing.LocatorPeer {
	if p := x.peers.Load(); p != nil {
		return *p
	}
	return nil
}

// name is what people call a community; "" when nobody said.
func (x *locating) name(home string) string {
	if p := x.names.Load(); p != nil {
		return (*p)[home]
	}
	return ""
}

// meetLocators takes the file of communities, whose folder dir is.
func (a *App) meetLocators(list []directory.Community, dir string) error {
	x := a.locating
	if x == nil {
		return nil
	}
	var peers []sharing.LocatorPeer
	names := map[string]string{x.home: ""}
	for i := range list {
		c := &list[i]
		names[c.Home] = c.Name
		if c.Locator == "" {
			continue
		}
		h, err := clientFor(c, dir)
		if err != nil {
			return err
		}
		a.gateways.closeIdle = append(a.gateways.closeIdle, h.CloseIdleConnections)
		client := pil.NewClient(c.Locator, h)
		peers = append(peers, sharing.LocatorPeer{Homes: append([]string{c.Home}, c.Others...), Locate: func(ctx context.Context, p metadata.PatientID) (locator.Answer, error) {
			return client.Locate(ctx, p, true, true)
		}})
	}
	x.peers.Store(&peers)
	x.names.Store(&names)
	return nil
}

// forGateway is what the gateway asks; nil: nothing.
func (x *locating) forGateway() func(context.Context, access.Caller, metadata.PatientID) (gateway.Located, error) {
	if x == nil || x.c.Gateway == "off" {
		return nil
	}
	return func(ctx context.Context, c access.Caller, p metadata.PatientID) (gateway.Located, error) {
		ctx, cancel := context.WithTimeout(ctx, x.c.Deadline)
		defer cancel()
		var a locator.Answer
		var err error
		if x.c.Gateway == "remote" {
			a, err = x.client.Locate(ctx, p, false, false)
		} else {
			a, err = x.use.Locate(ctx, c, sharing.Locate{Patient: p})
		}
		if err != nil {
			x.log.WarnContext(ctx, "the locator did not answer, so all communities are asked", "error", err.Error())
			return gateway.Located{}, err
		}
		return located(&a), nil
	}
}

// located are the communities that have documents, and those that have none for sure.
func located(a *locator.Answer) (out gateway.Located) {
	for _, h := range a.Holdings {
		if h.Kind.ByQuery() && !slices.Contains(out.Named, h.Community) {
			out.Named = append(out.Named, h.Community)
		}
	}
	for _, c := range a.Covered {
		if !slices.Contains(out.Named, c.Community) {
			out.Silent = append(out.Silent, c.Community)
		}
	}
	return out
}

// endpoints are the locator's doors.
func (x *locating) endpoints(who func(*http.Request, soap.Header) access.Caller) []httpd.Endpoint {
	if x == nil || x.own == nil {
		return nil
	}
	caller := func(r *http.Request) access.Caller {
		c := who(r, soap.Header{})
		c.Door = "rest"
		return c
	}
	return []httpd.Endpoint{
		{Path: pil.Root, Name: "Patient information locator", Transactions: []string{"REST, see openapi.yaml"}, Below: true,
			Handler: pil.Handler(pil.Options{Use: x.use, Caller: caller, Log: x.log, Name: x.name})},
		{Path: noticePath, Name: "Notification recipient of the locator", Transactions: []string{"ITI-53"}, Handler: x.notices(who)},
	}
}

// notices takes what other brokers tell of documents: that their community holds
// something. Entries that name no community are of the one in the address,
// ?community=urn:oid:...
func (x *locating) notices(who func(*http.Request, soap.Header) access.Caller) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		home := r.URL.Query().Get("community")
		wsnt.Consumer{Take: func(ctx context.Context, _ string, all []wsnt.Notification) error {
			var stated []locator.Statement
			lost := 0
			for _, n := range all {
				for _, o := range n.Objects {
					e, ok := o.(*metadata.DocumentEntry)
					if !ok {
						continue
					}
					if s := locator.Notice(e, home, x.clock()); s != nil {
						stated = append(stated, *s)
						continue
					}
					lost++
				}
				lost += len(n.Refs)
			}
			if lost > 0 {
				x.log.WarnContext(ctx, "a notification names documents without telling whose they are or where; the locator does not know them", "documents", lost)
			}
			if len(stated) == 0 {
				return nil
			}
			_, err := x.use.State(ctx, who(r, soap.Header{}), stated)
			if fault.KindOf(err) == fault.Denied {
				return nil // sending it again would change nothing; the record tells
			}
			return err
		}}.ServeHTTP(w, r)
	}
}

// changed tells x that the log has grown. It never waits.
func (x *locating) changed() {
	if x == nil || x.projector == nil {
		return
	}
	select {
	case x.poke <- struct{}{}:
	default:
	}
}

// work is what is done in the background now and then.
func (x *locating) work() []jobs.Job {
	if x == nil || x.own == nil {
		return nil
	}
	return []jobs.Job{{Name: "locator-purge", Every: purgeEvery, Do: func(ctx context.Context) error {
		n, err := x.own.Purge(ctx)
		if n > 0 {
			x.log.Info("the locator has forgotten what was withdrawn long ago", "patients", n)
		}
		return err
	}}}
}

// start follows the log and tells, until close.
func (x *locating) start() {
	if x == nil || x.projector == nil {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	x.stop = stop
	if x.client != nil {
		x.courier = courier.Start(courier.Options{Outbox: x.outbox, Queue: storage.QueueLocate, Deliver: x.deliver, Clock: x.clock, Log: x.log, Timeout: tellTimeout, First: time.Second, Most: time.Minute, Lease: 10 * time.Second})
	}
	x.running.Go(func() { x.follow(ctx) })
	x.running.Go(func() { x.report(ctx) })
}

func (x *locating) close(ctx context.Context) {
	if x == nil {
		return
	}
	if x.stop != nil {
		x.stop()
		x.running.Wait()
		if x.courier != nil {
			x.courier.Stop(ctx)
		}
	}
	if x.idle != nil {
		x.idle()
	}
}

// follow states what the log says, until ctx ends.
func (x *locating) follow(ctx context.Context) {
	tick := time.NewTicker(looking)
	defer tick.Stop()
	flushed, failing := x.clock(), false
	for {
		end := x.clock()
		posted, err := x.projector.Run(ctx)
		if posted > 0 && x.courier != nil {
			x.courier.Poke()
		}
		if now := x.clock(); err == nil && now.Sub(flushed) >= flushing {
			flushed = now
			err = x.projector.Flush(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			failing = false
			if x.end.Swap(end.UnixNano()) == 0 {
				close(x.first)
			}
		case !failing:
			failing = true
			x.log.Error("the log cannot be followed, so the locator does not learn of changes; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case answer := <-x.restart:
			answer <- x.projector.Restart(ctx)
		case <-x.poke:
			wait(ctx, settling)
		}
	}
}

// restate has everything in the log stated again.
func (x *locating) restate(ctx context.Context) error {
	if x == nil || x.projector == nil {
		return errors.New("nothing is stated here: see locator.on and locator.url")
	}
	answer := make(chan error, 1)
	select {
	case x.restart <- answer:
		return <-answer
	case <-ctx.Done():
		return ctx.Err()
	}
}

// report tells, again and again, that everything was told.
func (x *locating) report(ctx context.Context) {
	select {
	case <-x.first:
	case <-ctx.Done():
		return
	}
	tick := time.NewTicker(x.c.Report)
	defer tick.Stop()
	failing := false
	for {
		err := x.reportOnce(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			x.log.Warn("it cannot be reported that the locator knows everything, so gateways ask this community as if there were none", "error", err.Error())
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (x *locating) reportOnce(ctx context.Context) error {
	end := time.Unix(0, x.end.Load())
	report := locator.Coverage{Community: x.home, Level: locator.LevelSystem, AsOf: end}
	if x.clock().Sub(end) > x.c.Report+2*looking {
		return errors.New("the log was not followed to its end for too long")
	}
	var errs []error
	if x.own != nil {
		errs = append(errs, x.own.Cover(ctx, report))
	}
	if x.client != nil {
		errs = append(errs, x.reportThere(ctx, report))
	}
	return errors.Join(errs...)
}

func (x *locating) reportThere(ctx context.Context, report locator.Coverage) (err error) {
	ctx, cancel := context.WithTimeout(ctx, tellTimeout)
	defer cancel()
	report.Level = locator.LevelNamed(x.c.Level)
	if report.AsOf, err = x.projector.UpTo(ctx, report.AsOf, x.c.Report); err != nil {
		return err
	}
	return x.client.Cover(ctx, report)
}

// deliver tells the other locator what the log says now about the patients of a
// letter.
func (x *locating) deliver(ctx context.Context, l storage.Letter) error {
	streams, err := locator.DecodePatients(l.Body)
	if err != nil {
		return courier.GiveUp(err)
	}
	all, err := x.projector.Statements(ctx, streams, locator.LevelNamed(x.c.Level))
	if err != nil {
		x.log.Warn("what the locator is to be told cannot be read", "letter", l.ID.String(), "error", err)
		return errors.New("it could not be prepared; the log says why")
	}
	if len(all) == 0 {
		return nil
	}
	return x.use.Tell(ctx, x.to, all, func(ctx context.Context, all []locator.Statement) error {
		loaded, err := x.client.StateAll(ctx, all)
		if err == nil && loaded.Refused > 0 {
			return errors.New("the locator refused a part of it: " + loaded.Problems[0].Error())
		}
		return err
	})
}

// watch registers what an alarm looks at.
func (x *locating) watch(gauge func(name, help string, value func() float64) error) error {
	if x == nil || x.projector == nil {
		return nil
	}
	return gauge("samdok_locator_behind_seconds", "Time since the log was last followed to its end for the locator.", func() float64 {
		if x.end.Load() == 0 {
			return 0
		}
		return x.clock().Sub(time.Unix(0, x.end.Load())).Seconds()
	})
}

// Restate has the server on a data folder state again, to its own locator and to
// locator.url, all that its log says.
func Restate(ctx context.Context, c *config.Config) error {
	if err := hasData(c); err != nil {
		return err
	}
	conn, err := dialControl(ctx, c.Data)
	if err != nil {
		return fmt.Errorf("no server on %s can be asked; start it with samdok serve: %w", c.Data, err)
	}
	var none struct{}
	return askServer(ctx, conn, "/locator/restate", struct{}{}, &none)
}
