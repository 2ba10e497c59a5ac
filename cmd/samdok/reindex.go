package main

import (
	"github.com/spf13/cobra"

	"samdok/internal/app"
	"samdok/internal/telemetry"
)

func (c *cli) reindexCommand() *cobra.Command {
	cmd := c.command("reindex", c.tr("Make the search index anew from the log", "Lag søkeindeksen på nytt fra loggen"),
		c.tr("Drops the index of the data folder and builds it again from the log, which is the\ntruth. Answers stay the same. An embedded server must be stopped; the nodes of one\nthat is scaled out go on serving. An interrupted run is taken up by running it again.",
			"Fjerner indeksen i datamappen og bygger den på nytt fra loggen, som er sannheten.\nSvarene blir de samme. En innebygd tjener må være stoppet; nodene til en som er\nskalert ut, går videre. En avbrutt kjøring tas opp igjen ved å kjøre på nytt."),
		"  samdok reindex --data /var/lib/samdok", func(cmd *cobra.Command, _ []string) error {
			conf, err := c.loadConfig(cmd.Flags(), nil)
			if err != nil {
				return err
			}
			log, err := telemetry.NewLog(c.err, conf.Log.Level, conf.Log.Format)
			if err != nil {
				return exit(exitUsage, err)
			}
			progress := c.countBar(-1, c.tr("reindexing", "indekserer"))
			start := c.clock()
			var events int64
			err = app.Reindex(cmd.Context(), conf, log, c.clock, func(done, total int64) { events = total; progress.set(done, total) })
			progress.done()
			if err != nil {
				return err
			}
			c.say("The index was made anew from %d events in %s.", "Indeksen ble laget på nytt fra %d hendelser på %s.", events, c.since(start))
			return nil
		})
	cmd.Args = cobra.NoArgs
	c.settingFlags(cmd.Flags())
	return cmd
}
