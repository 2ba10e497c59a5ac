package sharing

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"samdok/access"
	"samdok/access/guard"
	"samdok/audit"
	"samdok/fault"
	"samdok/gateway"
	"samdok/metadata"
)

// FederationOptions of a Federation. Gateway, Guard and Tenant are required.
type FederationOptions struct {
	Gateway *gateway.Gateway
	Guard   *guard.Guard
	Tenant  access.Tenant
	// Own is the own community, asked together with the others; nil: it is not.
	Own *Sharing
	// People tells who patients are here, for Discover and LocatePatient; nil: it is not
	// known.
	People *Discovery
	// Responding makes a responding gateway (ITI-38, ITI-39) of it; otherwise it is
	// an initiating one, for consumers of this community (ITI-18, ITI-43).
	Responding bool
	// Alone: only the own community is asked, with all registries that share its home.
	Alone bool
	// DocumentsOnly answers queries about submission sets, folders and associations
	// with nothing of them (ITI TF-2 Table 3.38.4.1.2.3-1).
	DocumentsOnly bool
	// MaxHops is how many gateways a request may have passed. 0: 3.
	MaxHops int
	// Logger is the operator's; nil: none.
	Logger *slog.Logger
}

// Federation is Find and Retrieve over communities. It implements Reader and is safe
// for concurrent use.
type Federation struct {
	o FederationOptions
}

var _ Reader = (*Federation)(nil)

// NewFederation makes a Federation.
func NewFederation(o FederationOptions) *Federation {
	if o.MaxHops <= 0 {
		o.MaxHops = 3
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Federation{o}
}

func (f *Federation) request(c access.Caller, action access.Action, initiating, responding string) access.Request {
	transaction := initiating
	if f.o.Responding {
		transaction = responding
	}
	return access.Request{Tenant: f.o.Tenant, Caller: c, Action: action, Transaction: transaction}
}

// passedOn is the caller as the next gateway sees it. Gateways that ask each other
// in a circle would never end.
func (f *Federation) passedOn(c access.Caller) (access.Caller, error) {
	if c.Hops >= f.o.MaxHops {
		return c, fault.New(fault.Invalid, "sharing.Federation", fault.UnavailableCommunity,
			"The request has passed %d gateways already, which is the most that is allowed. Two gateways may be asking each other.", c.Hops)
	}
	c.Hops++
	return c, nil
}

// Find implements Reader: one plan, one record, whoever is asked.
func (f *Federation) Find(ctx context.Context, c access.Caller, q metadata.StoredQuery, show func(metadata.Object) error) (Found, error) {
	req := f.request(c, access.ActionFind, "ITI-18", "ITI-38")
	req.Query = q.Query
	req.Patients = queryPatients(q.Query)
	found, err := guard.Do(ctx, f.o.Guard, req, func(ctx context.Context, pass *guard.Pass) (Found, error) {
		return f.find(ctx, pass, c, q, show)
	})
	if isDenied(err) {
		return Found{}, nil
	}
	return found, err
}

func (f *Federation) find(ctx context.Context, pass *guard.Pass, c access.Caller, q metadata.StoredQuery, show func(metadata.Object) error) (Found, error) {
	next, err := f.passedOn(c)
	if err != nil {
		return Found{}, err
	}
	if f.o.DocumentsOnly && !aboutDocuments(q.Query) {
		return Found{}, nil
	}
	leg := f.leg(pass)
	if f.o.Responding {
		q = f.o.Gateway.Supported(q, leg)
	}
	j := judge{pass: pass, hide: pass.Restriction(), show: show, documentsOnly: f.o.DocumentsOnly}
	problems, err := f.o.Gateway.Find(ctx, next, q, leg, gateway.Sink{
		Show: func(o metadata.Object, isOwn bool) error {
			if isOwn {
				return j.reveal(o)
			}
			return j.add(ctx, o)
		},
		Idle: func() error { return j.flush(ctx) },
	})
	if err != nil {
		return Found{}, err
	}
	pass.SetProblems(problems)
	return Found{Shown: j.shown, Problems: problems}, nil
}

// aboutDocuments tells whether documents are among what the query returns.
func aboutDocuments(q metadata.Query) bool {
	switch q.(type) {
	case *metadata.FindDocuments, *metadata.FindDocumentsByReferenceID, *metadata.GetDocuments, *metadata.GetAll, *metadata.GetDocumentsAndAssociations:
		return true
	}
	return false
}

// judge decides on what other communities answered.
type judge struct {
	pass          *guard.Pass
	hide          access.Restriction
	show          func(metadata.Object) error
	documentsOnly bool
	objects       []metadata.Object
	items         []access.Item
	ids           patients
	shown         int
}

// add takes an object of another community. Its community answers for it to the
// decider.
func (j *judge) add(ctx context.Context, o metadata.Object) error {
	if hides(j.hide, o) {
		j.pass.Hide(1)
		return nil
	}
	j.objects = append(j.objects, o)
	j.items = append(j.items, j.ids.item(o, metadata.HomeOf(o)))
	if len(j.objects) < findBatch {
		return nil
	}
	return j.flush(ctx)
}

// flush decides on what has come together since the last time.
func (j *judge) flush(ctx context.Context) error {
	if len(j.items) == 0 {
		return nil
	}
	decisions, err := j.pass.Decide(ctx, j.items)
	if err != nil {
		return err
	}
	n := 0
	for i := range decisions {
		if decisions[i].Effect != access.Allow {
			continue
		}
		if err := j.reveal(j.objects[i]); err != nil {
			return err
		}
		j.items[n] = j.items[i]
		n++
	}
	j.pass.Showed(j.items[:n]...)
	j.objects, j.items = j.objects[:0], j.items[:0]
	return nil
}

func (j *judge) reveal(o metadata.Object) error {
	if j.documentsOnly {
		switch o.(type) {
		case *metadata.SubmissionSet, *metadata.Folder, *metadata.Association:
			return nil
		}
	}
	j.shown++
	return j.show(o)
}

// hides applies a restriction where the search itself could not.
func hides(r access.Restriction, o metadata.Object) bool {
	e, ok := o.(*metadata.DocumentEntry)
	if !ok {
		return false
	}
	for i := range r.WithoutCodes {
		for k := range e.Confidential {
			of := metadata.CodeRef{Value: strings.TrimSpace(e.Confidential[k].Value), Scheme: strings.TrimSpace(e.Confidential[k].Scheme)} // others may let blanks in
			if of.Same(r.WithoutCodes[i]) {
				return true
			}
		}
	}
	return false
}

// leg is the own community under the pass of this request; nil without one.
func (f *Federation) leg(pass *guard.Pass) *gateway.Leg {
	if f.o.Own == nil {
		return nil
	}
	return &gateway.Leg{Homes: []string{f.o.Own.home}, Community: &ownCommunity{f.o.Own, pass}, Alone: f.o.Alone}
}

// ownCommunity is the own registry and repository as one of the communities. It
// decides on its objects itself: it knows what reveals what.
type ownCommunity struct {
	s    *Sharing
	pass *guard.Pass
}

// Find implements gateway.Community.
func (o *ownCommunity) Find(ctx context.Context, _ access.Caller, q metadata.StoredQuery, show func(metadata.Object) error) ([]fault.Problem, error) {
	found := o.s.finder(func(obj metadata.Object) error {
		switch obj := obj.(type) { // ITI TF-2 3.38.4.1.3: on every element
		case *metadata.DocumentEntry:
			obj.Home = o.s.home
		case *metadata.SubmissionSet:
			obj.Home = o.s.home
		case *metadata.Folder:
			obj.Home = o.s.home
		case *metadata.Association:
			obj.Home = o.s.home
		}
		return show(obj)
	})
	defer found.done()
	if err := found.search(ctx, o.pass, q); err != nil {
		return nil, err
	}
	return nil, found.rest()
}

// Retrieve implements gateway.Community.
func (o *ownCommunity) Retrieve(ctx context.Context, _ access.Caller, r []metadata.DocumentRequest) (*gateway.Retrieved, error) {
	got, err := o.s.open(ctx, o.pass, r)
	if err != nil {
		return nil, err
	}
	out := &gateway.Retrieved{Problems: got.Problems, Documents: make([]gateway.Document, len(got.Documents))}
	for i, d := range got.Documents {
		out.Documents[i] = gateway.Document{Request: d.Request, NewID: d.NewID, MimeType: d.MimeType, Size: d.Size, Body: d.Body}
	}
	out.OnClose(got.Close)
	return out, nil
}

// Retrieve implements Reader.
func (f *Federation) Retrieve(ctx context.Context, c access.Caller, r []metadata.DocumentRequest) (*Retrieved, error) {
	req := f.request(c, access.ActionRetrieve, "ITI-43", "ITI-39")
	req.Documents = r
	got, err := guard.Do(ctx, f.o.Guard, req, func(ctx context.Context, pass *guard.Pass) (*federated, error) {
		return f.open(ctx, pass, c, r)
	})
	if isDenied(err) {
		denied := &Retrieved{}
		for i := range r {
			denied.Problems = append(denied.Problems, unknown(&r[i]))
		}
		return denied, nil
	}
	if err != nil {
		return nil, asRepository(err)
	}
	got.answer.onClose = func(cause error) {
		got.report(cause)
		if err := got.Close(); err != nil {
			f.o.Logger.Debug("an answer of other communities could not be closed", "error", err.Error())
		}
	}
	return got.answer, nil
}

// federated is an opened answer that the guard can release.
type federated struct {
	answer *Retrieved
	from   *gateway.Retrieved
	report func(error)
}

func (x *federated) Close() error { return x.from.Close() }

func (f *Federation) open(ctx context.Context, pass *guard.Pass, c access.Caller, r []metadata.DocumentRequest) (*federated, error) {
	next, err := f.passedOn(c)
	if err != nil {
		return nil, err
	}
	allowed, problems, err := f.mayAsk(ctx, pass, r)
	if err != nil {
		return nil, err
	}
	from, err := f.o.Gateway.Retrieve(ctx, next, allowed, f.leg(pass))
	if err != nil {
		return nil, err
	}
	x := &federated{from: from, answer: &Retrieved{Problems: append(problems, from.Problems...)}}
	var shown []access.Item
	for _, d := range from.Documents {
		x.answer.Documents = append(x.answer.Documents, Document{Request: d.Request, NewID: d.NewID, MimeType: d.MimeType, Size: d.Size, Body: io.NopCloser(d.Body)})
		if !f.isOwn(d.Request) { // the own ones are in the record already
			shown = append(shown, remoteItem(&d.Request))
		}
	}
	if f.o.Responding && f.o.Own != nil {
		for i := range x.answer.Problems {
			x.answer.Problems[i].Location = both(x.answer.Problems[i].Location, f.o.Own.home)
		}
	}
	pass.Showed(shown...)
	pass.SetProblems(x.answer.Problems)
	x.report = f.aborted(context.WithoutCancel(ctx), pass.Request(), shown)
	return x, nil
}

// both is the location of an error of ITI-39: the document and the community (ITI
// TF-2 3.39.4.1.3).
func both(document, home string) string {
	switch document {
	case "", home:
		return home
	}
	return document + " " + home
}

// isOwn tells whether the own repository has a document: its home may be shared.
func (f *Federation) isOwn(r metadata.DocumentRequest) bool {
	return f.o.Own != nil && r.Home == f.o.Own.home && !f.o.Gateway.Has(r)
}

// mayAsk decides on documents of other communities by what is known of them: their
// ids. The community that has them decides on the rest.
func (f *Federation) mayAsk(ctx context.Context, pass *guard.Pass, r []metadata.DocumentRequest) (allowed []metadata.DocumentRequest, problems []fault.Problem, err error) {
	var items []access.Item
	for i := range r {
		if !f.isOwn(r[i]) {
			items = append(items, remoteItem(&r[i]))
		}
	}
	decisions, err := pass.Decide(ctx, items)
	if err != nil {
		return nil, nil, err
	}
	at := 0
	for i := range r {
		if !f.isOwn(r[i]) {
			at++
			if decisions[at-1].Effect != access.Allow {
				problems = append(problems, unknown(&r[i]))
				continue
			}
		}
		allowed = append(allowed, r[i])
	}
	return allowed, problems, nil
}

func remoteItem(r *metadata.DocumentRequest) access.Item {
	return access.Item{Kind: access.ItemEntry, UniqueID: r.UniqueID, RepositoryID: r.RepositoryID, Controller: r.Home}
}

// aborted records that an answer could not be sent to its end.
func (f *Federation) aborted(ctx context.Context, req access.Request, shown []access.Item) func(error) {
	return func(cause error) {
		if cause == nil {
			return
		}
		if err := f.o.Guard.Record(ctx, req, audit.Aborted, shown, fault.ProblemsOf(cause)); err != nil {
			f.o.Logger.ErrorContext(ctx, "an aborted answer could not be recorded", "error", fmt.Errorf("%w; cause: %w", err, cause))
		}
	}
}
