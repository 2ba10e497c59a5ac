package main

import (
	"fmt"
	"strings"
	"text/template"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const (
	helpWidth  = 98 // columns of a line of help
	widestFlag = 30 // columns of a flag beside its explanation
	groupMark  = "samdok_group"
)

// grouped puts flags under a heading of their own in the help.
func grouped(heading string, f *pflag.FlagSet, names ...string) {
	for _, name := range names {
		if flag := f.Lookup(name); flag != nil {
			if flag.Annotations == nil {
				flag.Annotations = map[string][]string{}
			}
			flag.Annotations[groupMark] = []string{heading}
		}
	}
}

// usageFunc prints usage in the language of the person, within helpWidth.
func (c *cli) usageFunc() func(*cobra.Command) error {
	t := template.New("usage").Funcs(template.FuncMap{
		"flags":   c.flagUsages,
		"runs":    func(cmd *cobra.Command) bool { return cmd.Runnable() && cmd.Annotations[onlyGroup] == "" },
		"useline": func(line string) string { return strings.ReplaceAll(line, "[flags]", c.tr("[flags]", "[flagg]")) },
		"rpad":    func(s string, n int) string { return s + strings.Repeat(" ", max(0, n-utf8.RuneCountInString(s))) },
	})
	return func(cmd *cobra.Command) error {
		parsed, err := t.Parse(c.tr(usageEN, usageNB))
		if err != nil {
			return err
		}
		return parsed.Execute(cmd.OutOrStderr(), cmd)
	}
}

// flagUsages is a table of flags and explanations, flags without a heading first.
func (c *cli) flagUsages(f *pflag.FlagSet) string {
	f.SortFlags = false
	var headings []string
	lines := map[string]string{}
	width := 0
	f.VisitAll(func(flag *pflag.Flag) { width = max(width, utf8.RuneCountInString(c.flagName(flag))) })
	width = min(width, widestFlag)
	f.VisitAll(func(flag *pflag.Flag) {
		if flag.Hidden {
			return
		}
		heading := ""
		if mark := flag.Annotations[groupMark]; len(mark) > 0 {
			heading = mark[0]
		}
		if _, known := lines[heading]; !known && heading != "" {
			headings = append(headings, heading)
		}
		lines[heading] += entry(c.flagName(flag), c.flagText(flag), width)
	})
	text := lines[""]
	for _, h := range headings {
		text += "\n" + h + ":\n" + lines[h]
	}
	return strings.Trim(text, "\n")
}

// bokmalForms are the words for values that the table of facts has in English.
var bokmalForms = strings.NewReplacer("CODE", "KODE", "TITLE", "TITTEL", "TEXT", "TEKST", "TIME", "TID", "NAME", "NAVN", "NUMBER", "NUMMER")

// entry is one flag with its explanation beside it, or below when it is long.
func entry(name, text string, width int) string {
	var b strings.Builder
	b.WriteString(name)
	column := utf8.RuneCountInString(name)
	if column > width {
		b.WriteString("\n")
		column = 0
	}
	for _, line := range wrap(text, helpWidth-width-2) {
		fmt.Fprintf(&b, "%s%s\n", strings.Repeat(" ", width+2-column), line)
		column = 0
	}
	return b.String()
}

func (c *cli) flagName(f *pflag.Flag) string {
	name := "      --" + f.Name
	if f.Shorthand != "" {
		name = "  -" + f.Shorthand + ", --" + f.Name
	}
	form, _ := pflag.UnquoteUsage(f)
	switch form {
	case "string":
		form = c.tr("TEXT", "TEKST")
	case "strings":
		form = c.tr("TEXT,...", "TEKST,...")
	case "int", "uint", "float":
		form = c.tr("NUMBER", "TALL")
	case "duration":
		form = c.tr("DURATION", "VARIGHET")
	}
	if c.bokmal {
		form = bokmalForms.Replace(form)
	}
	if form == "" {
		return name
	}
	return name + " " + form
}

func (c *cli) flagText(f *pflag.Flag) string {
	form, text := pflag.UnquoteUsage(f)
	text = strings.TrimPrefix(text, form+": ")
	switch f.Name {
	case "help":
		text = c.tr("explain this command", "forklar denne kommandoen")
	case "version":
		text = c.tr("print the version", "skriv versjonen")
	}
	switch f.DefValue {
	case "", "false", "0", "0s", "[]":
		return text
	}
	return text + c.tr(" (default ", " (standard ") + f.DefValue + ")"
}

func wrap(s string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
