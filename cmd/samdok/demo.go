package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"samdok/internal/app"
	"samdok/internal/config"
	"samdok/internal/telemetry"
)

func (c *cli) demoCommand() *cobra.Command {
	var once, regional bool
	var dir, listen string
	cmd := c.command("demo", c.tr("Show everything in a minute, with made-up patients", "Vis alt på et minutt, med oppdiktede pasienter"),
		c.tr(`Starts a server with a data folder of its own, registers documents of made-up Norwegian
patients by ITI-41, finds them by ITI-18, opens them by ITI-43, compares every byte, says
what it did and serves until Ctrl-C. The messages are the real ones, over HTTP.

With --regions: two regions with data of their own and a national gateway in front of
them (XCA). What one registers is found and opened through the gateway; then one region
is stopped, and the answer says whose documents are missing.`,
			`Starter en tjener med egen datamappe, registrerer dokumenter for oppdiktede norske
pasienter med ITI-41, finner dem med ITI-18, åpner dem med ITI-43, sammenligner hver
eneste byte, forteller hva den gjorde og kjører til Ctrl-C. Meldingene er de ekte, over HTTP.

Med --regions: to regioner med egne data og en nasjonal gateway foran dem (XCA). Det den
ene registrerer, finnes og åpnes gjennom gatewayen; så stoppes den ene regionen, og
svaret sier hvem sine dokumenter som mangler.`),
		"  samdok demo\n  samdok demo --once\n  samdok demo --regions\n  samdok demo --data ./demo --listen 127.0.0.1:8080",
		func(cmd *cobra.Command, _ []string) error {
			if regional {
				return c.demoRegions(cmd.Context(), dir, listen, once)
			}
			return c.demo(cmd.Context(), dir, listen, once)
		})
	cmd.Args = cobra.NoArgs
	cmd.Flags().BoolVar(&once, "once", false, c.tr("end after the checks; exit code 0 only when all was right", "slutt etter kontrollene; sluttkode 0 bare når alt stemte"))
	cmd.Flags().BoolVar(&regional, "regions", false, c.tr("two regions and a national gateway", "to regioner og en nasjonal gateway"))
	cmd.Flags().StringVar(&dir, "data", "", c.tr("`FOLDER` to keep the data in (default: a temporary one)", "`MAPPE` som dataene beholdes i (ellers en midlertidig)"))
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:0", c.tr("`HOST:PORT` of the server (of the national gateway); port 0 picks a free one", "`VERT:PORT` for tjeneren (for den nasjonale gatewayen); port 0 velger en ledig"))
	return cmd
}

func (c *cli) demo(ctx context.Context, dir, listen string, once bool) (err error) {
	c.say("samdok demo: a server of its own, made-up patients, real messages over HTTP.\n", "samdok demo: en egen tjener, oppdiktede pasienter, ekte meldinger over HTTP.\n")
	temporary := dir == ""
	dir, remove, err := demoFolder(dir)
	if err != nil {
		return exit(exitFailed, err)
	}
	defer func() { err = errors.Join(err, remove()) }()
	start := c.clock()
	server, err := c.startDemo(ctx, map[string]string{"data": dir, "listen": listen})
	if err != nil {
		return err
	}
	info := server.Info()
	c.introduce(info, temporary, c.since(start))
	show := c.newShow(info)
	err = show.run(ctx)
	if err == nil && !once {
		c.goOn(info, show, temporary)
		<-ctx.Done()
	}
	return errors.Join(err, server.stop())
}

// demoFolder is the folder for data; without a name it is a temporary one, which
// remove removes.
func demoFolder(dir string) (_ string, remove func() error, err error) {
	if dir != "" {
		return dir, func() error { return nil }, nil
	}
	if dir, err = os.MkdirTemp("", "samdok-demo-"); err != nil {
		return "", nil, err
	}
	return dir, func() error { return os.RemoveAll(dir) }, nil
}

// demoServer is a server inside this process.
type demoServer struct {
	*app.App
	cancel context.CancelFunc
	ended  chan error
}

// startDemo starts a server with settings for a demo and those of flags.
func (c *cli) startDemo(ctx context.Context, flags map[string]string) (*demoServer, error) {
	all := map[string]string{"internal-listen": "127.0.0.1:0", "profile": "norway", "log-level": "error", "log-format": "text"}
	maps.Copy(all, flags)
	conf, err := config.Load(config.Input{Flags: all})
	if err != nil {
		return nil, exit(exitUsage, err)
	}
	log, err := telemetry.NewLog(c.err, conf.Log.Level, conf.Log.Format)
	if err != nil {
		return nil, err
	}
	a, err := app.Open(ctx, app.Options{Config: conf, Log: log, Clock: c.clock, Version: version()})
	if err != nil {
		return nil, err
	}
	serving, cancel := context.WithCancel(ctx)
	s := &demoServer{App: a, cancel: cancel, ended: make(chan error, 1)}
	ready := make(chan struct{})
	go func() {
		s.ended <- a.Serve(serving, func() error { close(ready); return nil })
		close(s.ended)
	}()
	select {
	case <-ready:
		return s, nil
	case err := <-s.ended:
		cancel()
		return nil, err
	}
}

// stop ends the server in order. To stop it again does nothing.
func (s *demoServer) stop() error {
	s.cancel()
	return <-s.ended
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

// demoFailed tells what went wrong with a demo; that somebody ended it is nothing wrong.
func (c *cli) demoFailed(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return c.explain(ctx, err)
	}
	return exit(exitFailed, fmt.Errorf("%s: %w", c.tr("the demo failed", "demoen mislyktes"), c.explain(ctx, err)))
}
