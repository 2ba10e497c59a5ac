package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Exit codes. They are part of the interface: scripts rest on them.
const (
	exitOK          = 0
	exitFailed      = 1 // the command could not do its work
	exitUsage       = 2 // wrong flags or arguments, or a wrong configuration
	exitRefused     = 3 // the server refused: a rule of the standard, or access
	exitNotFound    = 4 // nothing like that is there
	exitUnreachable = 5 // no server answered
	exitPartly      = 6 // some of many went wrong
	exitInterrupted = 130
)

// cli is the process as the commands see it.
type cli struct {
	in          io.Reader
	out, err    io.Writer
	environment []string
	clock       func() time.Time
	terminal    bool // err is a terminal: progress bars make sense
	bokmal      bool
	ending      []func() // what commands began, for the end of execute
}

// exitError carries an exit code to execute.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func exit(code int, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code, err}
}

// usage is a mistake in what the person wrote.
func (c *cli) usage(en, nb string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(c.tr(en, nb), args...)}
}

// execute runs the command line and returns the exit code.
func (c *cli) execute(ctx context.Context, args []string) int {
	c.bokmal = c.wantsBokmal(args)
	root := c.root()
	root.SetArgs(args)
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	cmd, err := root.ExecuteContextC(ctx)
	for _, end := range c.ending {
		end()
	}
	if err == nil {
		return exitOK
	}
	code := exitFailed
	var e *exitError
	switch {
	case ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))):
		code, err = exitInterrupted, errors.New(c.tr("interrupted", "avbrutt"))
	case errors.As(err, &e):
		code = e.code
	case ctx.Err() != nil:
		code = exitInterrupted
	case isUsage(err):
		code = exitUsage
	}
	fmt.Fprintf(c.err, "samdok: %s\n", strings.TrimRight(err.Error(), "\n"))
	if code == exitUsage {
		path := cmd.CommandPath()
		if cmd.Name() == "help" {
			path = cmd.Root().Name()
		}
		fmt.Fprintf(c.err, c.tr("`%s --help` explains.\n", "`%s --help` forklarer.\n"), path)
	}
	return code
}

// isUsage knows cobra's own complaints, which have no type.
func isUsage(err error) bool {
	for _, start := range []string{"unknown command", "unknown flag", "unknown shorthand", "flag needs an argument", "invalid argument", "required flag", "accepts ", "requires ", "if any flags in the group", "at least one of the flags"} {
		if strings.HasPrefix(err.Error(), start) {
			return true
		}
	}
	return false
}

// tr chooses the language of one text. Both stand side by side where they are
// used, so that neither is forgotten.
func (c *cli) tr(en, nb string) string {
	if c.bokmal {
		return nb
	}
	return en
}

// say prints one line for the person on stdout.
func (c *cli) say(en, nb string, args ...any) {
	fmt.Fprintf(c.out, c.tr(en, nb)+"\n", args...)
}

// note prints one line about the work on stderr.
func (c *cli) note(en, nb string, args ...any) {
	fmt.Fprintf(c.err, c.tr(en, nb)+"\n", args...)
}

// getenv looks a variable up; "" when it is not set.
func (c *cli) getenv(name string) string {
	for i := len(c.environment) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(c.environment[i], name+"="); ok {
			return v
		}
	}
	return ""
}

// wantsBokmal follows --lang, SAMDOK_LANG and the locale. It is needed before
// flags are parsed, because help texts are made then.
func (c *cli) wantsBokmal(args []string) bool {
	lang := ""
	for i, a := range args {
		if v, ok := strings.CutPrefix(a, "--lang="); ok {
			lang = v
		} else if a == "--lang" && i+1 < len(args) {
			lang = args[i+1]
		} else if a == "--" {
			break
		}
	}
	for _, name := range []string{"SAMDOK_LANG", "LC_ALL", "LC_MESSAGES", "LANG"} {
		if lang == "" {
			lang = c.getenv(name)
		}
	}
	lang = strings.ToLower(lang)
	return strings.HasPrefix(lang, "nb") || strings.HasPrefix(lang, "no") || strings.HasPrefix(lang, "nn")
}

// printJSON is the output for machines.
func (c *cli) printJSON(v any) error {
	e := json.NewEncoder(c.out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// command makes a command whose flags are not sorted: related ones stay together.
func (c *cli) command(use, short, long, example string, run func(*cobra.Command, []string) error) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Long: long, Example: example, RunE: run}
	cmd.Flags().SortFlags = false
	return cmd
}
