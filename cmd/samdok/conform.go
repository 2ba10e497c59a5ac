package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"samdok/conformance"
	"samdok/conformance/cases"
)

type conformFlags struct {
	target            conformance.Target
	only, disable     []string
	json, junit, html string
	list, mllpTLS     bool
	printCommunities  bool
	tls               tlsFlags
}

func (c *cli) conformCommand() *cobra.Command {
	var f conformFlags
	cmd := c.command("conform", c.tr("Test a registry and repository against IHE XDS.b", "Prøv et register og et dokumentlager mot IHE XDS.b"),
		c.tr(`Runs the conformance cases against anybody's Document Registry and Repository and
says for each rule of ITI-18, ITI-41, ITI-42 and ITI-43 whether the server keeps it.

The cases register made-up documents for made-up patients: run them against a test
server. A server that knows only some patients needs their ids with --patient, or is told
of each with --announce. --identity and --mllp add the cases of identity feeds, --xca those
of a responding gateway in front of that registry and repository.

--initiating tests an initiating gateway: the kit plays the communities behind it, healthy,
slow, dead and hostile ones, at --communities HOST:PORT. --print-communities says how the
gateway must be set up for that.

Outcomes: pass; fail (the server broke the rule); error (the kit could not find out);
skip (the server cannot be asked); disabled. Exit code 0 only when nothing failed.`,
			`Kjører samsvarsprøvene mot et hvilket som helst dokumentregister og dokumentlager og
sier for hver regel i ITI-18, ITI-41, ITI-42 og ITI-43 om tjeneren holder den.

Prøvene registrerer oppdiktede dokumenter for oppdiktede pasienter: kjør dem mot en
testtjener. En tjener som bare kjenner noen pasienter, trenger id-ene med --patient,
eller får dem meldt med --announce. --identity og --mllp gir prøvene av identitetsstrømmer,
--xca dem av en gateway som svarer andre fellesskap for dette registeret og dokumentlageret.

--initiating prøver en gateway som spør andre fellesskap: prøven spiller fellesskapene bak
den, friske, trege, døde og fiendtlige, på --communities VERT:PORT. --print-communities sier
hvordan gatewayen må settes opp for det.

Utfall: pass; fail (tjeneren brøt regelen); error (prøven fant ikke ut av det);
skip (tjeneren kan ikke spørres); disabled. Sluttkode 0 bare når ingenting feilet.`),
		`  samdok conform --registry http://127.0.0.1:8080/services/registry \
      --repository http://127.0.0.1:8080/services/repository
  samdok conform --registry URL --repository URL --only ITI-18 --html report.html
  samdok conform --print-communities --communities 10.0.0.5:9000 > communities.yaml
  samdok conform --initiating http://127.0.0.1:8080/services/gateway --communities 10.0.0.5:9000
  samdok conform --list`,
		func(cmd *cobra.Command, _ []string) error { return c.conform(cmd.Context(), f) })
	fl := cmd.Flags()
	fl.StringVar(&f.target.Registry, "registry", "", c.tr("URL of the registry (ITI-18, ITI-42)", "adressen til registeret (ITI-18, ITI-42)"))
	fl.StringVar(&f.target.Repository, "repository", "", c.tr("URL of the repository (ITI-41, ITI-43)", "adressen til dokumentlageret (ITI-41, ITI-43)"))
	fl.StringVar(&f.target.Identity, "identity", "", c.tr("URL of the patient identity feed (ITI-44)", "adressen til strømmen av pasientidentiteter (ITI-44)"))
	fl.StringVar(&f.target.Subscription, "subscription", "", c.tr("URL of the notification broker (ITI-52, ITI-54)", "adressen til varslingstjenesten (ITI-52, ITI-54)"))
	fl.StringVar(&f.target.XCA, "xca", "", c.tr("URL of the responding gateway (ITI-38, ITI-39)", "adressen til gatewayen som svarer andre fellesskap (ITI-38, ITI-39)"))
	fl.StringVar(&f.target.XCPD, "xcpd", "", c.tr("URL of its patient discovery (ITI-55, ITI-56)", "adressen til pasientoppslaget der (ITI-55, ITI-56)"))
	fl.StringVar(&f.target.Initiating, "initiating", "", c.tr("URL of an initiating gateway (ITI-18, ITI-43) that asks the kit's communities", "adressen til en gateway (ITI-18, ITI-43) som spør prøvens fellesskap"))
	fl.StringVar(&f.target.Bridge, "bridge", "", c.tr("URL of a responding gateway (ITI-38, ITI-39) that asks them too, with --initiating", "adressen til en gateway som svarer andre (ITI-38, ITI-39) og spør dem også, med --initiating"))
	fl.StringVar(&f.target.Communities, "communities", "127.0.0.1:9380", c.tr("`HOST:PORT` where the kit plays communities, as the gateway sees it", "`VERT:PORT` der prøven spiller fellesskap, slik gatewayen ser det"))
	fl.DurationVar(&f.target.Deadline, "deadline", 10*time.Second, c.tr("how long the gateway waits for a community", "hvor lenge gatewayen venter på et fellesskap"))
	fl.BoolVar(&f.printCommunities, "print-communities", false, c.tr("print how the gateway must be set up for --initiating, and run nothing", "skriv hvordan gatewayen må settes opp for --initiating, og kjør ingenting"))
	fl.StringVar(&f.target.Recipient, "recipient", "", c.tr("`HOST:PORT` where notifications are taken here, as the server sees it (default: a free port of this machine)", "`VERT:PORT` der varsler tas imot her, slik tjeneren ser det (ellers en ledig port på denne maskinen)"))
	fl.StringVar(&f.target.ReplyTo, "reply-to", "", c.tr("`HOST:PORT` where asynchronous answers are taken here; the server must be allowed to send to http://HOST:PORT", "`VERT:PORT` der asynkrone svar tas imot her; tjeneren må ha lov til å sende til http://VERT:PORT"))
	fl.StringVar(&f.target.MLLP, "mllp", "", c.tr("`HOST:PORT` of the patient identity feed by HL7 v2 (ITI-8)", "`VERT:PORT` til strømmen av pasientidentiteter med HL7 v2 (ITI-8)"))
	fl.BoolVar(&f.mllpTLS, "mllp-tls", false, c.tr("speak TLS there", "bruk TLS der"))
	fl.BoolVar(&f.target.Announce, "announce", false, c.tr("tell of each made-up patient before it is used: the server takes documents of known patients only", "meld hver oppdiktede pasient før den brukes: tjeneren tar bare imot dokumenter for kjente pasienter"))
	fl.IntVar(&f.target.QueryLimit, "query-limit", 0, c.tr("objects that the registry gives in one LeafClass answer, to test XDSTooManyResults (registers one more)", "hvor mange objekter registeret gir i ett LeafClass-svar, for å prøve XDSTooManyResults (registrerer ett mer)"))
	fl.StringVar(&f.target.XDR, "xdr", "", c.tr("URL of the Document Recipient (ITI-41, XDR), to test it too", "adressen til dokumentmottakeren (ITI-41, XDR), for å prøve den også"))
	fl.StringVar(&f.target.Mailbox, "mailbox", "", c.tr("id of an organisation that the recipient receives for", "id til en virksomhet som mottakeren tar imot for"))
	fl.StringVar(&f.target.Home, "home", "", c.tr("homeCommunityId of the community, urn:oid:...", "homeCommunityId for fellesskapet, urn:oid:..."))
	fl.StringVar(&f.target.Authority, "authority", "", c.tr("OID of the authority of patient ids", "OID for utstederen av pasient-id-er"))
	fl.StringSliceVar(&f.target.Patients, "patient", nil, c.tr("patient ids that the server knows (at least two)", "pasient-id-er som tjeneren kjenner (minst to)"))
	fl.DurationVar(&f.target.Timeout, "timeout", 0, c.tr("limit of one case (default 1m)", "grense for én prøve (ellers 1m)"))
	fl.StringSliceVar(&f.only, "only", nil, c.tr("run only cases whose id begins so", "kjør bare prøver der id-en begynner slik"))
	fl.StringSliceVar(&f.disable, "disable", nil, c.tr("ids of cases to leave out", "id-er for prøver som utelates"))
	fl.StringVar(&f.json, "json", "", c.tr("write the report as JSON to this file (- for stdout)", "skriv rapporten som JSON til denne filen (- for stdout)"))
	fl.StringVar(&f.junit, "junit", "", c.tr("write the report as JUnit XML to this file", "skriv rapporten som JUnit-XML til denne filen"))
	fl.StringVar(&f.html, "html", "", c.tr("write the report as a page to this file", "skriv rapporten som en side til denne filen"))
	fl.BoolVar(&f.list, "list", false, c.tr("list the cases and run nothing", "list prøvene og kjør ingenting"))
	c.tlsFlags(fl, &f.tls)
	return cmd
}

func (c *cli) conform(ctx context.Context, f conformFlags) error {
	if f.printCommunities {
		return conformance.PrintCommunities(c.out, f.target.Communities, f.target.Deadline)
	}
	registry, initiating := f.target.Registry != "" && f.target.Repository != "", f.target.Initiating != ""
	if !f.list && (!registry && !initiating || (f.target.Registry == "") != (f.target.Repository == "")) {
		return c.usage("--registry and --repository are needed, or --initiating", "--registry og --repository trengs, eller --initiating")
	}
	var chosen []conformance.Case
	if f.list || registry {
		chosen = cases.All()
	}
	if f.list || initiating {
		chosen = append(chosen, cases.Initiating()...)
	}
	chosen = slices.DeleteFunc(chosen, func(x conformance.Case) bool {
		return len(f.only) > 0 && !slices.ContainsFunc(f.only, func(start string) bool { return strings.HasPrefix(x.ID, start) })
	})
	if f.list {
		return c.listCases(chosen)
	}
	if len(chosen) == 0 {
		return c.usage("no case begins with %v; --list shows them", "ingen prøve begynner med %v; --list viser dem", f.only)
	}
	secure, err := c.clientTLS(f.tls)
	if err != nil {
		return err
	}
	if secure != nil {
		f.target.HTTP = &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: secure}}
	}
	if f.mllpTLS {
		if f.target.MLLPTLS = secure; secure == nil {
			f.target.MLLPTLS = &tls.Config{MinVersion: tls.VersionTLS12}
		}
	}
	progress := c.out
	if f.json == "-" {
		progress = c.err
	}
	report := conformance.Run(ctx, f.target, chosen, f.disable, func(r conformance.Result) {
		if ctx.Err() != nil {
			return // it says nothing of the server
		}
		fmt.Fprintf(progress, "%-8s %-42s %s\n", r.Outcome, r.ID, r.Section)
		if r.Detail != "" {
			fmt.Fprintf(progress, "         %s: %s\n", r.Title, r.Detail)
		}
	})
	if ctx.Err() != nil {
		return exit(exitInterrupted, errors.New(c.tr("interrupted; no report was written", "avbrutt; ingen rapport ble skrevet")))
	}
	for path, write := range map[string]func(io.Writer) error{f.json: report.WriteJSON, f.junit: report.WriteJUnit, f.html: report.WriteHTML} {
		if err := c.writeReport(path, write); err != nil {
			return err
		}
	}
	fmt.Fprintf(progress, "%d pass, %d fail, %d error, %d skip, %d disabled\n", report.Count[conformance.Pass], report.Count[conformance.Fail],
		report.Count[conformance.Error], report.Count[conformance.Skip], report.Count[conformance.Disabled])
	if !report.OK() {
		return exit(exitFailed, fmt.Errorf("%s", c.tr("not every case passed", "ikke alle prøvene gikk bra")))
	}
	return nil
}

func (c *cli) listCases(chosen []conformance.Case) error {
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	for _, x := range chosen {
		fmt.Fprintf(w, "%s\t%s\t%s\n", x.ID, x.Section, x.Title)
	}
	return w.Flush()
}

// writeReport writes to a file, to stdout for "-", nowhere for "".
func (c *cli) writeReport(path string, write func(io.Writer) error) (err error) {
	switch path {
	case "":
		return nil
	case "-":
		return write(c.out)
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if e := file.Close(); err == nil {
			err = e
		}
	}()
	return write(file)
}
