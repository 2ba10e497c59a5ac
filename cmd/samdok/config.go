package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"samdok/internal/config"
	"samdok/metadata/profile"
)

// settingFlags adds --config and one flag per setting.
func (c *cli) settingFlags(f *pflag.FlagSet) {
	f.String("config", "", c.tr("`FILE`: configuration file in YAML (also SAMDOK_CONFIG)", "`FIL`: konfigurasjonsfil i YAML (også SAMDOK_CONFIG)"))
	for _, s := range config.Settings() {
		form, usage := s.FormIn(c.bokmal), s.Summary(c.bokmal)
		if s.Secret {
			form, usage = c.tr("FILE", "FIL"), c.tr("file that holds ", "fil med ")+s.Name+": "+usage
		}
		if s.Default != "" {
			usage += c.tr(" (default ", " (standard ") + s.Default + ")"
		}
		f.String(s.Flag(), "", "`"+form+"`: "+usage)
		grouped(s.Group.In(c.bokmal), f, s.Flag())
	}
}

// loadConfig reads the configuration of a command that has settingFlags. extra
// are flags that a command sets itself unless the person did.
func (c *cli) loadConfig(f *pflag.FlagSet, extra map[string]string) (*config.Config, error) {
	return c.loadConfigFor(f, extra, false)
}

// loadConfigFor does it also for a command that only reads the store.
func (c *cli) loadConfigFor(f *pflag.FlagSet, extra map[string]string, storeOnly bool) (*config.Config, error) {
	flags := map[string]string{}
	for name, value := range extra {
		flags[name] = value
	}
	f.Visit(func(f *pflag.Flag) { flags[f.Name] = f.Value.String() })
	file := flags["config"]
	if file == "" {
		file = c.getenv("SAMDOK_CONFIG")
	}
	conf, err := config.Load(config.Input{File: file, Environment: c.environment, Flags: flags, StoreOnly: storeOnly})
	return conf, exit(exitUsage, err)
}

func (c *cli) configCommand() *cobra.Command {
	cmd := c.command("config", c.tr("Show, explain and check settings", "Vis, forklar og kontroller innstillinger"),
		c.tr("Every setting is a flag of serve, an environment variable SAMDOK_... and a line of the\nconfiguration file. Flags win over variables, variables over the file, the file over\nthe default. docs/config.md lists them all.",
			"Hver innstilling er et flagg til serve, en miljøvariabel SAMDOK_... og en linje i\nkonfigurasjonsfilen. Flagg går foran variabler, variabler foran filen, filen foran\nstandardverdien. docs/config.md lister alle."),
		"  samdok config print > samdok.yaml\n  samdok config check --config samdok.yaml", nil)
	cmd.RunE = nil
	show := c.command("print", c.tr("Print all settings with explanation, value and source, as a YAML file", "Skriv alle innstillinger med forklaring, verdi og kilde, som YAML-fil"), "",
		"  samdok config print\n  SAMDOK_PROFILE=norway samdok config print --config /etc/samdok.yaml", func(cmd *cobra.Command, _ []string) error {
			conf, err := c.loadConfig(cmd.Flags(), nil)
			if err != nil {
				return err
			}
			return config.Print(c.out, conf, c.bokmal)
		})
	check := c.command("check", c.tr("Say what is wrong with the settings; exit code 2 when anything is", "Si hva som er galt med innstillingene; sluttkode 2 når noe er galt"), "",
		"  samdok config check --config /etc/samdok.yaml", func(cmd *cobra.Command, _ []string) error {
			conf, err := c.loadConfig(cmd.Flags(), nil)
			if err != nil {
				return err
			}
			if err := c.checkProfile(conf); err != nil {
				return err
			}
			c.say("The settings are fine.", "Innstillingene er i orden.")
			return nil
		})
	for _, sub := range []*cobra.Command{show, check} {
		sub.Args = cobra.NoArgs
		c.settingFlags(sub.Flags())
		cmd.AddCommand(sub)
	}
	return cmd
}

// readSmall reads a short text from a file, or from standard input for "-".
func (c *cli) readSmall(path string) (string, error) {
	r := c.in
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return "", err
		}
		defer f.Close()
		r = f
	}
	b, err := io.ReadAll(io.LimitReader(r, 4096))
	return strings.TrimSpace(string(b)), err
}

// checkProfile reads the profile, which may be a file of one's own.
func (c *cli) checkProfile(conf *config.Config) error {
	if _, err := profile.Load(conf.Profile); err != nil {
		return exit(exitUsage, fmt.Errorf(c.tr("setting profile: %w", "innstillingen profile: %w"), err))
	}
	return nil
}
