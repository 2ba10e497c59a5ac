package main

import (
	"time"

	"github.com/spf13/cobra"

	"samdok/internal/app"
	"samdok/internal/telemetry"
)

func (c *cli) dropCommand() *cobra.Command {
	var q app.DropRequest
	var before string
	var asJSON bool
	cmd := c.command("drop", c.tr("Destroy records that need not be kept any more", "Slett loggføringer som ikke lenger må beholdes"),
		c.tr(`Destroys the records of all segments that are wholly from before a date: their data keys,
files and indexes. A signed note takes the place of each, and the hashes stay: everything
can still be verified and proven. Records younger than the setting retention.records are refused.`,
			`Sletter loggføringene i alle segmenter som helt er fra før en dato: datanøkler, filer og
indekser. En signert merknad tar plassen til hvert segment, og hashene blir: alt kan
fortsatt kontrolleres og bevises. Yngre enn innstillingen retention.records slettes ikke.`),
		"  samdok ledger drop --before 2021-01-01 --dry-run\n  samdok ledger drop --before 2021-01-01 --reason 'kept for five years'", func(cmd *cobra.Command, _ []string) error {
			if before == "" {
				return c.usage("--before TIME is missing: which records may go", "--before TID mangler: hvilke loggføringer som kan slettes")
			}
			conf, err := c.loadConfig(cmd.Flags(), nil)
			if err != nil {
				return err
			}
			p, err := c.loadProfile("norway")
			if err != nil {
				return err
			}
			d, err := c.parseBound(before, p.Zone(), false)
			if err != nil {
				return err
			}
			if q.Before, err = d.Time(); err != nil {
				return err
			}
			if q.Reason == "" && !q.DryRun {
				return c.usage("records are destroyed for a --reason only", "loggføringer slettes bare med en --reason")
			}
			log, err := telemetry.NewLog(c.err, conf.Log.Level, conf.Log.Format)
			if err != nil {
				return exit(exitUsage, err)
			}
			q.Who = reader()
			a, err := app.DropRecords(cmd.Context(), conf, log, c.clock, q)
			if err != nil {
				return err
			}
			if asJSON {
				return c.printJSON(a)
			}
			for _, s := range a.Segments {
				if s.Node != "" {
					c.say("node %s:", "node %s:", s.Node)
				}
				c.say("segment %d: records before %s, %s", "segment %d: loggføringer før %s, %s", s.Number, s.Until.Format(time.DateOnly), humanSize(s.Octets))
			}
			if q.DryRun {
				c.say("%d segments would go. Nothing was destroyed.", "%d segmenter ville forsvinne. Ingenting ble slettet.", len(a.Segments))
			} else {
				c.say("%d segments were destroyed.", "%d segmenter ble slettet.", len(a.Segments))
			}
			return nil
		})
	cmd.Args = cobra.NoArgs
	f := cmd.Flags()
	f.StringVar(&before, "before", "", c.tr("`TIME`: records from before it", "`TID`: loggføringer fra før den"))
	f.StringVar(&q.Reason, "reason", "", c.tr("`TEXT`: why; it stands in the signed note and names no patient", "`TEKST`: hvorfor; står i den signerte merknaden og nevner ingen pasient"))
	f.BoolVar(&q.DryRun, "dry-run", false, c.tr("show what would go", "vis hva som ville forsvinne"))
	f.BoolVar(&asJSON, "json", false, c.tr("print JSON", "skriv JSON"))
	c.settingFlags(f)
	return cmd
}
