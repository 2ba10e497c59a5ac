package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"samdok/metadata"
	"samdok/soap/xds"
)

// updatable are the facts of put that a new version of the metadata may change.
var updatable = []string{"type", "class", "title", "author", "organisation", "department", "created", "confidentiality", "format", "language",
	"facility", "practice", "event", "service-start", "service-stop", "comment"}

type updateFlags struct {
	facts
	status, profile string
	asJSON          bool
}

func (c *cli) updateCommand() *cobra.Command {
	var u updateFlags
	var server *serverFlags
	cmd := c.command("update ID", c.tr("Correct metadata of a document, or its status (ITI-57)", "Rett metadata om et dokument, eller statusen (ITI-57)"),
		c.tr(`Registers a new version of a document's metadata: what the flags say is changed, all else
stays. The older version is kept and shown by queries of $MetadataLevel 2. The bytes do not
change: a document whose content was corrected is replaced (samdok put --replace).

--status deprecated takes the document out of force, --status approved puts it back; no new
version is made for that. ID is an entryUUID or a uniqueId.`,
			`Registrerer en ny versjon av metadata om et dokument: det flaggene sier, endres, alt annet
står. Den eldre versjonen tas vare på og vises av søk med $MetadataLevel 2. Innholdet endres
ikke: et dokument med rettet innhold erstattes (samdok put --replace).

--status deprecated setter dokumentet ut av kraft, --status approved setter det i kraft
igjen; da lages ingen ny versjon. ID er en entryUUID eller uniqueId.`),
		`  samdok update urn:uuid:6f2c... --title "Epikrise, medisinsk avdeling"
  samdok update 2.25.3298... --type A03-2 --confidentiality "N;NORS" --json
  samdok update urn:uuid:6f2c... --status deprecated`,
		func(cmd *cobra.Command, args []string) error {
			p, err := c.loadProfile(u.profile)
			if err != nil {
				return err
			}
			client, err := c.client(server, 1)
			if err != nil {
				return err
			}
			return c.update(cmd.Context(), client, builder{c, p}, &u, args[0])
		})
	cmd.Args = cobra.ExactArgs(1)
	f := cmd.Flags()
	for _, row := range factTable() {
		for _, name := range updatable {
			if row.name == name {
				f.StringVar(row.field(&u.facts), row.name, "", "`"+row.form+"`: "+c.tr(row.en, row.nb))
			}
		}
	}
	f.StringVar(&u.status, "status", "", c.tr("`approved|deprecated`: in force or not", "`approved|deprecated`: i kraft eller ikke"))
	f.StringVar(&u.profile, "profile", "norway", c.tr("`norway|base`: whose codes", "`norway|base`: profilen som kodene kommer fra"))
	f.BoolVar(&u.asJSON, "json", false, c.tr("print JSON", "skriv JSON"))
	server = c.serverFlags(f)
	return cmd
}

func (c *cli) update(ctx context.Context, client *xds.Client, b builder, u *updateFlags, id string) error {
	to := metadata.StatusUnknown
	switch u.status {
	case "":
	case "approved":
		to = metadata.Approved
	case "deprecated":
		to = metadata.Deprecated
	default:
		return c.usage("--status is approved or deprecated, not %q", "--status er approved eller deprecated, ikke %q", u.status)
	}
	if u.facts == (facts{}) && to == metadata.StatusUnknown {
		return c.usage("say what to change: --title, --type ... or --status", "si hva som skal endres: --title, --type ... eller --status")
	}
	found, err := getDocuments(ctx, client, strings.TrimSpace(id))
	if err != nil {
		return c.explain(ctx, err)
	}
	if len(found) == 0 {
		return exit(exitNotFound, errors.New(c.tr("there is no such document, or you may not see it", "det finnes ikke noe slikt dokument, eller du har ikke tilgang til det")))
	}
	old := current(found)
	s, revised, err := b.revision(old, u, to)
	if err != nil {
		return err
	}
	answer, err := client.Update(ctx, s, false)
	if err != nil {
		return c.explain(ctx, err)
	}
	c.warn(answer.Problems)
	return c.showUpdated(s, old, revised, to, u.asJSON)
}

// revision is the request of an update: a new version when facts change, and a
// change of status.
func (b builder) revision(old *metadata.DocumentEntry, u *updateFlags, to metadata.Status) (*metadata.Submission, *metadata.DocumentEntry, error) {
	e := old.Clone()
	if err := b.change(e, &u.facts); err != nil {
		return nil, nil, err
	}
	s, err := b.submission(&facts{}, []*metadata.DocumentEntry{e})
	if err != nil {
		return nil, nil, err
	}
	if u.facts == (facts{}) {
		s.Entries, s.Associations, e = nil, nil, nil
	} else {
		e.ID, e.LogicalID = metadata.NewUUID().ID(), old.LogicalID
		if e.LogicalID == "" {
			e.LogicalID = old.ID
		}
		e.Version, e.Status = 0, metadata.StatusUnknown // the registry's
		s.Associations[0].Target, s.Associations[0].PreviousVersion = e.ID, strconv.Itoa(max(1, old.Version))
	}
	if to != metadata.StatusUnknown {
		s.Associations = append(s.Associations, &metadata.Association{ID: metadata.NewUUID().ID(), Type: metadata.UpdateStatus, Source: s.Set.ID, Target: old.ID,
			OriginalStatus: old.Status.URN(), NewStatus: to.URN()})
	}
	return s, e, nil
}

// change sets what the flags say.
func (b builder) change(e *metadata.DocumentEntry, f *facts) error {
	if f.Title != "" {
		e.Title = metadata.NewText(f.Title)
	}
	if f.Comment != "" {
		e.Comments = metadata.NewText(f.Comment)
	}
	if f.Language != "" {
		e.Language = f.Language
	}
	if author, ok := b.author(f); ok {
		e.Authors = []metadata.Author{author}
	}
	if f.Confidentiality != "" {
		e.Confidential = nil
	}
	if f.Event != "" {
		e.EventCodes = nil
	}
	if err := b.codes(e, f); err != nil {
		return err
	}
	if f.Type != "" && f.Class == "" {
		if class, ok := b.classOf(e.TypeCode); ok {
			e.ClassCode = class
		}
	}
	created := e.CreationTime
	if err := b.times(e, f, fileFacts{}); err != nil {
		return err
	}
	if f.Created == "" {
		e.CreationTime = created
	}
	return nil
}

// classOf is the class that the profile gives to a type.
func (b builder) classOf(kind metadata.Code) (metadata.Code, bool) {
	probe := &metadata.DocumentEntry{TypeCode: kind}
	b.profile.Defaults(probe, b.c.clock())
	return probe.ClassCode, probe.ClassCode.Value != ""
}

func (c *cli) showUpdated(s *metadata.Submission, old, revised *metadata.DocumentEntry, to metadata.Status, asJSON bool) error {
	newest, version := old.ID, max(1, old.Version)
	if revised != nil {
		newest, version = revised.ID, version+1
	}
	status := old.Status
	if to != metadata.StatusUnknown {
		status = to
	}
	if asJSON {
		return c.printJSON(struct {
			SubmissionSet metadata.ID `json:"submissionSet"`
			EntryUUID     metadata.ID `json:"entryUUID"`
			LogicalID     metadata.ID `json:"logicalID"`
			Version       int         `json:"version"`
			Status        string      `json:"availabilityStatus"`
		}{s.Set.ID, newest, old.LogicalID, version, c.statusName(status)})
	}
	if revised != nil {
		c.say("Registered version %d of the metadata.", "Registrerte versjon %d av metadata.", version)
	}
	if to != metadata.StatusUnknown {
		c.say("The document is %s now.", "Dokumentet er nå %s.", map[metadata.Status]string{metadata.Approved: c.tr("in force", "i kraft"), metadata.Deprecated: c.tr("out of force", "ute av kraft")}[to])
	}
	fmt.Fprintf(c.out, "  %-12s%s\n  %-12s%s\n", "entryUUID", newest, "uniqueId", old.UniqueID)
	return nil
}
