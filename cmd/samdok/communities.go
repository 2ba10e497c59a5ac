package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"samdok/gateway"
	"samdok/internal/app"
)

func (c *cli) communitiesCommand() *cobra.Command {
	asJSON := false
	cmd := c.command("communities", c.tr("Show how the other communities answer", "Vis hvordan de andre fellesskapene svarer"),
		c.tr(`Shows each community of gateway.communities as the running server has met it since it
started: how often it was asked, how often it answered, was too slow, failed or broke off in
the middle of a document, and what was wrong last. "left alone" means that it failed several
times in a row and is not asked for a while; "on trial" that it is asked once more. WHO is how
often it was asked who a patient is (ITI-55), KNOWN how often that was remembered. --json has
more: the share of the locator, the whole error, and times.`,
			`Viser hvert fellesskap i gateway.communities slik den kjørende tjeneren har møtt det siden
start: hvor ofte det ble spurt, svarte, var for tregt, sviktet eller brøt av midt i et
dokument, og hva som var galt sist. "i fred" betyr at det sviktet flere ganger på rad og ikke
spørres en stund; "på prøve" at det spørres én gang til. HVEM er hvor ofte det ble spurt hvem
en pasient er (ITI-55), KJENT hvor ofte det ble husket. --json har mer: lokalisatorens del,
hele feilen, og tidspunkter.`),
		"  samdok communities --data /var/lib/samdok\n  samdok communities --json", func(cmd *cobra.Command, _ []string) error {
			conf, err := c.loadConfig(cmd.Flags(), nil)
			if err != nil {
				return err
			}
			all, err := app.AskCommunities(cmd.Context(), conf)
			if err != nil {
				return err
			}
			if asJSON {
				if all == nil {
					all = []gateway.Status{}
				}
				return c.printJSON(all)
			}
			return c.showCommunities(all)
		})
	cmd.Args = cobra.NoArgs
	c.settingFlags(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, c.tr("print JSON", "skriv JSON"))
	cmd.AddCommand(c.importCommunitiesCommand())
	return cmd
}

func (c *cli) showCommunities(all []gateway.Status) error {
	if len(all) == 0 {
		c.say("The server knows no other communities; see the setting gateway.communities.", "Tjeneren kjenner ingen andre fellesskap; se innstillingen gateway.communities.")
		return nil
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, c.tr("COMMUNITY\tNAME\tSTATE\tASKED\tANSWERED\tEMPTY\tSLOW\tFAILED\tBROKE OFF\tNOT SENT\tMEAN\tLONGEST\tWHO\tKNOWN\tLAST ANSWER",
		"FELLESSKAP\tNAVN\tTILSTAND\tSPURT\tSVART\tTOMT\tTREGT\tSVIKTET\tBRUTT\tIKKE SENDT\tSNITT\tLENGST\tHVEM\tKJENT\tSISTE SVAR"))
	for i := range all {
		s := &all[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t%d\t%d\t%s\n", s.Home, clean(s.Name), c.stateOf(s), s.Asked, s.Answered, s.Empty, s.Slow, s.Failed, s.Broken, s.Refused,
			s.Mean.Round(100*time.Microsecond), s.Longest.Round(100*time.Microsecond), s.Discovered, s.Remembered, c.at(s.LastAnswer))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for i := range all {
		if s := &all[i]; !s.LastFailure.IsZero() {
			fmt.Fprintln(c.out, c.troubleOf(s))
		}
	}
	return nil
}

// stateOf is the state of a community in a word: what its breaker and its last answer say.
func (c *cli) stateOf(s *gateway.Status) string {
	switch {
	case s.State == "open":
		return c.tr("left alone", "i fred")
	case s.State == "half-open":
		return c.tr("on trial", "på prøve")
	case !s.FailingSince.IsZero():
		return c.tr("failing", "svikter")
	case s.LastAnswer.IsZero():
		return c.tr("not met", "ikke møtt")
	}
	return c.tr("answers", "svarer")
}

// at is a time of these days; "-" for none.
func (c *cli) at(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(c.tr("Jan 2 15:04:05", "02.01. 15:04:05"))
}

// troubleOf tells in a sentence or two what is, or was, wrong with a community.
func (c *cli) troubleOf(s *gateway.Status) string {
	who := s.Home
	if s.Name != "" {
		who = clean(s.Name) + " (" + s.Home + ")"
	}
	text := fmt.Sprintf(c.tr("%s: last problem %s: %s.", "%s: siste problem %s: %s."), who, c.at(s.LastFailure), c.problemOf(s))
	if !s.FailingSince.IsZero() && s.FailingSince != s.LastFailure {
		text += fmt.Sprintf(c.tr(" No answer since %s.", " Ikke noe svar siden %s."), c.at(s.FailingSince))
	}
	if !s.Until.IsZero() {
		text += fmt.Sprintf(c.tr(" Left alone since %s; asked again from %s.", " I fred siden %s; spørres igjen fra %s."), c.at(s.Since), c.at(s.Until))
	}
	return text
}

// problemOf is the last failure in words.
func (c *cli) problemOf(s *gateway.Status) string {
	switch s.Problem {
	case gateway.Slow:
		return c.tr("no whole answer within its deadline", "ikke noe helt svar innen fristen")
	case gateway.Busy:
		return c.tr("it had as many requests of this gateway in work as it may (concurrent)", "det hadde så mange spørsmål fra denne gatewayen i arbeid som det kan ha (concurrent)")
	case gateway.Stalled:
		return c.tr("a document stopped in the middle, or came too slowly (stall)", "et dokument stoppet midtveis eller kom for sakte (stall)")
	case gateway.Unnamed:
		return c.tr("its host name leads nowhere; look at query and retrieve in the file of communities", "vertsnavnet fører ikke noe sted; se på query og retrieve i filen med fellesskap")
	case gateway.Closed:
		return c.tr("nobody listens at its address", "ingen lytter på adressen")
	case gateway.Certificate:
		return c.tr("TLS failed: its certificate or ours is not accepted (tls in the file of communities)", "TLS mislyktes: sertifikatet der eller vårt godtas ikke (tls i filen med fellesskap)") + c.detail(s.Reason)
	case gateway.Unreachable:
		return c.tr("the connection failed", "forbindelsen sviktet") + c.detail(s.Reason)
	}
	return c.tr("what it answered is not an answer", "det som ble svart, er ikke et svar") + c.detail(s.Reason)
}

// maxDetail is how much of an error people are shown; all of it is in --json.
const maxDetail = 160

// detail is the innermost of an error, as it was said.
func (c *cli) detail(reason string) string {
	_, inner, ok := strings.Cut(reason, "is not an answer: ")
	if !ok {
		inner = reason
	}
	if inner = clean(inner); len(inner) > maxDetail {
		inner = strings.ToValidUTF8(inner[:maxDetail], "") + " ..."
	}
	return " (" + inner + ")"
}
