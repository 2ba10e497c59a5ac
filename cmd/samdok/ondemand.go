package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"samdok/metadata"
	"samdok/ondemand"
)

func (c *cli) onDemandCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ondemand",
		Short: c.tr("Documents that are made when they are opened", "Dokumenter som lages når de åpnes"),
		Long: c.tr(`An on-demand document is registered without bytes (ITI-61). Its source makes them each
time somebody opens it, of what he may see then.`,
			`Et dokument av typen on-demand registreres uten innhold (ITI-61). Kilden lager innholdet
hver gang noen åpner det, av det han har lov til å se da.`),
		Example: "  samdok ondemand register --patient-file pasient.txt --generator summary",
	}
	cmd.AddCommand(c.onDemandRegisterCommand())
	return cmd
}

// onDemandFlags say what to register.
type onDemandFlags struct {
	patient                             patientFlags
	generator, format, repository, name string
	born, sex, profile, language        string
	facts                               facts
	delayed, asJSON                     bool
}

// formats of the generators by the word for --format.
var onDemandFormats = map[string]string{"cda": "text/xml", "pdf": "application/pdf"}

func (c *cli) onDemandRegisterCommand() *cobra.Command {
	var o onDemandFlags
	var server *serverFlags
	cmd := c.command("register", c.tr("Register a document that is made when it is opened (ITI-61)", "Registrer et dokument som lages når det åpnes (ITI-61)"),
		c.tr(`Registers an on-demand document of a patient: an entry without bytes, whose document the
server makes each time it is opened, of what the reader may see then. summary is a list of
the patient's documents by class. samdok find --on-demand lists such entries, samdok get
opens them.

The repository is the server's own unless --repository-id names another source. For every
patient from now on the server's setting on-demand.register does the same.`,
			`Registrerer et dokument for en pasient som lages når det åpnes: en oppføring uten innhold,
der tjeneren lager dokumentet hver gang det åpnes, av det leseren har lov til å se da.
summary er en liste over pasientens dokumenter etter klasse. samdok find --on-demand lister
slike oppføringer, samdok get åpner dem.

Arkivet er tjenerens eget, om ikke --repository-id sier et annet. Tjenerens innstilling
on-demand.register gjør det samme for hver pasient fra nå av.`),
		`  samdok ondemand register --patient-file pasient.txt --generator summary
  samdok ondemand register --patient 13911699170 --format cda --language en-GB \
      --name 'Nordmann, Kari' --born 1916-11-13 --sex F
  samdok find --on-demand --patient-file pasient.txt`,
		func(cmd *cobra.Command, _ []string) error { return c.onDemandRegister(cmd.Context(), server, &o) })
	cmd.Args = cobra.NoArgs
	f := cmd.Flags()
	c.patientFlags(f, &o.patient)
	f.StringVar(&o.generator, "generator", "summary", c.tr("`summary`: what the document is", "`summary`: hva dokumentet er"))
	f.StringVar(&o.format, "format", "pdf", c.tr("`pdf|cda`: its form", "`pdf|cda`: formen"))
	f.StringVar(&o.name, "name", "", c.tr("`NAME` of the patient, to be shown: 'Nordmann, Kari'", "`NAVN` på pasienten, som vises: 'Nordmann, Kari'"))
	f.StringVar(&o.born, "born", "", c.tr("`DATE` of birth, to be shown", "`DATO` for fødsel, som vises"))
	f.StringVar(&o.sex, "sex", "", c.tr("`F|M`: sex, to be shown", "`F|M`: kjønn, som vises"))
	f.StringVar(&o.facts.Title, "title", "", c.tr("`TEXT`: title; the generator's without one", "`TEKST`: tittel; ellers generatorens"))
	f.StringVar(&o.facts.Type, "type", "", c.tr("`CODE`: kind of document; the profile's for a summary without one", "`KODE`: dokumenttype; ellers profilens for et sammendrag"))
	f.StringVar(&o.facts.Class, "class", "", c.tr("`CODE`: class of the kind; follows the type", "`KODE`: dokumentklasse; følger typen"))
	f.StringVar(&o.facts.Confidentiality, "confidentiality", "", c.tr("`CODE`: confidentiality codes with ; between", "`KODE`: konfidensialitetskoder med ; mellom"))
	f.StringVar(&o.facts.Organisation, "organisation", "", c.tr("`NAME;NUMBER`: organisation that answers for it", "`NAVN;NUMMER`: virksomheten som svarer for det"))
	f.StringVar(&o.facts.Replace, "replace", "", c.tr("`ENTRYUUID`: registered document that this one replaces", "`ENTRYUUID`: registrert dokument som dette erstatter"))
	f.StringVar(&o.language, "language", "nb-NO", c.tr("`TAG`: language of the document; English when it begins with en, else bokmål", "`TAGG`: språket i dokumentet; engelsk når det begynner med en, ellers bokmål"))
	f.BoolVar(&o.delayed, "delayed", false, c.tr("register a stable document (ITI-42) that is assembled when it is opened first, of what there is now, and stays the same", "registrer et stabilt dokument (ITI-42) som settes sammen når det åpnes første gang, av det som finnes nå, og forblir det samme"))
	f.StringVar(&o.repository, "repository-id", "", c.tr("`OID`: repositoryUniqueId of the source; the server's own without one", "`OID`: repositoryUniqueId for kilden; ellers tjenerens egen"))
	f.StringVar(&o.profile, "profile", "norway", c.tr("`norway|base`: whose codes and defaults", "`norway|base`: profilen som koder og standardverdier kommer fra"))
	f.BoolVar(&o.asJSON, "json", false, c.tr("print JSON", "skriv JSON"))
	server = c.serverFlags(f)
	return cmd
}

func (c *cli) onDemandRegister(ctx context.Context, server *serverFlags, o *onDemandFlags) error {
	mime, ok := onDemandFormats[o.format]
	if !ok {
		return c.usage("--format: %q is neither pdf nor cda", "--format: %q er verken pdf eller cda", o.format)
	}
	if o.generator != "summary" {
		return c.usage("--generator: there is no %q; write summary", "--generator: %q finnes ikke; skriv summary", o.generator)
	}
	patient, err := c.patientFrom(o.patient)
	if err != nil {
		return err
	}
	p, err := c.loadProfile(o.profile)
	if err != nil {
		return err
	}
	client, err := c.client(server, 1)
	if err != nil {
		return err
	}
	if o.repository == "" {
		if o.repository, err = c.repositoryOf(ctx, server); err != nil {
			return err
		}
	}
	b := builder{c, p}
	e := &metadata.DocumentEntry{
		ID: metadata.NewUUID().ID(), MimeType: mime, Language: o.language, UniqueID: newOID(), RepositoryID: o.repository,
		PatientID: patient.CX(), SourcePatientID: patient.CX(), Title: metadata.NewText(o.facts.Title),
	}
	if e.SourcePatientInfo, err = c.patientInfo(o); err != nil {
		return err
	}
	if author, ok := b.author(&o.facts); ok {
		e.Authors = []metadata.Author{author}
	}
	if err := b.codes(e, &o.facts); err != nil {
		return err
	}
	p.Summary(e)
	if o.delayed {
		e.Kind, e.Hash, e.Size = metadata.Stable, ondemand.EmptyHash, metadata.Octets(0)
		e.Extra = []metadata.Slot{{Name: ondemand.DelayedSlot, Values: []string{o.generator}}}
	}
	p.Defaults(e, c.clock())
	s, err := b.submission(&o.facts, []*metadata.DocumentEntry{e})
	if err != nil {
		return err
	}
	send := client.RegisterOnDemand
	if o.delayed {
		send = client.Register
	}
	answer, err := send(ctx, s)
	if err != nil {
		return c.explain(ctx, err)
	}
	c.warn(answer.Problems)
	if o.asJSON {
		return c.printJSON(struct {
			SubmissionSet metadata.ID `json:"submissionSet"`
			EntryUUID     metadata.ID `json:"entryUUID"`
			UniqueID      string      `json:"uniqueId"`
			RepositoryID  string      `json:"repositoryUniqueId"`
			MimeType      string      `json:"mimeType"`
		}{s.Set.ID, e.ID, e.UniqueID, e.RepositoryID, e.MimeType})
	}
	if o.delayed {
		c.say("Registered a document that is assembled when it is opened first: %s", "Registrerte et dokument som settes sammen når det åpnes første gang: %s", clean(e.Title.String()))
	} else {
		c.say("Registered an on-demand document: %s", "Registrerte et dokument som lages når det åpnes: %s", clean(e.Title.String()))
	}
	fmt.Fprintf(c.out, "  %-12s%s\n  %-12s%s\n", "entryUUID", e.ID, "uniqueId", e.UniqueID)
	return nil
}

// patientInfo is what the document shows of the patient (sourcePatientInfo).
func (c *cli) patientInfo(o *onDemandFlags) ([]string, error) {
	var info []string
	if o.name != "" {
		p, err := personOf(o.name).Parse()
		if err != nil {
			return nil, c.usage("--name: %v", "--name: %v", err)
		}
		info = append(info, "PID-5|"+escapeHL7(p.Family)+"^"+escapeHL7(p.Given))
	}
	if o.born != "" {
		digits := strings.ReplaceAll(o.born, "-", "")
		if d := metadata.DTM(digits); !d.Valid() || len(d) > 8 {
			return nil, c.usage("--born: %q is not a date; write one like 1980-01-31", "--born: %q er ikke en dato; skriv en som 1980-01-31", o.born)
		}
		info = append(info, "PID-7|"+digits)
	}
	switch o.sex {
	case "":
	case "F", "M":
		info = append(info, "PID-8|"+o.sex)
	default:
		return nil, c.usage("--sex: %q is neither F nor M", "--sex: %q er verken F eller M", o.sex)
	}
	return info, nil
}

func escapeHL7(s string) string {
	return strings.NewReplacer(`\`, `\E\`, "|", `\F\`, "^", `\S\`, "&", `\T\`, "~", `\R\`).Replace(s)
}

// repositoryOf reads the server's own repositoryUniqueId from its page for people.
func (c *cli) repositoryOf(ctx context.Context, s *serverFlags) (string, error) {
	client, base, err := c.http(s, 1)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/", nil)
	if err != nil {
		return "", exit(exitUsage, err)
	}
	req.Header.Set("Accept", "text/plain")
	resp, err := client.Do(req)
	if err != nil {
		return "", c.explain(ctx, err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(io.LimitReader(resp.Body, 64<<10))
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), " "); ok && name == "repositoryUniqueId" {
			if value = strings.TrimSpace(value); metadata.ValidOID(value) {
				return value, nil
			}
		}
	}
	return "", c.usage("%s does not tell its repositoryUniqueId; give it with --repository-id", "%s oppgir ikke sin repositoryUniqueId; oppgi den med --repository-id", base)
}
