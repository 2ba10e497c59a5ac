package sharing

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"samdok/access"
	"samdok/access/guard"
	"samdok/fault"
	"samdok/mailbox"
	"samdok/metadata"
	"samdok/registry"
	"samdok/repository"
	"samdok/retention"
	"samdok/storage"
)

// Registrar registers what the repository has stored: the own registry, or
// somebody else's.
type Registrar interface {
	// Ready is an error while it makes no sense to take documents in.
	Ready(ctx context.Context) error
	// Submit registers a submission; see registry.Registry.
	Submit(ctx context.Context, t access.Tenant, s registry.Submission) (registry.Receipt, error)
}

// Options of a Sharing. Registry, Repository, Guard, Index and Tenant are
// required.
type Options struct {
	Registry *registry.Registry
	// Registrar registers provided documents; nil: Registry.
	Registrar  Registrar
	Repository *repository.Repository
	// Mail are the mailboxes of recipients; nil: nobody has one.
	Mail  *mailbox.Mailboxes
	Guard *guard.Guard
	// Index tells what associations connect, so that none is shown that reveals a
	// hidden object.
	Index storage.Index
	// Tenant is the affinity domain that this Sharing serves.
	Tenant access.Tenant
	// Home is the own homeCommunityId ("urn:oid:..."), "" when there is none.
	Home string
	// Controller names the organisation that answers for an entry of this caller,
	// sourceId and repositoryUniqueId; nil: the caller's own organisation.
	Controller func(c access.Caller, sourceID, repositoryID string) string
	// RegisterTimeout bounds the registration of documents that are already
	// stored. It does not depend on the sender's patience: bytes that have arrived
	// are either registered or refused. 0: 1 minute.
	RegisterTimeout time.Duration
	// OnDemand makes documents when they are retrieved.
	OnDemand OnDemand
	// Clock dates what is registered without being asked for; nil: time.Now.
	Clock func() time.Time
	// RefuseUnheld refuses ITI-42 and ITI-57 that say the own repository has a document
	// that it does not have.
	RefuseUnheld bool
	// Keeper erases and holds; nil: nothing can be erased, and nothing is held.
	Keeper *retention.Keeper
	// Logger is the operator's; nil: none.
	Logger *slog.Logger
	// Subscriptions switches DSUB on.
	Subscriptions Subscriptions
}

// Sharing implements Service. It is safe for concurrent use.
type Sharing struct {
	registry   *registry.Registry
	registrar  Registrar
	mail       *mailbox.Mailboxes
	repository *repository.Repository
	guard      *guard.Guard
	index      storage.Index
	tenant     access.Tenant
	home       string
	controller func(access.Caller, string, string) string
	patience   time.Duration
	onDemand   OnDemand
	making     chan struct{} // holds one for each retrieval that makes documents
	offers     *offers
	clock      func() time.Time
	keeper     *retention.Keeper

	refuseUnheld bool
	logger       *slog.Logger

	subscriptions Subscriptions
}

var _ Service = (*Sharing)(nil)

// New makes a Sharing.
func New(o Options) *Sharing {
	if o.Controller == nil {
		o.Controller = func(c access.Caller, _, _ string) string { return c.Organisation }
	}
	if o.RegisterTimeout <= 0 {
		o.RegisterTimeout = time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Mail == nil {
		o.Mail = mailbox.New(mailbox.Options{})
	}
	if o.Registrar == nil {
		o.Registrar = o.Registry
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	o.OnDemand = o.OnDemand.withDefaults()
	s := &Sharing{
		onDemand: o.OnDemand, making: make(chan struct{}, o.OnDemand.Concurrent), clock: o.Clock,
		registry: o.Registry, registrar: o.Registrar, mail: o.Mail, repository: o.Repository, guard: o.Guard, index: o.Index,
		tenant: o.Tenant, home: o.Home, controller: o.Controller, patience: o.RegisterTimeout, logger: o.Logger, keeper: o.Keeper, refuseUnheld: o.RefuseUnheld,
		subscriptions: o.Subscriptions,
	}
	s.offers = newOffers(s)
	return s
}

func (s *Sharing) request(c access.Caller, a access.Action, transaction string) access.Request {
	return access.Request{Tenant: s.tenant, Caller: c, Action: a, Transaction: transaction}
}

// isDenied tells a denial that has not said anything yet: the guard's, or of an
// item of a write.
func isDenied(err error) bool {
	var f *fault.Error
	return errors.As(err, &f) && f.Kind == fault.Denied && len(f.Problems) == 0
}

// refusal is the answer to a denied write. It says nothing about what exists.
func refusal(err error, code fault.Code) error {
	if !isDenied(err) {
		return err
	}
	return fault.Wrap(err, fault.Denied, "sharing", code, "The caller may not submit this. Nothing was stored.")
}

// asRepository gives the guard's own errors the names that a repository uses.
func asRepository(err error) error {
	var f *fault.Error
	if errors.As(err, &f) && strings.HasPrefix(f.Op, "guard.") {
		f.Problems = forRepository(f.Problems)
	}
	return err
}

// forRepository renames codes in a copy.
func forRepository(problems []fault.Problem) []fault.Problem {
	if len(problems) == 0 {
		return problems
	}
	out := make([]fault.Problem, len(problems))
	for i, p := range problems {
		if !p.Foreign {
			p.Code = p.Code.ForRepository()
		}
		out[i] = p
	}
	return out
}

// detached lets stored bytes be registered although the sender has gone.
func (s *Sharing) detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), s.patience)
}

// patientsOf are the patients that a submission names, each once. Ids that
// cannot be read are left out; the rules refuse them.
func patientsOf(sub *metadata.Submission) []metadata.PatientID {
	var p patients
	p.add(sub.Set.PatientID)
	for _, e := range sub.Entries {
		p.add(e.PatientID)
	}
	for _, f := range sub.Folders {
		p.add(f.PatientID)
	}
	return p.all
}
