package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

func mistaken(lang string, args ...string) (code int, text string) {
	var out, notes bytes.Buffer
	c := &cli{in: strings.NewReader(""), out: &out, err: &notes, clock: time.Now}
	code = c.execute(context.Background(), append([]string{"--lang", lang}, args...))
	return code, out.String() + notes.String()
}

// A word too many is a mistake of every command, also of those that only hold others, and
// is never repeated: it may be a patient's number.
func TestStrayWords(t *testing.T) {
	const number = "13858599169"
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
		if strings.Contains(cmd.Use, "...") || cmd.Name() == "help" || cmd.Hidden {
			return
		}
		for _, lang := range []string{"en", "nb"} {
			args := append(strings.Fields(cmd.CommandPath())[1:], number, number, number)
			code, text := mistaken(lang, args...)
			if code != exitUsage || strings.Contains(text, number) || !strings.Contains(text, cmd.CommandPath()) {
				t.Errorf("%s: exit code %d\n%s", strings.Join(args, " "), code, text)
			}
		}
	}
	walk((&cli{clock: time.Now}).root())
}

// Mistakes are told in the person's language, with the way out.
func TestMistakesInWords(t *testing.T) {
	for line, want := range map[string][2]string{
		"serv":                {"did you mean samdok serve?", "mente du samdok serve?"},
		"help serv":           {"did you mean samdok serve?", "mente du samdok serve?"},
		"config chek":         {"did you mean samdok config check?", "mente du samdok config check?"},
		"config ":             {"Usage:", "Bruk:"},
		"keys zzzzzz":         {"it has rotate-master", "den har rotate-master"},
		"put":                 {"write samdok put FILE...\n", "skriv samdok put FIL...\n"},
		"get a b":             {"write samdok get ID,", "skriv samdok get ID,"},
		"find 1":              {"did you mean --patient?", "mente du --patient?"},
		"find --patiant x":    {"no flag --patiant; did you mean --patient?", "ikke noe flagg --patiant; mente du --patient?"},
		"find --from 2026":    {"there is --created-from, --service-from", "det finnes --created-from, --service-from"},
		"log --limit x":       {`does not take "x": write a whole number such as 10`, `tar ikke "x": skriv et helt tall som 10`},
		"log --limit":         {"a value is missing: --limit NUMBER", "det mangler en verdi: --limit ANTALL"},
		"find --wait x":       {"a time such as 30s or 5m", "en tid som 30s eller 5m"},
		"find -z":             {"there is no flag -z\n`samdok find --help` explains.", "det finnes ikke noe flagg -z\n`samdok find --help` forklarer."},
		"ledger drop":         {"--before TIME is missing", "--before TID mangler"},
		"unsubscribe nowhere": {"not the address of a subscription", "ikke adressen til et abonnement"},
	} {
		for i, lang := range []string{"en", "nb"} {
			if code, text := mistaken(lang, strings.Fields(line)...); !strings.Contains(text, want[i]) || code != exitUsage && line != "config " {
				t.Errorf("%s: exit code %d, %q; want %q", line, code, text, want[i])
			}
		}
	}
}
