package main

import (
	"github.com/spf13/cobra"

	"samdok/internal/app"
	"samdok/internal/config"
	"samdok/internal/telemetry"
)

func (c *cli) keysCommand() *cobra.Command {
	cmd := c.command("keys", c.tr("The master key of a data folder", "Hovednøkkelen til en datamappe"), "",
		"  samdok keys rotate-master --data /var/lib/samdok", nil)
	cmd.RunE = nil
	cmd.AddCommand(c.rotateMasterCommand())
	return cmd
}

func (c *cli) rotateMasterCommand() *cobra.Command {
	var file string
	cmd := c.command("rotate-master", c.tr("Replace the master key", "Bytt hovednøkkelen"),
		c.tr(`Wraps all data keys anew under another master key; documents and log stay as they are. The
server must be stopped. A run that is cut off changed nothing, or is ended by the next start.

When the key lies in the data folder a new random one takes its place. When a setting gives
it, give the new one with --new-master-key-file, and from then on in the setting.

Scaled out the nodes serve on: give all of them first the new key as other-master-key, then
the new one as master-key and the old one as other-master-key, each time one node after the
other. Then run this once with the settings of any node, and take other-master-key away.

Backups made before still need the old master key: keep it as long as you keep them.`,
			`Pakker alle datanøkler på nytt under en annen hovednøkkel; dokumenter og logg blir som de
er. Tjeneren må være stoppet. En avbrutt kjøring har ikke endret noe, eller fullføres ved
neste start.

Når nøkkelen ligger i datamappen, får en ny tilfeldig nøkkel plassen. Når en innstilling gir
den, oppgis den nye med --new-master-key-file, og fra da av i innstillingen.

Skalert ut går nodene videre: gi alle først den nye nøkkelen som other-master-key, så den
nye som master-key og den gamle som other-master-key, hver gang én node etter den andre.
Kjør så denne én gang med innstillingene til en av nodene, og ta bort other-master-key.

Eldre sikkerhetskopier trenger fortsatt den gamle nøkkelen: ta vare på den like lenge.`),
		"  samdok keys rotate-master --data /var/lib/samdok\n  samdok keys rotate-master --master-key-file old.key --new-master-key-file new.key", func(cmd *cobra.Command, _ []string) error {
			conf, err := c.loadConfig(cmd.Flags(), nil)
			if err != nil {
				return err
			}
			var next config.Secret
			if file != "" {
				text, err := c.readSmall(file)
				if err != nil {
					return exit(exitUsage, err)
				}
				next = config.Secret(text)
			}
			log, err := telemetry.NewLog(c.err, conf.Log.Level, conf.Log.Format)
			if err != nil {
				return exit(exitUsage, err)
			}
			progress := c.countBar(-1, c.tr("wrapping keys", "pakker nøkler"))
			r, err := app.RotateMaster(cmd.Context(), conf, log, c.clock, next, reader(), progress.set)
			progress.done()
			if err != nil {
				return err
			}
			c.say("%d data keys are wrapped by the new master key.", "%d datanøkler er pakket med den nye hovednøkkelen.", r.Keys)
			if r.File != "" {
				c.note("The new key lies in %s; keep a copy apart. Older backups need the old one.", "Den nye nøkkelen ligger i %s; ta vare på en kopi et annet sted. Eldre kopier trenger den gamle.", r.File)
			} else {
				c.note("Start with the new key from now on. Older backups need the old one.", "Start med den nye nøkkelen fra nå av. Eldre kopier trenger den gamle.")
			}
			return nil
		})
	cmd.Args = cobra.NoArgs
	cmd.Flags().StringVar(&file, "new-master-key-file", "", c.tr("`FILE` with the new master key, - for standard input", "`FIL` med den nye hovednøkkelen, - for standard inn"))
	c.settingFlags(cmd.Flags())
	return cmd
}
