package registry

import (
	"time"

	"samdok/metadata"
	"samdok/storage"
)

// effects is what an accepted submission does (ITI TF-2 3.42.4.1.3.1-7).
type effects struct {
	*intake
	*known
	now     metadata.DTM
	added   []storage.Added
	touched []storage.Touch
	folders map[metadata.ID]bool // registered folders that receive a member
	claims  []storage.Claim
}

// change makes one event of the submission and its effects, to be appended at
// the version that they were worked out for.
func (in *intake) change(k *known, now time.Time) storage.Change {
	now = now.UTC()
	x := &effects{
		intake: in, known: k, now: metadata.FormatDTM(now),
		added:  make([]storage.Added, 0, len(in.local)+4),
		claims: make([]storage.Claim, 0, len(in.local)+2+len(in.sub.Entries)),
	}
	x.addSet()
	for _, e := range in.sub.Entries {
		x.addEntry(e)
	}
	for _, f := range in.sub.Folders {
		x.addFolder(f)
	}
	for _, a := range in.sub.Associations {
		x.addAssociation(a)
	}
	for _, a := range in.sub.Associations {
		if replaces(a.Type) {
			x.replace(a)
		}
	}
	return storage.Change{
		Stream: in.stream, Expect: k.version, Claims: x.claims,
		Events: []storage.Event{{
			Kind: storage.EventSubmitted, ID: metadata.NewUUID(), Time: now,
			Added: x.added, Touched: x.touched,
		}},
	}
}

func (x *effects) add(o metadata.Object, key storage.DocumentKey) {
	a := storage.Added{Object: o, Document: key}
	if x.Controller != nil {
		a.Controller = x.Controller(o)
	}
	x.added = append(x.added, a)
	x.claims = append(x.claims, storage.Claim{ID: string(o.ObjectID()), Exclusive: true})
}

func (x *effects) addSet() {
	s := &x.sub.Set
	s.Status, s.LogicalID, s.Version = metadata.Approved, s.ID, 1
	metadata.FillIDs(s)
	x.add(s, "")
	x.claims = append(x.claims, storage.Claim{ID: s.UniqueID, Exclusive: true})
}

func (x *effects) addEntry(e *metadata.DocumentEntry) {
	e.Status, e.LogicalID, e.Version = metadata.Approved, e.ID, 1
	metadata.FillIDs(e)
	key := x.Documents[e.ID]
	if submitted, ok := x.names[e.ID]; ok {
		key = x.Documents[submitted]
	}
	x.add(e, key)
	x.claims = append(x.claims, storage.Claim{ID: e.UniqueID, Value: contentOf(e)})
}

// addFolder: a new folder's lastUpdateTime is now, with or without members
// (ITI TF-3 4.2.3.4.6).
func (x *effects) addFolder(f *metadata.Folder) {
	f.Status, f.LogicalID, f.Version, f.LastUpdateTime = metadata.Approved, f.ID, 1, x.now
	metadata.FillIDs(f)
	x.add(f, "")
	x.claims = append(x.claims, storage.Claim{ID: f.UniqueID, Exclusive: true})
}

func (x *effects) addAssociation(a *metadata.Association) {
	a.Status = metadata.Approved
	metadata.FillIDs(a)
	x.add(a, "")
	if a.Type == metadata.HasMember {
		x.touchFolder(a.Source)
	}
}

// touchFolder sets the lastUpdateTime of a registered folder that receives a
// member (ITI TF-2 3.42.4.1.3.6), once.
func (x *effects) touchFolder(id metadata.ID) {
	if _, ok := x.objects[id].Object.(*metadata.Folder); !ok || x.folders[id] {
		return
	}
	if x.folders == nil {
		x.folders = make(map[metadata.ID]bool)
	}
	x.folders[id] = true
	x.touched = append(x.touched, storage.Touch{ID: id, LastUpdateTime: x.now})
}

// replace deprecates the old document and everything made from it or appended to
// it, and puts the new one into every approved folder of the old one
// (ITI TF-2 3.42.4.1.3.5).
func (x *effects) replace(a *metadata.Association) {
	x.deprecate(a.Target)
	for _, id := range x.dependants(a.Target) {
		x.deprecate(id)
	}
	for _, f := range x.foldersOf(a.Target) {
		x.join(f, a.Source)
	}
	// A submission may put the old document into a folder and replace it at once.
	for _, m := range x.sub.Associations {
		if m.Type == metadata.HasMember && m.Target == a.Target && m.Source != x.sub.Set.ID {
			x.join(m.Source, a.Source)
		}
	}
}

func (x *effects) deprecate(id metadata.ID) {
	e, ok := x.objects[id].Object.(*metadata.DocumentEntry)
	if !ok || e.Status == metadata.Deprecated {
		return
	}
	for i := range x.touched {
		if x.touched[i].ID == id {
			return
		}
	}
	x.touched = append(x.touched, storage.Touch{ID: id, Status: metadata.Deprecated})
}

// join makes a document a member of a folder, and the set a holder of that
// membership, unless the submission says so already.
func (x *effects) join(folder, document metadata.ID) {
	for i := range x.added {
		if m, ok := x.added[i].Object.(*metadata.Association); ok &&
			m.Type == metadata.HasMember && m.Source == folder && m.Target == document {
			return
		}
	}
	member := &metadata.Association{ID: metadata.NewUUID().ID(), Type: metadata.HasMember, Source: folder, Target: document}
	x.addAssociation(member)
	x.addAssociation(&metadata.Association{ID: metadata.NewUUID().ID(), Type: metadata.HasMember, Source: x.sub.Set.ID, Target: member.ID})
}
