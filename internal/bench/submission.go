package bench

import (
	"fmt"

	"samdok/metadata"
)

// submission is a submission of n documents with full Norwegian metadata (about
// 6 KB of ebRIM an entry) and marks where values change from request to request.
func submission(n int, size int64, hash, repository string) (*metadata.Submission, []hole) {
	patient := metadata.PatientID{ID: hole{holePatient, 0}.mark(), Authority: authority}.CX()
	set, setUnique := hole{holeSet, 0}, hole{holeSetUnique, 0}
	holes := []hole{{holePatient, 0}, {holeMessage, 0}, set, setUnique}
	s := &metadata.Submission{Set: metadata.SubmissionSet{
		ID: metadata.ID(set.mark()), Title: metadata.NewText("Innsending fra ytelsesmåling"), Authors: []metadata.Author{author()},
		ContentType: code("A03-2", "2.16.578.1.12.4.1.1.9602", "Epikrise"), PatientID: patient,
		SourceID: "2.16.578.1.12.4.5.100.1", SubmissionTime: "20260102030405", UniqueID: setUnique.mark(),
	}}
	for i := range n {
		id, unique, member := hole{holeEntry, i}, hole{holeEntryUnique, i}, hole{holeMember, i}
		holes = append(holes, id, unique, member)
		e := entry(i, patient, size, hash, repository)
		e.ID, e.UniqueID = metadata.ID(id.mark()), unique.mark()
		s.Entries = append(s.Entries, e)
		s.Associations = append(s.Associations, &metadata.Association{
			ID: metadata.ID(member.mark()), Type: metadata.HasMember, Source: s.Set.ID, Target: e.ID, Membership: metadata.Original,
		})
	}
	return s, holes
}

func code(value, scheme, display string) metadata.Code {
	return metadata.Code{Value: value, Scheme: scheme, Display: metadata.Text{{Value: display, Lang: "nb-NO", Charset: "UTF-8"}}}
}

func author() metadata.Author {
	return metadata.Author{
		Person: "565505933^GREVLING^KVART^^^^^^&2.16.578.1.12.4.1.4.4&ISO",
		Institutions: []metadata.XON{
			"HELSE BERGEN HF^^^^^&2.16.578.1.12.4.1.4.101&ISO^^^^983974724",
			"Medisinsk avdeling^^^^^&2.16.578.1.12.4.1.4.102&ISO^^^^4211607",
		},
		Roles:       []string{"LE^^^&2.16.578.1.12.4.1.1.9060&ISO"},
		Specialties: []string{"Indremedisin"},
		Telecom:     []metadata.XTN{"^^Internet^medisin@sykehus.example"},
	}
}

func entry(i int, patient metadata.CX, size int64, hash, repository string) *metadata.DocumentEntry {
	return &metadata.DocumentEntry{
		Kind: metadata.Stable, MimeType: "text/plain", Language: "nb-NO",
		Title:    metadata.Text{{Value: fmt.Sprintf("Epikrise nr. %d", i+1), Lang: "nb-NO", Charset: "UTF-8"}},
		Comments: metadata.Text{{Value: "Syntetisk dokument til ytelsesmåling", Lang: "nb-NO", Charset: "UTF-8"}},
		Authors:  []metadata.Author{author()},

		ClassCode:  code("A00-1", "2.16.578.1.12.4.1.1.9602", "Epikriser og sammenfatninger"),
		TypeCode:   code("A03-2", "2.16.578.1.12.4.1.1.9602", "Epikrise"),
		FormatCode: code("urn:ihe:iti:xds:2017:mimeTypeSufficient", "1.3.6.1.4.1.19376.1.2.3", "MimeType sufficient"),
		Facility:   code("86.210", "2.16.578.1.12.4.1.1.1305", "Allmennlegetjenester"),
		Practice:   code("KA02", "2.16.578.1.12.4.1.1.8663", "Legevakt"),
		Confidential: []metadata.Code{
			code("N", "2.16.840.1.113883.5.25", "Normal"),
			code("N", "2.16.578.1.12.4.1.1.9603", "Normal"),
		},
		EventCodes: []metadata.Code{code("AAA00", "2.16.578.1.12.4.1.1.7210", "Hendelse")},

		CreationTime: "20260102030405", ServiceStart: "20260101110000", ServiceStop: "20260101113000",
		Hash: hash, Size: metadata.Octets(size),
		LegalAuthenticator: "565505933^GREVLING^KVART^^^^^^&2.16.578.1.12.4.1.4.4&ISO",
		PatientID:          patient, SourcePatientID: patient,
		SourcePatientInfo: []string{"PID-5|TESTPERSON^SYNTETISK", "PID-7|19800101", "PID-8|F", "PID-11|^^BERGEN^^5003^NO"},
		ReferenceIDs:      []metadata.CXi{"ref-1^^^&2.16.578.1.12.4.5.100&ISO^urn:ihe:iti:xds:2013:order"},
		RepositoryID:      repository,
	}
}
