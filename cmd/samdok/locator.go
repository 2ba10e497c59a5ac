package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"samdok/internal/app"
	"samdok/locator"
	"samdok/locator/rest"
)

func (c *cli) locatorCommand() *cobra.Command {
	cmd := c.command("locator", c.tr("Who holds data about a patient (PIL)", "Hvem som har opplysninger om en pasient (PIL)"),
		c.tr(`A locator knows who holds data of which kind about a patient, and never what it says.
A server with locator.on keeps one at /locator/v1, described at /locator/v1/openapi.yaml.
What the server registers itself is known to it without further ado.`,
			`En lokalisator vet hvem som har hva slags opplysninger om en pasient, og aldri hva som står
der. En tjener med locator.on har en på /locator/v1, beskrevet på /locator/v1/openapi.yaml.
Det tjeneren selv registrerer, kjenner den uten videre.`), "  samdok locator find --patient-file pasient.txt\n  samdok locator load holdings.ndjson\n  samdok locator status", nil)
	cmd.RunE = nil
	cmd.AddCommand(c.locatorFind(), c.locatorLoad(), c.locatorStatus(), c.locatorRestate())
	return cmd
}

// locatorClient connects nowhere yet.
func (c *cli) locatorClient(s *serverFlags) (*rest.Client, error) {
	h, base, err := c.http(s, 1)
	if err != nil {
		return nil, err
	}
	return rest.NewClient(base, h), nil
}

// explainLocator gives a problem its exit code.
func (c *cli) explainLocator(ctx context.Context, err error) error {
	var p *rest.Problem
	if errors.As(err, &p) && ctx.Err() == nil {
		return exit(exitRefused, err)
	}
	return c.explain(ctx, err)
}

func (c *cli) locatorFind() *cobra.Command {
	var patient patientFlags
	var server *serverFlags
	var detail, own, asJSON bool
	cmd := c.command("find", c.tr("Show who holds data about a patient", "Vis hvem som har opplysninger om en pasient"),
		c.tr(`Lists who holds something about a patient: region or community, system, organisation, kind
and class, and the days of what was seen first and last. --detail asks the locators of those
communities too that told only which organisations hold something. --own answers in the
patient's words. The question is recorded.`,
			`Lister hvem som har noe om en pasient: region eller fellesskap, system, virksomhet, type og
klasse, og dagene for det som er sett først og sist. --detail spør også lokalisatorene hos de
fellesskapene som bare har fortalt hvilke virksomheter som har noe. --own svarer med
pasientens ord. Spørsmålet registreres.`),
		"  samdok locator find --patient-file pasient.txt\n  echo 13858599169 | samdok locator find --patient-file - --own", func(cmd *cobra.Command, _ []string) error {
			id, err := c.patientFrom(patient)
			if err != nil {
				return err
			}
			client, err := c.locatorClient(server)
			if err != nil {
				return err
			}
			if own {
				places, err := client.Where(cmd.Context(), id, c.tr("en", "nb"))
				if err != nil {
					return c.explainLocator(cmd.Context(), err)
				}
				return c.showPlaces(places, asJSON)
			}
			a, err := client.Locate(cmd.Context(), id, detail, false)
			if err != nil {
				return c.explainLocator(cmd.Context(), err)
			}
			return c.showLocated(a, asJSON)
		})
	cmd.Args = cobra.NoArgs
	f := cmd.Flags()
	c.patientFlags(f, &patient)
	f.BoolVar(&detail, "detail", false, c.tr("also ask the communities' own locators", "spør også fellesskapenes egne lokalisatorer"))
	f.BoolVar(&own, "own", false, c.tr("answer in the patient's words", "svar med pasientens ord"))
	f.BoolVar(&asJSON, "json", false, c.tr("print JSON", "skriv JSON"))
	server = c.serverFlags(f)
	return cmd
}

func (c *cli) showPlaces(p rest.Places, asJSON bool) error {
	if asJSON {
		return c.printJSON(p)
	}
	fmt.Fprintf(c.out, "%s\n\n%s\n", clean(p.Title), clean(p.Intro))
	for _, x := range p.Places {
		fmt.Fprintf(c.out, "  - %s\n", clean(x.Text))
	}
	for _, note := range p.Notes {
		fmt.Fprintf(c.out, "\n%s\n", clean(note))
	}
	return nil
}

func (c *cli) showLocated(a locator.Answer, asJSON bool) error {
	if asJSON {
		return c.printJSON(rest.AnswerOf(a))
	}
	if len(a.Holdings) == 0 {
		c.say("Nobody has told that they hold anything about the patient.", "Ingen har fortalt at de har noe om pasienten.")
	} else {
		w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, c.tr("COMMUNITY\tSYSTEM\tORGANISATION\tKIND\tCLASS\tFIRST\tLAST\tTOLD BY", "FELLESSKAP\tSYSTEM\tVIRKSOMHET\tTYPE\tKLASSE\tFØRST\tSIST\tMELDT MED"))
		for _, h := range a.Holdings {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", clean(h.Community), clean(h.System), clean(h.Organisation), h.Kind, clean(h.Class.Value),
				h.First.Format(time.DateOnly), h.Last.Format(time.DateOnly), h.Told)
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	for _, x := range a.Covered {
		if !a.Names(x.Community) {
			c.say("%s holds nothing: it told everything up to %s.", "%s har ingenting: det har fortalt alt fram til %s.", clean(x.Community), x.AsOf.Local().Format(time.DateTime))
		}
	}
	for _, home := range a.Unanswered {
		c.say("%s could not be asked; it may hold something.", "%s kunne ikke spørres; det kan ha noe.", clean(home))
	}
	return nil
}

// loadChunk is how many lines are sent at a time, and tried again when that fails.
const (
	loadChunk = 2000
	loadTries = 5
)

func (c *cli) locatorLoad() *cobra.Command {
	var server *serverFlags
	from := 1
	asJSON := false
	cmd := c.command(c.tr("load FILE|-", "load FIL|-"), c.tr("Tell a locator what sources hold about many patients", "Fortell en lokalisator hva kilder har om mange pasienter"),
		c.tr(`Reads statements, one JSON object a line, such as

  {"patient":{"id":"13858599169","system":"2.16.578.1.12.4.1.4.1"},
   "community":"urn:oid:2.16.578.1.12.4.5.100.9.21","system":"EPJ",
   "asOf":"2026-11-22T10:00:00Z","holdings":[{"kind":"documents"}]}

(in one line), and sends them on. A connection that fails is tried again; when that does not
help, the command says with which --from-line to go on. Sending lines again does no harm.
Lines that the locator refuses are shown, and the others are taken.`,
			`Leser meldinger, ett JSON-objekt per linje, som

  {"patient":{"id":"13858599169","system":"2.16.578.1.12.4.1.4.1"},
   "community":"urn:oid:2.16.578.1.12.4.5.100.9.21","system":"EPJ",
   "asOf":"2026-11-22T10:00:00Z","holdings":[{"kind":"documents"}]}

(på én linje), og sender dem videre. En forbindelse som svikter, prøves igjen; hjelper ikke
det, sier kommandoen hvilken --from-line du kan fortsette med. Å sende linjer på nytt gjør
ingen skade. Linjer som lokalisatoren avviser, vises, og de andre tas imot.`),
		"  samdok locator load holdings.ndjson --url https://pil.example.no\n  zcat holdings.gz | samdok locator load -", func(cmd *cobra.Command, args []string) error {
			client, err := c.locatorClient(server)
			if err != nil {
				return err
			}
			if from < 1 {
				return c.usage("--from-line counts from 1", "--from-line teller fra 1")
			}
			in, size := c.in, int64(-1)
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return exit(exitUsage, err)
				}
				defer f.Close()
				if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
					size = st.Size()
				}
				in = f
			}
			l := loading{c: c, client: client, from: from, bar: c.bytesBar(size, c.tr("loading", "laster"))}
			err = l.all(cmd.Context(), in)
			l.bar.done()
			return l.end(cmd.Context(), err, asJSON)
		})
	cmd.Args = cobra.ExactArgs(1)
	f := cmd.Flags()
	f.IntVar(&from, "from-line", 1, c.tr("`NUMBER` of the first line to send", "`TALL`: nummeret på første linje som sendes"))
	f.BoolVar(&asJSON, "json", false, c.tr("print JSON", "skriv JSON"))
	server = c.serverFlags(f)
	return cmd
}

// loading is a bulk load on its way.
type loading struct {
	c      *cli
	client *rest.Client
	from   int
	bar    bar
	sum    rest.Loaded // Lines: of the input, that are durable
}

func (l *loading) all(ctx context.Context, in io.Reader) error {
	lines := bufio.NewReaderSize(in, 1<<20)
	var chunk bytes.Buffer
	for n := 0; ; {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			l.bar.add(int64(len(line)))
			if n++; l.sum.Lines+n < l.from { // skipped
				l.sum.Lines, n = l.sum.Lines+n, 0
			} else {
				chunk.Write(line)
			}
		}
		if n >= loadChunk || n > 0 && err != nil {
			if err := l.send(ctx, chunk.Bytes(), n); err != nil {
				return err
			}
			chunk.Reset()
			n = 0
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// send sends some lines until they are taken, or the locator refuses, or too many
// tries have failed.
func (l *loading) send(ctx context.Context, chunk []byte, n int) error {
	for try := 1; ; try++ {
		got, err := l.client.Load(ctx, bytes.NewReader(chunk))
		var p *rest.Problem
		refused := errors.As(err, &p) && p.Status < 500
		if err == nil {
			l.add(got, n)
			return nil
		}
		if refused || try == loadTries || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(time.Duration(try*try) * 200 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

func (l *loading) add(got rest.Loaded, lines int) {
	for _, p := range got.Problems {
		l.c.note("line %d: %s", "linje %d: %s", l.sum.Lines+p.Line, p.Error())
	}
	l.sum.Lines += lines
	l.sum.Taken, l.sum.Known = l.sum.Taken+got.Taken, l.sum.Known+got.Known
	l.sum.Outdated, l.sum.Refused = l.sum.Outdated+got.Outdated, l.sum.Refused+got.Refused
}

func (l *loading) end(ctx context.Context, err error, asJSON bool) error {
	if asJSON {
		if err := l.c.printJSON(l.sum); err != nil {
			return err
		}
	} else {
		l.c.say("%d lines: %d taken, %d known already, %d outdated, %d refused.", "%d linjer: %d tatt imot, %d kjent fra før, %d foreldet, %d avvist.",
			l.sum.Lines, l.sum.Taken, l.sum.Known, l.sum.Outdated, l.sum.Refused)
	}
	if err != nil {
		l.c.note("Go on with --from-line %d.", "Fortsett med --from-line %d.", l.sum.Lines+1)
		return l.c.explainLocator(ctx, err)
	}
	if l.sum.Refused > 0 {
		return exit(exitPartly, fmt.Errorf("%s", l.c.tr("some lines were refused", "noen linjer ble avvist")))
	}
	return nil
}

func (c *cli) locatorStatus() *cobra.Command {
	var server *serverFlags
	asJSON := false
	cmd := c.command("status", c.tr("Show how much a locator knows", "Vis hvor mye en lokalisator vet"),
		c.tr(`Shows of how many patients the locator knows something, and which communities reported that
it knows everything of them. One whose report is old is asked by gateways as if there were
no locator.`,
			`Viser hvor mange pasienter lokalisatoren vet noe om, og hvilke fellesskap som har meldt at
den vet alt om dem. Et fellesskap med en gammel melding blir spurt av gatewayer som om det
ikke fantes noen lokalisator.`), "  samdok locator status\n  samdok locator status --json --url https://pil.example.no", func(cmd *cobra.Command, _ []string) error {
			client, err := c.locatorClient(server)
			if err != nil {
				return err
			}
			s, err := client.Status(cmd.Context())
			if err != nil {
				return c.explainLocator(cmd.Context(), err)
			}
			if asJSON {
				return c.printJSON(s)
			}
			c.say("Something is known of %d patients.", "Noe er kjent om %d pasienter.", s.Patients)
			w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
			if len(s.Coverage) > 0 {
				fmt.Fprintln(w, c.tr("COMMUNITY\tLEVEL\tTOLD UP TO\tCURRENT", "FELLESSKAP\tNIVÅ\tFORTALT FRAM TIL\tGJELDER"))
			}
			for _, x := range s.Coverage {
				current := c.tr("no", "nei")
				if x.Current != nil && *x.Current {
					current = c.tr("yes", "ja")
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", clean(x.Community), clean(x.Level), x.AsOf.Local().Format(time.DateTime), current)
			}
			return w.Flush()
		})
	cmd.Args = cobra.NoArgs
	cmd.Flags().BoolVar(&asJSON, "json", false, c.tr("print JSON", "skriv JSON"))
	server = c.serverFlags(cmd.Flags())
	return cmd
}

func (c *cli) locatorRestate() *cobra.Command {
	cmd := c.command("restate", c.tr("Have everything in the log stated again", "Få alt i loggen meldt på nytt"),
		c.tr(`Has the running server state again, to its own locator and to locator.url, what its log says
of every patient: after a restore from a backup, or when locator.url is new. It takes a while,
and does no harm.`,
			`Får den kjørende tjeneren til å melde på nytt, til sin egen lokalisator og til locator.url,
hva loggen sier om hver pasient: etter gjenoppretting fra sikkerhetskopi, eller når
locator.url er ny. Det tar en stund, og gjør ingen skade.`), "  samdok locator restate --data /var/lib/samdok", func(cmd *cobra.Command, _ []string) error {
			conf, err := c.loadConfig(cmd.Flags(), nil)
			if err != nil {
				return err
			}
			if err := app.Restate(cmd.Context(), conf); err != nil {
				return exit(exitFailed, err)
			}
			c.say("The server states everything again; samdok locator status tells when it is done.", "Tjeneren melder alt på nytt; samdok locator status forteller når den er ferdig.")
			return nil
		})
	cmd.Args = cobra.NoArgs
	c.settingFlags(cmd.Flags())
	return cmd
}
