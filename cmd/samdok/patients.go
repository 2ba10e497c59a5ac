package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"samdok/hl7/hl7v2"
	"samdok/hl7/hl7v3"
	"samdok/hl7/mllp"
	"samdok/metadata"
	"samdok/soap/xds"
)

// feedFlags say how a message of an identity feed gets to a server.
type feedFlags struct {
	server  *serverFlags
	mllp    string
	mllpTLS bool
	json    bool
}

func (c *cli) patientCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "patient",
		Short: c.tr("Tell a registry of patients (ITI-44, ITI-8)", "Meld pasienter til et register (ITI-44, ITI-8)"),
		Long: c.tr(`Sends what a patient administration system sends: that a patient exists, that
something about it changed, or that two patients are one person. The server needs it
when it is run with --patients known, and after a merge in any case.

Messages go by ITI-44 (HL7 v3) to /services/patient-identity, or with --mllp by ITI-8
(HL7 v2) to a server started with --mllp-listen. Only ids are sent, no names.`,
			`Sender det et pasientadministrativt system sender: at en pasient finnes, at noe om
den er endret, eller at to pasienter er samme person. Tjeneren trenger det når den
kjøres med --patients known, og i alle tilfeller etter en sammenslåing.

Meldingene går med ITI-44 (HL7 v3) til /services/patient-identity, eller med --mllp
med ITI-8 (HL7 v2) til en tjener som er startet med --mllp-listen. Bare id-er sendes,
ingen navn.`),
		Example: `  samdok patient add --patient-file patients.txt
  samdok patient merge --patient-file survivor.txt --subsumed-file old.txt
  samdok patient add --patient 'A-17^^^&1.2.3.4&ISO' --mllp 127.0.0.1:2575`,
	}
	cmd.AddCommand(c.patientOneCommand("add", hl7v3.Added), c.patientOneCommand("revise", hl7v3.Revised), c.patientMergeCommand())
	return cmd
}

// patientOneCommand is add or revise.
func (c *cli) patientOneCommand(name string, kind hl7v3.Kind) *cobra.Command {
	var who patientFlags
	var f *feedFlags
	short := c.tr("Tell that patients exist", "Meld at pasienter finnes")
	long := c.tr(`Makes patients known. Telling of a patient twice does no harm, so a list can be sent
again as a whole. The file holds one patient a line: a Norwegian number of 11 digits, or
a CX such as ID^^^&OID&ISO; empty lines and lines that begin with # are passed over.`,
		`Gjør pasienter kjent. Det gjør ingenting om en pasient meldes to ganger, så en liste kan
sendes om igjen som helhet. Filen har én pasient per linje: et norsk nummer på 11
sifre, eller en CX som ID^^^&OID&ISO; tomme linjer og linjer som begynner med #,
hoppes over.`)
	if kind == hl7v3.Revised {
		short = c.tr("Tell that something about patients changed", "Meld at noe om pasienter er endret")
		long = c.tr(`Sends what a patient administration system sends when a name or an address changed. A
registry keeps nothing of that; use it to test a connection. The file is that of
"samdok patient add".`,
			`Sender det et pasientadministrativt system sender når et navn eller en adresse er
endret. Et register beholder ikke noe av det; bruk det til å prøve en forbindelse.
Filen er som for "samdok patient add".`)
	}
	cmd := c.command(name, short, long, "  samdok patient "+name+" --patient-file patients.txt\n  samdok patient "+name+" --patient 'A-17^^^&1.2.3.4&ISO' --json",
		func(cmd *cobra.Command, _ []string) error { return c.feedMany(cmd.Context(), f, kind, who) })
	cmd.Args = cobra.NoArgs
	c.whoFlags(cmd.Flags(), &who)
	f = c.feedFlags(cmd.Flags())
	return cmd
}

func (c *cli) patientMergeCommand() *cobra.Command {
	var who, old patientFlags
	var f *feedFlags
	cmd := c.command("merge", c.tr("Tell that two patients are one person", "Meld at to pasienter er samme person"),
		c.tr(`Merges: from now on the documents of the subsumed patient are found under the surviving
one, and nothing more can be registered for the subsumed. There is no way back. Both
must be known; "samdok patient add" makes them so. A D-number that became a national
identity number is merged into that.`,
			`Slår sammen: fra nå av finnes dokumentene til den innlemmede pasienten under den
gjenværende, og ingenting mer kan registreres på den innlemmede. Det kan ikke gjøres om.
Begge må være kjent; det sørger "samdok patient add" for. Et D-nummer som er erstattet av
et fødselsnummer, slås sammen med det.`),
		`  samdok patient merge --patient-file survivor.txt --subsumed-file old.txt
  samdok patient merge --patient 'A-17^^^&1.2.3.4&ISO' --subsumed 'A-9^^^&1.2.3.4&ISO'`,
		func(cmd *cobra.Command, _ []string) error { return c.feedMerge(cmd.Context(), f, who, old) })
	cmd.Args = cobra.NoArgs
	fl := cmd.Flags()
	fl.StringVarP(&who.patient, "patient", "p", "", c.tr("`ID` of the patient that survives", "`ID` til pasienten som blir igjen"))
	fl.StringVar(&who.file, "patient-file", "", c.tr("`FILE` with that id (- for standard input)", "`FIL` med den id-en (- for standard inn)"))
	fl.StringVar(&old.patient, "subsumed", "", c.tr("`ID` of the patient that is merged into it", "`ID` til pasienten som slås inn i den"))
	fl.StringVar(&old.file, "subsumed-file", "", c.tr("`FILE` with that id", "`FIL` med den id-en"))
	f = c.feedFlags(fl)
	return cmd
}

func (c *cli) whoFlags(f *pflag.FlagSet, who *patientFlags) {
	f.StringVarP(&who.patient, "patient", "p", "", c.tr("`ID` of the patient; other users of this machine can see it while the command runs", "pasientens `ID`; andre brukere av maskinen kan se den mens kommandoen kjører"))
	f.StringVar(&who.file, "patient-file", "", c.tr("`FILE` with patients, one a line (- for standard input)", "`FIL` med pasienter, én per linje (- for standard inn)"))
}

func (c *cli) feedFlags(f *pflag.FlagSet) *feedFlags {
	o := &feedFlags{}
	f.BoolVar(&o.json, "json", false, c.tr("print JSON", "skriv JSON"))
	f.StringVar(&o.mllp, "mllp", "", c.tr("`HOST:PORT`: send HL7 v2 (ITI-8) there instead of ITI-44", "`VERT:PORT`: send HL7 v2 (ITI-8) dit i stedet for ITI-44"))
	f.BoolVar(&o.mllpTLS, "mllp-tls", false, c.tr("speak TLS there (also when --ca or --cert is given)", "bruk TLS der (også når --ca eller --cert er gitt)"))
	o.server = c.serverFlags(f)
	f.StringVar(&o.server.identity, "identity", "", c.tr("`URL`: ITI-44 endpoint of any server, instead of --url (also SAMDOK_IDENTITY)", "`URL`: ITI-44-endepunkt hos en hvilken som helst tjener, i stedet for --url (også SAMDOK_IDENTITY)"))
	return o
}

// sender sends one message. Close it.
type sender interface {
	send(ctx context.Context, kind hl7v3.Kind, patient metadata.PatientID, subsumed []metadata.PatientID) error
	close() error
}

func (c *cli) sender(ctx context.Context, f *feedFlags) (sender, error) {
	if f.mllp == "" {
		client, err := c.client(f.server, 1)
		if err != nil {
			return nil, err
		}
		return soapSender{client}, nil
	}
	if _, _, err := net.SplitHostPort(f.mllp); err != nil {
		return nil, c.usage("--mllp: %q is not HOST:PORT", "--mllp: %q er ikke VERT:PORT", f.mllp)
	}
	secure, err := c.clientTLS(f.server.tls)
	if err != nil {
		return nil, err
	}
	if secure == nil && f.mllpTLS {
		secure = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	client, err := mllp.Dial(ctx, f.mllp, secure)
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	return &mllpSender{client, f.server.wait, c.clock}, nil
}

type soapSender struct{ client *xds.Client }

func (s soapSender) send(ctx context.Context, kind hl7v3.Kind, patient metadata.PatientID, subsumed []metadata.PatientID) error {
	ii := func(p metadata.PatientID) hl7v3.II { return hl7v3.II{Root: p.Authority, Extension: p.ID} }
	f := &hl7v3.Feed{Kind: kind, Patient: []hl7v3.II{ii(patient)}}
	for _, p := range subsumed {
		f.Subsumed = append(f.Subsumed, ii(p))
	}
	return s.client.Feed(ctx, f, "", "")
}

func (soapSender) close() error { return nil }

type mllpSender struct {
	client *mllp.Client
	wait   time.Duration
	clock  func() time.Time
}

// The trigger events of ITI-8.
var triggers = map[hl7v3.Kind]string{hl7v3.Added: "A04", hl7v3.Revised: "A08", hl7v3.Merged: "A40"}

func (s *mllpSender) send(ctx context.Context, kind hl7v3.Kind, patient metadata.PatientID, subsumed []metadata.PatientID) error {
	cx := func(p metadata.PatientID) hl7v2.Identifier {
		return hl7v2.Identifier{ID: p.ID, Authority: hl7v2.HD{Universal: p.Authority, Type: "ISO"}}
	}
	u := metadata.NewUUID()
	m := hl7v2.ADT{Time: s.clock(), Event: hl7v2.Event{Patient: []hl7v2.Identifier{cx(patient)}},
		Header: hl7v2.Header{Trigger: triggers[kind], ControlID: fmt.Sprintf("%x", u[:10]), Processing: "P", Version: "2.3.1", SendingApplication: hl7v2.HD{Namespace: "SAMDOK"}}}
	for _, p := range subsumed {
		m.Event.Subsumed = append(m.Event.Subsumed, cx(p))
	}
	ctx, cancel := context.WithTimeout(ctx, s.wait)
	defer cancel()
	answer, err := s.client.Send(ctx, m.Append(nil))
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return &net.OpError{Op: "read", Net: "mllp", Err: err}
		}
		return err
	}
	code, id, text, err := hl7v2.ReadAnswer(answer)
	switch {
	case err != nil:
		return &xds.ProtocolError{What: "it is no HL7 v2 acknowledgement", Err: err}
	case id != m.ControlID:
		return &xds.ProtocolError{What: "it acknowledges another message"}
	case code != "AA" && code != "CA":
		return &xds.FeedRefusedError{Code: code, Text: text}
	}
	return nil
}

func (s *mllpSender) close() error { return s.client.Close() }

// fed is what the commands print with --json. It never names a patient.
type fed struct {
	Event       string   `json:"event"`
	Transaction string   `json:"transaction"`
	Taken       int      `json:"acknowledged"`
	Refused     []refuse `json:"refused"`
}

type refuse struct {
	Line int    `json:"line"`
	Code string `json:"code"`
	Text string `json:"text"`
}

func (f *feedFlags) result(event string) fed {
	r := fed{Event: event, Transaction: "ITI-44", Refused: []refuse{}}
	if f.mllp != "" {
		r.Transaction = "ITI-8"
	}
	return r
}

func (c *cli) feedMany(ctx context.Context, f *feedFlags, kind hl7v3.Kind, who patientFlags) error {
	all, err := c.patientsFrom(who)
	if err != nil {
		return err
	}
	s, err := c.sender(ctx, f)
	if err != nil {
		return err
	}
	defer s.close()
	event := map[hl7v3.Kind]string{hl7v3.Added: "add", hl7v3.Revised: "revise"}[kind]
	result := f.result(event)
	for _, p := range all {
		err := s.send(ctx, kind, p.id, nil)
		var refused *xds.FeedRefusedError
		switch {
		case err == nil:
			result.Taken++
		case errors.As(err, &refused):
			result.Refused = append(result.Refused, refuse{p.line, refused.Code, clean(refused.Text)})
		default:
			if len(all) > 1 {
				c.note("%d patients were acknowledged before this.", "%d pasienter ble bekreftet før dette.", result.Taken)
			}
			return c.explain(ctx, err)
		}
	}
	return c.fedResult(f, result, len(all))
}

func (c *cli) feedMerge(ctx context.Context, f *feedFlags, who, old patientFlags) error {
	survivor, err := c.patientFrom(who)
	if err != nil {
		return err
	}
	if old == (patientFlags{}) {
		return c.usage("who is subsumed? Give --subsumed, or --subsumed-file FILE", "hvem slås inn? Oppgi --subsumed, eller --subsumed-file FIL")
	}
	subsumed, err := c.patientFrom(old)
	if err != nil {
		return err
	}
	s, err := c.sender(ctx, f)
	if err != nil {
		return err
	}
	defer s.close()
	result := f.result("merge")
	err = s.send(ctx, hl7v3.Merged, survivor, []metadata.PatientID{subsumed})
	var refused *xds.FeedRefusedError
	switch {
	case err == nil:
		result.Taken = 1
	case errors.As(err, &refused):
		result.Refused = append(result.Refused, refuse{1, refused.Code, clean(refused.Text)})
	default:
		return c.explain(ctx, err)
	}
	return c.fedResult(f, result, 1)
}

// fedResult prints and chooses the exit code.
func (c *cli) fedResult(f *feedFlags, r fed, all int) error {
	switch {
	case f.json:
		if err := c.printJSON(r); err != nil {
			return err
		}
	case r.Taken > 0 && r.Event == "merge":
		c.say("Acknowledged: the two are one patient now.", "Bekreftet: de to er én pasient nå.")
	case r.Taken > 0:
		c.say("Acknowledged: %d of %d (%s).", "Bekreftet: %d av %d (%s).", r.Taken, all, r.Transaction)
	}
	if len(r.Refused) == 0 {
		return nil
	}
	var b strings.Builder
	for i, one := range r.Refused {
		if i == 10 {
			fmt.Fprintf(&b, "\n  ... (%d)", len(r.Refused)-i)
			break
		}
		place := ""
		if all > 1 {
			place = fmt.Sprintf(c.tr("line %d: ", "linje %d: "), one.Line)
		}
		b.WriteString("\n  " + place + one.Code + ": " + one.Text)
	}
	code := exitRefused
	if r.Taken > 0 {
		code = exitPartly
	}
	return exit(code, errors.New(c.tr("the server refused:", "tjeneren nektet:")+b.String()))
}

// listed is a patient and the line that it stood in.
type listed struct {
	id   metadata.PatientID
	line int
}

// patientsFrom reads one patient from a flag or many from a file. All are read
// before the first is sent, so that a mistake in the file changes nothing.
func (c *cli) patientsFrom(f patientFlags) ([]listed, error) {
	if f.patient == "-" {
		f = patientFlags{file: "-"}
	}
	if f.file == "" || f.patient != "" {
		id, err := c.patientFrom(f)
		return []listed{{id, 1}}, err
	}
	r := c.in
	if f.file != "-" {
		file, err := os.Open(f.file)
		if err != nil {
			return nil, exit(exitUsage, err)
		}
		defer file.Close()
		r = file
	}
	var all []listed
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		id, err := c.parsePatient(text)
		if err != nil {
			return nil, exit(exitUsage, fmt.Errorf(c.tr("line %d: %w", "linje %d: %w"), n, err))
		}
		all = append(all, listed{id, n})
	}
	if err := lines.Err(); err != nil {
		return nil, exit(exitUsage, err)
	}
	if len(all) == 0 {
		return nil, c.usage("%s holds no patient", "%s har ingen pasient", f.file)
	}
	return all, nil
}
