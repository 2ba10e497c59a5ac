package registry

import (
	"context"
	"errors"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/rules"
	"samdok/storage"
)

// Update is what Update shall change.
type Update struct {
	Submission
	// Restricted: only what ITI-92 lets an Update Initiator change.
	Restricted bool
}

// Update changes registered metadata (ITI-57, ITI-92): new versions of entries
// and folders, their status and that of associations, new associations. All or
// nothing, durable and visible when it returns nil, planned together: first all
// new versions, then their status, then what links them.
//
// Errors are as those of Submit; problems name the submitted object in Location.
func (r *Registry) Update(ctx context.Context, t access.Tenant, u Update) (Receipt, error) {
	up := r.newUpdate(u)
	return retry(ctx, r, "registry.Update", func() (Receipt, error) { return r.tryUpdate(ctx, t, up) })
}

// retry tries what other writers may disturb.
func retry[T any](ctx context.Context, r *Registry, op string, try func() (T, error)) (T, error) {
	var none T
	for attempt := 0; attempt < r.limits.Attempts; attempt++ {
		if attempt > 0 {
			if err := pause(ctx, attempt); err != nil {
				return none, broken(op, err)
			}
		}
		done, err := try()
		if errors.Is(err, storage.ErrConflict) {
			continue
		}
		if err != nil {
			return none, broken(op, err)
		}
		return done, nil
	}
	return none, fault.New(fault.Busy, op, fault.RegistryBusy,
		"Others were writing for the same patient %d times in a row. Nothing was changed; send the request again.", r.limits.Attempts)
}

// update is one request on its way in. What is in it changes no more once it is
// sorted, except for what prepare fills in anew at each try.
type update struct {
	*intake
	restricted bool
	revisions  []*revision
	statuses   []*statusChange
	submitted  []*metadata.Association // new ones, each asked for by a SubmitAssociation
	byLocal    map[metadata.ID]*revision
	dropped    []metadata.ID // ids of associations that only ask for something
}

// revision is a new version of an entry or a folder.
type revision struct {
	link      *metadata.Association // SS-HasMember with PreviousVersion
	object    metadata.Object       // the new version
	stated    metadata.Status       // as submitted
	propagate bool
	previous  storage.Placed // zero: there is none
}

// statusChange is an UpdateAvailabilityStatus.
type statusChange struct {
	link     *metadata.Association
	from, to metadata.Status
	target   storage.Placed // zero: it is a new version, or nowhere
	revised  *revision      // the new version that it is about
}

// newUpdate applies the rules that need no registered object, assigns ids and
// tells the operations apart.
func (r *Registry) newUpdate(u Update) *update {
	up := &update{intake: newIntake(u.Submission), restricted: u.Restricted, byLocal: make(map[metadata.ID]*revision)}
	in := up.intake
	in.before = append(in.before, rules.Check(in.sub, rules.Administrator)...)
	if r.profile != nil { // while objects have the ids that the sender knows
		in.after = append(in.after, r.profile.Validate(in.sub)...)
	}
	in.assign()
	if up.sort(); !fault.HasErrors(in.before) {
		in.before = append(in.before, in.duplicates()...)
	}
	patient, err := in.sub.Set.PatientID.Patient()
	if err != nil {
		if !fault.HasErrors(in.before) {
			up.early(in.sub.Set.ID, fault.RegistryMetadataError, "The submission set's patientId cannot be read: %v.", err)
		}
		return up
	}
	in.stream = storage.PatientStream(patient)
	return up
}

// early reports what is wrong with an object of the request, whatever is
// registered.
func (u *update) early(id metadata.ID, code fault.Code, format string, args ...any) {
	u.before = append(u.before, located(u.name(id), code, format, args...))
}

func located(id metadata.ID, code fault.Code, format string, args ...any) fault.Problem {
	p := problem(code, format, args...)
	p.Location = string(id)
	return p
}

// tryUpdate looks, checks and appends once.
func (r *Registry) tryUpdate(ctx context.Context, t access.Tenant, u *update) (Receipt, error) {
	if u.stream == (storage.Stream{}) {
		return Receipt{}, fault.Of("registry.Update", append(u.before, u.after...))
	}
	v, err := r.look(ctx, t, u.wants, u.guards)
	if err != nil {
		return Receipt{}, err
	}
	c := &updateCheck{update: u, view: v, problems: u.before[:len(u.before):len(u.before)], unknown: r.unknownPatient(v.standings[u.stream]), unknownID: r.unknownID, otherType: r.otherType, home: r.home}
	plan := c.run()
	if err := fault.Of("registry.Update", c.problems); err != nil {
		return Receipt{}, err
	}
	if err := r.append(ctx, t, plan.changes(r.clock())); err != nil {
		return Receipt{}, err
	}
	return Receipt{Warnings: c.problems, IDs: u.ids}, nil
}

// wants is what the rules need of the registry, as far as the view goes.
func (u *update) wants(v *view) storage.Refs {
	refs := storage.Refs{UniqueIDs: []string{u.sub.Set.UniqueID}, IDs: append([]metadata.ID(nil), u.given...)}
	for _, rev := range u.revisions {
		lid := metadata.LogicalIDOf(rev.object)
		refs.LogicalIDs = append(refs.LogicalIDs, lid)
		if p, ok := v.newest(lid, nil); ok {
			refs.AssociationsOf = append(refs.AssociationsOf, p.Object.ObjectID())
		}
	}
	for _, s := range u.statuses {
		if u.local[s.link.Target] == nil {
			refs.IDs = append(refs.IDs, s.link.Target)
			refs.AssociationsOf = append(refs.AssociationsOf, s.link.Target)
			if a, ok := v.objects[s.link.Target].Object.(*metadata.Association); ok {
				refs.IDs = append(refs.IDs, a.Source, a.Target)
			}
		}
	}
	for _, a := range u.submitted {
		for _, id := range [2]metadata.ID{a.Source, a.Target} {
			if u.local[id] == nil && !id.IsSymbolic() {
				refs.IDs = append(refs.IDs, id)
			}
		}
		if u.local[a.Target] == nil && a.Type == metadata.Appends {
			refs.AssociationsOf = append(refs.AssociationsOf, a.Target)
		}
	}
	for _, list := range v.links {
		for _, p := range list {
			a := p.Object.(*metadata.Association)
			refs.IDs = append(refs.IDs, a.Source, a.Target)
		}
	}
	return refs
}

// guards are the streams that the update changes: its own and those of the
// objects that it is about.
func (u *update) guards(v *view) []storage.Stream {
	streams := []storage.Stream{u.stream}
	for _, rev := range u.revisions {
		if p, ok := v.newest(metadata.LogicalIDOf(rev.object), nil); ok {
			streams = append(streams, p.Stream)
		}
	}
	for _, s := range u.statuses {
		if p, ok := v.objects[s.link.Target]; ok {
			streams = append(streams, p.Stream)
		}
	}
	return unique(streams)
}
