package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	stdlog "log"
	"os"

	"github.com/spf13/cobra"

	"samdok/internal/app"
	"samdok/internal/config"
	"samdok/internal/heap"
	"samdok/internal/telemetry"
)

func (c *cli) serveCommand() *cobra.Command {
	var asJSON bool
	cmd := c.command("serve", c.tr("Run the server", "Kjør tjeneren"),
		c.tr(`Runs Document Registry and Document Repository with everything in one data folder;
nothing else needs to be installed. Without settings it listens on this machine only.

When it is ready it prints its addresses and OIDs on standard output, one "name value" a
line and then an empty line, or with --json one line of JSON. The log goes to standard
error. SIGTERM or Ctrl-C lets requests in work end; a second one ends at once.`,
			`Kjører dokumentregister og dokumentarkiv med alt i én datamappe; ingenting annet må
installeres. Uten innstillinger lytter den bare på denne maskinen.

Når den er klar, skriver den adresser og OID-er på standard ut, ett "navn verdi" per
linje og så en tom linje, eller med --json én linje JSON. Loggen går til standard feil.
SIGTERM eller Ctrl-C lar forespørsler i arbeid bli ferdige; en til avslutter straks.
Skalert ut venter den på S3 og Elasticsearch når de er borte: /readyz sier hvilken og hvorfor.`),
		`  samdok serve
  samdok serve --data /var/lib/samdok --listen 127.0.0.1:8080 --profile norway
  samdok serve --config /etc/samdok.yaml --json`,
		func(cmd *cobra.Command, _ []string) error {
			conf, err := c.loadConfig(cmd.Flags(), nil)
			if err != nil {
				return err
			}
			return c.serve(cmd.Context(), conf, asJSON)
		})
	cmd.Args = cobra.NoArgs
	cmd.Flags().BoolVar(&asJSON, "json", false, c.tr("print the addresses as one line of JSON", "skriv adressene som én linje JSON"))
	c.settingFlags(cmd.Flags())
	return cmd
}

func (c *cli) serve(ctx context.Context, conf *config.Config, asJSON bool) error {
	if err := c.checkProfile(conf); err != nil {
		return err // before a data folder is made
	}
	log, err := telemetry.NewLog(c.err, conf.Log.Level, conf.Log.Format)
	if err != nil {
		return exit(exitUsage, err)
	}
	heap.Tune(c.getenv, os.DirFS("/"))
	stdlog.SetOutput(telemetry.Libraries(log))
	a, err := app.Open(ctx, app.Options{Config: conf, Log: log, Clock: c.clock, Version: version()})
	if errors.Is(err, app.ErrStopped) { // in order: nobody was served yet
		log.Info("stopped while it waited for its engines", "error", err)
		return nil
	}
	if err != nil {
		return err
	}
	return a.Serve(ctx, func() error { return c.announce(a.Info(), asJSON) })
}

// announce is read by people and by scripts: its names and order are fixed.
func (c *cli) announce(i app.Info, asJSON bool) error {
	if asJSON {
		b, err := json.Marshal(i)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.out, "%s\n", b)
		return err
	}
	internal, feed := first(i.Internal, "off"), first(i.MLLP, "off")
	for _, line := range [][2]string{
		{"url", i.URL}, {"registry", i.Registry}, {"repository", i.Repository}, {"patient_identity", i.PatientIdentity}, {"subscription", first(i.Subscription, "off")}, {"internal", internal}, {"mllp", feed},
		{"home_community_id", i.HomeCommunityID}, {"repository_unique_id", i.RepositoryUniqueID},
		{"tenant", i.Tenant}, {"profile", i.Profile}, {"data", i.Data},
	} {
		if _, err := fmt.Fprintf(c.out, "%-21s %s\n", line[0], line[1]); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(c.out)
	return err
}
