package main

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"samdok/metadata"
	"samdok/ondemand"
	"samdok/soap/xds"
)

func (c *cli) getCommand() *cobra.Command {
	var output, home string
	var force bool
	var server *serverFlags
	cmd := c.command("get ID", c.tr("Open a document (ITI-43)", "Åpne et dokument (ITI-43)"),
		c.tr(`Finds a document by its entryUUID or uniqueId and writes its bytes to a file. Size and
hash are checked against the registry; a file that does not fit is not left behind. A
document that was replaced can still be opened.

--home opens a document of another community through the server's gateway.`,
			`Finner et dokument med entryUUID eller uniqueId og skriver innholdet til en fil.
Størrelse og hash kontrolleres mot registeret; en fil som ikke stemmer, blir ikke
liggende. Et dokument som er erstattet, kan fortsatt åpnes.

--home åpner et dokument i et annet fellesskap gjennom tjenerens gateway.`),
		`  samdok get urn:uuid:6f2c... -o epikrise.pdf
  samdok get 2.25.3298... -o - | less
  samdok get 2.25.3298... --home urn:oid:2.16.578.1.12.4.5.100.1`,
		func(cmd *cobra.Command, args []string) error {
			server.gateway = home != ""
			if home != "" && !strings.HasPrefix(home, "urn:oid:") {
				home = "urn:oid:" + home
			}
			client, err := c.client(server, 1)
			if err != nil {
				return err
			}
			return c.get(cmd.Context(), client, home, args[0], output, force)
		})
	cmd.Args = cobra.ExactArgs(1)
	f := cmd.Flags()
	f.StringVarP(&output, "output", "o", "", c.tr("`FILE` to write, - for standard output (default: made from the uniqueId)", "`FIL` som skrives, - for standard ut (ellers laget av uniqueId)"))
	f.BoolVar(&force, "force", false, c.tr("overwrite a file that exists", "skriv over en fil som finnes"))
	f.StringVar(&home, "home", "", c.tr("homeCommunityId of the community that has the document", "homeCommunityId for fellesskapet som har dokumentet"))
	server = c.serverFlags(f)
	return cmd
}

func (c *cli) get(ctx context.Context, client *xds.Client, home, id, output string, force bool) error {
	entries, err := getDocumentsOf(ctx, client, home, strings.TrimSpace(id))
	if err != nil {
		return c.explain(ctx, err)
	}
	if len(entries) == 0 {
		return exit(exitNotFound, errors.New(c.tr("there is no such document, or you may not see it", "det finnes ikke noe slikt dokument, eller du har ikke tilgang til det")))
	}
	e := current(entries)
	if output == "" {
		output = fileName(e)
	}
	if output == "-" {
		err = c.receive(ctx, client, e, c.out)
	} else {
		err = c.receiveFile(ctx, client, e, output, force)
	}
	if err != nil {
		return err
	}
	if e.Status == metadata.Deprecated {
		c.note("Note: this document has been replaced.", "Merk: dette dokumentet er erstattet.")
	}
	switch {
	case output == "-":
	case e.Kind == metadata.OnDemand, isDelayed(e):
		c.note("Wrote %s (%s).", "Skrev %s (%s).", output, e.MimeType)
	default:
		c.note("Wrote %s (%s, %s); size and hash are right.", "Skrev %s (%s, %s); størrelse og hash stemmer.", output, e.MimeType, humanSize(e.Size.Octets))
	}
	return nil
}

// current prefers the entry that is in force when several share a uniqueId.
func current(entries []*metadata.DocumentEntry) *metadata.DocumentEntry {
	for _, e := range entries {
		if e.Status == metadata.Approved {
			return e
		}
	}
	return entries[0]
}

// fileName keeps of a uniqueId what every file system takes.
func fileName(e *metadata.DocumentEntry) string {
	name := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '.' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, strings.TrimPrefix(e.UniqueID, "urn:uuid:"))
	if len(name) > 100 {
		name = name[:100]
	}
	return "document-" + name + extension(e.MimeType)
}

// receiveFile writes beside the file and renames when all is right.
func (c *cli) receiveFile(ctx context.Context, client *xds.Client, e *metadata.DocumentEntry, path string, force bool) (err error) {
	if _, err := os.Lstat(path); err == nil && !force {
		return c.usage("%s exists; choose another name with -o, or --force", "%s finnes; velg et annet navn med -o, eller --force", path)
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".samdok-*")
	if err != nil {
		return exit(exitFailed, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temp.Name()) // what went wrong is already told
		}
	}()
	if err := c.receive(ctx, client, e, temp); err != nil {
		return errors.Join(err, temp.Close())
	}
	if err := errors.Join(temp.Sync(), temp.Close()); err != nil {
		return exit(exitFailed, err)
	}
	return exit(exitFailed, os.Rename(temp.Name(), path))
}

// isDelayed tells an entry whose size and hash are those of nothing.
func isDelayed(e *metadata.DocumentEntry) bool {
	return e.Size == metadata.Octets(0) && strings.EqualFold(e.Hash, ondemand.EmptyHash)
}

// receive streams the document and proves that it is what the registry knows.
func (c *cli) receive(ctx context.Context, client *xds.Client, e *metadata.DocumentEntry, w io.Writer) error {
	progress := c.bytesBar(e.Size.Octets, c.tr("receiving", "mottar"))
	defer progress.done()
	sum := sha1.New()
	var size int64
	got := 0
	var made metadata.DocumentRequest
	request := metadata.DocumentRequest{Home: e.Home, RepositoryID: e.RepositoryID, UniqueID: e.UniqueID}
	answer, err := client.Retrieve(ctx, []metadata.DocumentRequest{request}, func(d xds.Document) (err error) {
		got++
		made = d.NewID
		size, err = io.Copy(io.MultiWriter(w, sum), progress.reader(io.NopCloser(d.Body)))
		return err
	})
	if err != nil {
		return c.explain(ctx, err)
	}
	if got == 0 {
		return exit(exitRefused, errors.New(c.problems(answer.Problems)))
	}
	// An on-demand document has no size and hash before it is made.
	if e.Kind == metadata.OnDemand {
		if made.RepositoryID != "" {
			c.note("Made on demand. It is kept as %s.", "Laget på forespørsel. Det beholdes som %s.", clean(made.UniqueID))
		} else {
			c.note("Made on demand. It is not kept; opened again it will be another document.", "Laget på forespørsel. Det beholdes ikke; neste gang lages et nytt dokument.")
		}
		return nil
	}
	// Nor has one that its source assembles late (ITI TF-2 3.43.4.2.3.2).
	if isDelayed(e) {
		if size > 0 {
			c.note("The document is assembled now; the registry tells its size and hash from now on.", "Dokumentet er satt sammen nå; registeret oppgir størrelse og hash fra nå av.")
		}
		return nil
	}
	if e.Size.Given && e.Size.Octets != size {
		return exit(exitFailed, fmt.Errorf(c.tr("the document has %d octets but the registry says %d", "dokumentet har %d oktetter, men registeret sier %d"), size, e.Size.Octets))
	}
	if e.Hash != "" && !strings.EqualFold(e.Hash, hex.EncodeToString(sum.Sum(nil))) {
		return exit(exitFailed, errors.New(c.tr("the document's hash is not the one that the registry knows: its bytes are not those that were registered", "dokumentets hash er ikke den registeret kjenner: innholdet er ikke det som ble registrert")))
	}
	return nil
}
