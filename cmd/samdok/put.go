package main

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"samdok/metadata"
	"samdok/soap/xds"
)

func (c *cli) putCommand() *cobra.Command {
	var patient patientFlags
	var f facts
	var profileName string
	var asJSON bool
	var server *serverFlags
	cmd := c.command(c.tr("put FILE...", "put FIL..."), c.tr("Register documents (ITI-41)", "Registrer dokumenter (ITI-41)"),
		c.tr(`Sends files with their metadata to a Document Repository, all or none, as one
submission. What you do not say is guessed (mime type, size, hash, time) or taken from
the profile's defaults; the class follows the type. The ids that are printed find the
document again.

The patient is a Norwegian number of 11 digits or a CX. On the command line everybody
on this machine can read it while the command runs: --patient-file - reads it from
standard input instead.`,
			`Sender filer med metadata til et dokumentarkiv, alle eller ingen, som én innsending.
Det du ikke oppgir, gjettes (mimetype, størrelse, hash, tid) eller tas fra profilens
standardverdier; klassen følger typen. Id-ene som skrives ut, finner dokumentet igjen.

Pasienten er et norsk nummer på 11 siffer eller en CX. På kommandolinjen kan alle på
maskinen lese det mens kommandoen kjører: --patient-file - leser det fra standard inn.`),
		`  samdok put epikrise.pdf --patient-file pasient.txt --type Epikrise --title "Epikrise, medisin"
  samdok put svar.xml --patient 13911699170 --type C01-2 \
      --author "Kari Nordmann;9144889" --organisation "Sykehuset Øst HF;974706490"
  samdok put ny.pdf --patient-file - --type A03-2 --replace urn:uuid:... < pasient.txt
  samdok put *.png --patient-file pasient.txt --type E01-2 --folder "Undersøkelse 2026" --json`,
		func(cmd *cobra.Command, args []string) error {
			id, err := c.patientFrom(patient)
			if err != nil {
				return err
			}
			p, err := c.loadProfile(profileName)
			if err != nil {
				return err
			}
			client, err := c.client(server, 1)
			if err != nil {
				return err
			}
			return c.put(cmd.Context(), client, builder{c, p}, &f, id, args, asJSON)
		})
	cmd.Args = cobra.MinimumNArgs(1)
	flags := cmd.Flags()
	c.patientFlags(flags, &patient)
	c.factFlags(flags, &f)
	flags.StringVar(&profileName, "profile", "norway", c.tr("`norway|base`: whose codes and defaults", "`norway|base`: profilen som koder og standardverdier kommer fra"))
	flags.BoolVar(&asJSON, "json", false, c.tr("print JSON", "skriv JSON"))
	server = c.serverFlags(flags)
	return cmd
}

func (c *cli) patientFlags(f *pflag.FlagSet, p *patientFlags) {
	f.StringVar(&p.patient, "patient", "", c.tr("`PATIENT`: 11 digits, or a CX 'ID^^^&OID&ISO'", "`PASIENT`: 11 siffer, eller en CX 'ID^^^&OID&ISO'"))
	f.StringVar(&p.file, "patient-file", "", c.tr("`FILE` with the patient, - for standard input", "`FIL` med pasienten, - for standard inn"))
}

// factFlags adds one flag per row of the table of facts.
func (c *cli) factFlags(flags *pflag.FlagSet, f *facts) {
	for _, row := range factTable() {
		flags.StringVar(row.field(f), row.name, "", "`"+row.form+"`: "+c.tr(row.en, row.nb))
	}
}

// sent is one document of a submission that was accepted.
type sent struct {
	File      string      `json:"file"`
	EntryUUID metadata.ID `json:"entryUUID"`
	UniqueID  string      `json:"uniqueId"`
	Title     string      `json:"title"`
	Type      string      `json:"typeCode"`
	MimeType  string      `json:"mimeType"`
	Size      int64       `json:"size"`
	SHA1      string      `json:"hash"`
}

func (c *cli) put(ctx context.Context, client *xds.Client, b builder, f *facts, patient metadata.PatientID, paths []string, asJSON bool) error {
	if len(paths) > 1 && f.UniqueID != "" {
		return c.usage("--unique-id takes one file at a time", "--unique-id tar én fil om gangen")
	}
	var entries []*metadata.DocumentEntry
	var documents []xds.Attachment
	var total int64
	for _, path := range paths {
		file, err := examine(ctx, path)
		if err != nil {
			return exit(exitUsage, err)
		}
		e, err := b.entry(f, patient, file)
		if err != nil {
			return err
		}
		entries = append(entries, e)
		documents = append(documents, xds.Attachment{EntryID: e.ID, MimeType: e.MimeType, Size: file.size})
		total += file.size
	}
	progress := c.bytesBar(total, c.tr("sending", "sender"))
	for i := range documents {
		documents[i].Open = func() (io.ReadCloser, error) {
			file, err := os.Open(paths[i])
			if err != nil {
				return nil, err
			}
			return progress.reader(file), nil
		}
	}
	s, err := b.submission(f, entries)
	if err != nil {
		return err
	}
	answer, err := client.Provide(ctx, s, documents)
	progress.done()
	if err != nil {
		return c.explain(ctx, err)
	}
	c.warn(answer.Problems)
	return c.showSent(b, s, paths, asJSON)
}

func (c *cli) showSent(b builder, s *metadata.Submission, paths []string, asJSON bool) error {
	var list []sent
	for i, e := range s.Entries {
		list = append(list, sent{paths[i], e.ID, e.UniqueID, e.Title.String(), e.TypeCode.Value, e.MimeType, e.Size.Octets, e.Hash})
	}
	if asJSON {
		return c.printJSON(struct {
			SubmissionSet metadata.ID `json:"submissionSet"`
			Documents     []sent      `json:"documents"`
		}{s.Set.ID, list})
	}
	for i, d := range list {
		c.say("Registered %s", "Registrerte %s", clean(d.File))
		fmt.Fprintf(c.out, "  %-12s%s (%s)\n  %-12s%s\n  %-12s%s\n", c.tr("type", "type"), b.profile.Label(s.Entries[i].TypeCode, c.tr("en", "nb")), d.Type, "entryUUID", d.EntryUUID, "uniqueId", d.UniqueID)
	}
	return nil
}

// examine reads a file once: its type, size and hash.
func examine(ctx context.Context, path string) (fileFacts, error) {
	// Opening a pipe waits for its writer, and no signal ends that.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fileFacts{}, fmt.Errorf("%s is not a file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return fileFacts{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fileFacts{}, err
	}
	if !info.Mode().IsRegular() {
		return fileFacts{}, fmt.Errorf("%s is not a file", path)
	}
	head := make([]byte, 4096)
	n, err := io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fileFacts{}, err
	}
	sum := sha1.New()
	sum.Write(head[:n])
	rest, err := io.Copy(sum, stoppable{ctx, file})
	if err != nil {
		return fileFacts{}, err
	}
	return fileFacts{
		name: filepath.Base(path), mime: guessMime(path, head[:n]), modified: info.ModTime(),
		size: int64(n) + rest, sha1: hex.EncodeToString(sum.Sum(nil)),
	}, nil
}

// stoppable ends reading when the person gives up.
type stoppable struct {
	ctx context.Context
	io.Reader
}

func (s stoppable) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.Reader.Read(p)
}
