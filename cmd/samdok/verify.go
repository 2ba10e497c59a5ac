package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"samdok/audit/ledger"
	"samdok/internal/app"
)

// verification is what the flags of verify ledger say.
type verification struct {
	dir, state string
	keys, kept []string
	asJSON     bool
}

func (c *cli) verifyCommand() *cobra.Command {
	cmd := c.command("verify", c.tr("Prove that stored data was not altered", "Bevis at lagrede data ikke er endret"), "", "  samdok verify ledger --data /var/lib/samdok\n  samdok verify storage --data /var/lib/samdok", nil)
	cmd.RunE = nil
	cmd.AddCommand(c.verifyLedgerCommand(), c.verifyStorageCommand())
	return cmd
}

func (c *cli) verifyLedgerCommand() *cobra.Command {
	var v verification
	cmd := c.command("ledger", c.tr("Check every record of the ledger and every signed checkpoint", "Kontroller hver oppføring i loggen og hvert signerte sjekkpunkt"),
		c.tr(`Checks that no record was altered, removed, reordered or added, that the tree of hashes
holds, and that every checkpoint is signed. It needs no secret: it runs on a data folder
in use, or with --dir on a copy of the folder "ledger" anywhere. With storage scaled it
checks the ledgers of all nodes, and the signed lists of them, in the store; a ledger that
was removed, shortened or replaced is named. Only the store's settings are needed then.

Give the public key that you trust (samdok ledger keys), and checkpoints that were kept
elsewhere (samdok ledger checkpoint): without them, somebody who has the private key can
write all of it anew. --state FILE remembers how far it came, so that the next run only
checks what is new.

Exit code 0 when all is right, 1 when something is not; the first such record is named.`,
			`Kontrollerer at ingen oppføring er endret, fjernet, byttet om eller lagt til, at treet av
hasher stemmer, og at hvert sjekkpunkt er signert. Det trengs ingen hemmelighet: den kjører
på en datamappe i bruk, eller med --dir på en kopi av mappen "ledger" hvor som helst. Med
storage scaled kontrolleres loggene til alle noder, og de signerte listene over dem, i
lageret; en logg som er fjernet, forkortet eller byttet ut, navngis. Da trengs bare
innstillingene for lageret.

Oppgi den offentlige nøkkelen du stoler på (samdok ledger keys), og sjekkpunkter som er
tatt vare på et annet sted (samdok ledger checkpoint): uten dem kan den som har den private
nøkkelen skrive alt på nytt. --state FIL husker hvor langt den kom, så neste kjøring bare
kontrollerer det nye.

Sluttkode 0 når alt stemmer, 1 når noe ikke gjør det; den første slike oppføringen navngis.`),
		`  samdok verify ledger --data /var/lib/samdok --key "$(cat ledger.pub)"
  samdok verify ledger --dir /copy/ledger --checkpoint kept.txt
  samdok verify ledger --data /var/lib/samdok --state /var/lib/verified
  samdok verify ledger --config samdok.yaml --key ledger.pub --checkpoint list.txt`,
		func(cmd *cobra.Command, _ []string) error {
			if v.dir != "" {
				return c.verifyLedger(cmd.Context(), &v)
			}
			conf, err := c.loadConfigFor(cmd.Flags(), nil, true)
			if err != nil {
				return err
			}
			if conf.Scaled() {
				return c.verifyLedgers(cmd.Context(), conf, &v)
			}
			v.dir = app.LedgerDir(conf.Data)
			return c.verifyLedger(cmd.Context(), &v)
		})
	cmd.Args = cobra.NoArgs
	f := cmd.Flags()
	f.StringVar(&v.dir, "dir", "", c.tr("`FOLDER` with the ledger alone, such as a copy", "`MAPPE` med bare loggen, for eksempel en kopi"))
	f.StringArrayVar(&v.keys, "key", nil, c.tr("public `KEY` that you trust, or a file with it", "offentlig `NØKKEL` du stoler på, eller en fil med den"))
	f.StringArrayVar(&v.kept, "checkpoint", nil, c.tr("`FILE` with a checkpoint that was kept elsewhere", "`FIL` med et sjekkpunkt som er tatt vare på et annet sted"))
	f.StringVar(&v.state, "state", "", c.tr("`FILE` that remembers what was verified", "`FIL` som husker hva som er kontrollert"))
	f.BoolVar(&v.asJSON, "json", false, c.tr("print JSON", "skriv JSON"))
	c.settingFlags(f)
	return cmd
}

func (c *cli) verifyLedger(ctx context.Context, v *verification) error {
	progress := c.bytesBar(-1, c.tr("verifying", "kontrollerer"))
	o := ledger.VerifyOptions{Progress: func(done, total int64) { progress.set(done, total) }}
	if err := v.read(&o); err != nil {
		return exit(exitUsage, err)
	}
	start := c.clock()
	r, err := ledger.Verify(ctx, v.dir, o)
	progress.done()
	if err != nil {
		return err
	}
	if v.asJSON {
		if err := c.printJSON(r); err != nil {
			return err
		}
	} else {
		c.showReport(r, start)
	}
	if len(r.Findings) > 0 {
		return fmt.Errorf(c.tr("the ledger is not as it was signed; first: %s", "loggen er ikke slik den ble signert; først: %s"), r.Findings[0].Text)
	}
	if v.state != "" && r.Checkpoint.Note != nil {
		return keep(v.state, r.Checkpoint.Note)
	}
	return nil
}

// keep replaces a small file.
func keep(path string, b []byte) error {
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func (v *verification) read(o *ledger.VerifyOptions) error {
	for _, key := range v.keys {
		if b, err := os.ReadFile(key); err == nil {
			for line := range strings.Lines(string(b)) {
				if line = strings.TrimSpace(line); line != "" {
					o.Trusted = append(o.Trusted, line)
				}
			}
			continue
		}
		o.Trusted = append(o.Trusted, key)
	}
	for _, name := range v.kept {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		o.Checkpoints = append(o.Checkpoints, b)
	}
	if v.state == "" {
		return nil
	}
	b, err := os.ReadFile(v.state)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = os.Stat(filepath.Dir(v.state))
		return err
	}
	o.Since = b
	return err
}

func (c *cli) showReport(r *ledger.Report, start time.Time) {
	for _, f := range r.Findings {
		c.say("%s: %s", "%s: %s", strings.ToUpper(string(f.Kind)), f.Text)
	}
	if r.Torn {
		c.note("The end is half written: a record is under way, or a crash stopped it; the next start of the server cuts it.", "Slutten er halvskrevet: en oppføring er underveis, eller et krasj stoppet den; neste start av tjeneren kutter den.")
	}
	for _, d := range r.Dropped {
		c.say("Records %d to %d were destroyed on %s: %s", "Oppføring %d til %d ble slettet %s: %s", d.First, d.End-1, d.Time.Format("2006-01-02"), d.Reason)
	}
	if r.From > 0 {
		c.say("Verified before: %d records.", "Kontrollert tidligere: %d oppføringer.", r.From)
	}
	c.say("Checked %d records in %d segments and %d checkpoints in %s; %d of %d are signed, the last time on %s.", "Kontrollerte %d oppføringer i %d segmenter og %d sjekkpunkter på %s; %d av %d er signert, sist %s.",
		r.Records, r.Segments, r.Checkpoints, c.since(start), r.Signed, r.Leaves, r.SignedTime.Format("2006-01-02 15:04:05 UTC"))
	switch {
	case len(r.Findings) > 0:
	case r.Trusted:
		c.say("Nothing was altered.", "Ingenting er endret.")
	default:
		c.say("Nothing was altered, if %s is the key that you trust (--key).", "Ingenting er endret, hvis %s er nøkkelen du stoler på (--key).", r.Newest)
	}
}
