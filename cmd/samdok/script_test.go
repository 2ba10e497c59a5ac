package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"samdok/internal/app"
	"samdok/internal/config"
	"samdok/internal/servertest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"samdok": keptMain})
}

// keptMain is main, and keeps what goes to standard error for internal/leak.
func keptMain() {
	if os.Getenv(keepVariable) == "" || isTerminal(os.Stderr) {
		main()
		return
	}
	kept := servertest.Keep("command")
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	stderr := os.Stderr
	os.Stderr = w
	copied := make(chan error)
	go func() {
		_, err := io.Copy(io.MultiWriter(stderr, kept), r)
		copied <- errors.Join(err, kept.Close())
	}()
	code := run()
	if err := errors.Join(w.Close(), <-copied); err != nil {
		panic(err)
	}
	os.Exit(code)
}

const keepVariable = "KEEP_TEST_OUTPUT"

// TestScripts runs the real command against a real server per script.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: startServer,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": exitCode,
		},
		RequireExplicitExec: true,
	})
}

// startServer gives each script an empty server with the Norwegian profile.
func startServer(e *testscript.Env) error {
	conf, err := config.Load(config.Input{Flags: map[string]string{
		"data": e.WorkDir + "/.server", "listen": "127.0.0.1:0", "internal-listen": "off", "profile": "norway", "mllp-listen": "127.0.0.1:0", "dsub-broker": "on", "async-answers": "on", "outward-allow": "loopback",
	}})
	if err != nil {
		return err
	}
	a, err := app.Open(context.Background(), app.Options{Config: conf, Log: slog.New(slog.NewTextHandler(servertest.Keep("script-server"), &slog.HandlerOptions{Level: slog.LevelDebug})), Clock: time.Now, Version: "test"})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Serve(ctx, func() error { return nil }) }()
	e.Defer(func() {
		stop()
		if err := <-ended; err != nil {
			e.T().Log(err)
		}
	})
	e.Setenv("SAMDOK_URL", a.Info().URL)
	e.Setenv("MLLP", a.Info().MLLP)
	e.Setenv("LANG", "C")
	e.Setenv(keepVariable, os.Getenv(keepVariable))
	return nil
}

// exitCode is `code N COMMAND...`: the command must end with exactly this code.
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var e *exec.ExitError
	if errors.As(err, &e) {
		got = e.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// TestHelpIsWhole runs the help of every command in both languages.
func TestHelpIsWhole(t *testing.T) {
	for _, lang := range []string{"en", "nb"} {
		c := &cli{in: os.Stdin, out: io.Discard, err: io.Discard, clock: time.Now, bokmal: lang == "nb"}
		for _, cmd := range c.root().Commands() {
			if cmd.Name() == "help" || cmd.Name() == "completion" {
				continue
			}
			if cmd.Short == "" || cmd.Long == "" && !cmd.HasSubCommands() || cmd.Example == "" {
				t.Errorf("%s: %s: no text or example", lang, cmd.Name())
			}
			if code := c.execute(context.Background(), []string{cmd.Name(), "--help", "--lang", lang}); code != exitOK {
				t.Errorf("%s: %s --help: exit code %d", lang, cmd.Name(), code)
			}
		}
	}
}
