package main

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// Help fits a terminal of 100 columns, in both languages, and bokmål has no
// English words of the libraries left in it.
func TestHelpFitsAndSpeaksOneLanguage(t *testing.T) {
	t.Parallel()
	english := regexp.MustCompile(`(?i)\(default |\bhelp for\b|\bflags\b|\bUsage:|\bstring\b|\bduration\b`)
	for _, lang := range []string{"en", "nb"} {
		c := &cli{clock: time.Now, bokmal: lang == "nb"}
		each(c.root(), func(cmd *cobra.Command) {
			args := append(strings.Fields(cmd.CommandPath())[1:], "--help", "--lang", lang)
			code, text := command(t, nil, args...)
			if code != exitOK || cmd.HasParent() && !strings.Contains(text, c.tr("Examples:", "Eksempler:")) {
				t.Errorf("%v: exit code %d, or no example:\n%s", args, code, text)
			}
			for line := range strings.Lines(text) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n >= 100 {
					t.Errorf("%v: %d columns: %s", args, n, line)
				}
				if found := english.FindString(line); lang == "nb" && found != "" {
					t.Errorf("%v: %q in %s", args, found, line)
				}
			}
		})
	}
}

func TestCompletion(t *testing.T) {
	for _, tc := range []struct {
		args string
		want []string
		not  string
	}{
		{"find --type A0", []string{"A03-2\tDischarge summary"}, "C01"},
		{"put --lang nb x.pdf --type epi", []string{"Epikrise\tA03-2"}, "C01"},
		{"find --confidentiality N", []string{"NORS"}, ""},
		{"find --status ", []string{"approved", "deprecated", "all", ":4"}, ""},
		{"find --profile ", []string{"norway", "base"}, ""},
		{"serve --access-decider ", []string{"open", "deny"}, "HOST"},
		{"serve --log-level ", []string{"debug", "info", "warn", "error"}, ""},
		{"serve --internal-listen ", nil, "HOST"},
		{"serve --tls-cert ", []string{":0"}, ""},
		{"serve --data ", []string{":16"}, ""},
		{"bench ", []string{"find-entries", "all"}, ""},
		{"--lang ", []string{"en", "nb"}, ""},
		{"find ", []string{":4"}, ""},
		{"put ", []string{":0"}, ""},
		{"import ", []string{":16"}, ""},
	} {
		args := strings.Split(tc.args, " ")
		code, out := command(t, nil, append([]string{"__complete"}, args...)...)
		for _, want := range tc.want {
			if code != exitOK || !strings.Contains("\n"+out, "\n"+want) {
				t.Errorf("%q: no %q in\n%s", tc.args, want, out)
			}
		}
		if tc.not != "" && strings.Contains(out, tc.not) {
			t.Errorf("%q: %q in\n%s", tc.args, tc.not, out)
		}
	}
}

// The script does what it is for in a real shell.
func TestBashCompletion(t *testing.T) {
	out, err := exec.Command("bash", "--norc", "-c", `source <(samdok completion bash) && complete -p samdok &&
		COMP_WORDS=(samdok find --status ap) COMP_CWORD=3 COMP_LINE="samdok find --status ap" COMP_POINT=23 COMP_TYPE=9 && __start_samdok && echo "${COMPREPLY[@]}"`).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "-F __start_samdok samdok") || !strings.Contains(string(out), "\napproved") {
		t.Errorf("%v: %s", err, out)
	}
}
