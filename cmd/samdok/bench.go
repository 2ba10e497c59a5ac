package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"samdok/internal/bench"
)

type benchFlags struct {
	bench.Options
	target, against bench.Target
	json, mllpTLS   bool
	tls             tlsFlags
}

func (c *cli) benchCommand() *cobra.Command {
	var f benchFlags
	cmd := c.command("bench OPERATION", c.tr("Measure a server, alone or against another", "Mål en tjener, alene eller mot en annen"),
		c.tr(`Loads a server with one operation and prints rate, latencies and the server's CPU
time per request. OPERATION is register (ITI-42), provide (ITI-41), find-refs and
find-entries (ITI-18), retrieve (ITI-43), all of these, or feed: a patient identity feed
by ITI-44 and, with --mllp, by ITI-8 (feed-mllp is that one only).

Patients are chosen unevenly, as in life; reads have writes among them, and every
answer is checked against what was written last: a wrong answer is counted as an error
and ends with exit code 1. With --against both servers take turns, round by round, and
the ratios of the medians are printed (above 1: the first server is better).

A URL is a base (samdok's endpoints are added) or has {iti} for iti18, iti41, ...`,
			`Belaster en tjener med én operasjon og skriver takt, svartider og tjenerens
prosessortid per forespørsel. OPERATION er register (ITI-42), provide (ITI-41),
find-refs og find-entries (ITI-18), retrieve (ITI-43), all for alle disse, eller feed: en
strøm av pasientidentiteter med ITI-44 og, med --mllp, ITI-8 (feed-mllp er bare den).

Pasienter velges skjevt, som i livet; mellom lesningene skrives det, og hvert svar
prøves mot det som sist ble skrevet: et galt svar telles som feil og gir sluttkode 1.
Med --against bytter tjenerne på, runde for runde, og forholdet mellom medianene
skrives (over 1: den første tjeneren er best).

En adresse er en base (samdoks endepunkter legges til) eller har {iti} for iti18 osv.`),
		`  samdok bench find-entries --url http://127.0.0.1:8080 --server-pid $(pgrep -f 'samdok serve')
  samdok bench all --url http://127.0.0.1:8080 --server-pid 4711 \
      --against 'http://127.0.0.1:9090/{iti}' --against-pid 4712
  samdok bench feed --mllp 127.0.0.1:2575 --server-pid 4711
  samdok bench provide --size 1073741824 --concurrency 1 --server-pid 4711`,
		func(cmd *cobra.Command, args []string) error { return c.bench(cmd.Context(), f, args[0]) })
	cmd.Args = cobra.ExactArgs(1)
	cmd.ValidArgs = append([]string{"all"}, opNames()...)
	f.target.Name, f.against.Name = "samdok", "against"
	fl := cmd.Flags()
	fl.StringVar(&f.target.URL, "url", "http://127.0.0.1:8080", c.tr("server to measure", "tjeneren som måles"))
	fl.StringVar(&f.target.MLLP, "mllp", "", c.tr("its `HOST:PORT` for HL7 v2, to measure ITI-8", "`VERT:PORT` for HL7 v2, for å måle ITI-8"))
	fl.BoolVar(&f.mllpTLS, "mllp-tls", false, c.tr("speak TLS there", "bruk TLS der"))
	fl.StringVar(&f.Authority, "authority", "", c.tr("OID of the patient ids of a feed (default: one for tests)", "OID for pasient-id-ene i en strøm (ellers: en for prøver)"))
	fl.IntVar(&f.target.PID, "server-pid", 0, c.tr("its process id, to measure CPU and memory", "prosess-id-en, for å måle prosessor og minne"))
	fl.StringVar(&f.target.RepositoryID, "repository-id", "", c.tr("its repositoryUniqueId (default: learned from a query)", "repositoryUniqueId (ellers: læres av et søk)"))
	fl.StringVar(&f.against.URL, "against", "", c.tr("second server, measured in turns with the first", "en tjener til, målt om og om med den første"))
	fl.IntVar(&f.against.PID, "against-pid", 0, c.tr("its process id", "prosess-id-en til den"))
	fl.StringVar(&f.against.RepositoryID, "against-repository-id", "1.2.3.4", c.tr("its repositoryUniqueId", "repositoryUniqueId til den"))
	fl.IntVar(&f.Concurrency, "concurrency", 8, c.tr("clients at the same time", "klienter samtidig"))
	fl.Float64Var(&f.Rate, "rate", 0, c.tr("requests per second that are offered; latencies count from when one was due (default: as many as the clients manage)", "forespørsler i sekundet som tilbys; svartider regnes fra da en skulle vært sendt (ellers: så mange som klientene klarer)"))
	fl.IntVar(&f.Rounds, "rounds", 5, c.tr("rounds", "runder"))
	fl.DurationVar(&f.Round, "round", 5*time.Second, c.tr("length of a round for each server", "lengden av en runde for hver tjener"))
	fl.DurationVar(&f.WarmUp, "warm-up", 10*time.Second, c.tr("warm-up of each server", "oppvarming av hver tjener"))
	fl.IntVar(&f.Patients, "patients", 20000, c.tr("patients", "pasienter"))
	fl.IntVar(&f.Hits, "hits", 10, c.tr("entries of each patient that a search finds", "oppføringer for hver pasient som et søk finner"))
	fl.IntVar(&f.Others, "others", 0, c.tr("further entries of each patient, of a class that is not searched for", "flere oppføringer for hver pasient, av en klasse som det ikke søkes etter"))
	fl.IntVar(&f.Docs, "docs", 1, c.tr("documents in a submission of register and provide", "dokumenter i en innsending for register og provide"))
	fl.Int64Var(&f.Size, "size", 10240, c.tr("bytes of a document", "byte i et dokument"))
	fl.Float64Var(&f.Writes, "writes", 0.1, c.tr("share of writes among reads", "andel skriving mellom lesningene"))
	fl.Uint64Var(&f.Seed, "seed", 1, c.tr("seed of the choices", "frø for valgene"))
	fl.BoolVar(&f.json, "json", false, c.tr("print JSON", "skriv JSON"))
	c.tlsFlags(fl, &f.tls)
	return cmd
}

func opNames() []string {
	var names []string
	for _, op := range append(slices.Clone(bench.Ops), bench.Feed, bench.FeedMLLP) {
		names = append(names, string(op))
	}
	return names
}

func (c *cli) bench(ctx context.Context, f benchFlags, op string) error {
	ops := bench.Ops
	switch {
	case op == string(bench.Feed) && f.target.MLLP != "":
		ops = bench.Feeds
	case op != "all":
		if !slices.Contains(opNames(), op) {
			return c.usage("%q is no operation; choose one of %v or all", "%q er ingen operasjon; velg en av %v eller all", op, opNames())
		}
		ops = []bench.Op{bench.Op(op)}
	}
	secure, err := c.clientTLS(f.tls)
	if err != nil {
		return err
	}
	f.TLS = secure
	if f.mllpTLS {
		if f.MLLPTLS = secure; secure == nil {
			f.MLLPTLS = &tls.Config{MinVersion: tls.VersionTLS12}
		}
	}
	f.Targets = []bench.Target{f.target}
	if f.against.URL != "" {
		f.Targets = append(f.Targets, f.against)
	}
	var reports []bench.Report
	wrong := 0
	for _, op := range ops {
		o := f.Options
		o.Op = op
		o.Progress = c.benchProgress()
		r, err := bench.Run(ctx, o)
		if err != nil {
			return err
		}
		reports = append(reports, r)
		for _, s := range r.Samples {
			wrong += s.Errors
		}
		if !f.json {
			c.benchTable(r)
		}
	}
	if f.json {
		if err := c.printJSON(reports); err != nil {
			return err
		}
	}
	if wrong > 0 {
		return exit(exitFailed, errors.New(c.tr("some answers were wrong", "noen svar var gale")))
	}
	return nil
}

// benchProgress shows how many patients have been prepared.
func (c *cli) benchProgress() func(target string, done, total int) {
	if !c.terminal {
		return nil
	}
	return func(target string, done, total int) {
		end := ""
		if done == total {
			end = "\n"
		}
		fmt.Fprintf(c.err, "\r%s: %s %d/%d%s", target, c.tr("patients prepared", "pasienter klargjort"), done, total, end)
	}
}

func (c *cli) benchTable(r bench.Report) {
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\tp50\tp95\tp99\t%s\t%s\t\n", r.Op, c.tr("requests", "forespørsler"), c.tr("wrong", "gale"), c.tr("per s", "per s"), c.tr("CPU/request", "CPU/forespørsel"), c.tr("RSS growth", "RSS-vekst"))
	for _, name := range []string{"samdok", "against"} {
		s, ok := r.Medians[name]
		if !ok {
			continue
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%.0f\t%s\t%s\t%s\t%s\t%.1f MiB\t\n", name, s.Requests, s.Errors, s.Rate,
			s.P50.Round(10*time.Microsecond), s.P95.Round(10*time.Microsecond), s.P99.Round(10*time.Microsecond), s.CPU.Round(time.Microsecond), float64(s.RSS)/(1<<20))
	}
	if r.Ratios != nil {
		fmt.Fprintf(w, "%s\t\t\t%.2fx\t%.2fx\t\t%.2fx\t%.2fx\t\t\n", c.tr("ratio", "forhold"), r.Ratios.Rate, r.Ratios.P50, r.Ratios.P99, r.Ratios.CPU)
	}
	w.Flush()
	for name, errs := range r.Errors {
		for _, e := range errs {
			fmt.Fprintf(c.err, "%s: %s\n", name, e)
		}
	}
}
