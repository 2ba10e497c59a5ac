package app

import (
	"path/filepath"
	"slices"
	"time"

	"samdok/internal/config"
	"samdok/internal/spool"
	"samdok/metadata"
	"samdok/metadata/profile"
	"samdok/ondemand"
	"samdok/ondemand/summary"
	"samdok/sharing"
)

// Mime types of the generators' documents.
const (
	mimeCDA = "text/xml"
	mimePDF = "application/pdf"
)

// onDemand says which documents are made when they are retrieved, and by what.
func onDemand(c *config.Config, p *profile.Profile, dir string) sharing.OnDemand {
	words := summary.Options{Label: p.Label, Zone: p.Zone()}
	o := sharing.OnDemand{
		Documents: c.OnDemand.Documents, Concurrent: c.OnDemand.Concurrent, Snapshots: c.OnDemand.Snapshots,
		Spool: spool.Options{Dir: filepath.Join(dir, spoolName)},
		Generator: func(e *metadata.DocumentEntry) ondemand.Generator {
			switch {
			case e.MimeType == mimeCDA && holds(c.OnDemand.SummaryCDA, e):
				return summary.CDA{Options: words}
			case e.MimeType == mimePDF && holds(c.OnDemand.SummaryPDF, e):
				return summary.PDF{Options: words}
			}
			return nil
		},
	}
	var mimes []string
	switch c.OnDemand.Register {
	case "cda":
		mimes = []string{mimeCDA}
	case "pdf":
		mimes = []string{mimePDF}
	case "both":
		mimes = []string{mimeCDA, mimePDF}
	}
	if len(mimes) > 0 {
		o.Offer = func(of *metadata.DocumentEntry) []*metadata.DocumentEntry { return summaries(p, of, mimes) }
	}
	return o
}

// holds tells whether a setting is about an entry.
func holds(codes config.Codes, e *metadata.DocumentEntry) bool {
	return codes.Any || slices.ContainsFunc(codes.List, func(ref metadata.CodeRef) bool {
		return ref.Same(e.TypeCode.Ref()) || ref.Same(e.ClassCode.Ref())
	})
}

// summaries are the on-demand entries of the patient of a document.
func summaries(p *profile.Profile, of *metadata.DocumentEntry, mimes []string) []*metadata.DocumentEntry {
	var list []*metadata.DocumentEntry
	for _, mime := range mimes {
		e := &metadata.DocumentEntry{
			MimeType: mime, PatientID: of.PatientID, SourcePatientID: of.SourcePatientID,
			SourcePatientInfo: slices.Clone(of.SourcePatientInfo), Home: of.Home,
		}
		p.Summary(e)
		p.Defaults(e, time.Time{}) // an on-demand entry has no creationTime
		list = append(list, e)
	}
	return list
}
