package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"samdok/internal/app"
	"samdok/internal/config"
	"samdok/internal/telemetry"
)

func (c *cli) demoCommand() *cobra.Command {
	var once bool
	var dir, listen string
	cmd := c.command("demo", c.tr("Show everything in a minute, with made-up patients", "Vis alt på et minutt, med oppdiktede pasienter"),
		c.tr(`Starts a server with a data folder of its own, registers documents of made-up Norwegian
patients by ITI-41, finds them by ITI-18, opens them by ITI-43, compares every byte, says
what it did and serves until Ctrl-C. The messages are the real ones, over HTTP.`,
			`Starter en tjener med egen datamappe, registrerer dokumenter for oppdiktede norske
pasienter med ITI-41, finner dem med ITI-18, åpner dem med ITI-43, sammenligner hver
eneste byte, forteller hva den gjorde og kjører til Ctrl-C. Meldingene er de ekte, over HTTP.`),
		"  samdok demo\n  samdok demo --once\n  samdok demo --data ./demo --listen 127.0.0.1:8080",
		func(cmd *cobra.Command, _ []string) error { return c.demo(cmd.Context(), dir, listen, once) })
	cmd.Args = cobra.NoArgs
	cmd.Flags().BoolVar(&once, "once", false, c.tr("end after the checks; exit code 0 only when all was right", "slutt etter kontrollene; sluttkode 0 bare når alt stemte"))
	cmd.Flags().StringVar(&dir, "data", "", c.tr("`FOLDER` to keep the data in (default: a temporary one)", "`MAPPE` som dataene beholdes i (ellers en midlertidig)"))
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:0", c.tr("`HOST:PORT` of the server; port 0 picks a free one", "`VERT:PORT` for tjeneren; port 0 velger en ledig"))
	return cmd
}

func (c *cli) demo(ctx context.Context, dir, listen string, once bool) (err error) {
	c.say("samdok demo: a server of its own, made-up patients, real messages over HTTP.\n", "samdok demo: en egen tjener, oppdiktede pasienter, ekte meldinger over HTTP.\n")
	temporary := dir == ""
	if temporary {
		if dir, err = os.MkdirTemp("", "samdok-demo-"); err != nil {
			return exit(exitFailed, err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	conf, err := config.Load(config.Input{Flags: map[string]string{
		"data": dir, "listen": listen, "internal-listen": "127.0.0.1:0", "profile": "norway", "log-level": "error", "log-format": "text",
	}})
	if err != nil {
		return exit(exitUsage, err)
	}
	log, err := telemetry.NewLog(c.err, conf.Log.Level, conf.Log.Format)
	if err != nil {
		return err
	}
	start := c.clock()
	a, err := app.Open(ctx, app.Options{Config: conf, Log: log, Clock: c.clock, Version: version()})
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	defer stop()
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- a.Serve(serving, func() error { close(ready); return nil }) }()
	select {
	case <-ready:
	case err := <-ended:
		return err
	}
	info := a.Info()
	c.introduce(info, temporary, c.since(start))
	show := c.newShow(info)
	err = show.run(ctx)
	if err == nil && !once {
		c.goOn(info, show, temporary)
		<-ctx.Done()
	}
	stop()
	return errors.Join(err, <-ended)
}

func (c *cli) introduce(i app.Info, temporary bool, took string) {
	kept := c.tr("kept", "beholdes")
	if temporary {
		kept = c.tr("removed at the end", "fjernes til slutt")
	}
	c.say("   Registry    %s\n   Repository  %s\n   Data        %s, encrypted, %s\n   Ready in    %s\n",
		"   Register    %s\n   Arkiv       %s\n   Data        %s, kryptert, %s\n   Klar på     %s\n", i.Registry, i.Repository, i.Data, kept, took)
}

// goOn prints commands that work as they stand while the server runs.
func (c *cli) goOn(i app.Info, s *show, temporary bool) {
	self := selfName()
	p := s.cases[0]
	opened := s.opened.Entry
	c.say("Go on in another terminal while this server runs:\n", "Fortsett i et annet terminalvindu mens tjeneren kjører:\n")
	fmt.Fprintf(c.out, "   export SAMDOK_URL=%s\n", i.URL)
	fmt.Fprintf(c.out, "   echo %s | %s find --patient-file -\n", p.patient.FNR, self)
	fmt.Fprintf(c.out, "   %s get %s -o %s\n", self, opened.ID, s.opened.FileName())
	fmt.Fprintf(c.out, "   %s put README.md --patient %s --type Journalnotat --title %q\n", self, p.patient.FNR, c.tr("My first document", "Mitt første dokument"))
	fmt.Fprintf(c.out, "   curl -s %s/readyz\n\n", i.Internal)
	if temporary {
		c.say("Ctrl-C ends the server and removes its data.", "Ctrl-C stopper tjeneren og fjerner dataene.")
	} else {
		c.say("Ctrl-C ends the server. `%s serve --data %s --profile norway` starts it again.", "Ctrl-C stopper tjeneren. `%s serve --data %s --profile norway` starter den igjen.", self, i.Data)
	}
}

// selfName is how the person called this program.
func selfName() string {
	if name := os.Args[0]; !strings.Contains(name, "go-build") {
		if filepath.IsAbs(name) || strings.ContainsRune(name, filepath.Separator) {
			return name
		}
		return "samdok"
	}
	return "go run ./cmd/samdok"
}
