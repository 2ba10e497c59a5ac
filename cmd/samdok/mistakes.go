package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"samdok/internal/strictfile"
)

// onlyGroup marks a command that does nothing but hold others.
const onlyGroup = "samdok_only_group"

// explainMistakes has a command and those below it say in words what is wrong with their
// arguments and flags. An argument that is not understood is never repeated: it may be a
// patient's number.
func (c *cli) explainMistakes(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(c.wrongFlag)
	if cmd.HasSubCommands() && !cmd.Runnable() {
		if cmd.Annotations == nil {
			cmd.Annotations = map[string]string{}
		}
		cmd.Annotations[onlyGroup] = "yes"
		cmd.Args = c.wrongCommand
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	} else if right := cmd.Args; right != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if right(cmd, args) == nil {
				return nil
			}
			return c.wrongArguments(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		c.explainMistakes(sub)
	}
}

// wrongCommand refuses what is none of a command's commands.
func (c *cli) wrongCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	if near := strictfile.Nearest(args[0], names); near != "" {
		return c.usage("there is no such command; did you mean %s %s?", "det finnes ingen slik kommando; mente du %s %s?", cmd.CommandPath(), near)
	}
	if !cmd.HasParent() {
		return c.usage("there is no such command", "det finnes ingen slik kommando")
	}
	return c.usage("%s has no such command; it has %s", "%s har ingen slik kommando; den har %s", cmd.CommandPath(), strings.Join(names, ", "))
}

// wrongArguments says how a command is written.
func (c *cli) wrongArguments(cmd *cobra.Command, args []string) error {
	_, wanted, _ := strings.Cut(cmd.Use, " ")
	if wanted = strings.TrimSpace(wanted); strings.HasPrefix(wanted, "--") {
		wanted = ""
	}
	form := strings.TrimSpace(cmd.CommandPath() + " " + wanted)
	switch {
	case wanted != "" && len(args) < len(strings.Fields(wanted)):
		return c.usage("something is missing; write %s", "noe mangler; skriv %s", form)
	case wanted != "":
		return c.usage("there is more than %s takes; write %s, and quotes around what holds spaces", "det er mer enn %s tar; skriv %s, med anførselstegn rundt det som har mellomrom", cmd.CommandPath(), form)
	case cmd.Flags().Lookup("patient") != nil:
		return c.usage("%s takes flags only; did you mean --patient?", "%s tar bare flagg; mente du --patient?", cmd.CommandPath())
	}
	return c.usage("%s takes flags only: there is a word without a flag before it", "%s tar bare flagg: det står et ord uten et flagg foran", cmd.CommandPath())
}

// wrongFlag says what is wrong with a flag.
func (c *cli) wrongFlag(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var bare *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "":
		return c.unknownFlag(cmd, unknown.GetSpecifiedName())
	case errors.As(err, &unknown):
		return c.usage("there is no flag -%s", "det finnes ikke noe flagg -%s", unknown.GetSpecifiedShortnames())
	case errors.As(err, &bare):
		return c.usage("a value is missing: %s", "det mangler en verdi: %s", strings.TrimSpace(c.flagName(bare.GetFlag())))
	case errors.As(err, &invalid):
		return c.usage("%s does not take %q: write %s", "%s tar ikke %q: skriv %s", "--"+invalid.GetFlag().Name, invalid.GetValue(), c.valueOf(invalid.GetFlag()))
	}
	return exit(exitUsage, err)
}

func (c *cli) unknownFlag(cmd *cobra.Command, name string) error {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	text := fmt.Sprintf(c.tr("%s has no flag --%s", "%s har ikke noe flagg --%s"), cmd.CommandPath(), name)
	if near := strictfile.Nearest(name, names); near != "" {
		text += fmt.Sprintf(c.tr("; did you mean --%s?", "; mente du --%s?"), near)
	} else if names = slices.DeleteFunc(names, func(other string) bool { return !strings.Contains(other, name) }); len(names) > 0 {
		text += fmt.Sprintf(c.tr("; there is --%s", "; det finnes --%s"), strings.Join(names, ", --"))
	}
	return exit(exitUsage, errors.New(text))
}

// valueOf says what a flag takes.
func (c *cli) valueOf(f *pflag.Flag) string {
	switch kind := f.Value.Type(); {
	case kind == "bool":
		return c.tr("true or false, or the flag alone", "true eller false, eller flagget alene")
	case kind == "duration":
		return c.tr("a time such as 30s or 5m", "en tid som 30s eller 5m")
	case strings.HasPrefix(kind, "int"), strings.HasPrefix(kind, "uint"):
		return c.tr("a whole number such as 10", "et helt tall som 10")
	case strings.HasPrefix(kind, "float"):
		return c.tr("a number such as 1.5", "et tall som 1.5")
	}
	return strings.TrimSpace(c.flagName(f))
}
