package main

import (
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"samdok/internal/config"
	"samdok/metadata/profile"
)

type completion = cobra.CompletionFunc

// completions tells the shell what flags take: files, folders, fixed words, and
// the codes of the profile with their names.
func (c *cli) completions(root *cobra.Command) {
	choices := map[string][]string{
		"lang": {"en", "nb"}, "status": {"approved", "deprecated", "all"}, "generator": {"summary"},
	}
	orFile := map[string]bool{} // a file of one's own may stand there too
	for _, s := range config.Settings() {
		words := strings.Split(s.Form, "|")
		fixed := slices.DeleteFunc(slices.Clone(words), func(w string) bool { return strings.ToLower(w) != w })
		if len(words) > 1 && len(fixed) > 1 {
			choices[s.Flag()], orFile[s.Flag()] = fixed, len(fixed) < len(words)
		}
	}
	codes := map[string]profile.Attribute{
		"type": profile.TypeCode, "class": profile.ClassCode, "format": profile.FormatCode, "facility": profile.Facility,
		"practice": profile.Practice, "confidentiality": profile.Confidentiality, "event": profile.EventCode,
	}
	var errs []error
	each(root, func(cmd *cobra.Command) {
		client := cmd.GroupID == "documents"
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			form, _ := pflag.UnquoteUsage(f)
			attribute, isCode := codes[f.Name]
			var complete completion
			switch {
			case isCode && client:
				complete = c.completeCode(attribute)
			case orFile[f.Name]:
				complete = cobra.FixedCompletions(toCompletions(choices[f.Name]), cobra.ShellCompDirectiveDefault)
			case choices[f.Name] != nil:
				complete = cobra.FixedCompletions(toCompletions(choices[f.Name]), cobra.ShellCompDirectiveNoFileComp)
			case slices.Contains([]string{"FILE", "FIL"}, form):
				complete = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault)
			case slices.Contains([]string{"DIR", "FOLDER", "MAPPE"}, form):
				complete = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
			default:
				complete = cobra.NoFileCompletions
			}
			errs = append(errs, cmd.RegisterFlagCompletionFunc(f.Name, complete))
		})
		if cmd.Name() == "import" {
			cmd.ValidArgsFunction = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
		} else if cmd.Name() != "put" && cmd.Name() != "restore" && cmd.ValidArgs == nil && cmd.Runnable() {
			cmd.ValidArgsFunction = cobra.NoFileCompletions
		}
	})
	if err := errors.Join(errs...); err != nil {
		c.note("completion: %v", "fullføring: %v", err)
	}
}

func toCompletions(words []string) []cobra.Completion { return words }

// each visits a command and all below it, but not those that cobra makes.
func each(cmd *cobra.Command, do func(*cobra.Command)) {
	if cmd.Name() == "completion" || cmd.Name() == "help" {
		return
	}
	do(cmd)
	for _, sub := range cmd.Commands() {
		each(sub, do)
	}
}

// completeCode offers the codes of an attribute with their names beside them.
func (c *cli) completeCode(a profile.Attribute) completion {
	return func(cmd *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		name := "norway"
		if f := cmd.Flag("profile"); f != nil {
			name = f.Value.String()
		}
		p, err := profile.Load(name)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		var out []cobra.Completion
		for _, code := range p.Codes(a) {
			label := p.Label(code, c.tr("en", "nb"))
			if strings.HasPrefix(strings.ToLower(code.Value), strings.ToLower(begun)) {
				out = append(out, cobra.CompletionWithDesc(code.Value, label))
			} else if begun != "" && strings.HasPrefix(strings.ToLower(label), strings.ToLower(begun)) {
				out = append(out, cobra.CompletionWithDesc(label, code.Value))
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// completionCommand gives cobra's command our words, and its bash script what it
// needs where the package bash-completion is not installed.
func (c *cli) completionCommand(root *cobra.Command) {
	cmd, _, err := root.Find([]string{"completion"})
	if err != nil {
		return
	}
	cmd.Short = c.tr("Print the completion script for your shell (bash, zsh, fish)", "Skriv ut fullføringsskript for skallet ditt (bash, zsh, fish)")
	cmd.Long = c.tr("Prints a script that lets the Tab key complete commands, flags, files and codes.", "Skriver et skript som lar tabulatortasten fullføre kommandoer, flagg, filer og koder.")
	cmd.Example = "  source <(samdok completion bash)\n  samdok completion zsh > ~/.zfunc/_samdok\n  samdok completion fish > ~/.config/fish/completions/samdok.fish"
	for _, shell := range cmd.Commands() {
		shell.Short, shell.Long = c.tr("For "+shell.Name(), "For "+shell.Name()), ""
		shell.Example = "  samdok completion " + shell.Name()
		if shell.Name() == "bash" {
			shell.RunE = func(*cobra.Command, []string) error {
				if _, err := io.WriteString(c.out, bashFallback); err != nil {
					return err
				}
				return root.GenBashCompletionV2(c.out, true)
			}
		}
	}
}

const bashFallback = `# Where the package bash-completion is not loaded: the words as bash splits them.
if ! declare -F _get_comp_words_by_ref >/dev/null; then
_get_comp_words_by_ref() {
    words=("${COMP_WORDS[@]}"); cword=$COMP_CWORD
    cur=${words[cword]}; prev=${words[cword-1]}
}
__ltrim_colon_completions() { :; }
fi
`
