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

Exit code 0 when all is right, 1 when something is not: the first such record is named,
also when checkpoints are missing that must be there; 2 when a flag names no ledger, key
or checkpoint.`,
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

Sluttkode 0 når alt stemmer, 1 når noe ikke gjør det: den første slike oppføringen navngis,
også når det mangler sjekkpunkter som må være der; 2 når et flagg ikke viser til en logg,
en nøkkel eller et sjekkpunkt.`),
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
	if err := c.readTrusted(v, &o); err != nil {
		return err
	}
	if o.Since != nil && !ledger.IsCheckpoint(o.Since) {
		return c.usage("--state %s is no state of a verification; without the file, everything is checked", "--state %s er ingen tilstand fra en kontroll; uten filen kontrolleres alt", v.state)
	}
	if err := c.hasLedger(v.dir); err != nil {
		return err
	}
	start := c.clock()
	r, err := ledger.Verify(ctx, v.dir, o)
	progress.done()
	if errors.Is(err, ledger.ErrNoLedger) {
		return exit(exitUsage, err)
	}
	if err != nil {
		return err
	}
	if v.asJSON {
		if err := c.printJSON(r); err != nil {
			return err
		}
	} else {
		c.showReport(r, start, len(o.Checkpoints) > 0)
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

// readTrusted reads keys, kept checkpoints and the state. What is none of these is a
// wrong flag and no finding about the ledger.
func (c *cli) readTrusted(v *verification, o *ledger.VerifyOptions) error {
	for _, key := range v.keys {
		text := key
		if b, err := os.ReadFile(key); err == nil {
			text = string(b)
		}
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line == "" {
				continue
			}
			if err := ledger.CheckPublicKey(line); err != nil {
				return c.usage("--key %s is neither a file nor a public key: %v", "--key %s er verken en fil eller en offentlig nøkkel: %v", key, err)
			}
			o.Trusted = append(o.Trusted, line)
		}
	}
	for _, name := range v.kept {
		b, err := os.ReadFile(name)
		if err != nil {
			return exit(exitUsage, err)
		}
		if !ledger.IsCheckpoint(b) {
			return c.usage("%s is no checkpoint as samdok ledger checkpoint prints it", "%s er ikke et sjekkpunkt slik samdok ledger checkpoint skriver det", name)
		}
		o.Checkpoints = append(o.Checkpoints, b)
	}
	if v.state == "" {
		return nil
	}
	b, err := os.ReadFile(v.state)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = os.Stat(filepath.Dir(v.state))
	}
	if err != nil {
		return exit(exitUsage, err)
	}
	o.Since = b
	return nil
}

// hasLedger tells a folder that is none, or the one above it, from a ledger that lost
// its files.
func (c *cli) hasLedger(dir string) error {
	all, err := os.ReadDir(dir)
	if err != nil {
		return exit(exitUsage, err)
	}
	for _, e := range all {
		if e.Name() == app.LedgerDir("") && e.IsDir() {
			return c.usage("%s is a whole data folder: give it with --data, or %s with --dir", "%s er en hel datamappe: oppgi den med --data, eller %s med --dir", dir, app.LedgerDir(dir))
		}
	}
	return nil
}

// showReport says what was found. kept: checkpoints from elsewhere were given.
func (c *cli) showReport(r *ledger.Report, start time.Time, kept bool) {
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
	c.say("%s", "%s", c.checked(r, start, kept))
	switch {
	case len(r.Findings) > 0 || r.Signed == 0 && r.Leaves > 0:
	case r.Trusted:
		c.say("Nothing was altered.", "Ingenting er endret.")
	default:
		c.say("Nothing was altered, if %s is the key that you trust (--key).", "Ingenting er endret, hvis %s er nøkkelen du stoler på (--key).", r.Newest)
	}
}

// checked says on one line how far the verification reaches.
func (c *cli) checked(r *ledger.Report, start time.Time, kept bool) string {
	signed := "-"
	if !r.SignedTime.IsZero() {
		signed = r.SignedTime.Format("2006-01-02 15:04:05 UTC")
	}
	text := fmt.Sprintf(c.tr("Checked %d records in %d segments and %d checkpoints in %s; %d of %d are signed (each segment counts as one), the last time on %s.", "Kontrollerte %d oppføringer i %d segmenter og %d sjekkpunkter på %s; %d av %d er signert (hvert segment teller som én), sist %s."),
		r.Records, r.Segments, r.Checkpoints, c.since(start), r.Signed, r.Leaves, signed)
	switch {
	case r.Signed == 0 && r.Leaves > 0:
		text += c.tr(" So nothing is proven. In the first seconds of a new ledger that is right; samdok ledger checkpoint signs its records now.", " Ingenting er altså bevist. I de første sekundene av en ny logg er det riktig; samdok ledger checkpoint signerer oppføringene nå.")
	case r.Signed < r.Leaves:
		text += fmt.Sprintf(c.tr(" The last %d are whole, but whether one was altered or removed cannot be seen.", " De siste %d er hele, men om noen er endret eller fjernet, kan ikke ses."), r.Leaves-r.Signed)
	}
	if !kept && len(r.Findings) == 0 {
		text += c.tr(" That the newest records were cut off together with their checkpoints would show only with a checkpoint kept elsewhere (--checkpoint).", " At de nyeste oppføringene er kuttet bort sammen med sjekkpunktene sine, ville bare vises med et sjekkpunkt som er tatt vare på et annet sted (--checkpoint).")
	}
	return text
}
