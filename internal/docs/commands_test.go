package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every line of a shell example in a page is a command that exists here: samdok's
// commands and flags are asked of the program itself.
func TestCommandsExist(t *testing.T) {
	if testing.Short() {
		t.Log("short: only the lines are read, the program is not built")
	}
	p := program{t: t, help: map[string]string{}}
	lines := 0
	for name, text := range pages(t) {
		for _, m := range fence.FindAllStringSubmatch(text, -1) {
			if m[1] != "sh" {
				continue
			}
			for _, line := range strings.Split(strings.ReplaceAll(m[2], "\\\n", " "), "\n") {
				line, _, _ = strings.Cut(line, " #")
				for _, command := range regexp.MustCompile(`\s*(?:\||&&)\s*`).Split(strings.TrimSpace(line), -1) {
					if command == "" || strings.HasPrefix(command, "#") {
						continue
					}
					lines++
					if problem := p.check(strings.Fields(command)); problem != "" {
						t.Errorf("%s: %q: %s", name, command, problem)
					}
				}
			}
		}
	}
	if lines < 15 {
		t.Errorf("only %d commands were found", lines)
	}
}

// program is the built samdok.
type program struct {
	t    *testing.T
	path string
	help map[string]string // of each command
}

// tools are what Debian has, beside Go; what they do is not checked.
var tools = map[string]bool{
	"cat": true, "chmod": true, "cp": true, "curl": true, "git": true, "head": true, "base64": true, "mkdir": true,
	"mv": true, "ssh": true, "tar": true, "cd": true, "kill": true, "rm": true, "umask": true, "printf": true,
}

// check tells what is wrong with a command, "" if nothing is.
func (p *program) check(words []string) string {
	switch command := words[0]; {
	case command == "./samdok" || command == "samdok":
		return p.samdok(words[1:])
	case command == "./test" || command == ".ci/run":
		return inFile(command, words[1:])
	case command == "go" && len(words) > 2 && words[1] == "run" && words[2] == "./cmd/samdok":
		return p.samdok(words[3:])
	case command == "go" && len(words) > 1 && (words[1] == "test" || words[1] == "build"):
		for _, w := range words[2:] {
			if dir, ok := strings.CutPrefix(w, "./"); ok {
				if _, err := os.Stat(filepath.Join(root, strings.TrimSuffix(dir, "..."))); err != nil {
					return "there is no package " + w
				}
			}
		}
		return ""
	case command == "export":
		return variables(words[1:])
	case tools[command]:
		return ""
	}
	return "the test does not know this command"
}

// variables checks that settings are given by variables that there are.
func variables(words []string) string {
	b, err := os.ReadFile(filepath.Join(root, "docs", "config.md"))
	if err != nil {
		return err.Error()
	}
	there := map[string]bool{}
	for _, m := range regexp.MustCompile("`([a-z0-9.-]+)`").FindAllStringSubmatch(string(b), -1) {
		there["SAMDOK_"+strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(m[1]))] = true
	}
	for _, w := range words {
		name, _, _ := strings.Cut(w, "=")
		if strings.HasPrefix(name, "SAMDOK_") && !there[strings.TrimSuffix(name, "_FILE")] {
			return "there is no variable " + name
		}
	}
	return ""
}

// inFile finds a script and the options that it must know.
func inFile(script string, options []string) string {
	path := filepath.Join(root, script)
	info, err := os.Stat(path)
	if err != nil || info.Mode()&0o100 == 0 {
		return "the script is not there or cannot be run"
	}
	b, err := os.ReadFile(path)
	for _, o := range options {
		if err != nil || !strings.Contains(string(b), o) {
			return "the script does not know " + o
		}
	}
	return ""
}

var flagWord = regexp.MustCompile(`^(--[a-z][a-z0-9-]*|-[a-z])(=.*)?$`)

// families are commands that have commands of their own.
var families = map[string]bool{"config": true, "hold": true, "retention": true, "keys": true, "ledger": true}

// samdok checks a subcommand and its flags against its help.
func (p *program) samdok(words []string) string {
	if len(words) == 0 {
		return ""
	}
	if testing.Short() {
		return ""
	}
	command := words[:1]
	if families[words[0]] && len(words) > 1 {
		command = words[:2]
	}
	help, problem := p.ask(command)
	if problem != "" {
		return problem
	}
	for _, w := range words[len(command):] {
		if w == ">" || w == "<" || w == "&" {
			break
		}
		m := flagWord.FindStringSubmatch(w)
		if m != nil && !regexp.MustCompile(`(?m)(^|\s|,)`+regexp.QuoteMeta(m[1])+`($|[\s,=\[])`).MatchString(help) {
			return "samdok " + strings.Join(command, " ") + " has no flag " + m[1]
		}
	}
	return ""
}

// ask returns the help of a command.
func (p *program) ask(command []string) (help, problem string) {
	if command[0] == "help" || command[0] == "COMMAND" {
		return "--lang", ""
	}
	name := strings.Join(command, " ")
	if help, ok := p.help[name]; ok {
		return help, ""
	}
	if p.path == "" {
		p.path = filepath.Join(p.t.TempDir(), "samdok")
		build := exec.Command("go", "build", "-o", p.path, "samdok/cmd/samdok")
		build.Dir = root
		if out, err := build.CombinedOutput(); err != nil {
			p.t.Fatalf("go build: %v\n%s", err, out)
		}
	}
	out, err := exec.Command(p.path, append(append([]string{}, command...), "--help")...).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "samdok "+name) {
		return "", "samdok has no command " + name
	}
	p.help[name] = string(out)
	return string(out), ""
}

// The checks must be able to fail.
func TestChecksFail(t *testing.T) {
	p := program{t: t, help: map[string]string{"serve": "  --data string  folder\n"}}
	for line, right := range map[string]bool{
		"./samdok serve --data x": true,
		"./samdok serve --dat x":  testing.Short(),
		"./test --long":           true,
		"./test --longest":        false,
		"go test ./internal/arch": true,
		"go test ./internal/arc":  false,
		"frobnicate":              false,
	} {
		if problem := p.check(strings.Fields(line)); (problem == "") != right {
			t.Errorf("%q: %q", line, problem)
		}
	}
	if declares(t, "docs_test.go", "nothing") || !declares(t, "commands_test.go", "program.check") {
		t.Error("declares does not tell what a file declares")
	}
}
