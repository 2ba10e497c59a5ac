package sharing

import (
	"context"
	"errors"

	"samdok/access"
	"samdok/access/guard"
	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/rules"
	"samdok/registry"
	"samdok/repository"
	"samdok/storage"
)

// Provide stores documents and registers them (ITI-41). The caller is known to
// be allowed, and the metadata to be well formed, before the first byte of a
// document is read.
func (s *Sharing) Provide(ctx context.Context, c access.Caller, p Provide) (Receipt, error) {
	if p.Submission == nil {
		p.Submission = &metadata.Submission{} // what was wrong is in p.Problems
	}
	req := s.request(c, access.ActionProvide, "ITI-41")
	req.Patients = patientsOf(p.Submission)
	receipt, err := guard.Do(ctx, s.guard, req, func(ctx context.Context, pass *guard.Pass) (Receipt, error) {
		w := s.write(c, pass, p.Submission, s.repository.ID())
		if err := w.mayWrite(ctx); err != nil {
			return Receipt{}, refusal(err, fault.RepositoryError)
		}
		return w.provide(ctx, p)
	})
	if err == nil {
		s.offers.after(ctx, p.Submission)
	}
	return receipt, refusal(asRepository(err), fault.RepositoryError)
}

// Register registers metadata (ITI-42).
func (s *Sharing) Register(ctx context.Context, c access.Caller, r Register) (Receipt, error) {
	receipt, err := s.register(ctx, s.request(c, access.ActionRegister, "ITI-42"), r)
	if err == nil {
		s.offers.after(ctx, r.Submission)
	}
	return receipt, err
}

// RegisterOnDemand registers metadata of documents that are made when they are
// retrieved (ITI-61).
func (s *Sharing) RegisterOnDemand(ctx context.Context, c access.Caller, r Register) (Receipt, error) {
	return s.register(ctx, s.request(c, access.ActionRegisterOnDemand, "ITI-61"), r)
}

func (s *Sharing) register(ctx context.Context, req access.Request, r Register) (Receipt, error) {
	if r.Submission == nil {
		r.Submission = &metadata.Submission{} // what was wrong is in r.Problems
	}
	req.Patients = patientsOf(r.Submission)
	receipt, err := guard.Do(ctx, s.guard, req, func(ctx context.Context, pass *guard.Pass) (Receipt, error) {
		w := s.write(req.Caller, pass, r.Submission, "")
		w.onDemand = req.Action == access.ActionRegisterOnDemand
		if err := w.mayWrite(ctx); err != nil {
			return Receipt{}, refusal(err, fault.RegistryError)
		}
		unheld, err := w.unheld(ctx, false)
		if err != nil {
			return Receipt{}, err
		}
		return w.register(ctx, w.s.registry, append(r.Problems, unheld...), nil)
	})
	return receipt, refusal(err, fault.RegistryError)
}

// write is one submission on its way in.
type write struct {
	s          *Sharing
	pass       *guard.Pass
	sub        *metadata.Submission
	onDemand   bool // ITI-61
	controller func(metadata.Object) string
	touched    []access.Item // registered objects that the submission refers to
}

// write makes a write. repositoryID is where its documents will be; "" when the
// entries say so.
func (s *Sharing) write(c access.Caller, pass *guard.Pass, sub *metadata.Submission, repositoryID string) *write {
	return &write{s: s, pass: pass, sub: sub, controller: func(o metadata.Object) string {
		at := repositoryID
		if e, ok := o.(*metadata.DocumentEntry); ok && at == "" {
			at = e.RepositoryID
		}
		return s.controller(c, sub.Set.SourceID, at)
	}}
}

// mayWrite decides on everything that the submission brings and refers to.
func (w *write) mayWrite(ctx context.Context) error {
	w.pass.Touched(w.s.submitted(w.sub, w.controller))
	if err := w.refersTo(ctx); err != nil {
		return err
	}
	items := w.items()
	decisions, err := w.pass.Decide(ctx, items)
	if err != nil {
		return err
	}
	for i := range decisions {
		if decisions[i].Effect != access.Allow {
			return &fault.Error{Op: "sharing.mayWrite", Kind: fault.Denied}
		}
	}
	return nil
}

// refersTo finds the registered objects at the ends of the submission's
// associations, and earlier versions: replaced documents, folders that get members,
// references.
func (w *write) refersTo(ctx context.Context) error {
	var ids, lids []metadata.ID
	own := map[metadata.ID]bool{}
	if len(w.sub.Associations) > 0 {
		own[w.sub.Set.ID] = true
		for _, e := range w.sub.Entries {
			own[e.ID] = true
			lids = earlier(lids, e.ID, e.LogicalID)
		}
		for _, f := range w.sub.Folders {
			own[f.ID] = true
			lids = earlier(lids, f.ID, f.LogicalID)
		}
		for _, a := range w.sub.Associations {
			own[a.ID] = true
		}
	}
	for _, a := range w.sub.Associations {
		for _, id := range [...]metadata.ID{a.Source, a.Target} {
			if id != "" && !id.IsSymbolic() && !own[id] {
				own[id] = true
				ids = append(ids, id)
			}
		}
	}
	if len(ids)+len(lids) == 0 {
		return nil
	}
	state, err := w.s.index.Lookup(ctx, w.s.tenant, storage.Refs{IDs: ids, LogicalIDs: lids})
	if err != nil {
		return lookupFailed(err)
	}
	var p patients
	for _, o := range state.Objects {
		w.touched = append(w.touched, p.placed(o))
	}
	return nil
}

// earlier adds the logical id of an object that is a later version: what may be
// done with it depends on the versions before.
func earlier(lids []metadata.ID, id, lid metadata.ID) []metadata.ID {
	if lid == "" || lid == id {
		return lids
	}
	return append(lids, lid)
}

func (w *write) items() []access.Item {
	return append(w.s.submitted(w.sub, w.controller), w.touched...)
}

// provide validates, stores and registers.
func (w *write) provide(ctx context.Context, p Provide) (Receipt, error) {
	problems := append(forRepository(p.Problems), forRepository(rules.Check(w.sub, rules.Source))...)
	problems = append(problems, w.s.repository.Check(w.s.tenant, w.sub)...)
	if err := fault.Of("sharing.Provide", problems); err != nil {
		return Receipt{}, err
	}
	if err := w.s.registrar.Ready(ctx); err != nil {
		return Receipt{}, err
	}
	intake, err := w.s.repository.Take(ctx, w.s.tenant, w.sub, p.Documents)
	if err != nil {
		return Receipt{}, err
	}
	receipt, err := w.bind(ctx, problems, intake)
	if err != nil && definite(err) {
		intake.Delete(ctx)
	}
	return receipt, err
}

// bind registers stored documents. The sender may be gone by now.
func (w *write) bind(ctx context.Context, warnings []fault.Problem, intake *repository.Intake) (Receipt, error) {
	if err := intake.Fresh(); err != nil {
		return Receipt{}, err
	}
	ctx, cancel := w.s.detached(ctx)
	defer cancel()
	return w.register(ctx, w.s.registrar, warnings, intake.Keys())
}

// definite tells whether nothing can have been registered. Otherwise the bytes
// stay until the sweep has asked the log.
func definite(err error) bool {
	switch fault.KindOf(err) {
	case fault.Invalid, fault.NotFound, fault.Denied, fault.Conflict, fault.Busy, fault.TooLarge:
		return true
	}
	return errors.Is(err, registry.ErrUnwritten)
}

// register hands the submission to the registry and names what was registered
// in the record.
func (w *write) register(ctx context.Context, at Registrar, problems []fault.Problem, keys map[metadata.ID]storage.DocumentKey) (Receipt, error) {
	done, err := at.Submit(ctx, w.s.tenant, registry.Submission{
		Submission: w.sub, OnDemand: w.onDemand, Problems: problems, Documents: keys, Controller: w.controller,
	})
	if err != nil {
		return Receipt{}, err
	}
	w.pass.Touched(w.items())
	w.pass.SetProblems(done.Warnings)
	return Receipt{Warnings: done.Warnings, IDs: done.IDs}, nil
}

func lookupFailed(err error) error {
	kind := fault.KindOf(err)
	if kind != fault.Busy && kind != fault.Canceled {
		kind = fault.Unavailable
	}
	return fault.Wrap(err, kind, "sharing.lookup", fault.RegistryBusy, "The registry could not be read. Ask again later.")
}
