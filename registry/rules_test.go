package registry_test

import (
	"fmt"
	"strings"
	"testing"

	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/storage"
)

// rule is one submission that a rule refuses (or, with no codes, accepts).
type rule struct {
	name  string
	make  func(w *world) *metadata.Submission
	codes []fault.Code
}

// TestRules has for each rule of ITI TF-2 3.42.4.1.3 what it lets pass and what
// it refuses, with the exact code, and sees that a refusal stores nothing. Each is
// tried twice: undisturbed, and after another writer was first, when nothing is
// left to the claims.
func TestRules(t *testing.T) {
	for _, group := range [][]rule{identityRules, memberRules, relationshipRules} {
		for _, r := range group {
			for conflicts := range 2 {
				t.Run(fmt.Sprint(r.name, "/", conflicts), func(t *testing.T) { r.try(t, conflicts) })
			}
		}
	}
}

func (r *rule) try(t *testing.T, conflicts int) {
	m := newMemory()
	w := newWorld(t, m)
	sub := r.make(w)
	before := len(m.order)
	m.conflicts = conflicts
	_, err := w.submit(sub)
	if len(r.codes) == 0 {
		if err != nil {
			t.Fatalf("refused: %v", fault.ProblemsOf(err))
		}
		return
	}
	w.wantRefused(err, r.codes...)
	if k := fault.KindOf(err); k != fault.Invalid {
		t.Errorf("kind %d, want Invalid", k)
	}
	if len(m.order) != before {
		t.Errorf("%d objects were stored", len(m.order)-before)
	}
}

func one(c fault.Code) []fault.Code { return []fault.Code{c} }

var identityRules = []rule{
	{"0 only a set", func(w *world) *metadata.Submission { return w.set() }, nil},
	{"0 one document", func(w *world) *metadata.Submission { return w.with(w.entry()) }, nil},
	{"1 an attribute is missing", func(w *world) *metadata.Submission {
		e := w.entry()
		e.Language = ""
		return w.with(e)
	}, one(fault.RegistryMetadataError)},
	{"1 the patient id of the set is none", func(w *world) *metadata.Submission {
		sub := w.set()
		sub.Set.PatientID = "1"
		return sub
	}, one(fault.RegistryMetadataError)},
	{"1 metadata update is not for ITI-42", func(w *world) *metadata.Submission {
		old := w.registered()
		sub := w.set()
		metadatatest.Relate(sub, metadata.UpdateStatus, sub.Set.ID, old.ID)
		return sub
	}, one(fault.RegistryMetadataError)},
	{"3 two documents with one uniqueId", func(w *world) *metadata.Submission {
		a, b := w.entry(), w.entry()
		b.UniqueID, b.Hash, b.Size = a.UniqueID, a.Hash, a.Size
		return w.with(a, b)
	}, one(fault.DuplicateInMessage)},
	{"3 the set has the uniqueId of a document", func(w *world) *metadata.Submission {
		sub := w.with(w.entry())
		sub.Entries[0].UniqueID = sub.Set.UniqueID
		return sub
	}, one(fault.DuplicateInMessage)},
	{"3 the folder has the uniqueId of the set", func(w *world) *metadata.Submission {
		sub := w.set()
		f := w.gen.Folder(w.patient, "f")
		f.UniqueID = sub.Set.UniqueID
		metadatatest.AddFolder(sub, f)
		return sub
	}, one(fault.DuplicateInMessage)},
	{"4 the set's uniqueId is a set's", func(w *world) *metadata.Submission {
		first := w.set()
		w.must(first)
		sub := w.set()
		sub.Set.UniqueID = first.Set.UniqueID
		return sub
	}, one(fault.DuplicateUniqueID)},
	{"4 the set's uniqueId is a document's", func(w *world) *metadata.Submission {
		e := w.entry()
		e.UniqueID = w.gen.OID()
		w.must(w.with(e))
		sub := w.set()
		sub.Set.UniqueID = e.UniqueID
		return sub
	}, one(fault.DuplicateUniqueID)},
	{"4 the set's uniqueId is another patient's folder's", func(w *world) *metadata.Submission {
		f := w.folder()
		sub := w.gen.Submission(w.other)
		sub.Set.UniqueID = f.UniqueID
		return sub
	}, one(fault.DuplicateUniqueID)},
	{"4 the folder's uniqueId is a folder's", func(w *world) *metadata.Submission {
		f := w.gen.Folder(w.patient, "f")
		f.UniqueID = w.folder().UniqueID
		sub := w.set()
		metadatatest.AddFolder(sub, f)
		return sub
	}, one(fault.DuplicateUniqueID)},
	{"4 a document's uniqueId may be a set's", func(w *world) *metadata.Submission {
		first := w.set()
		w.must(first)
		e := w.entry()
		e.UniqueID = first.Set.UniqueID
		return w.with(e)
	}, nil},
	{"5 the same document again", func(w *world) *metadata.Submission {
		old, e := w.registered(), w.entry()
		e.UniqueID, e.Hash, e.Size = old.UniqueID, strings.ToUpper(old.Hash), old.Size
		return w.with(e)
	}, nil},
	{"5 another hash", func(w *world) *metadata.Submission {
		old, e := w.registered(), w.entry()
		e.UniqueID, e.Size = old.UniqueID, old.Size
		e.Hash = strings.Repeat("a", 40)
		return w.with(e)
	}, one(fault.NonIdenticalHash)},
	{"5 another size", func(w *world) *metadata.Submission {
		old, e := w.registered(), w.entry()
		e.UniqueID, e.Hash, e.Size = old.UniqueID, old.Hash, metadata.Octets(old.Size.Octets+1)
		return w.with(e)
	}, one(fault.NonIdenticalSize)},
	{"5 another hash and size", func(w *world) *metadata.Submission {
		old, e := w.registered(), w.entry()
		e.UniqueID, e.Size = old.UniqueID, metadata.Octets(old.Size.Octets+1)
		e.Hash = strings.Repeat("a", 40)
		return w.with(e)
	}, []fault.Code{fault.NonIdenticalHash, fault.NonIdenticalSize}},
	{"5 an on-demand entry again", func(w *world) *metadata.Submission {
		a, b := w.onDemand(), w.onDemand()
		b.UniqueID = a.UniqueID
		w.must(w.with(a))
		return w.with(b)
	}, nil},
	{"5 an on-demand entry with a stable one's uniqueId", func(w *world) *metadata.Submission {
		e := w.onDemand()
		e.UniqueID = w.registered().UniqueID
		return w.with(e)
	}, one(fault.DuplicateUniqueID)},
	{"5 a stable entry with an on-demand one's uniqueId", func(w *world) *metadata.Submission {
		old, e := w.onDemand(), w.entry()
		w.must(w.with(old))
		e.UniqueID = old.UniqueID
		return w.with(e)
	}, one(fault.DuplicateUniqueID)},
	{"1 on-demand and stable entries in one submission", func(w *world) *metadata.Submission {
		return w.with(w.entry(), w.onDemand())
	}, one(fault.RegistryMetadataError)},
	{"8 the document is another patient's", func(w *world) *metadata.Submission {
		e := w.entry()
		e.PatientID = w.other.CX()
		return w.with(e)
	}, one(fault.PatientIDDoesNotMatch)},
	{"8 the folder is another patient's", func(w *world) *metadata.Submission {
		sub := w.set()
		metadatatest.AddFolder(sub, w.gen.Folder(w.other, "f"))
		return sub
	}, one(fault.PatientIDDoesNotMatch)},
	{"8 the same patient in other words", func(w *world) *metadata.Submission {
		e := w.entry()
		e.PatientID += "^^"
		return w.with(e)
	}, nil},
	{"8a the id of a registered document", func(w *world) *metadata.Submission {
		e := w.entry()
		e.ID = w.registered().ID
		return w.with(e)
	}, one(fault.RegistryMetadataError)},
	{"8a the id of a registered association", func(w *world) *metadata.Submission {
		old := w.registered()
		sub := w.with(w.entry())
		sub.Associations[0].ID = w.associationsOf(old.ID)[0].ID
		return sub
	}, one(fault.RegistryMetadataError)},
	{"all at once, in order", func(w *world) *metadata.Submission {
		old := w.registered()
		sub := w.with(w.entry(), w.entry(), w.entry())
		sub.Entries[0].Language = ""
		sub.Entries[1].UniqueID = sub.Set.UniqueID
		sub.Entries[2].UniqueID, sub.Entries[2].Size = old.UniqueID, old.Size
		sub.Entries[2].PatientID = w.other.CX()
		metadatatest.Relate(sub, metadata.Appends, sub.Entries[0].ID, w.gen.UUID().ID())
		return sub
	}, []fault.Code{fault.RegistryMetadataError, fault.DuplicateInMessage, fault.NonIdenticalHash, fault.PatientIDDoesNotMatch, fault.UnresolvedReference}},
}

func (w *world) onDemand() *metadata.DocumentEntry {
	e := w.entry()
	e.Kind, e.CreationTime, e.Hash, e.Size = metadata.OnDemand, "", "", metadata.Size{}
	return e
}

// gone is a document that was replaced.
func (w *world) gone() *metadata.DocumentEntry {
	old := w.registered()
	w.related(metadata.Replaces, old.ID)
	return old
}

// foreign is a registered document of the other patient.
func (w *world) foreign() *metadata.DocumentEntry {
	e := w.gen.Entry(w.other, metadatatest.Note)
	sub := w.gen.Submission(w.other)
	metadatatest.AddEntry(sub, e)
	w.must(sub)
	return e
}

// link adds a HasMember association to a submission.
func link(sub *metadata.Submission, source, target metadata.ID) *metadata.Association {
	return metadatatest.Relate(sub, metadata.HasMember, source, target)
}

var memberRules = []rule{
	{"10 the source is nowhere", func(w *world) *metadata.Submission {
		sub := w.with(w.entry())
		link(sub, w.gen.UUID().ID(), sub.Entries[0].ID)
		return sub
	}, one(fault.UnresolvedReference)},
	{"10 the target is a symbolic id of another message", func(w *world) *metadata.Submission {
		sub := w.set()
		link(sub, sub.Set.ID, "Document7")
		return sub
	}, one(fault.UnresolvedReference)},
	{"11 a reference to a registered document", func(w *world) *metadata.Submission {
		sub := w.set()
		metadatatest.AddReference(sub, w.registered().ID)
		return sub
	}, nil},
	{"11 a reference to another patient's document", func(w *world) *metadata.Submission {
		sub := w.set()
		metadatatest.AddReference(sub, w.foreign().ID)
		return sub
	}, nil},
	{"11 a reference to a deprecated document", func(w *world) *metadata.Submission {
		sub := w.set()
		metadatatest.AddReference(sub, w.gone().ID)
		return sub
	}, nil},
	{"11 Original for a registered document", func(w *world) *metadata.Submission {
		sub := w.set()
		metadatatest.AddReference(sub, w.registered().ID).Membership = metadata.Original
		return sub
	}, one(fault.RegistryMetadataError)},
	{"11 Reference for a new document", func(w *world) *metadata.Submission {
		sub := w.with(w.entry())
		sub.Associations[0].Membership = metadata.Reference
		return sub
	}, one(fault.RegistryMetadataError)},
	{"11 no SubmissionSetStatus", func(w *world) *metadata.Submission {
		sub := w.with(w.entry())
		sub.Associations[0].Membership = metadata.MembershipNone
		return sub
	}, one(fault.RegistryMetadataError)},
	{"11 SubmissionSetStatus where it does not count", func(w *world) *metadata.Submission {
		sub := w.with(w.entry())
		f := w.gen.Folder(w.patient, "f")
		metadatatest.AddFolder(sub, f)
		metadatatest.AddToFolder(sub, f.ID, sub.Entries[0].ID)
		for _, a := range sub.Associations[1:] {
			a.Membership = metadata.Reference
		}
		return sub
	}, nil},
	{"11 a document without association", func(w *world) *metadata.Submission {
		sub := w.with(w.entry())
		sub.Associations = nil
		return sub
	}, one(fault.RegistryMetadataError)},
	{"11 a folder without association", func(w *world) *metadata.Submission {
		sub := w.set()
		sub.Folders = append(sub.Folders, w.gen.Folder(w.patient, "f"))
		return sub
	}, one(fault.RegistryMetadataError)},
	{"12 a new document into a new folder", func(w *world) *metadata.Submission {
		sub := w.with(w.entry())
		f := w.gen.Folder(w.patient, "f")
		metadatatest.AddFolder(sub, f)
		metadatatest.AddToFolder(sub, f.ID, sub.Entries[0].ID)
		return sub
	}, nil},
	{"12 a registered document into a registered folder", func(w *world) *metadata.Submission {
		sub := w.set()
		metadatatest.AddToFolder(sub, w.folder().ID, w.registered().ID)
		return sub
	}, nil},
	{"12 no association from the set", func(w *world) *metadata.Submission {
		sub := w.set()
		link(sub, w.folder().ID, w.registered().ID)
		return sub
	}, one(fault.RegistryMetadataError)},
	{"12 a deprecated document", func(w *world) *metadata.Submission {
		sub := w.set()
		metadatatest.AddToFolder(sub, w.folder().ID, w.gone().ID)
		return sub
	}, one(fault.DeprecatedDocument)},
	{"12 a deprecated folder", func(w *world) *metadata.Submission {
		f := w.folder()
		w.engine.(*memory).objects[f.ID].Object.(*metadata.Folder).Status = metadata.Deprecated
		sub := w.set()
		metadatatest.AddToFolder(sub, f.ID, w.registered().ID)
		return sub
	}, one(fault.RegistryMetadataError)},
	{"12 another patient's document", func(w *world) *metadata.Submission {
		sub := w.set()
		metadatatest.AddToFolder(sub, w.folder().ID, w.foreign().ID)
		return sub
	}, one(fault.PatientIDDoesNotMatch)},
	{"12 another patient's folder", func(w *world) *metadata.Submission {
		sub := w.gen.Submission(w.other)
		metadatatest.AddToFolder(sub, w.folder().ID, w.foreign().ID)
		return sub
	}, one(fault.PatientIDDoesNotMatch)},
	{"a folder in a folder", func(w *world) *metadata.Submission {
		sub := w.set()
		metadatatest.AddToFolder(sub, w.folder().ID, w.folder().ID)
		return sub
	}, one(fault.RegistryMetadataError)},
	{"a document that holds a document", func(w *world) *metadata.Submission {
		sub := w.with(w.entry(), w.entry())
		link(sub, sub.Entries[0].ID, sub.Entries[1].ID)
		return sub
	}, one(fault.RegistryMetadataError)},
	{"a registered set takes no members", func(w *world) *metadata.Submission {
		first := w.set()
		w.must(first)
		sub := w.with(w.entry())
		link(sub, first.Set.ID, sub.Entries[0].ID).Membership = metadata.Original
		return sub
	}, one(fault.RegistryMetadataError)},
	{"a set in a set", func(w *world) *metadata.Submission {
		sub := w.set()
		link(sub, sub.Set.ID, sub.Set.ID)
		return sub
	}, one(fault.RegistryMetadataError)},
	{"the set holds its membership", func(w *world) *metadata.Submission {
		sub := w.with(w.entry())
		link(sub, sub.Set.ID, sub.Associations[0].ID)
		return sub
	}, one(fault.RegistryMetadataError)},
	{"the set holds a registered association", func(w *world) *metadata.Submission {
		d := w.registered()
		w.folder(d.ID)
		sub := w.set()
		for _, a := range w.associationsOf(d.ID) {
			link(sub, sub.Set.ID, a.ID)
		}
		return sub
	}, one(fault.RegistryMetadataError)},
	{"the set holds a relationship", func(w *world) *metadata.Submission {
		sub := w.with(w.entry())
		a := metadatatest.Relate(sub, metadata.Appends, sub.Entries[0].ID, w.registered().ID)
		link(sub, sub.Set.ID, a.ID)
		return sub
	}, nil},
	{"the set lists another patient's folder", func(w *world) *metadata.Submission {
		sub := w.gen.Submission(w.other)
		link(sub, sub.Set.ID, w.folder().ID)
		return sub
	}, one(fault.PatientIDDoesNotMatch)},
}

// relate makes a rule about one new document related to a target.
func relate(name string, t metadata.AssociationType, target func(w *world) metadata.ID, codes ...fault.Code) rule {
	return rule{name, func(w *world) *metadata.Submission {
		sub := w.with(w.entry())
		metadatatest.Relate(sub, t, sub.Entries[0].ID, target(w))
		return sub
	}, codes}
}

func inRegistry(w *world) metadata.ID  { return w.registered().ID }
func isGone(w *world) metadata.ID      { return w.gone().ID }
func isForeign(w *world) metadata.ID   { return w.foreign().ID }
func isUnknown(w *world) metadata.ID   { return w.gen.UUID().ID() }
func isTransform(w *world) metadata.ID { return w.related(metadata.Transforms, w.registered().ID).ID }

// within relates two documents of one submission.
func within(name string, t metadata.AssociationType, codes ...fault.Code) rule {
	return rule{name, func(w *world) *metadata.Submission {
		sub := w.with(w.entry(), w.entry())
		metadatatest.Relate(sub, t, sub.Entries[0].ID, sub.Entries[1].ID)
		return sub
	}, codes}
}

// both adds two relationships to one registered document.
func both(name string, a, b metadata.AssociationType, codes ...fault.Code) rule {
	return rule{name, func(w *world) *metadata.Submission {
		old := w.registered()
		sub := w.with(w.entry(), w.entry())
		metadatatest.Relate(sub, a, sub.Entries[0].ID, old.ID)
		metadatatest.Relate(sub, b, sub.Entries[1].ID, old.ID)
		return sub
	}, codes}
}

var relationshipRules = []rule{
	relate("14 RPLC", metadata.Replaces, inRegistry),
	relate("14 XFRM", metadata.Transforms, inRegistry),
	relate("14 APND", metadata.Appends, inRegistry),
	relate("14 XFRM_RPLC", metadata.TransformReplaces, inRegistry),
	relate("14 signs", metadata.Signs, inRegistry),
	within("14 XFRM within", metadata.Transforms),
	within("14 APND within", metadata.Appends),
	within("14 signs within", metadata.Signs),
	within("14 RPLC within", metadata.Replaces, fault.UnresolvedReference),
	within("14 XFRM_RPLC within", metadata.TransformReplaces, fault.UnresolvedReference),
	within("14 IsSnapshotOf within", metadata.IsSnapshotOf, fault.UnresolvedReference),
	relate("14 RPLC of nothing", metadata.Replaces, isUnknown, fault.UnresolvedReference),
	relate("14 APND to nothing", metadata.Appends, isUnknown, fault.UnresolvedReference),
	relate("14 RPLC of a folder", metadata.Replaces, func(w *world) metadata.ID { return w.folder().ID }, fault.UnresolvedReference),
	{"13 the source is registered", func(w *world) *metadata.Submission {
		sub := w.set()
		metadatatest.Relate(sub, metadata.Appends, w.registered().ID, w.registered().ID)
		return sub
	}, one(fault.UnresolvedReference)},
	{"13 the source is the set", func(w *world) *metadata.Submission {
		sub := w.set()
		metadatatest.Relate(sub, metadata.Replaces, sub.Set.ID, w.registered().ID)
		return sub
	}, one(fault.UnresolvedReference)},
	relate("15 RPLC of a replaced document", metadata.Replaces, isGone, fault.DeprecatedDocument),
	relate("15 APND to a replaced document", metadata.Appends, isGone, fault.DeprecatedDocument),
	relate("15 signs a replaced document", metadata.Signs, isGone, fault.DeprecatedDocument),
	relate("16 RPLC of another patient's", metadata.Replaces, isForeign, fault.PatientIDDoesNotMatch),
	relate("16 signs another patient's", metadata.Signs, isForeign, fault.PatientIDDoesNotMatch),
	relate("17 a snapshot of a stable document", metadata.IsSnapshotOf, inRegistry, fault.RegistryMetadataError),
	relate("17 a snapshot of an on-demand document", metadata.IsSnapshotOf, func(w *world) metadata.ID {
		e := w.onDemand()
		w.must(w.with(e))
		return e.ID
	}),
	relate("18 APND to a transformation", metadata.Appends, isTransform, fault.RegistryMetadataError),
	relate("18 XFRM of a transformation", metadata.Transforms, isTransform),
	{"18 APND to a transformation of the same submission", func(w *world) *metadata.Submission {
		sub := w.with(w.entry(), w.entry())
		metadatatest.Relate(sub, metadata.Transforms, sub.Entries[0].ID, w.registered().ID)
		metadatatest.Relate(sub, metadata.Appends, sub.Entries[1].ID, sub.Entries[0].ID)
		return sub
	}, one(fault.RegistryMetadataError)},
	{"19 the folder of the replaced is another patient's", func(w *world) *metadata.Submission {
		old := w.registered()
		m, f := w.engine.(*memory), w.folder(old.ID)
		p := m.objects[f.ID]
		p.Stream = storage.PatientStream(w.other.ID())
		m.objects[f.ID] = p
		sub := w.with(w.entry())
		metadatatest.Relate(sub, metadata.Replaces, sub.Entries[0].ID, old.ID)
		return sub
	}, one(fault.PatientIDDoesNotMatch)},
	both("two replacements of one document", metadata.Replaces, metadata.TransformReplaces, fault.DeprecatedDocument),
	both("a replacement and an addendum", metadata.Replaces, metadata.Appends, fault.DeprecatedDocument),
	both("two addenda", metadata.Appends, metadata.Appends),
	{"a document related to itself", func(w *world) *metadata.Submission {
		sub := w.with(w.entry())
		metadatatest.Relate(sub, metadata.Appends, sub.Entries[0].ID, sub.Entries[0].ID)
		return sub
	}, one(fault.RegistryMetadataError)},
	{"replaced with the same bytes", func(w *world) *metadata.Submission {
		old, e := w.registered(), w.entry()
		e.UniqueID, e.Hash, e.Size = old.UniqueID, old.Hash, old.Size
		sub := w.with(e)
		metadatatest.Relate(sub, metadata.Replaces, e.ID, old.ID)
		return sub
	}, nil},
}
