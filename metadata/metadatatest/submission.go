package metadatatest

import (
	"time"

	"samdok/metadata"
)

// Submission submits documents of one patient: a submission set and its
// memberships. Add what else is to be registered with the builders below.
func (g *Gen) Submission(p Patient, docs ...Document) *metadata.Submission {
	sub := g.submission(p, len(docs))
	for _, d := range docs {
		g.addEntry(sub, d.Entry)
	}
	g.describe(sub)
	return sub
}

// Metadata is a submission of n documents that have no bytes, for benchmarks.
func (g *Gen) Metadata(p Patient, n int) *metadata.Submission {
	sub := g.submission(p, n)
	for range n {
		g.addEntry(sub, g.Entry(p, Kind(g.rng.IntN(int(kindCount)))))
	}
	g.describe(sub)
	return sub
}

func (g *Gen) submission(p Patient, n int) *metadata.Submission {
	return &metadata.Submission{
		Set: metadata.SubmissionSet{
			ID:             g.UUID().ID(),
			Title:          metadata.NewText("Innsending"),
			ContentType:    kinds[Note].typ,
			PatientID:      p.CX(),
			SourceID:       SourceID,
			UniqueID:       g.OID(),
			SubmissionTime: metadata.FormatDTM(g.Now.Add(-time.Duration(g.rng.IntN(86400)) * time.Second)),
		},
		Entries:      make([]*metadata.DocumentEntry, 0, n),
		Associations: make([]*metadata.Association, 0, n+2),
	}
}

// describe takes author and content type from the first document.
func (g *Gen) describe(sub *metadata.Submission) {
	if len(sub.Entries) == 0 {
		return
	}
	first := sub.Entries[0]
	a := first.Authors[0]
	a.Institutions = append([]metadata.XON(nil), a.Institutions...)
	a.Roles = append([]string(nil), a.Roles...)
	a.Telecom = append([]metadata.XTN(nil), a.Telecom...)
	sub.Set.Authors = []metadata.Author{a}
	sub.Set.ContentType = first.TypeCode
}

// Folder makes a folder of the patient.
func (g *Gen) Folder(p Patient, title string) *metadata.Folder {
	return &metadata.Folder{
		ID:        g.UUID().ID(),
		Title:     metadata.NewText(title),
		Codes:     []metadata.Code{kinds[EpikriseCDA].class},
		PatientID: p.CX(),
		UniqueID:  g.OID(),
	}
}

// AddEntry adds a document to the submission with its Original membership.
func AddEntry(sub *metadata.Submission, e *metadata.DocumentEntry) {
	sub.Entries = append(sub.Entries, e)
	add(sub, metadata.HasMember, sub.Set.ID, e.ID).Membership = metadata.Original
}

// addEntry is AddEntry with an association id from the seed.
func (g *Gen) addEntry(sub *metadata.Submission, e *metadata.DocumentEntry) {
	sub.Entries = append(sub.Entries, e)
	sub.Associations = append(sub.Associations, &metadata.Association{
		ID: g.UUID().ID(), Type: metadata.HasMember, Source: sub.Set.ID, Target: e.ID, Membership: metadata.Original,
	})
}

// AddReference adds a document that is registered already.
func AddReference(sub *metadata.Submission, entry metadata.ID) *metadata.Association {
	a := add(sub, metadata.HasMember, sub.Set.ID, entry)
	a.Membership = metadata.Reference
	return a
}

// AddFolder adds a new folder to the submission.
func AddFolder(sub *metadata.Submission, f *metadata.Folder) {
	sub.Folders = append(sub.Folders, f)
	add(sub, metadata.HasMember, sub.Set.ID, f.ID)
}

// AddToFolder puts a document into a folder and that membership into the
// submission set (ITI TF-3 4.2.2.1.3).
func AddToFolder(sub *metadata.Submission, folder, entry metadata.ID) *metadata.Association {
	a := add(sub, metadata.HasMember, folder, entry)
	add(sub, metadata.HasMember, sub.Set.ID, a.ID)
	return a
}

// Relate adds a relationship from a document of the submission to another.
func Relate(sub *metadata.Submission, t metadata.AssociationType, source, target metadata.ID) *metadata.Association {
	return add(sub, t, source, target)
}

// add makes an association with a random id, which is not part of the seeded
// material.
func add(sub *metadata.Submission, t metadata.AssociationType, source, target metadata.ID) *metadata.Association {
	a := &metadata.Association{ID: metadata.NewUUID().ID(), Type: t, Source: source, Target: target}
	sub.Associations = append(sub.Associations, a)
	return a
}
