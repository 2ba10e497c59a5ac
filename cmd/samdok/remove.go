package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"samdok/metadata"
	"samdok/soap/xds"
)

// removed is what remove did, for --json.
type removed struct {
	Objects   []metadata.ID `json:"objects"`
	Documents []string      `json:"documents,omitempty"` // uniqueIds
	DryRun    bool          `json:"dryRun,omitempty"`
}

func (c *cli) removeCommand() *cobra.Command {
	var bytes, dryRun, asJSON bool
	var server *serverFlags
	cmd := c.command("remove ID...", c.tr("Remove documents from the registry (ITI-62, ITI-86)", "Fjern dokumenter fra registeret (ITI-62, ITI-86)"),
		c.tr(`Removes the metadata of documents, all or none. An ID is an entryUUID or a uniqueId. What
would be left pointing at nothing goes too: memberships and relationships of the document,
and a submission set whose last member it was. Folders stay.

The bytes stay in the repository, out of reach, unless --bytes asks for their removal:
then a repository of samdok destroys their data key for good. A document that was replaced
is removed by its own ID; nothing that it replaced comes back.

This is for mistakes, such as a document of the wrong patient. A document that is merely
outdated is replaced (samdok put --replace) or deprecated (samdok update --status).`,
			`Fjerner metadata om dokumenter, alle eller ingen. En ID er en entryUUID eller uniqueId.
Det som ellers ville peke på ingenting, fjernes også: dokumentets medlemskap og relasjoner,
og en innsending som ikke har andre medlemmer. Mapper blir stående.

Innholdet blir liggende i arkivet, utilgjengelig, med mindre --bytes ber om at også det
fjernes: da ødelegger et samdok-arkiv datanøkkelen for godt. Et dokument som er erstattet,
fjernes med sin egen ID; det som det erstattet, kommer ikke tilbake.

Dette er for feil, som et dokument på gal pasient. Et dokument som bare er utdatert,
erstattes (samdok put --replace) eller settes ut av kraft (samdok update --status).`),
		`  samdok remove urn:uuid:6f2c... --dry-run
  samdok remove 2.25.3298... --bytes
  samdok remove $(samdok find --patient-file pasient.txt --type E01-2 --ids) --json`,
		func(cmd *cobra.Command, args []string) error {
			client, err := c.client(server, 1)
			if err != nil {
				return err
			}
			return c.remove(cmd.Context(), client, args, bytes, dryRun, asJSON)
		})
	cmd.Args = cobra.MinimumNArgs(1)
	f := cmd.Flags()
	f.BoolVar(&bytes, "bytes", false, c.tr("remove the documents' bytes too (ITI-86)", "fjern også innholdet (ITI-86)"))
	f.BoolVar(&dryRun, "dry-run", false, c.tr("only say what would be removed", "bare si hva som ville bli fjernet"))
	f.BoolVar(&asJSON, "json", false, c.tr("print JSON", "skriv JSON"))
	server = c.serverFlags(f)
	return cmd
}

func (c *cli) remove(ctx context.Context, client *xds.Client, ids []string, bytes, dryRun, asJSON bool) error {
	var entries []*metadata.DocumentEntry
	for _, id := range ids {
		found, err := getDocuments(ctx, client, strings.TrimSpace(id))
		if err != nil {
			return c.explain(ctx, err)
		}
		if len(found) == 0 {
			return exit(exitNotFound, errors.New(c.tr("there is no such document, or you may not see it; nothing was removed: ", "det finnes ikke noe slikt dokument, eller du har ikke tilgang til det; ingenting ble fjernet: ")+clean(id)))
		}
		entries = append(entries, found...)
	}
	r := removed{DryRun: dryRun}
	var err error
	if r.Objects, err = closure(ctx, client, entries); err != nil {
		return c.explain(ctx, err)
	}
	var requests []metadata.DocumentRequest
	if bytes {
		for _, e := range entries {
			if e.Kind == metadata.Stable && !slices.Contains(r.Documents, e.UniqueID) {
				r.Documents = append(r.Documents, e.UniqueID)
				requests = append(requests, metadata.DocumentRequest{Home: e.Home, RepositoryID: e.RepositoryID, UniqueID: e.UniqueID})
			}
		}
	}
	if !dryRun {
		answer, err := client.Remove(ctx, r.Objects)
		if err != nil {
			return c.explain(ctx, err)
		}
		c.warn(answer.Problems)
		if len(requests) > 0 {
			if answer, err = client.RemoveDocuments(ctx, requests); err != nil {
				c.note("The metadata is removed; the bytes are not yet.", "Metadata er fjernet; innholdet er det ikke ennå.")
				return c.explain(ctx, err)
			}
			c.warn(answer.Problems)
		}
	}
	return c.showRemoved(r, len(entries), asJSON)
}

func (c *cli) showRemoved(r removed, documents int, asJSON bool) error {
	switch {
	case asJSON:
		return c.printJSON(r)
	case r.DryRun:
		c.say("Would remove %d documents with %d objects in all; bytes of %d. Nothing was sent.", "Ville fjernet %d dokumenter, i alt %d objekter; innholdet av %d. Ingenting ble sendt.", documents, len(r.Objects), len(r.Documents))
	default:
		c.say("Removed %d documents with %d objects in all; bytes of %d.", "Fjernet %d dokumenter, i alt %d objekter; innholdet av %d.", documents, len(r.Objects), len(r.Documents))
	}
	return nil
}

// closure are the entries, everything that would be left pointing at them, and
// submission sets that would be left empty (ITI TF-2 3.62.4.1.3).
func closure(ctx context.Context, client *xds.Client, entries []*metadata.DocumentEntry) ([]metadata.ID, error) {
	going := map[metadata.ID]bool{}
	var order, next []metadata.ID
	add := func(id metadata.ID) {
		if id != "" && !going[id] {
			going[id] = true
			order, next = append(order, id), append(next, id)
		}
	}
	for _, e := range entries {
		add(e.ID)
	}
	sources := map[metadata.ID]bool{}
	for len(next) > 0 {
		links, err := linksOf(ctx, client, next)
		if err != nil {
			return nil, err
		}
		next = nil
		for _, a := range links {
			if going[a.Source] || going[a.Target] {
				add(a.ID)
				sources[a.Source] = sources[a.Source] || a.Type == metadata.HasMember
			}
		}
	}
	for id, member := range sources {
		if !member || going[id] {
			continue
		}
		empty, err := leftEmpty(ctx, client, id, going)
		if err != nil {
			return nil, err
		}
		if empty {
			add(id)
		}
	}
	return order, nil
}

// leftEmpty tells whether a submission set, and no folder, has no member that stays.
func leftEmpty(ctx context.Context, client *xds.Client, id metadata.ID, going map[metadata.ID]bool) (bool, error) {
	answer, err := client.Find(ctx, metadata.StoredQuery{Level: 2, Query: &metadata.GetSubmissionSetAndContents{Set: metadata.Target{IDs: []metadata.ID{id}}}})
	if err != nil {
		return false, err
	}
	set := false
	for _, o := range answer.Objects {
		switch o := o.(type) {
		case *metadata.SubmissionSet:
			set = true
		case *metadata.Association:
			if o.Source == id && !going[o.ID] {
				return false, nil
			}
		}
	}
	return set, nil
}

func linksOf(ctx context.Context, client *xds.Client, ids []metadata.ID) ([]*metadata.Association, error) {
	answer, err := client.Find(ctx, metadata.StoredQuery{Level: 2, Query: &metadata.GetAssociations{IDs: ids}})
	if err != nil {
		return nil, err
	}
	var all []*metadata.Association
	for _, o := range answer.Objects {
		if a, ok := o.(*metadata.Association); ok {
			all = append(all, a)
		}
	}
	return all, nil
}
