package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"samdok/audit/ledger"
	"samdok/internal/app"
	"samdok/internal/disk"
	"samdok/internal/telemetry"
)

// witnessing is what the flags of ledger witness say.
type witnessing struct {
	keep, from, key string
	asJSON          bool
}

func (c *cli) witnessCommand() *cobra.Command {
	var w witnessing
	cmd := c.command("witness", c.tr("Keep and sign checkpoints for somebody else's ledger", "Ta vare på og signer sjekkpunkter for andres logg"),
		c.tr(`For a party that whoever runs samdok cannot give orders to: an auditor, another
organisation. Asks the ledger for its newest checkpoint and the proof that it continues
the one seen before, checks both, signs the checkpoint with the witness's own key and
keeps it in the folder --keep. Run it every hour or so. Only hashes and signatures travel.

From then on nobody can change, drop or set back what the witness has seen without it
showing: here, and in samdok verify ledger --checkpoint KEEP/newest. A restored backup
that is older than what was seen shows too; when that was meant, begin a new folder and
keep the old one.

Exit code 0 when the ledger continues what was seen, 1 when it does not.`,
			`For en part som den som drifter samdok ikke kan instruere: en revisor, en annen
virksomhet. Spør loggen om det nyeste sjekkpunktet og beviset for at det fortsetter det som
ble sett sist, kontrollerer begge, signerer sjekkpunktet med vitnets egen nøkkel og tar vare
på det i mappen --keep. Kjør den for eksempel hver time. Bare hasher og signaturer sendes.

Fra da av kan ingen endre, fjerne eller sette tilbake det vitnet har sett uten at det vises:
her, og i samdok verify ledger --checkpoint KEEP/newest. En gjenopprettet sikkerhetskopi som
er eldre enn det som er sett, vises også; var det meningen, begynn med en ny mappe og ta
vare på den gamle.

Sluttkode 0 når loggen fortsetter det som er sett, 1 når den ikke gjør det.`),
		`  samdok ledger witness --from http://127.0.0.1:8081 --keep /witness --key "$(cat ledger.pub)"
  samdok ledger witness --data /var/lib/samdok --keep /mnt/auditor/witness --key ledger.pub
  samdok verify ledger --data /var/lib/samdok --checkpoint /witness/newest`,
		func(cmd *cobra.Command, _ []string) error { return c.witness(cmd, &w) })
	cmd.Args = cobra.NoArgs
	f := cmd.Flags()
	f.StringVar(&w.keep, "keep", "", c.tr("`FOLDER` of the witness, which the ledger's operator cannot write", "`MAPPE` for vitnet, som den som drifter loggen ikke kan skrive i"))
	f.StringVar(&w.from, "from", "", c.tr("`URL` of the server's internal listener; without it, the data folder is asked", "`URL` til tjenerens interne lytter; uten den spørres datamappen"))
	f.StringVar(&w.key, "key", "", c.tr("public `KEY` of the ledger or a file with it; needed the first time", "loggens offentlige `NØKKEL` eller en fil med den; trengs første gang"))
	f.BoolVar(&w.asJSON, "json", false, c.tr("print JSON", "skriv JSON"))
	c.settingFlags(f)
	return cmd
}

func (c *cli) witness(cmd *cobra.Command, w *witnessing) (err error) {
	if w.keep == "" {
		return c.usage("--keep names the witness's folder", "--keep oppgir mappen til vitnet")
	}
	if b, err := os.ReadFile(w.key); err == nil {
		// The first key leads to all later ones.
		w.key, _, _ = strings.Cut(strings.TrimSpace(string(b)), "\n")
	}
	own, err := ledger.OpenWitness(disk.OS{}, w.keep, w.key)
	if err != nil {
		return exit(exitUsage, err)
	}
	defer func() { err = errors.Join(err, own.Close()) }()
	said, err := c.testimony(cmd, w, own.Size())
	if err != nil {
		return err
	}
	before := own.Size()
	seen, err := own.See(said)
	var back *ledger.SetBackError
	if errors.As(err, &back) {
		return exit(exitFailed, fmt.Errorf(c.tr("nothing was signed: %w", "ingenting ble signert: %w"), err))
	} else if err != nil {
		return err
	}
	if w.asJSON {
		return c.printJSON(map[string]any{"origin": seen.Origin, "seen_before": before, "size": seen.Size, "root": seen.Root.String(),
			"time": seen.Time, "witness_key": own.PublicKey(), "newest": filepath.Join(w.keep, "newest")})
	}
	if len(said.Lists) > 0 {
		c.say("%s continues: the ledgers of all nodes up to list %d, %d lists of them new since the last time. Signed and kept in %s.", "%s fortsetter: loggene til alle noder til og med liste %d, %d lister nye siden sist. Signert og tatt vare på i %s.",
			seen.Origin, seen.Size, seen.Size-before, filepath.Join(w.keep, "newest"))
		return nil
	}
	c.say("%s continues: %d records, %d of them new since the last time. Signed and kept in %s.", "%s fortsetter: %d oppføringer, %d av dem nye siden sist. Signert og tatt vare på i %s.",
		seen.Origin, seen.Size, seen.Size-before, filepath.Join(w.keep, "newest"))
	return nil
}

// testimony asks the ledger, over the network or in the data folder.
func (c *cli) testimony(cmd *cobra.Command, w *witnessing, size int64) (t ledger.Testimony, err error) {
	if w.from != "" {
		return c.testimonyFrom(cmd.Context(), w, size)
	}
	conf, err := c.loadConfig(cmd.Flags(), nil)
	if err != nil {
		return t, err
	}
	log, err := telemetry.NewLog(c.err, conf.Log.Level, conf.Log.Format)
	if err != nil {
		return t, exit(exitUsage, err)
	}
	return app.Testify(cmd.Context(), conf, log, c.clock, size)
}

// maxTestimony bounds what a server can make the witness read.
const maxTestimony = 4 << 20

func (c *cli) testimonyFrom(ctx context.Context, w *witnessing, size int64) (t ledger.Testimony, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(w.from, "/")+app.TestimonyPath+"?seen="+strconv.FormatInt(size, 10), nil)
	if err != nil {
		return t, c.usage("--from %s is no URL", "--from %s er ingen URL", w.from)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return t, exit(exitUnreachable, err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(io.LimitReader(answer.Body, maxTestimony))
	if err != nil {
		return t, exit(exitUnreachable, err)
	}
	if answer.StatusCode != http.StatusOK {
		return t, fmt.Errorf(c.tr("%s answered %s: is it the internal listener of samdok?", "%s svarte %s: er det den interne lytteren til samdok?"), w.from, answer.Status)
	}
	return t, json.Unmarshal(b, &t)
}
