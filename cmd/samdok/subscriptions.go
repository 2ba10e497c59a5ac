package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"samdok/internal/app"
	"samdok/sharing"
)

func (c *cli) subscriptionsCommand() *cobra.Command {
	cmd := c.command("subscriptions", c.tr("See whom the broker tells of what, and stop it", "Se hvem som varsles om hva, og stopp det"), "",
		"  samdok subscriptions list\n  samdok subscriptions cancel urn:uuid:... --reason 'receiver closed down'", nil)
	cmd.RunE = nil
	cmd.AddCommand(c.subscriptionsListCommand(), c.subscriptionsCancelCommand())
	return cmd
}

func (c *cli) subscriptionsListCommand() *cobra.Command {
	var patient patientFlags
	var q sharing.Supervise
	var asJSON bool
	cmd := c.command("list", c.tr("Show the live subscriptions, the oldest first", "Vis abonnementene som gjelder, de eldste først"),
		c.tr(`Shows what is told to which host and organisation, through the server that runs on the data
folder or without one. Without a patient the whole log is read, which takes seconds for a
million documents. The list is recorded.

--reveal adds the patients, the persons who subscribed and the whole addresses; the record
says that too. Exit code 4 when there is none.`,
			`Viser hva som varsles til hvilken vert og virksomhet, gjennom tjeneren som kjører på
datamappen eller uten. Uten pasient leses hele loggen, som tar sekunder for en million
dokumenter. Visningen blir loggført.

--reveal tar med pasientene, personene som abonnerte, og hele adressene; det blir også
loggført. Sluttkode 4 når det ikke er noen.`),
		`  samdok subscriptions list
  samdok subscriptions list --patient-file pasient.txt --reveal --json`,
		func(cmd *cobra.Command, _ []string) (err error) {
			if patient != (patientFlags{}) {
				if q.Patient, err = c.patientFrom(patient); err != nil {
					return err
				}
			}
			a, err := c.keep(cmd, app.KeepRequest{Subscriptions: &q})
			if err != nil {
				return err
			}
			return c.showSubscriptions(a.Subscriptions, q.Reveal, asJSON)
		})
	cmd.Args = cobra.NoArgs
	f := cmd.Flags()
	c.patientFlags(f, &patient)
	f.BoolVar(&q.Reveal, "reveal", false, c.tr("also patients, subscribers and whole addresses; it is recorded", "også pasienter, abonnenter og hele adresser; det blir loggført"))
	f.BoolVar(&asJSON, "json", false, c.tr("print JSON, one subscription a line", "skriv JSON, ett abonnement per linje"))
	c.settingFlags(f)
	return cmd
}

func (c *cli) showSubscriptions(all []app.SubscriptionView, reveal, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(c.out)
		for i := range all {
			if err := e.Encode(&all[i]); err != nil {
				return err
			}
		}
	}
	if len(all) == 0 {
		return exit(exitNotFound, errors.New(c.tr("there are no live subscriptions", "ingen abonnement gjelder")))
	}
	if asJSON {
		return nil
	}
	w := tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)
	more := ""
	if reveal {
		more = c.tr("\tPATIENT\tPERSON\tADDRESS", "\tPASIENT\tPERSON\tADRESSE")
	}
	fmt.Fprintln(w, c.tr("ID\tTOPIC\tSINCE\tENDS\tHOST\tORGANISATION", "ID\tEMNE\tFRA\tSLUTTER\tVERT\tVIRKSOMHET")+more)
	for i := range all {
		s := &all[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s", s.ID, s.Topic, s.Created.Local().Format(time.DateOnly), s.Ends.Local().Format(time.DateOnly), clean(s.Host), orDash(clean(s.Organisation)))
		if reveal {
			fmt.Fprintf(w, "\t%s\t%s\t%s", orDash(clean(s.Patient)), orDash(clean(s.Person)), clean(s.Consumer))
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

func (c *cli) subscriptionsCancelCommand() *cobra.Command {
	var reason string
	cmd := c.command("cancel ID", c.tr("End somebody's subscription", "Avslutt noens abonnement"),
		c.tr("What was not delivered yet is not delivered any more. The end is recorded, with who and why;\nthe subscriber is not told. Exit code 4 when there is no such subscription.",
			"Det som ennå ikke er levert, blir ikke levert. Det blir loggført, med hvem og hvorfor;\nabonnenten får ikke beskjed. Sluttkode 4 når abonnementet ikke finnes."),
		"  samdok subscriptions cancel urn:uuid:6f1b4f0e-6a1e-4f0e-9c56-8f6c7a3c2c11 --reason 'closed down'",
		func(cmd *cobra.Command, args []string) error {
			_, err := c.keep(cmd, app.KeepRequest{Cancel: &app.Release{ID: args[0], Reason: reason}})
			return err
		})
	cmd.Args = cobra.ExactArgs(1)
	cmd.Flags().StringVar(&reason, "reason", "", c.tr("`TEXT`: why; it is recorded", "`TEKST`: hvorfor; blir loggført"))
	c.settingFlags(cmd.Flags())
	return cmd
}
