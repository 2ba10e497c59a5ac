package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"samdok/fault"
	"samdok/internal/app"
	"samdok/internal/config"
	"samdok/internal/telemetry"
	"samdok/metadata"
	"samdok/retention"
	"samdok/sharing"
)

func (c *cli) eraseCommand() *cobra.Command {
	var patient patientFlags
	var documents []string
	var reason string
	var dry, asJSON bool
	cmd := c.command("erase", c.tr("Erase documents or a patient for good", "Slett dokumenter eller en pasient for godt"),
		c.tr(`Takes documents, or everything of a patient, out of the documents, the log, the index and
every copy of them by destroying the keys they are encrypted under. It cannot be undone. A
backup that is restored later is rid of them again (samdok restore --erasures).

A legal hold stops it. Every step is recorded, with the reason. --dry-run shows what would
go. Exit code 3 when a hold or the access rules stop it, 4 when there is nothing.`,
			`Tar dokumenter, eller alt om en pasient, ut av dokumentlageret, loggen, indeksen og alle
kopier av dem ved å ødelegge nøklene de er kryptert med. Det kan ikke gjøres om. En
sikkerhetskopi som legges inn igjen senere, blir kvitt dem på nytt (samdok restore
--erasures).

En rettslig sperre hindrer sletting. Hvert steg blir loggført, med grunnen. --dry-run viser
hva som ville forsvinne. Sluttkode 3 når en sperre eller tilgangsreglene hindrer det, 4 når
det ikke finnes noe.`),
		`  samdok erase --document 1.2.3.4 --reason 'wrong patient, case 2026/117' --dry-run
  samdok erase --patient-file pasient.txt --reason 'decision 2026/118'`,
		func(cmd *cobra.Command, _ []string) error {
			e := sharing.Erase{Reason: reason, DryRun: dry}
			if patient != (patientFlags{}) {
				var err error
				if e.Patient, err = c.patientFrom(patient); err != nil {
					return err
				}
			}
			e.UniqueIDs = documents
			if (e.Patient == metadata.PatientID{}) == (len(documents) == 0) {
				return c.usage("give a patient, or one or more --document", "oppgi en pasient, eller ett eller flere --document")
			}
			if reason == "" && !dry {
				return c.usage("an erasure needs a --reason; it is recorded", "en sletting trenger en --reason; den blir loggført")
			}
			a, err := c.keep(cmd, app.KeepRequest{Erase: &e})
			if err != nil {
				return err
			}
			if asJSON {
				return c.printJSON(a.Erased)
			}
			c.sayErased(&a.Erased)
			return nil
		})
	cmd.Args = cobra.NoArgs
	f := cmd.Flags()
	c.patientFlags(f, &patient)
	f.StringArrayVar(&documents, "document", nil, c.tr("`ID`: uniqueId of a document, in all its versions; may be repeated", "`ID`: uniqueId til et dokument, i alle versjoner; kan gjentas"))
	f.StringVar(&reason, "reason", "", c.tr("`TEXT`: why; it is recorded. Name no patient in it", "`TEKST`: hvorfor; blir loggført. Nevn ingen pasient i den"))
	f.BoolVar(&dry, "dry-run", false, c.tr("show what would go, and erase nothing", "vis hva som ville forsvinne, og slett ingenting"))
	f.BoolVar(&asJSON, "json", false, c.tr("print JSON", "skriv JSON"))
	c.settingFlags(f)
	return cmd
}

func (c *cli) sayErased(e *sharing.Erased) {
	if !e.DryRun {
		c.say("Erased %d document entries and %d documents, %d objects in all. The erasure has the id %s.",
			"Slettet %d dokumentoppføringer og %d dokumenter, %d objekter i alt. Slettingen har id %s.", e.Entries, e.Documents, e.Objects, e.ID)
		return
	}
	c.say("It would erase %d document entries and %d documents, %d objects in all. Nothing was erased.",
		"Det ville slette %d dokumentoppføringer og %d dokumenter, %d objekter i alt. Ingenting ble slettet.", e.Entries, e.Documents, e.Objects)
	for _, h := range e.Held {
		c.say("A hold stops it: %s (%s).", "En sperre hindrer det: %s (%s).", h.ID, h.Reason)
	}
}

// keep sends one command to the server, or does it.
func (c *cli) keep(cmd *cobra.Command, q app.KeepRequest) (app.KeepAnswer, error) {
	conf, err := c.loadConfig(cmd.Flags(), nil)
	if err != nil {
		return app.KeepAnswer{}, err
	}
	return c.keepWith(cmd.Context(), conf, q)
}

func (c *cli) keepWith(ctx context.Context, conf *config.Config, q app.KeepRequest) (app.KeepAnswer, error) {
	log, err := telemetry.NewLog(c.err, "error", conf.Log.Format)
	if err != nil {
		return app.KeepAnswer{}, exit(exitUsage, err)
	}
	q.Who = reader()
	progress := c.countBar(-1, c.tr("patients", "pasienter"))
	a, err := app.Keep(ctx, conf, log, c.clock, q, func(n int64) { progress.set(n, -1) })
	progress.done()
	var refused *app.Refused
	if !errors.As(err, &refused) {
		return a, err
	}
	switch refused.Kind {
	case fault.NotFound:
		return a, exit(exitNotFound, err)
	case fault.Conflict, fault.Denied:
		return a, exit(exitRefused, err)
	case fault.Invalid:
		return a, exit(exitUsage, err)
	}
	return a, err
}

func (c *cli) holdCommand() *cobra.Command {
	cmd := c.command("hold", c.tr("Legal holds: what may not be erased", "Rettslige sperrer: hva som ikke kan slettes"), "",
		"  samdok hold add --document 1.2.3.4 --reason 'court order 26-1'\n  samdok hold list", nil)
	cmd.RunE = nil
	cmd.AddCommand(c.holdAddCommand(), c.holdListCommand(), c.holdReleaseCommand())
	return cmd
}

func (c *cli) holdAddCommand() *cobra.Command {
	var patient patientFlags
	var h retention.Hold
	var until string
	cmd := c.command("add", c.tr("Begin a hold on a patient, a document or a controller", "Sett en sperre på en pasient, et dokument eller en dataansvarlig"),
		c.tr("As long as it stands, nothing it covers is erased, by hand or by rules, and neither removed\nby ITI-62 nor by ITI-86. Prints the id that releases it.",
			"Så lenge den står, blir ingenting den dekker slettet, verken for hånd eller etter regler, og\nheller ikke fjernet med ITI-62 eller ITI-86. Skriver id-en som opphever den."),
		"  samdok hold add --patient-file pasient.txt --reason 'complaint 2026/12' --until 2027-06-30", func(cmd *cobra.Command, _ []string) error {
			if patient != (patientFlags{}) {
				p, err := c.patientFrom(patient)
				if err != nil {
					return err
				}
				h.Patient = string(p.CX())
			}
			if until != "" {
				p, err := c.loadProfile("norway")
				if err != nil {
					return err
				}
				d, err := c.parseBound(until, p.Zone(), true)
				if err != nil {
					return err
				}
				if h.Until, err = d.Time(); err != nil {
					return err
				}
			}
			a, err := c.keep(cmd, app.KeepRequest{Hold: &h})
			if err == nil {
				c.say("%s", "%s", a.Hold.ID)
			}
			return err
		})
	cmd.Args = cobra.NoArgs
	f := cmd.Flags()
	c.patientFlags(f, &patient)
	f.StringVar(&h.Document, "document", "", c.tr("`ID`: uniqueId of a document", "`ID`: uniqueId til et dokument"))
	f.StringVar(&h.Controller, "controller", "", c.tr("`ID` of the organisation that answers for the documents", "`ID` til virksomheten som svarer for dokumentene"))
	f.StringVar(&h.Reason, "reason", "", c.tr("`TEXT`: why; it is recorded", "`TEKST`: hvorfor; blir loggført"))
	f.StringVar(&until, "until", "", c.tr("`TIME` when the hold ends by itself; a date counts in full", "`TID` da sperren opphører av seg selv; en dato regnes med"))
	c.settingFlags(f)
	return cmd
}

func (c *cli) holdListCommand() *cobra.Command {
	var asJSON bool
	cmd := c.command("list", c.tr("Show the holds that stand", "Vis sperrene som står"),
		c.tr("The table says that a hold is on a patient, not on whom; --json says on whom. The list is\nrecorded.", "Tabellen sier at en sperre gjelder en pasient, ikke hvem; det gjør --json. Visningen blir\nloggført."),
		"  samdok hold list --data /var/lib/samdok", func(cmd *cobra.Command, _ []string) error {
			a, err := c.keep(cmd, app.KeepRequest{List: true})
			if err != nil {
				return err
			}
			if asJSON {
				if a.Holds == nil {
					a.Holds = []retention.Hold{}
				}
				return c.printJSON(a.Holds)
			}
			w := tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)
			fmt.Fprintln(w, c.tr("ID\tON\tSINCE\tUNTIL\tBY\tREASON", "ID\tGJELDER\tFRA\tTIL\tAV\tGRUNN"))
			for _, h := range a.Holds {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", h.ID, c.holdOn(&h), h.From.Format(time.DateOnly), orDash(dateOf(h.Until)), h.Who, h.Reason)
			}
			return w.Flush()
		})
	cmd.Args = cobra.NoArgs
	cmd.Flags().BoolVar(&asJSON, "json", false, c.tr("print JSON", "skriv JSON"))
	c.settingFlags(cmd.Flags())
	return cmd
}

func dateOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.DateOnly)
}

func (c *cli) holdOn(h *retention.Hold) string {
	switch {
	case h.Document != "":
		return c.tr("document ", "dokument ") + h.Document
	case h.Controller != "":
		return c.tr("controller ", "dataansvarlig ") + h.Controller
	}
	return c.tr("a patient", "en pasient")
}

func (c *cli) holdReleaseCommand() *cobra.Command {
	var reason string
	cmd := c.command("release ID", c.tr("End a hold", "Opphev en sperre"),
		c.tr("The end is recorded, with who and why.", "Opphevelsen blir loggført, med hvem og hvorfor."),
		"  samdok hold release 0b6c1c5e-3a55-4c39-8f34-7e4f3f1d2c11 --reason 'judgment final'", func(cmd *cobra.Command, args []string) error {
			_, err := c.keep(cmd, app.KeepRequest{Release: &app.Release{ID: args[0], Reason: reason}})
			return err
		})
	cmd.Args = cobra.ExactArgs(1)
	cmd.Flags().StringVar(&reason, "reason", "", c.tr("`TEXT`: why; it is recorded", "`TEKST`: hvorfor; blir loggført"))
	c.settingFlags(cmd.Flags())
	return cmd
}
