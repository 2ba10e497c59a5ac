package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/user"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"samdok/internal/app"
	"samdok/internal/config"
	"samdok/internal/telemetry"
)

// logSearch is what the flags of log say.
type logSearch struct {
	patient                                                      patientFlags
	person, organisation, decision, since, until, before, reason string
	limit                                                        int
	asJSON                                                       bool
}

func (c *cli) logCommand() *cobra.Command {
	var s logSearch
	cmd := c.command("log", c.tr("Show who did what: the record of every use", "Vis hvem som gjorde hva: loggen over all bruk"),
		c.tr(`Reads the ledger of a data folder, newest first, through the server that runs on it or
without one. The reading is itself recorded, with who read, what for and about whom,
before anything is shown.

All that is asked for must hold. A patient whose numbers were merged is found by each of
them, with the records of all. Times are Norwegian; --json prints them in UTC. Records are
numbered in their order, and each segment of the ledger takes a number too. Keep a patient
out of the process list with --patient-file. Exit code 4 when nothing is found, 6 when not
everything could be read.`,
			`Leser loggen i en datamappe, nyeste først, gjennom tjeneren som kjører på den eller uten
tjener. Lesingen blir selv loggført, med hvem som leste, hvorfor og om hvem, før noe vises.

Alt det spørres etter, må passe. En pasient med numre som er slått sammen, finnes med hvert
av dem, med oppføringene for alle. Tider er norske; --json skriver dem i UTC. Oppføringer er
nummerert i rekkefølge, og hvert segment av loggen tar også et nummer. Hold pasienten utenfor
prosesslisten med --patient-file. Sluttkode 4 når ingenting finnes, 6 når ikke alt kunne
leses.`),
		`  samdok log --patient-file pasient.txt --since 2026-11-01
  samdok log --patient-file - --reason 'request 2026/117' --json < pasient.txt
  samdok log --organisation 999999999 --since 2026-11-22 --limit 50
  samdok log --decision-ref 4711`,
		func(cmd *cobra.Command, _ []string) error {
			conf, err := c.loadConfig(cmd.Flags(), nil)
			if err != nil {
				return err
			}
			return c.log(cmd.Context(), conf, &s)
		})
	cmd.Args = cobra.NoArgs
	f := cmd.Flags()
	c.patientFlags(f, &s.patient)
	f.StringVar(&s.person, "person", "", c.tr("`ID` of the person who asked", "`ID` til den som spurte"))
	f.StringVar(&s.organisation, "organisation", "", c.tr("`ID` of the organisation that asked, or that is the controller of what was shown", "`ID` til virksomheten som spurte, eller som er dataansvarlig for det som ble vist"))
	f.StringVar(&s.decision, "decision-ref", "", c.tr("`REF` of the decision that gave access", "`REF` til beslutningen som ga tilgang"))
	f.StringVar(&s.since, "since", "", c.tr("`TIME`: recorded at this time or later", "`TID`: loggført da eller senere"))
	f.StringVar(&s.until, "until", "", c.tr("`TIME`: recorded before this time; a date counts in full", "`TID`: loggført før dette; en dato regnes med"))
	f.StringVar(&s.before, "before", "", c.tr("records older than the one with this `NUMBER`, to go on from it", "oppføringer eldre enn den med dette `NUMMER`, for å fortsette fra den"))
	f.StringVar(&s.reason, "reason", "", c.tr("`TEXT`: why the log is read; it is recorded", "`TEKST`: hvorfor loggen leses; det blir loggført"))
	f.IntVar(&s.limit, "limit", 1000, c.tr("`NUMBER` of records, the newest", "`ANTALL` oppføringer, de nyeste"))
	f.BoolVar(&s.asJSON, "json", false, c.tr("print JSON, one record a line", "skriv JSON, én oppføring per linje"))
	c.settingFlags(f)
	return cmd
}

func (c *cli) log(ctx context.Context, conf *config.Config, s *logSearch) error {
	q, err := c.logRequest(s)
	if err != nil {
		return err
	}
	log, err := telemetry.NewLog(c.err, conf.Log.Level, conf.Log.Format)
	if err != nil {
		return exit(exitUsage, err)
	}
	a, err := app.ReadLog(ctx, conf, log, c.clock, q)
	if err != nil {
		return err
	}
	for _, text := range a.Unreadable {
		c.note("Not readable: %s", "Ikke lesbart: %s", text)
	}
	if a.More {
		c.note("There are more; %d are shown. The same with --before %s shows the next ones.", "Det finnes flere; %d vises. Det samme med --before %s viser de neste.", len(a.Records), a.Next)
	}
	if a.Numbers > 1 {
		c.note("The patient has had %d numbers that were merged; records of all of them are shown.", "Pasienten har hatt %d numre som er slått sammen; oppføringer for alle vises.", a.Numbers)
	}
	if a.Ledgers > 1 && q.Since.IsZero() {
		c.note("The ledgers of all %d nodes that ever ran were searched from their beginning; --since makes that faster.", "Loggene til alle %d noder som noen gang har kjørt, ble gjennomsøkt fra begynnelsen; --since gjør det raskere.", a.Ledgers)
	}
	if len(a.Records) == 0 && len(a.Unreadable) == 0 {
		return exit(exitNotFound, fmt.Errorf("%s", c.tr("nothing was recorded that matches", "ingenting er loggført som passer")))
	}
	if err := c.showRecords(a.Records, s.asJSON); err != nil {
		return err
	}
	if len(a.Unreadable) > 0 {
		return exit(exitPartly, fmt.Errorf("%s", c.tr("not everything could be read, so records may be missing above", "ikke alt kunne leses, så det kan mangle oppføringer over")))
	}
	return nil
}

func (c *cli) showRecords(all []app.LogRecord, asJSON bool) error {
	if !asJSON {
		return c.logTable(all)
	}
	e := json.NewEncoder(c.out)
	e.SetEscapeHTML(false)
	for i := range all {
		if err := e.Encode(&all[i]); err != nil {
			return err
		}
	}
	return nil
}

func (c *cli) logRequest(s *logSearch) (q app.LogRequest, err error) {
	if s.limit < 1 {
		return q, c.usage("--limit is a number from 1 on", "--limit er et tall fra 1 og opp")
	}
	q.Limit, q.Reason, q.Reader = s.limit, s.reason, reader()
	q.From = s.before
	q.Person, q.Organisation, q.DecisionRef = s.person, s.organisation, s.decision
	if s.patient != (patientFlags{}) {
		if q.Patient, err = c.patientFrom(s.patient); err != nil {
			return q, err
		}
	}
	p, err := c.loadProfile("norway")
	if err != nil {
		return q, err
	}
	for _, bound := range []struct {
		text string
		end  bool
		to   *time.Time
	}{{s.since, false, &q.Since}, {s.until, true, &q.Until}} {
		if bound.text == "" {
			continue
		}
		if *bound.to, err = c.momentOf(bound.text, p.Zone(), bound.end); err != nil {
			return q, err
		}
	}
	if !q.Until.IsZero() && !q.Since.Before(q.Until) {
		return q, c.usage("--since %s is not before --until %s", "--since %s er ikke før --until %s", s.since, s.until)
	}
	return q, nil
}

// momentOf is a bound of time. What --json prints is taken to the nanosecond: a bound in
// whole seconds would leave records out.
func (c *cli) momentOf(text string, zone *time.Location, end bool) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(text)); err == nil {
		return t, nil
	}
	d, err := c.parseBound(text, zone, end)
	if err != nil {
		return time.Time{}, err
	}
	return d.Time()
}

// reader names the person at this machine, for the record of the reading.
func reader() string {
	if u, err := user.Current(); err == nil {
		return "os:" + u.Username
	}
	return "os:unknown"
}

// logTable shows what happened, without the patients: who is asked about is known,
// and a table is easily left lying about.
func (c *cli) logTable(all []app.LogRecord) error {
	p, err := c.loadProfile("norway")
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, c.tr("TIME\tWHAT\tOUTCOME\tWHO\tORGANISATION\tPURPOSE\tITEMS\tRECORD", "TID\tHVA\tUTFALL\tHVEM\tVIRKSOMHET\tFORMÅL\tVIST\tNUMMER"))
	for i := range all {
		r := &all[i]
		what := r.Event
		if r.Transaction != "" {
			what += " (" + r.Transaction + ")"
		}
		outcome := r.Outcome
		if len(r.Codes) > 0 {
			outcome += " " + strings.Join(r.Codes, ",")
		}
		items := fmt.Sprint(len(r.Items) + r.Omitted)
		if r.Hidden > 0 {
			items += fmt.Sprintf(c.tr(" (%d hidden)", " (%d skjult)"), r.Hidden)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Time.In(p.Zone()).Format("2006-01-02 15:04:05"), what, outcome,
			orDash(whoOf(r)), orDash(r.Organisation), orDash(r.Purpose), items, r.Number())
	}
	return w.Flush()
}

// whoOf names a person by name when there is one: identity numbers belong in no
// table.
func whoOf(r *app.LogRecord) string {
	switch {
	case r.Name != "":
		return r.Name
	case strings.HasPrefix(r.Person, "os:"):
		return r.Person
	case r.Person != "":
		return r.Remote + " (--json)"
	}
	return r.Remote
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
