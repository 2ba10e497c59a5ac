package registry_test

import (
	"samdok/metadata"
)

type question struct {
	name  string
	query func(l *library) metadata.StoredQuery
	want  string // names, sorted; or "!" and an error code
}

func ask(name string, f func(l *library) metadata.Query, want string) question {
	return question{name, func(l *library) metadata.StoredQuery { return metadata.StoredQuery{Query: f(l)} }, want}
}

func refs(q question) question {
	f := q.query
	q.name += ", refs"
	q.query = func(l *library) metadata.StoredQuery {
		s := f(l)
		s.Return = metadata.ObjectRef
		return s
	}
	return q
}

var both2 = []metadata.EntryKind{metadata.Stable, metadata.OnDemand}

var allStatuses = []metadata.Status{metadata.Approved, metadata.Deprecated}

func getAllOf(l *library, documents, sets, folders []metadata.Status) *metadata.GetAll {
	return &metadata.GetAll{Patient: l.patient.CX(), DocumentStatus: documents, SetStatus: sets, FolderStatus: folders}
}

var none = []metadata.Status{99}

var questions = []question{
	ask("FindDocuments", func(l *library) metadata.Query {
		return &metadata.FindDocuments{Patient: l.patient.CX(), Filter: metadata.DocumentFilter{Status: approved}}
	}, "d2 d3 d4 d5"),
	ask("FindDocuments, deprecated", func(l *library) metadata.Query {
		return &metadata.FindDocuments{Patient: l.patient.CX(), Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Deprecated}}}
	}, "d1"),
	ask("FindDocuments, patient in other words and both kinds", func(l *library) metadata.Query {
		return &metadata.FindDocuments{Patient: l.patient.CX() + "^", Filter: metadata.DocumentFilter{Status: allStatuses, Kinds: both2}}
	}, "d1 d2 d3 d4 d5 o"),
	ask("FindDocuments, unknown patient", func(l *library) metadata.Query {
		return &metadata.FindDocuments{Patient: "1^^^&1.2.3&ISO", Filter: metadata.DocumentFilter{Status: approved}}
	}, ""),
	ask("FindDocuments, no patient id", func(l *library) metadata.Query {
		return &metadata.FindDocuments{Patient: "1", Filter: metadata.DocumentFilter{Status: approved}}
	}, "!XDSRegistryError"),
	ask("FindDocumentsByReferenceId", func(l *library) metadata.Query {
		d := l.get(l.id("d2")).(*metadata.DocumentEntry)
		like := metadata.Like("no such")
		if len(d.ReferenceIDs) > 0 {
			like = metadata.Like(d.ReferenceIDs[0])
		}
		return &metadata.FindDocumentsByReferenceID{Patient: l.patient.CX(), Filter: metadata.DocumentFilter{
			Status: approved, ReferenceIDs: metadata.AllOf[metadata.Like]{{like}}}}
	}, "d2"),
	ask("FindSubmissionSets", func(l *library) metadata.Query {
		return &metadata.FindSubmissionSets{Patient: l.patient.CX(), Filter: metadata.SubmissionSetFilter{Status: approved}}
	}, "s1 s2 s3 s5 s6"),
	ask("FindSubmissionSets, other source", func(l *library) metadata.Query {
		return &metadata.FindSubmissionSets{Patient: l.patient.CX(), Filter: metadata.SubmissionSetFilter{Status: approved, SourceID: []string{"1.2"}}}
	}, ""),
	ask("FindFolders", func(l *library) metadata.Query {
		return &metadata.FindFolders{Patient: l.patient.CX(), Filter: metadata.FolderFilter{Status: approved}}
	}, "f"),
	ask("FindFolders, deprecated", func(l *library) metadata.Query {
		return &metadata.FindFolders{Patient: l.patient.CX(), Filter: metadata.FolderFilter{Status: []metadata.Status{metadata.Deprecated}}}
	}, ""),

	ask("GetAll, folders", func(l *library) metadata.Query { return getAllOf(l, none, none, approved) },
		"f m1 m2 s1>f"),
	ask("GetAll, deprecated documents: the other end may be missing", func(l *library) metadata.Query {
		return getAllOf(l, []metadata.Status{metadata.Deprecated}, none, none)
	}, "d1 m1 r1 s1>d1"),
	ask("GetAll, sets", func(l *library) metadata.Query { return getAllOf(l, none, approved, none) },
		"s1 s1>d1 s1>d2 s1>f s1>m1 s2 s2>d3 s2>m2 s3 s3>d2 s3>d4 s5 s5>o s6 s6>d5"),
	ask("GetAll, also associations of other patients' submissions", func(l *library) metadata.Query {
		return getAllOf(l, allStatuses, allStatuses, allStatuses)
	}, "d1 d2 d3 d4 d5 f m1 m2 r1 r2 r3 s1 s1>d1 s1>d2 s1>f s1>m1 s2 s2>d3 s2>m2 s3 s3>d2 s3>d4 s4>d2 s5 s5>o s6 s6>d5"),
	ask("GetAll, on-demand only", func(l *library) metadata.Query {
		q := getAllOf(l, approved, none, none)
		q.Members.Kinds = []metadata.EntryKind{metadata.OnDemand}
		return q
	}, "o r3 s5>o"),
	ask("GetAll, filtered", func(l *library) metadata.Query {
		q := getAllOf(l, approved, none, none)
		q.Members.Confidential = metadata.AllOf[metadata.CodeRef]{{{Value: "V", Scheme: "2.16.840.1.113883.5.25"}}}
		return q
	}, "d5 r3 s6>d5"),

	ask("GetDocuments, any status and kind", func(l *library) metadata.Query {
		return &metadata.GetDocuments{Documents: l.target("d1", "d3", "o", "d1")}
	}, "d1 d3 o"),
	ask("GetDocuments, unknown and of another class", func(l *library) metadata.Query {
		t := l.target("f", "s1", "d2", "r1")
		t.IDs = append(t.IDs, l.gen.UUID().ID(), "symbolic")
		return &metadata.GetDocuments{Documents: t}
	}, "d2"),
	ask("GetDocuments by uniqueId", func(l *library) metadata.Query {
		return &metadata.GetDocuments{Documents: l.unique("d1")}
	}, "d1"),
	ask("GetDocuments by a folder's uniqueId", func(l *library) metadata.Query {
		return &metadata.GetDocuments{Documents: l.unique("f")}
	}, ""),
	ask("GetDocuments by logicalID", func(l *library) metadata.Query {
		return &metadata.GetDocuments{Documents: metadata.Target{LogicalIDs: l.ids("d1")}}
	}, "d1"),
	ask("GetDocuments of two patients", func(l *library) metadata.Query {
		return &metadata.GetDocuments{Documents: l.target("d1", "x")}
	}, "!XDSResultNotSinglePatient"),
	refs(ask("GetDocuments of two patients", func(l *library) metadata.Query {
		return &metadata.GetDocuments{Documents: l.target("d1", "x")}
	}, "d1 x")),
	ask("GetFolders", func(l *library) metadata.Query { return &metadata.GetFolders{Folders: l.target("f", "d1")} }, "f"),
	ask("GetFolders by uniqueId", func(l *library) metadata.Query {
		return &metadata.GetFolders{Folders: metadata.Target{UniqueIDs: []string{"1.2.3.99", "1.2.3.98"}}}
	}, "f"),

	ask("GetAssociations", func(l *library) metadata.Query { return &metadata.GetAssociations{IDs: l.ids("d3", "r1")} },
		"m2 r1 r2 s2>d3"),
	ask("GetAssociations, both ends named, once", func(l *library) metadata.Query {
		return &metadata.GetAssociations{IDs: l.ids("d4", "d3", "d4")}
	}, "m2 r1 r2 s2>d3 s3>d4"),
	ask("GetAssociations of an association", func(l *library) metadata.Query {
		return &metadata.GetAssociations{IDs: l.ids("m1")}
	}, "s1>m1"),
	ask("GetAssociations, deprecated", func(l *library) metadata.Query {
		return &metadata.GetAssociations{IDs: l.ids("d3"), AssociationStatus: []metadata.Status{metadata.Deprecated}}
	}, ""),
	ask("GetAssociations of two patients", func(l *library) metadata.Query {
		return &metadata.GetAssociations{IDs: l.ids("d3", "x")}
	}, "!XDSResultNotSinglePatient"),
	refs(ask("GetAssociations of two patients", func(l *library) metadata.Query {
		return &metadata.GetAssociations{IDs: l.ids("d3", "x")}
	}, "m2 r1 r2 s2>d3 s4>x")),
	ask("GetDocumentsAndAssociations", func(l *library) metadata.Query {
		return &metadata.GetDocumentsAndAssociations{Documents: l.target("d2")}
	}, "d2 s1>d2 s3>d2 s4>d2"),
	ask("GetDocumentsAndAssociations by uniqueId", func(l *library) metadata.Query {
		return &metadata.GetDocumentsAndAssociations{Documents: l.unique("d4")}
	}, "d4 r2 s3>d4"),
	ask("GetDocumentsAndAssociations of a folder", func(l *library) metadata.Query {
		return &metadata.GetDocumentsAndAssociations{Documents: l.target("f")}
	}, ""),

	ask("GetSubmissionSets of a document", func(l *library) metadata.Query {
		return &metadata.GetSubmissionSets{IDs: l.ids("d3")}
	}, "s2 s2>d3"),
	ask("GetSubmissionSets of a folder: not the folder's own members", func(l *library) metadata.Query {
		return &metadata.GetSubmissionSets{IDs: l.ids("f")}
	}, "s1 s1>f"),
	ask("GetSubmissionSets of a set: it is no member of itself", func(l *library) metadata.Query {
		return &metadata.GetSubmissionSets{IDs: l.ids("s2")}
	}, ""),
	ask("GetSubmissionSets, by reference of another patient", func(l *library) metadata.Query {
		return &metadata.GetSubmissionSets{IDs: l.ids("d2")}
	}, "!XDSResultNotSinglePatient"),
	refs(ask("GetSubmissionSets, by reference of another patient", func(l *library) metadata.Query {
		return &metadata.GetSubmissionSets{IDs: l.ids("d2")}
	}, "s1 s1>d2 s3 s3>d2 s4 s4>d2")),

	ask("GetSubmissionSetAndContents", func(l *library) metadata.Query {
		return &metadata.GetSubmissionSetAndContents{Set: l.target("s1")}
	}, "d1 d2 f m1 s1 s1>d1 s1>d2 s1>f s1>m1"),
	ask("GetSubmissionSetAndContents: an association to a folder of another set", func(l *library) metadata.Query {
		return &metadata.GetSubmissionSetAndContents{Set: l.unique("s2")}
	}, "d3 s2 s2>d3"),
	ask("GetSubmissionSetAndContents with a reference", func(l *library) metadata.Query {
		return &metadata.GetSubmissionSetAndContents{Set: l.target("s3")}
	}, "d2 d4 s3 s3>d2 s3>d4"),
	ask("GetSubmissionSetAndContents, on-demand is not asked for", func(l *library) metadata.Query {
		return &metadata.GetSubmissionSetAndContents{Set: l.target("s5")}
	}, "s5"),
	ask("GetSubmissionSetAndContents, on-demand", func(l *library) metadata.Query {
		return &metadata.GetSubmissionSetAndContents{Set: l.target("s5"), Members: metadata.MemberFilter{Kinds: both2}}
	}, "o s5 s5>o"),
	ask("GetSubmissionSetAndContents, filtered: folders stay", func(l *library) metadata.Query {
		return &metadata.GetSubmissionSetAndContents{Set: l.target("s1"), Members: metadata.MemberFilter{
			FormatCode: []metadata.CodeRef{{Value: "none", Scheme: "1.2"}}}}
	}, "f s1 s1>f"),
	ask("GetSubmissionSetAndContents of two patients", func(l *library) metadata.Query {
		return &metadata.GetSubmissionSetAndContents{Set: l.target("s4")}
	}, "!XDSResultNotSinglePatient"),
	refs(ask("GetSubmissionSetAndContents of two patients", func(l *library) metadata.Query {
		return &metadata.GetSubmissionSetAndContents{Set: l.target("s4")}
	}, "d2 s4 s4>d2 s4>x x")),
	ask("GetSubmissionSetAndContents, unknown", func(l *library) metadata.Query {
		return &metadata.GetSubmissionSetAndContents{Set: metadata.Target{UniqueIDs: []string{"1.2.3"}}}
	}, ""),

	ask("GetFolderAndContents", func(l *library) metadata.Query {
		return &metadata.GetFolderAndContents{Folder: l.target("f")}
	}, "d1 d3 f m1 m2"),
	ask("GetFolderAndContents, filtered", func(l *library) metadata.Query {
		return &metadata.GetFolderAndContents{Folder: l.unique("f"), Members: metadata.MemberFilter{Kinds: []metadata.EntryKind{metadata.OnDemand}}}
	}, "f"),
	ask("GetFoldersForDocument", func(l *library) metadata.Query {
		return &metadata.GetFoldersForDocument{Document: l.target("d3")}
	}, "f"),
	ask("GetFoldersForDocument, none", func(l *library) metadata.Query {
		return &metadata.GetFoldersForDocument{Document: l.unique("d2")}
	}, ""),

	ask("GetRelatedDocuments", func(l *library) metadata.Query {
		return &metadata.GetRelatedDocuments{Document: l.target("d3"), Types: []metadata.AssociationType{metadata.Replaces, metadata.Appends}}
	}, "d1 d3 d4 r1 r2"),
	ask("GetRelatedDocuments, one type", func(l *library) metadata.Query {
		return &metadata.GetRelatedDocuments{Document: l.unique("d3"), Types: []metadata.AssociationType{metadata.Appends}}
	}, "d3 d4 r2"),
	ask("GetRelatedDocuments, not the document itself", func(l *library) metadata.Query {
		return &metadata.GetRelatedDocuments{Document: l.target("d2"), Types: []metadata.AssociationType{metadata.Appends}}
	}, ""),
	ask("GetRelatedDocuments, HasMember does not link documents", func(l *library) metadata.Query {
		return &metadata.GetRelatedDocuments{Document: l.target("d3"), Types: []metadata.AssociationType{metadata.HasMember}}
	}, ""),
	ask("GetRelatedDocuments, the other is on-demand", func(l *library) metadata.Query {
		return &metadata.GetRelatedDocuments{Document: l.target("d5"), Types: []metadata.AssociationType{metadata.IsSnapshotOf}}
	}, ""),
	ask("GetRelatedDocuments, with on-demand", func(l *library) metadata.Query {
		return &metadata.GetRelatedDocuments{Document: l.target("d5"), Types: []metadata.AssociationType{metadata.IsSnapshotOf}, Kinds: both2}
	}, "d5 o r3"),
	ask("no query", func(l *library) metadata.Query { return nil }, "!XDSUnknownStoredQuery"),
}
