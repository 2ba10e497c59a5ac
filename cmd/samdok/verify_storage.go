package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"samdok/internal/app"
	"samdok/internal/config"
	"samdok/internal/telemetry"
	"samdok/storage/verify"
)

func (c *cli) verifyStorageCommand() *cobra.Command {
	var read, asJSON bool
	cmd := c.command("storage", c.tr("Compare log, index and documents, and name every difference", "Sammenlign logg, indeks og dokumenter, og nevn hver forskjell"),
		c.tr(`Reads the whole log, asks the index for everything that it says, and looks for the bytes of
every document. It changes nothing. With --read-documents each document is read to its end,
decrypted and compared with its hashes.

In a data folder the server must be stopped; a restored backup is a good thing to verify.
Scaled out the nodes go on: the journal in S3 is compared with Elasticsearch, and every
batch must follow the one before it; objects below documents/ and journal/ that samdok did
not write are named. Patients are never named: a difference tells the reference of a
stream, which the records of erasures have too.

What to do: differences of the index are mended by samdok reindex; bytes that are missing
or altered, and batches of the journal, come back from a copy only. Exit code 0 when
everything fits, 1 when something does not. Each run is recorded (samdok log).`,
			`Leser hele loggen, spør indeksen om alt den sier, og ser etter bytene til hvert dokument.
Ingenting endres. Med --read-documents leses hvert dokument til slutten, dekrypteres og
sammenlignes med hashene sine.

I en datamappe må tjeneren være stoppet; en gjenopprettet sikkerhetskopi er verdt å
kontrollere. Skalert ut går nodene videre: journalen i S3 sammenlignes med Elasticsearch,
og hver bunke må følge den forrige; objekter under documents/ og journal/ som samdok ikke
har skrevet, nevnes. Pasienter navngis aldri: en forskjell nevner referansen til en strøm,
som også står i oppføringene om sletting.

Hva som kan gjøres: forskjeller i indeksen rettes av samdok reindex; byte som mangler eller
er endret, og bunker i journalen, kommer bare tilbake fra en kopi. Sluttkode 0 når alt
stemmer, 1 når noe ikke gjør det. Hver kjøring blir loggført (samdok log).`),
		"  samdok verify storage --data /var/lib/samdok --read-documents\n  samdok verify storage --config examples/scaled/samdok.yaml --json",
		func(cmd *cobra.Command, _ []string) error {
			conf, err := c.loadConfig(cmd.Flags(), nil)
			if err != nil {
				return err
			}
			return c.verifyStorage(cmd.Context(), conf, read, asJSON)
		})
	cmd.Args = cobra.NoArgs
	cmd.Flags().BoolVar(&read, "read-documents", false, c.tr("read every document to its end", "les hvert dokument til slutten"))
	cmd.Flags().BoolVar(&asJSON, "json", false, c.tr("print JSON", "skriv JSON"))
	c.settingFlags(cmd.Flags())
	return cmd
}

// listedDifferences is how many are kept for JSON; all are counted.
const listedDifferences = 10_000

// storageReport is what --json prints.
type storageReport struct {
	verify.Counts
	Found       int                 `json:"found"`
	Differences []verify.Difference `json:"differences"` // the first 10,000
}

func (c *cli) verifyStorage(ctx context.Context, conf *config.Config, read, asJSON bool) error {
	log, err := telemetry.NewLog(c.err, conf.Log.Level, conf.Log.Format)
	if err != nil {
		return exit(exitUsage, err)
	}
	start := c.clock()
	r := storageReport{Differences: []verify.Difference{}}
	bars := map[string]bar{}
	r.Counts, err = app.VerifyStorage(ctx, conf, log, c.clock, app.VerifyOptions{Who: reader(), Read: read,
		Report: func(d verify.Difference) {
			r.Found++
			switch {
			case !asJSON && d.Stream == "":
				c.say("%s", "%s", d.What)
			case !asJSON:
				c.say("stream %s: %s", "strøm %s: %s", d.Stream, d.What)
			case len(r.Differences) < listedDifferences:
				r.Differences = append(r.Differences, d)
			}
		},
		Progress: func(part string, done, total int64) {
			b, shown := bars[part]
			if !shown {
				b = c.countBar(-1, part)
				bars[part] = b
			}
			b.set(done, max(done, total))
		}})
	for _, b := range bars {
		b.done()
	}
	if err != nil {
		return err
	}
	if asJSON {
		err = c.printJSON(r)
	} else {
		c.say("Compared %d changes of the log, %d streams, %d objects and %d documents in %s; %d differences.",
			"Sammenlignet %d endringer i loggen, %d strømmer, %d objekter og %d dokumenter på %s; %d forskjeller.",
			r.Changes, r.Streams, r.Objects, r.Documents, c.since(start), r.Found)
	}
	if err == nil && r.Found > 0 {
		err = fmt.Errorf(c.tr("storage does not fit together: %d differences; samdok reindex mends those of the index", "lageret henger ikke sammen: %d forskjeller; samdok reindex retter dem i indeksen"), r.Found)
	}
	return err
}
