package main

import (
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"samdok/internal/app"
	"samdok/metadata"
	"samdok/retention"
	"samdok/sharing"
)

func (c *cli) retentionCommand() *cobra.Command {
	cmd := c.command("retention", c.tr("Rules for how long documents are kept", "Regler for hvor lenge dokumenter oppbevares"), "",
		"  samdok retention explain --rules rules.yaml\n  samdok retention run --rules rules.yaml --dry-run", nil)
	cmd.RunE = nil
	cmd.AddCommand(c.retentionRunCommand(), c.retentionExplainCommand())
	return cmd
}

func (c *cli) retentionRunCommand() *cobra.Command {
	var q app.RetainRequest
	var file, at string
	var asJSON bool
	cmd := c.command("run", c.tr("Erase what the rules say is due", "Slett det reglene sier skal slettes"),
		c.tr(`Holds the rules against every document of every patient, and erases those that are due and
not held. A document is due when all its versions are. --dry-run erases nothing and reports
what would go: run it first. The run and each erasure are recorded.`,
			`Prøver reglene mot hvert dokument til hver pasient, og sletter dem som skal slettes og ikke
er sperret. Et dokument skal slettes når alle versjonene skal det. --dry-run sletter
ingenting og viser hva som ville forsvinne: kjør det først. Kjøringen og hver sletting blir
loggført.`),
		"  samdok retention run --dry-run --list 100\n  samdok retention run --reason 'retention, november 2026' --json > report.json", func(cmd *cobra.Command, _ []string) error {
			conf, err := c.loadConfig(cmd.Flags(), nil)
			if err != nil {
				return err
			}
			if q.Reason == "" && !q.DryRun {
				return c.usage("a run that erases needs a --reason; it is recorded", "en kjøring som sletter, trenger en --reason; den blir loggført")
			}
			if file != "" {
				if q.Rules, err = c.readSmall(file); err != nil {
					return exit(exitUsage, err)
				}
			}
			if at != "" {
				if !q.DryRun {
					return c.usage("--at is for --dry-run: what is due is decided by the clock", "--at er for --dry-run: klokken avgjør hva som skal slettes")
				}
				if q.At, err = time.Parse(time.DateOnly, at); err != nil {
					return c.usage("--at is a date: 2027-01-31", "--at er en dato: 2027-01-31")
				}
			}
			a, err := c.keepWith(cmd.Context(), conf, app.KeepRequest{Retain: &q})
			if a.Report == nil {
				return err
			}
			if asJSON {
				if jerr := c.printJSON(a.Report); err == nil {
					err = jerr
				}
				return err
			}
			if terr := c.retentionTable(a.Report); err == nil {
				err = terr
			}
			return err
		})
	cmd.Args = cobra.NoArgs
	f := cmd.Flags()
	f.StringVar(&file, "rules", "", c.tr("`FILE` of rules, instead of the setting retention.rules", "`FIL` med regler, i stedet for innstillingen retention.rules"))
	f.StringVar(&q.Reason, "reason", "", c.tr("`TEXT`: why; it is recorded", "`TEKST`: hvorfor; blir loggført"))
	f.BoolVar(&q.DryRun, "dry-run", false, c.tr("report, and erase nothing", "vis, og slett ingenting"))
	f.StringVar(&at, "at", "", c.tr("`DATE`: what would be due then (with --dry-run)", "`DATO`: hva som skal slettes da (med --dry-run)"))
	f.IntVar(&q.List, "list", 0, c.tr("`NUMBER` of due documents to name in the report", "`ANTALL` dokumenter å nevne i rapporten"))
	f.BoolVar(&asJSON, "json", false, c.tr("print JSON", "skriv JSON"))
	c.settingFlags(f)
	return cmd
}

func (c *cli) retentionTable(r *sharing.Report) error {
	w := tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)
	table := func(title string, rows []sharing.RuleCount) {
		fmt.Fprintf(w, c.tr("%s\tFITS\tDUE\tHELD\tERASED\tFAILED\n", "%s\tGJELDER\tFORFALT\tSPERRET\tSLETTET\tFEILET\n"), title)
		for _, n := range rows {
			fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\n", orDash(n.ID), n.Fits, n.Due, n.Held, n.Erased, n.Failed)
		}
		fmt.Fprintln(w)
	}
	table(c.tr("RULE", "REGEL"), r.Rules)
	table(c.tr("CONTROLLER", "DATAANSVARLIG"), r.Controllers)
	if len(r.Due) > 0 {
		fmt.Fprintln(w, c.tr("DUE SINCE\tRULE\tCONTROLLER\tDOCUMENT\tHELD", "FORFALT\tREGEL\tDATAANSVARLIG\tDOKUMENT\tSPERRET"))
		for _, d := range r.Due {
			held := ""
			if d.Held {
				held = c.tr("yes", "ja")
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", d.Due.Format(time.DateOnly), d.Rule, orDash(d.Controller), d.Document, orDash(held))
		}
		fmt.Fprintln(w)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	c.say("%d documents of %d patients on %s: %d fit no rule and are kept, %d lack the date of their rule and are kept.",
		"%d dokumenter hos %d pasienter per %s: %d treffes av ingen regel og beholdes, %d mangler datoen i regelen sin og beholdes.",
		r.Documents, r.Patients, r.At.Format(time.DateOnly), r.NoRule, r.Undated)
	if r.DryRun {
		c.say("Nothing was erased.", "Ingenting ble slettet.")
	}
	return nil
}

func (c *cli) retentionExplainCommand() *cobra.Command {
	var file, class, kind, controller, created, stop string
	cmd := c.command("explain", c.tr("Say what the rules mean, or what they say of a document", "Si hva reglene betyr, eller hva de sier om et dokument"),
		c.tr("Checks the rules and prints each in words. With --class, --type, --controller, --created or\n--service-stop it says which rule decides on such a document, and when it is due.",
			"Kontrollerer reglene og skriver hver av dem med ord. Med --class, --type, --controller,\n--created eller --service-stop sier den hvilken regel som avgjør for et slikt dokument, og\nnår det skal slettes."),
		"  samdok retention explain --rules rules.yaml\n  samdok retention explain --rules rules.yaml --created 2016", func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				conf, err := c.loadConfig(cmd.Flags(), nil)
				if err != nil {
					return err
				}
				if file = conf.RetentionRules; file == "" {
					return c.usage("give --rules, or the setting retention.rules", "oppgi --rules, eller innstillingen retention.rules")
				}
			}
			b, err := os.ReadFile(file)
			if err != nil {
				return exit(exitUsage, err)
			}
			rules, err := retention.ParseRules(b)
			if err != nil {
				return exit(exitUsage, err)
			}
			if class+kind+controller+created+stop == "" {
				for i := range rules.Rules {
					fmt.Fprintf(c.out, "%d. %s\n", i+1, &rules.Rules[i])
				}
				c.say("The first rule that fits decides; what none fits is kept.", "Den første regelen som treffer, avgjør; det ingen treffer, beholdes.")
				return nil
			}
			d := &metadata.DocumentEntry{CreationTime: metadata.DTM(created), ServiceStop: metadata.DTM(stop)}
			for _, code := range []struct {
				text string
				to   *metadata.Code
			}{{class, &d.ClassCode}, {kind, &d.TypeCode}} {
				if code.text == "" {
					continue
				}
				ref, err := retention.ParseCode(code.text)
				if err != nil {
					return exit(exitUsage, err)
				}
				code.to.Value, code.to.Scheme = ref.Value, ref.Scheme
			}
			c.sayVerdict(rules.Of(d, controller))
			return nil
		})
	cmd.Args = cobra.NoArgs
	f := cmd.Flags()
	f.StringVar(&file, "rules", "", c.tr("`FILE` of rules, instead of the setting retention.rules", "`FIL` med regler, i stedet for innstillingen retention.rules"))
	f.StringVar(&class, "class", "", c.tr("`CODE^^SCHEME`: class of the document", "`KODE^^KODEVERK`: dokumentets klasse"))
	f.StringVar(&kind, "type", "", c.tr("`CODE^^SCHEME`: kind of the document", "`KODE^^KODEVERK`: dokumentets type"))
	f.StringVar(&controller, "controller", "", c.tr("`ID` of the organisation that answers for it", "`ID` til virksomheten som svarer for det"))
	f.StringVar(&created, "created", "", c.tr("`DTM`: creationTime, such as 2016 or 20160215", "`DTM`: creationTime, som 2016 eller 20160215"))
	f.StringVar(&stop, "service-stop", "", c.tr("`DTM`: serviceStopTime", "`DTM`: serviceStopTime"))
	c.settingFlags(f)
	return cmd
}

func (c *cli) sayVerdict(v retention.Verdict) {
	switch {
	case v.Rule == nil:
		c.say("No rule fits: it is kept.", "Ingen regel treffer: det beholdes.")
	case v.Undated:
		c.say("Rule %s fits, but the document lacks the %s it counts from: it is kept.", "Regelen %s treffer, men dokumentet mangler %s som den regner fra: det beholdes.", v.Rule.ID, v.Rule.From)
	case v.Due.IsZero():
		c.say("Rule %s fits: it is kept for ever.", "Regelen %s treffer: det beholdes for alltid.", v.Rule.ID)
	default:
		c.say("Rule %s fits: it is due from %s.", "Regelen %s treffer: det skal slettes fra %s.", v.Rule.ID, v.Due.Format(time.DateOnly))
	}
}
