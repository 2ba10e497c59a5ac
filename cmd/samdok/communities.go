package main

import (
	"encoding/json"
	"fmt"
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
started: how often it was asked, how often it answered, was too slow or failed, and why.
The state is of its breaker: closed is normal; open means that it failed several times in a
row and is left alone for a while. WHO is how often it was asked who a patient is (ITI-55),
KNOWN how often that was remembered.`,
			`Viser hvert fellesskap i gateway.communities slik den kjørende tjeneren har møtt det siden
start: hvor ofte det ble spurt, svarte, var for tregt eller sviktet, og hvorfor. Tilstanden
er bryterens: closed er normalt; open betyr at det sviktet flere ganger på rad og får være i
fred en stund. HVEM er hvor ofte det ble spurt hvem en pasient er (ITI-55), KJENT hvor ofte
det ble husket.`),
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
				e := json.NewEncoder(c.out)
				e.SetIndent("", "  ")
				return e.Encode(all)
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
	fmt.Fprintln(w, c.tr("COMMUNITY\tNAME\tSTATE\tASKED\tANSWERED\tEMPTY\tSLOW\tFAILED\tNOT SENT\tMEAN\tWHO\tKNOWN\tLAST PROBLEM",
		"FELLESSKAP\tNAVN\tTILSTAND\tSPURT\tSVART\tTOMT\tTREGT\tSVIKTET\tIKKE SENDT\tSNITT\tHVEM\tKJENT\tSISTE PROBLEM"))
	for _, s := range all {
		reason := s.Reason
		if reason != "" {
			reason = s.LastFailure.Local().Format(time.TimeOnly) + " " + reason
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%d\t%d\t%s\n", s.Home, s.Name, s.State, s.Asked, s.Answered, s.Empty, s.Slow, s.Failed, s.Refused, s.Mean.Round(100*time.Microsecond), s.Discovered, s.Remembered, reason)
	}
	return w.Flush()
}
