package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/profile"
	"samdok/soap/xds"
)

// search is what the flags of find say.
type search struct {
	kind, class, format, facility, practice, event, confidentiality []string
	author, reference                                               []string
	createdFrom, createdTo, serviceFrom, serviceTo                  string
	status, title                                                   string
	onDemand, ids, asJSON                                           bool
}

func (c *cli) findCommand() *cobra.Command {
	var patient patientFlags
	var s search
	var profileName string
	var server *serverFlags
	cmd := c.command("find", c.tr("List a patient's documents (ITI-18)", "List en pasients dokumenter (ITI-18)"),
		c.tr(`Asks a Document Registry for one patient's documents, newest first. A repeated filter
means any of its values, different filters must all hold. Codes are written as a code, a
name or code^^scheme; authors and references with % for any text.

Times are Norwegian. Keep the patient out of the process list with --patient-file. The exit
code is 6 when the server says that documents may be missing.`,
			`Spør et dokumentregister om én pasients dokumenter, nyeste først. Gjentas et filter,
gjelder en hvilken som helst av verdiene; ulike filtre må alle passe. Koder skrives som
kode, navn eller kode^^kodeverk; forfattere og referanser med % for hvilken som helst tekst.

Tider er norske. Hold pasienten utenfor prosesslisten med --patient-file. Avslutningskoden
er 6 når tjeneren sier at det kan mangle dokumenter.`),
		`  samdok find --patient-file pasient.txt
  samdok find --patient-file - --type Epikrise --created-from 2026-01-01 < pasient.txt
  samdok find --patient 13911699170 --author '%Nordmann%' --status all
  samdok find --patient-file pasient.txt --ids | xargs -I{} samdok get {}`,
		func(cmd *cobra.Command, _ []string) error {
			id, err := c.patientFrom(patient)
			if err != nil {
				return err
			}
			p, err := c.loadProfile(profileName)
			if err != nil {
				return err
			}
			q, err := c.query(&s, p, id)
			if err != nil {
				return err
			}
			client, err := c.client(server, 1)
			if err != nil {
				return err
			}
			return c.find(cmd.Context(), client, q, &s, p)
		})
	cmd.Args = cobra.NoArgs
	f := cmd.Flags()
	c.patientFlags(f, &patient)
	f.StringArrayVar(&s.kind, "type", nil, c.tr("`CODE`: kind of document", "`KODE`: dokumenttype"))
	f.StringArrayVar(&s.class, "class", nil, c.tr("`CODE`: class of documents", "`KODE`: dokumentklasse"))
	f.StringArrayVar(&s.format, "format", nil, c.tr("`CODE`: format", "`KODE`: format"))
	f.StringArrayVar(&s.facility, "facility", nil, c.tr("`CODE`: kind of facility", "`KODE`: virksomhetstype"))
	f.StringArrayVar(&s.practice, "practice", nil, c.tr("`CODE`: kind of practice", "`KODE`: fagområde"))
	f.StringArrayVar(&s.event, "event", nil, c.tr("`CODE`: event", "`KODE`: hendelse"))
	f.StringArrayVar(&s.confidentiality, "confidentiality", nil, c.tr("`CODE`: confidentiality", "`KODE`: konfidensialitet"))
	f.StringArrayVar(&s.author, "author", nil, c.tr("`PATTERN` of the author, such as '%Nordmann%'", "`MØNSTER` for forfatteren, som '%Nordmann%'"))
	f.StringArrayVar(&s.reference, "reference", nil, c.tr("`PATTERN` of a reference id", "`MØNSTER` for en referanse-id"))
	f.StringVar(&s.createdFrom, "created-from", "", c.tr("`TIME`: written at this time or later", "`TID`: skrevet da eller senere"))
	f.StringVar(&s.createdTo, "created-to", "", c.tr("`TIME`: written before this time; a date counts in full", "`TID`: skrevet før dette; en dato regnes med"))
	f.StringVar(&s.serviceFrom, "service-from", "", c.tr("`TIME`: treatment that ended at this time or later", "`TID`: behandling som sluttet da eller senere"))
	f.StringVar(&s.serviceTo, "service-to", "", c.tr("`TIME`: treatment that began before this time", "`TID`: behandling som begynte før dette"))
	f.StringVar(&s.status, "status", "approved", c.tr("`STATUS`: approved (current), deprecated (replaced) or all", "`STATUS`: approved (gjeldende), deprecated (erstattet) eller all"))
	f.StringVar(&s.title, "title", "", c.tr("`TEXT` in the title (looked for here, not by the server)", "`TEKST` i tittelen (letes etter her, ikke hos tjeneren)"))
	f.BoolVar(&s.onDemand, "on-demand", false, c.tr("also documents that are made when they are opened", "også dokumenter som lages når de åpnes"))
	f.BoolVar(&s.ids, "ids", false, c.tr("print only entryUUIDs, one a line", "skriv bare entryUUID-er, én per linje"))
	f.BoolVar(&s.asJSON, "json", false, c.tr("print JSON", "skriv JSON"))
	f.StringVar(&profileName, "profile", "norway", c.tr("`norway|base`: whose codes and names", "`norway|base`: profilen som koder og navn kommer fra"))
	server = c.serverFlags(f)
	return cmd
}

// query makes FindDocuments, or FindDocumentsByReferenceId when references are
// asked for.
func (c *cli) query(s *search, p *profile.Profile, patient metadata.PatientID) (metadata.Query, error) {
	var f metadata.DocumentFilter
	switch s.status {
	case "approved":
		f.Status = []metadata.Status{metadata.Approved}
	case "deprecated":
		f.Status = []metadata.Status{metadata.Deprecated}
	case "all":
		f.Status = []metadata.Status{metadata.Approved, metadata.Deprecated}
	default:
		return nil, c.usage("--status is approved, deprecated or all", "--status er approved, deprecated eller all")
	}
	if s.onDemand {
		f.Kinds = []metadata.EntryKind{metadata.Stable, metadata.OnDemand}
	}
	b := builder{c, p}
	for _, filter := range []struct {
		flag      string
		attribute profile.Attribute
		texts     []string
		to        *metadata.AnyOf[metadata.CodeRef]
	}{
		{"type", profile.TypeCode, s.kind, &f.TypeCode}, {"class", profile.ClassCode, s.class, &f.ClassCode}, {"format", profile.FormatCode, s.format, &f.FormatCode},
		{"facility", profile.Facility, s.facility, &f.Facility}, {"practice", profile.Practice, s.practice, &f.Practice},
	} {
		refs, err := b.refs(filter.attribute, filter.flag, filter.texts)
		if err != nil {
			return nil, err
		}
		*filter.to = refs
	}
	for _, filter := range []struct {
		flag      string
		attribute profile.Attribute
		texts     []string
		to        *metadata.AllOf[metadata.CodeRef]
	}{{"event", profile.EventCode, s.event, &f.EventCodes}, {"confidentiality", profile.Confidentiality, s.confidentiality, &f.Confidential}} {
		refs, err := b.refs(filter.attribute, filter.flag, filter.texts)
		if err != nil {
			return nil, err
		}
		if refs != nil {
			*filter.to = metadata.AllOf[metadata.CodeRef]{refs}
		}
	}
	for _, a := range s.author {
		f.AuthorPerson = append(f.AuthorPerson, metadata.Like(a))
	}
	if err := c.ranges(s, &f, p.Zone()); err != nil {
		return nil, err
	}
	if len(s.reference) == 0 {
		return &metadata.FindDocuments{Patient: patient.CX(), Filter: f}, nil
	}
	var any metadata.AnyOf[metadata.Like]
	for _, r := range s.reference {
		any = append(any, metadata.Like(r))
	}
	f.ReferenceIDs = metadata.AllOf[metadata.Like]{any}
	return &metadata.FindDocumentsByReferenceID{Patient: patient.CX(), Filter: f}, nil
}

func (b builder) refs(a profile.Attribute, flag string, texts []string) (metadata.AnyOf[metadata.CodeRef], error) {
	var refs metadata.AnyOf[metadata.CodeRef]
	for _, text := range texts {
		code, err := b.code(a, flag, text)
		if err != nil {
			return nil, err
		}
		// Codes are compared exactly, and senders write schemes both ways.
		bare := code.Ref().Canonical()
		refs = append(refs, bare, metadata.CodeRef{Value: bare.Value, Scheme: "urn:oid:" + bare.Scheme})
	}
	return refs, nil
}

func (c *cli) ranges(s *search, f *metadata.DocumentFilter, zone *time.Location) error {
	for _, bound := range []struct {
		text string
		end  bool
		to   *metadata.DTM
	}{
		{s.createdFrom, false, &f.Creation.From}, {s.createdTo, true, &f.Creation.To},
		{s.serviceFrom, false, &f.ServiceStop.From}, {s.serviceTo, true, &f.ServiceStart.To},
	} {
		if bound.text == "" {
			continue
		}
		d, err := c.parseBound(bound.text, zone, bound.end)
		if err != nil {
			return err
		}
		*bound.to = d
	}
	return nil
}

func (c *cli) find(ctx context.Context, client *xds.Client, q metadata.Query, s *search, p *profile.Profile) error {
	answer, err := client.Find(ctx, metadata.StoredQuery{Query: q})
	if err != nil {
		return c.explain(ctx, err)
	}
	c.warn(answer.Problems)
	entries := entriesOf(answer.Objects)
	if s.title != "" {
		entries = slices.DeleteFunc(entries, func(e *metadata.DocumentEntry) bool {
			return !strings.Contains(strings.ToLower(e.Title.String()), strings.ToLower(s.title))
		})
	}
	newestFirst(entries)
	if err := c.show(entries, s, p); err != nil {
		return err
	}
	if fault.HasErrors(answer.Problems) {
		return exit(exitPartly, errors.New(c.tr("documents may be missing from this list", "det kan mangle dokumenter i denne listen")))
	}
	return nil
}

func (c *cli) show(entries []*metadata.DocumentEntry, s *search, p *profile.Profile) error {
	switch {
	case s.asJSON:
		return c.printJSON(c.rows(entries, p))
	case s.ids:
		for _, e := range entries {
			fmt.Fprintln(c.out, e.ID)
		}
		return nil
	}
	return c.table(entries, p)
}

func newestFirst(entries []*metadata.DocumentEntry) {
	slices.SortStableFunc(entries, func(a, b *metadata.DocumentEntry) int {
		return cmp.Compare(b.CreationTime.Pad(), a.CreationTime.Pad())
	})
}

// row is a document for people and machines.
type row struct {
	EntryUUID       metadata.ID `json:"entryUUID"`
	UniqueID        string      `json:"uniqueId"`
	RepositoryID    string      `json:"repositoryUniqueId"`
	Home            string      `json:"homeCommunityId,omitempty"`
	Status          string      `json:"status"`
	Title           string      `json:"title"`
	Type            string      `json:"typeCode"`
	TypeName        string      `json:"typeName"`
	Class           string      `json:"classCode"`
	Format          string      `json:"formatCode"`
	Confidentiality []string    `json:"confidentialityCodes"`
	Author          string      `json:"author,omitempty"`
	Organisations   []string    `json:"organisations,omitempty"`
	Created         string      `json:"creationTime"` // as stored, UTC
	CreatedLocal    string      `json:"creationTimeLocal"`
	MimeType        string      `json:"mimeType"`
	Size            int64       `json:"size"`
	SHA1            string      `json:"hash"`
}

func (c *cli) rows(entries []*metadata.DocumentEntry, p *profile.Profile) []row {
	out := make([]row, 0, len(entries))
	for _, e := range entries {
		r := row{
			EntryUUID: e.ID, UniqueID: e.UniqueID, RepositoryID: e.RepositoryID, Home: e.Home, Title: e.Title.String(), Status: c.statusName(e.Status),
			Type: e.TypeCode.Value, TypeName: p.Label(e.TypeCode, c.tr("en", "nb")), Class: e.ClassCode.Value, Format: e.FormatCode.Value,
			Created: string(e.CreationTime), CreatedLocal: p.ShowTime(e.CreationTime), MimeType: e.MimeType, Size: e.Size.Octets, SHA1: e.Hash,
		}
		r.Confidentiality = make([]string, 0, len(e.Confidential))
		for _, code := range e.Confidential {
			r.Confidentiality = append(r.Confidentiality, code.Value)
		}
		r.Author, r.Organisations = authorsOf(e)
		out = append(out, r)
	}
	return out
}

func (c *cli) statusName(s metadata.Status) string {
	switch s {
	case metadata.Approved:
		return "approved"
	case metadata.Deprecated:
		return "deprecated"
	}
	return ""
}

// authorsOf are the first person and all organisations by name.
func authorsOf(e *metadata.DocumentEntry) (person string, organisations []string) {
	for _, a := range e.Authors {
		if p, err := a.Person.Parse(); err == nil && person == "" {
			person = p.Name()
		}
		for _, x := range a.Institutions {
			if o, err := x.Parse(); err == nil {
				organisations = append(organisations, o.Name)
			}
		}
	}
	return person, organisations
}

// table prints aligned columns. The id comes last: it is what one copies.
func (c *cli) table(entries []*metadata.DocumentEntry, p *profile.Profile) error {
	if len(entries) == 0 {
		c.note("No documents.", "Ingen dokumenter.")
		return nil
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, c.tr("WRITTEN\tTYPE\tTITLE\tBY\tSIZE\tSTATUS\t", "SKREVET\tTYPE\tTITTEL\tFRA\tSTØRRELSE\tSTATUS\t"))
	homes := slices.ContainsFunc(entries, func(e *metadata.DocumentEntry) bool { return e.Home != "" })
	if homes {
		fmt.Fprint(w, c.tr("COMMUNITY\t", "FELLESSKAP\t"))
	}
	fmt.Fprintln(w, "ENTRYUUID")
	for _, r := range c.rows(entries, p) {
		by := r.Author
		if len(r.Organisations) > 0 {
			by = r.Organisations[0]
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t", clean(r.CreatedLocal), short(r.TypeName, 28), short(r.Title, 40), short(by, 28), humanSize(r.Size), c.statusWord(r.Status))
		if homes {
			fmt.Fprintf(w, "%s\t", clean(r.Home))
		}
		fmt.Fprintln(w, clean(string(r.EntryUUID)))
	}
	return w.Flush()
}

func (c *cli) statusWord(s string) string {
	switch s {
	case "approved":
		return c.tr("current", "gjeldende")
	case "deprecated":
		return c.tr("replaced", "erstattet")
	}
	return "?"
}

// short cuts at a number of runes.
func short(s string, most int) string {
	runes := []rune(clean(s))
	if len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return string(runes)
}

func humanSize(n int64) string {
	const unit = 1024
	switch {
	case n < unit:
		return fmt.Sprintf("%d B", n)
	case n < unit*unit:
		return fmt.Sprintf("%.1f KiB", float64(n)/unit)
	case n < unit*unit*unit:
		return fmt.Sprintf("%.1f MiB", float64(n)/unit/unit)
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/unit/unit/unit)
}
