package registry

import (
	"slices"
	"time"

	"samdok/fault"
	"samdok/metadata"
	"samdok/storage"
)

// updatePlan is what an update does, worked out before anything is written.
type updatePlan struct {
	c *updateCheck
	// status of registered objects that changes.
	status map[metadata.ID]metadata.Status
	// revised leads from a previous version to its new one.
	revised map[metadata.ID]*revision
	// propagated are copies of associations for new versions.
	propagated []propagated
}

// propagated is a copy of an association and the revision that it was made for.
type propagated struct {
	link    *metadata.Association
	because metadata.ID
}

// plan installs the new versions, then their status, then propagates associations
// between them.
func (c *updateCheck) plan() *updatePlan {
	x := &updatePlan{c: c, status: make(map[metadata.ID]metadata.Status), revised: make(map[metadata.ID]*revision)}
	for _, rev := range c.revisions {
		old := rev.previous.Object
		x.revised[old.ObjectID()] = rev
		x.status[old.ObjectID()] = metadata.Deprecated
		switch o := rev.object.(type) {
		case *metadata.DocumentEntry:
			o.Status, o.Version = old.ObjectStatus(), metadata.VersionOf(old)+1
		case *metadata.Folder:
			o.Status, o.Version = old.ObjectStatus(), metadata.VersionOf(old)+1
		}
	}
	for _, s := range c.statuses {
		switch {
		case s.revised == nil:
			x.status[s.link.Target] = s.to
		default:
			switch o := s.revised.object.(type) {
			case *metadata.DocumentEntry:
				o.Status = s.to
			case *metadata.Folder:
				o.Status = s.to
			}
		}
	}
	seen := make(map[metadata.ID]bool)
	for _, rev := range c.revisions {
		for _, p := range c.links[rev.previous.Object.ObjectID()] {
			if !seen[p.Object.ObjectID()] {
				seen[p.Object.ObjectID()] = true
				x.propagate(rev, p.Object.(*metadata.Association))
			}
		}
	}
	return x
}

// propagate copies an association of a previous version for the new one, unless
// its other end is out of date itself (3.57.4.1.3.5).
func (x *updatePlan) propagate(rev *revision, a *metadata.Association) {
	if x.linkStatus(a) == metadata.Deprecated {
		return
	}
	member := a.Type == metadata.HasMember
	if _, folder := x.c.objects[a.Source].Object.(*metadata.Folder); member && !folder || !member && !isRelationship(a.Type) {
		return
	}
	copied := a.Clone()
	propagate := rev.propagate
	for _, end := range [2]*metadata.ID{&copied.Source, &copied.Target} {
		other, ok := x.revised[*end]
		if !ok {
			p, known := x.c.objects[*end]
			if !known || p.Superseded || member && x.statusOf(*end) != metadata.Approved {
				return
			}
			continue
		}
		if other.propagate != propagate {
			x.c.report(rev.object.ObjectID(), fault.MetadataUpdateError,
				"The new versions '%s' and '%s' are connected and have different AssociationPropagation; send yes or no for both.",
				x.c.name(rev.object.ObjectID()), x.c.name(other.object.ObjectID()))
			return
		}
		*end = other.object.ObjectID()
	}
	if !propagate || x.has(copied) {
		return
	}
	copied.ID, copied.Status = metadata.NewUUID().ID(), metadata.Approved
	if copied.Documentation != nil {
		copied.Documentation.ID = metadata.NewUUID()
	}
	x.propagated = append(x.propagated, propagated{copied, rev.object.ObjectID()})
}

// has tells whether the request submits the association itself.
func (x *updatePlan) has(a *metadata.Association) bool {
	return slices.ContainsFunc(x.c.submitted, func(b *metadata.Association) bool {
		return a.Type == b.Type && a.Source == b.Source && a.Target == b.Target
	})
}

func (x *updatePlan) objectAt(id metadata.ID) metadata.Object {
	if o := x.c.local[id]; o != nil {
		return o
	}
	return x.c.objects[id].Object
}

// statusOf is the status of an object when the update is done.
func (x *updatePlan) statusOf(id metadata.ID) metadata.Status {
	if s, ok := x.status[id]; ok {
		return s
	}
	if id == x.c.sub.Set.ID {
		return metadata.Approved
	}
	if o := x.objectAt(id); o != nil {
		return o.ObjectStatus()
	}
	return metadata.StatusUnknown
}

func (x *updatePlan) linkStatus(a *metadata.Association) metadata.Status {
	if s, ok := x.status[a.ID]; ok {
		return s
	}
	return a.Status
}

// streamOf is the patient of an entry, folder or set; zero for others.
func (x *updatePlan) streamOf(id metadata.ID) storage.Stream {
	if x.c.local[id] != nil {
		return x.c.stream
	}
	p, ok := x.c.objects[id]
	if _, link := p.Object.(*metadata.Association); !ok || link {
		return storage.Stream{}
	}
	return p.Stream
}

// connection is an approved association that the update makes or brings back, and
// the object of the request that it is because of.
type connection struct {
	link    *metadata.Association
	because metadata.ID
}

// connections are all that reconciliation has to look at.
func (x *updatePlan) connections() []connection {
	var all []connection
	for _, p := range x.propagated {
		all = append(all, connection(p))
	}
	for _, a := range x.c.submitted {
		all = append(all, connection{a, a.ID})
	}
	for _, s := range x.c.statuses {
		if s.to != metadata.Approved || s.revised != nil {
			continue
		}
		if a, ok := s.target.Object.(*metadata.Association); ok {
			all = append(all, connection{a, s.link.ID})
		}
		for _, p := range x.c.links[s.link.Target] {
			if a := p.Object.(*metadata.Association); x.linkStatus(a) == metadata.Approved {
				all = append(all, connection{a, s.link.ID})
			}
		}
	}
	return all
}

// changes spells the plan out, one change for each stream that it touches, the
// submission set's first.
func (x *updatePlan) changes(now time.Time) []storage.Change {
	now = now.UTC()
	e := effects{intake: x.c.intake, known: &known{}, now: metadata.FormatDTM(now)}
	e.addSet()
	for _, rev := range x.c.revisions {
		x.addVersion(&e, rev)
	}
	for _, rev := range x.c.revisions {
		e.addAssociation(rev.link)
	}
	for _, a := range x.c.submitted {
		e.addAssociation(a)
		e.addAssociation(x.holder(a))
	}
	for _, p := range x.propagated {
		e.addAssociation(p.link)
		if p.link.Type == metadata.HasMember {
			e.addAssociation(x.holder(p.link))
		}
	}
	spread := newSpread(x.c.view, storage.EventUpdated, now)
	main := spread.of(x.c.stream)
	main.event().Added, main.Claims = e.added, e.claims
	x.touch(spread, e.now)
	return spread.changes()
}

// holder is the membership of an association in the submission set.
func (x *updatePlan) holder(a *metadata.Association) *metadata.Association {
	return &metadata.Association{ID: metadata.NewUUID().ID(), Type: metadata.HasMember, Source: x.c.sub.Set.ID, Target: a.ID}
}

// addVersion adds a new version. It keeps the organisation that answers for the
// object, and the document.
func (x *updatePlan) addVersion(e *effects, rev *revision) {
	a := storage.Added{Object: rev.object, Controller: rev.previous.Controller}
	claim := storage.Claim{ID: metadata.UniqueIDOf(rev.object)} // shared: the first version has it already
	switch o := rev.object.(type) {
	case *metadata.DocumentEntry:
		metadata.FillIDs(o)
		old := rev.previous.Object.(*metadata.DocumentEntry)
		if o.RepositoryID == old.RepositoryID {
			a.Document = rev.previous.Document
		}
		if key := x.c.Documents[o.ID]; key != "" && a.Document == "" { // assembled late
			a.Document = key
		}
		if contentOf(o) == contentOf(old) {
			claim.Value = contentOf(o)
		}
	case *metadata.Folder:
		metadata.FillIDs(o)
		o.LastUpdateTime = e.now
	}
	e.added = append(e.added, a)
	e.claims = append(e.claims, storage.Claim{ID: string(rev.object.ObjectID()), Exclusive: true}, claim)
}

// touch says what changes of registered objects.
func (x *updatePlan) touch(spread *spread, now metadata.DTM) {
	for _, rev := range x.c.revisions {
		spread.touch(rev.previous.Stream, storage.Touch{ID: rev.previous.Object.ObjectID(), Status: metadata.Deprecated, Succession: storage.Superseded})
	}
	folders := make(map[metadata.ID]bool)
	joined := func(a *metadata.Association) {
		p, ok := x.c.objects[a.Source]
		if _, folder := p.Object.(*metadata.Folder); ok && folder && a.Type == metadata.HasMember && !folders[a.Source] {
			folders[a.Source] = true
			spread.touch(p.Stream, storage.Touch{ID: a.Source, LastUpdateTime: now})
		}
	}
	for _, p := range x.propagated {
		joined(p.link)
	}
	for _, a := range x.c.submitted {
		joined(a)
	}
	for _, s := range x.c.statuses {
		if s.revised != nil {
			continue
		}
		spread.touch(s.target.Stream, storage.Touch{ID: s.link.Target, Status: s.to})
		if a, ok := s.target.Object.(*metadata.Association); ok && s.to == metadata.Approved {
			joined(a)
		}
	}
}
