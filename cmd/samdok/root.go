package main

import (
	"runtime/debug"

	"github.com/spf13/cobra"
)

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "samdok",
		Short: c.tr("Share patient documents by IHE XDS.b", "Del pasientdokumenter etter IHE XDS.b"),
		Long: c.tr(`samdok shares patient documents between organisations by IHE XDS.b: one program
for the server, for its data folder and for whoever puts, finds and opens documents.

Start here:
  samdok demo          shows everything in a minute, with made-up patients
  samdok serve         a server on this machine; its data is in ./samdok-data
  samdok put FILE ...  registers a document, samdok find lists, samdok get opens

Exit codes: 0 all went well; 1 failed; 2 wrong flags or configuration; 3 the server
refused; 4 not found; 5 no server answered; 6 some of many went wrong; 130 interrupted.`,
			`samdok deler pasientdokumenter mellom virksomheter etter IHE XDS.b: ett program
for tjeneren, for datamappen og for den som legger inn, finner og åpner dokumenter.

Begynn her:
  samdok demo          viser alt på et minutt, med oppdiktede pasienter
  samdok serve         en tjener på denne maskinen; dataene ligger i ./samdok-data
  samdok put FIL ...   registrerer et dokument, samdok find lister, samdok get åpner

Sluttkoder: 0 alt gikk bra; 1 mislyktes; 2 feil flagg eller innstilling; 3 tjeneren
nektet; 4 ikke funnet; 5 ingen tjener svarte; 6 noe av mye gikk galt; 130 avbrutt.`),
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.PersistentFlags().String("lang", "", c.tr("`en|nb`: language of messages (also SAMDOK_LANG, LANG)", "`en|nb`: språk i meldinger (også SAMDOK_LANG, LANG)"))
	root.SetUsageFunc(c.usageFunc())
	root.InitDefaultHelpFlag() // known before the command is looked for: --help --lang nb
	root.InitDefaultVersionFlag()
	root.AddGroup(
		&cobra.Group{ID: "server", Title: c.tr("Server:", "Tjener:")},
		&cobra.Group{ID: "documents", Title: c.tr("Documents:", "Dokumenter:")},
		&cobra.Group{ID: "measure", Title: c.tr("Test and measure:", "Prøv og mål:")},
		&cobra.Group{ID: "ledger", Title: c.tr("Record of every use:", "Logg over all bruk:")},
		&cobra.Group{ID: "data", Title: c.tr("Data folder:", "Datamappe:")},
	)
	group := func(id string, commands ...*cobra.Command) {
		for _, cmd := range commands {
			cmd.GroupID = id
			root.AddCommand(cmd)
		}
	}
	group("server", c.serveCommand(), c.demoCommand(), c.communitiesCommand(), c.locatorCommand(), c.configCommand())
	group("documents", c.putCommand(), c.findCommand(), c.getCommand(), c.updateCommand(), c.removeCommand(), c.onDemandCommand(), c.importCommand(), c.patientCommand(), c.mailboxCommand())
	group("documents", c.eraseCommand(), c.holdCommand(), c.retentionCommand())
	group("documents", c.subscribeCommand(), c.unsubscribeCommand())
	group("measure", c.conformCommand(), c.benchCommand())
	group("data", c.backupCommand(), c.restoreCommand(), c.reindexCommand(), c.outboxCommand(), c.subscriptionsCommand(), c.keysCommand())
	group("ledger", c.logCommand(), c.verifyCommand(), c.ledgerCommand())
	root.SetHelpCommand(c.helpCommand(root))
	root.InitDefaultCompletionCmd()
	c.completionCommand(root)
	c.completions(root)
	c.explainMistakes(root)
	return root
}

func (c *cli) helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   c.tr("help [COMMAND]", "help [KOMMANDO]"),
		Short: c.tr("Explain a command", "Forklar en kommando"),
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil {
				return err
			}
			if err := c.wrongCommand(cmd, rest); err != nil {
				return err
			}
			cmd.InitDefaultHelpFlag()
			return cmd.Help()
		},
	}
}

// version is the module's version or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "dev-" + s.Value[:12]
		}
	}
	return "dev"
}

const usageEN = `Usage:{{if runs .}}
  {{useline .UseLine}}{{end}}{{if .HasAvailableSubCommands}}
  {{.CommandPath}} COMMAND{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}{{$cmds := .Commands}}{{range $group := .Groups}}

{{.Title}}{{range $cmds}}{{if (and (eq .GroupID $group.ID) .IsAvailableCommand)}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}

{{if .Groups}}Other commands:{{else}}Commands:{{end}}{{range $cmds}}{{if (and (eq .GroupID "") (or .IsAvailableCommand (eq .Name "help")))}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{flags .LocalFlags}}{{end}}{{if .HasAvailableInheritedFlags}}

Flags of every command:
{{flags .InheritedFlags}}{{end}}{{if .HasAvailableSubCommands}}

"{{.CommandPath}} COMMAND --help" explains a command.{{end}}
`

const usageNB = `Bruk:{{if runs .}}
  {{useline .UseLine}}{{end}}{{if .HasAvailableSubCommands}}
  {{.CommandPath}} KOMMANDO{{end}}{{if .HasExample}}

Eksempler:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}{{$cmds := .Commands}}{{range $group := .Groups}}

{{.Title}}{{range $cmds}}{{if (and (eq .GroupID $group.ID) .IsAvailableCommand)}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}

{{if .Groups}}Andre kommandoer:{{else}}Kommandoer:{{end}}{{range $cmds}}{{if (and (eq .GroupID "") (or .IsAvailableCommand (eq .Name "help")))}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flagg:
{{flags .LocalFlags}}{{end}}{{if .HasAvailableInheritedFlags}}

Flagg for alle kommandoer:
{{flags .InheritedFlags}}{{end}}{{if .HasAvailableSubCommands}}

"{{.CommandPath}} KOMMANDO --help" forklarer en kommando.{{end}}
`
