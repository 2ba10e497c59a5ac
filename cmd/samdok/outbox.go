package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"samdok/internal/app"
	"samdok/internal/config"
	"samdok/internal/telemetry"
)

func (c *cli) outboxCommand() *cobra.Command {
	var q app.OutboxCommand
	var asJSON bool
	cmd := c.command("outbox", c.tr("Show what is owed to others, and try it again or drop it", "Vis det andre har til gode, og prøv det på nytt eller forkast det"),
		c.tr(`Lists the messages that wait to be delivered, and those that were given up: asynchronous
answers, notifications, registrations elsewhere. Nothing of what they say is shown. Works
through the server that runs on the data folder, or without one.

--retry makes a message due now, with all its time anew. --drop removes it for good; the
reason is recorded in the ledger. Exit code 4 when there is no such message.`,
			`Viser meldingene som venter på å bli levert, og de som er gitt opp: asynkrone svar,
varsler, registreringer andre steder. Ingenting av innholdet vises. Virker gjennom tjeneren
som kjører på datamappen, eller uten tjener.

--retry gjør at en melding sendes nå, med full tid på nytt. --drop fjerner den for godt;
grunnen blir loggført. Sluttkode 4 når meldingen ikke finnes.`),
		`  samdok outbox
  samdok outbox --retry urn:uuid:6f1b4f0e-6a1e-4f0e-9c56-8f6c7a3c2c11
  samdok outbox --drop urn:uuid:6f1b4f0e-6a1e-4f0e-9c56-8f6c7a3c2c11 --reason 'receiver closed'`,
		func(cmd *cobra.Command, _ []string) error {
			conf, err := c.loadConfig(cmd.Flags(), nil)
			if err != nil {
				return err
			}
			return c.outbox(cmd.Context(), conf, q, asJSON)
		})
	cmd.Args = cobra.NoArgs
	f := cmd.Flags()
	f.StringVar(&q.Retry, "retry", "", c.tr("`ID` of a message to be tried again now", "`ID` til en melding som skal prøves igjen nå"))
	f.StringVar(&q.Drop, "drop", "", c.tr("`ID` of a message to be removed", "`ID` til en melding som skal fjernes"))
	f.StringVar(&q.Reason, "reason", "", c.tr("`TEXT`: why it is dropped; it is recorded", "`TEKST`: hvorfor den forkastes; det blir loggført"))
	f.BoolVar(&asJSON, "json", false, c.tr("print JSON, one message a line", "skriv JSON, én melding per linje"))
	c.settingFlags(f)
	return cmd
}

func (c *cli) outbox(ctx context.Context, conf *config.Config, q app.OutboxCommand, asJSON bool) error {
	switch {
	case q.Retry != "" && q.Drop != "":
		return c.usage("--retry and --drop exclude each other", "--retry og --drop utelukker hverandre")
	case q.Drop != "" && q.Reason == "":
		return c.usage("--drop needs a --reason", "--drop krever en --reason")
	}
	q.Operator = reader()
	log, err := telemetry.NewLog(c.err, conf.Log.Level, conf.Log.Format)
	if err != nil {
		return exit(exitUsage, err)
	}
	letters, err := app.Outbox(ctx, conf, log, c.clock, q)
	if err != nil {
		if errors.Is(err, app.ErrNoLetter) || strings.Contains(err.Error(), app.ErrNoLetter.Error()) { // the second comes from a server
			return exit(exitNotFound, err)
		}
		return err
	}
	switch {
	case q.Retry != "":
		c.say("The message is tried again now.", "Meldingen prøves igjen nå.")
		return nil
	case q.Drop != "":
		c.say("The message was dropped, and the reason recorded.", "Meldingen er forkastet, og grunnen loggført.")
		return nil
	case asJSON:
		e := json.NewEncoder(c.out)
		for i := range letters {
			if err := e.Encode(&letters[i]); err != nil {
				return err
			}
		}
		return nil
	case len(letters) == 0:
		c.say("Nothing is owed to anybody.", "Ingen har noe til gode.")
		return nil
	}
	w := tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, c.tr("QUEUE\tSTATE\tCREATED\tDUE\tATTEMPTS\tID\tLAST ATTEMPT", "KØ\tTILSTAND\tOPPRETTET\tNESTE\tFORSØK\tID\tSISTE FORSØK"))
	for i := range letters {
		l := &letters[i]
		due := l.Due.Local().Format(time.DateTime)
		if l.State == "dead" {
			due = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", l.Queue, l.State, l.Created.Local().Format(time.DateTime), due, l.Attempts, l.ID, l.Note)
	}
	return w.Flush()
}
