package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"samdok/internal/app"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/metadata/profile"
	"samdok/soap/xds"
)

const (
	showPatients = 5
	showAbout    = time.Minute // for all steps together
)

// show is what demo does with the server, from outside.
type show struct {
	c       *cli
	client  *xds.Client
	profile *profile.Profile
	cases   []*showCase
	opened  metadatatest.Document // the one that is opened for all to see
}

// showCase is a patient and what was registered.
type showCase struct {
	patient   metadatatest.Patient
	documents []metadatatest.Document
	replaced  map[metadata.ID]bool
}

func (c *cli) newShow(i app.Info) *show {
	client, err := c.client(&serverFlags{registry: i.Registry, repository: i.Repository, wait: showAbout}, 1)
	if err != nil {
		client = nil // unreachable: the address is our own; run tells
	}
	return &show{c: c, client: client}
}

func (s *show) run(ctx context.Context) (err error) {
	if s.client == nil {
		return errors.New("the server's own address cannot be used")
	}
	ctx, cancel := context.WithTimeout(ctx, showAbout)
	defer cancel()
	if s.profile, err = s.c.loadProfile("norway"); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{s.register, s.find, s.open, s.summary, s.checkAll} {
		if err := step(ctx); err != nil {
			return s.c.demoFailed(ctx, err)
		}
	}
	s.c.say("Everything was right.\n", "Alt stemte.\n")
	return nil
}

// register sends each patient's documents in two submissions: what happened, with
// a folder, and a corrected discharge summary that replaces the first one.
func (s *show) register(ctx context.Context) error {
	seed := metadata.NewUUID()
	g := metadatatest.New(uint64(seed[0])<<56 | uint64(seed[1])<<48 | uint64(seed[2])<<40 | uint64(seed[3])<<32 | uint64(seed[4])<<24 | uint64(seed[5])<<16 | uint64(seed[9])<<8 | uint64(seed[10]))
	g.Now = s.c.clock()
	var octets int64
	var took time.Duration
	documents, submissions := 0, 0
	for range showPatients {
		one := &showCase{patient: g.Patient(), replaced: map[metadata.ID]bool{}}
		s.cases = append(s.cases, one)
		for _, submission := range s.story(g, one) {
			start := s.c.clock()
			if _, err := s.client.Provide(ctx, submission.metadata, submission.parts()); err != nil {
				return err
			}
			took += s.c.clock().Sub(start)
			submissions++
			for _, d := range submission.documents {
				documents++
				octets += int64(len(d.Bytes))
			}
		}
	}
	s.c.say("1. Registered %d documents (%s) of %d patients in %d submissions by ITI-41\n   in %s, %s each, durable and recorded before each answer.\n",
		"1. Registrerte %d dokumenter (%s) for %d pasienter i %d innsendinger med ITI-41\n   på %s, %s per innsending, trygt lagret og loggført før hvert svar.\n",
		documents, humanSize(octets), len(s.cases), submissions, showTime(took), showTime(took/time.Duration(submissions)))
	return nil
}

// submission is metadata with its documents.
type submission struct {
	metadata  *metadata.Submission
	documents []metadatatest.Document
}

func (s submission) parts() []xds.Attachment {
	var parts []xds.Attachment
	for _, d := range s.documents {
		parts = append(parts, xds.BytesAttachment(d.Entry.ID, d.Entry.MimeType, d.Bytes))
	}
	return parts
}

func (s *show) story(g *metadatatest.Gen, one *showCase) []submission {
	var first submission
	for _, kind := range metadatatest.Kinds() {
		first.documents = append(first.documents, g.Document(one.patient, kind))
	}
	first.metadata = g.Submission(one.patient, first.documents...)
	folder := g.Folder(one.patient, "Innleggelse")
	metadatatest.AddFolder(first.metadata, folder)
	for _, d := range first.documents {
		metadatatest.AddToFolder(first.metadata, folder.ID, d.Entry.ID)
	}
	wrong := first.documents[0].Entry
	second := submission{documents: []metadatatest.Document{g.Document(one.patient, metadatatest.EpikriseCDA)}}
	second.metadata = g.Submission(one.patient, second.documents...)
	metadatatest.Relate(second.metadata, metadata.Replaces, second.documents[0].Entry.ID, wrong.ID)
	one.replaced[wrong.ID] = true
	one.documents = slices.Concat(first.documents, second.documents)
	return []submission{first, second}
}

// find shows one patient's list, as a clinician would see it.
func (s *show) find(ctx context.Context) error {
	one := s.cases[0]
	start := s.c.clock()
	entries, err := s.entries(ctx, one, metadata.Approved)
	if err != nil {
		return err
	}
	took := s.c.clock().Sub(start)
	newestFirst(entries)
	s.c.say("2. Asked for the current documents of %s %s by ITI-18: %d in %s.\n", "2. Spurte etter gjeldende dokumenter for %s %s med ITI-18: %d på %s.\n",
		one.patient.Given, one.patient.Family, len(entries), showTime(took))
	var table bytes.Buffer
	inner := *s.c
	inner.out = &table
	if err := inner.table(entries, s.profile); err != nil {
		return err
	}
	for line := range strings.Lines(table.String()) {
		fmt.Fprint(s.c.out, "   "+line)
	}
	fmt.Fprintln(s.c.out)
	return nil
}

func (s *show) entries(ctx context.Context, one *showCase, status ...metadata.Status) ([]*metadata.DocumentEntry, error) {
	q := &metadata.FindDocuments{Patient: one.patient.CX(), Filter: metadata.DocumentFilter{Status: status}}
	answer, err := s.client.Find(ctx, metadata.StoredQuery{Query: q})
	if err != nil {
		return nil, err
	}
	return entriesOf(answer.Objects), nil
}

// open fetches the corrected discharge summary.
func (s *show) open(ctx context.Context) error {
	one := s.cases[0]
	s.opened = one.documents[len(one.documents)-1]
	entries, err := getDocuments(ctx, s.client, string(s.opened.Entry.ID))
	if err != nil {
		return err
	}
	if len(entries) != 1 {
		return fmt.Errorf("%d entries have the entryUUID that was just registered", len(entries))
	}
	start := s.c.clock()
	if err := s.compare(ctx, entries[0], s.opened.Bytes); err != nil {
		return err
	}
	s.c.say("3. Opened the newest discharge summary (%s, %s) by ITI-43 in %s:\n   every byte is as it was registered.\n", "3. Åpnet den nyeste epikrisen (%s, %s) med ITI-43 på %s:\n   hver eneste byte er som den ble registrert.\n",
		entries[0].MimeType, humanSize(entries[0].Size.Octets), showTime(s.c.clock().Sub(start)))
	return nil
}

func (s *show) compare(ctx context.Context, e *metadata.DocumentEntry, want []byte) error {
	var got []byte
	request := metadata.DocumentRequest{Home: e.Home, RepositoryID: e.RepositoryID, UniqueID: e.UniqueID}
	_, err := s.client.Retrieve(ctx, []metadata.DocumentRequest{request}, func(d xds.Document) (err error) {
		got, err = io.ReadAll(d.Body)
		return err
	})
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("the bytes of %s are not those that were registered", e.ID)
	}
	return nil
}

// summary registers an on-demand document and has it made.
func (s *show) summary(ctx context.Context) error {
	one := s.cases[0]
	entries, err := s.entries(ctx, one, metadata.Approved)
	if err != nil {
		return err
	}
	e := &metadata.DocumentEntry{
		ID: metadata.NewUUID().ID(), UniqueID: newOID(), MimeType: "text/xml", Language: s.c.tr("en-GB", "nb-NO"), RepositoryID: entries[0].RepositoryID,
		PatientID: one.patient.CX(), SourcePatientID: one.patient.CX(), SourcePatientInfo: entries[0].SourcePatientInfo,
	}
	s.profile.Summary(e)
	s.profile.Defaults(e, s.c.clock())
	sub, err := builder{s.c, s.profile}.submission(&facts{}, []*metadata.DocumentEntry{e})
	if err != nil {
		return err
	}
	if _, err := s.client.RegisterOnDemand(ctx, sub); err != nil {
		return err
	}
	start := s.c.clock()
	var text []byte
	_, err = s.client.Retrieve(ctx, []metadata.DocumentRequest{{RepositoryID: e.RepositoryID, UniqueID: e.UniqueID}}, func(d xds.Document) (err error) {
		text, err = io.ReadAll(d.Body)
		return err
	})
	if err != nil {
		return err
	}
	if rows := bytes.Count(text, []byte("<tr>")) - bytes.Count(text, []byte("<thead>")); rows != len(entries) {
		return fmt.Errorf("the summary lists %d documents of %d", rows, len(entries))
	}
	s.c.say("4. Registered a summary of the patient by ITI-61 and opened it: HL7 CDA, made in %s\n   of the %d documents that there are now.\n", "4. Registrerte et pasientsammendrag med ITI-61 og åpnet det: HL7 CDA, laget på %s\n   av de %d dokumentene som finnes nå.\n",
		showTime(s.c.clock().Sub(start)), len(entries))
	return nil
}

// checkAll proves every document of every patient: found once, with the status it
// shall have, and the same bytes.
func (s *show) checkAll(ctx context.Context) error {
	start := s.c.clock()
	documents, replaced := 0, 0
	for _, one := range s.cases {
		entries, err := s.entries(ctx, one, metadata.Approved, metadata.Deprecated)
		if err != nil {
			return err
		}
		if len(entries) != len(one.documents) {
			return fmt.Errorf("%d documents were registered for a patient and %d found", len(one.documents), len(entries))
		}
		for _, d := range one.documents {
			i := slices.IndexFunc(entries, func(e *metadata.DocumentEntry) bool { return e.ID == d.Entry.ID })
			if i < 0 {
				return fmt.Errorf("%s was registered and is not found", d.Entry.ID)
			}
			if is := entries[i].Status == metadata.Deprecated; is != one.replaced[d.Entry.ID] {
				return fmt.Errorf("%s has the wrong status", d.Entry.ID)
			} else if is {
				replaced++
			}
			if err := s.compare(ctx, entries[i], d.Bytes); err != nil {
				return err
			}
			documents++
		}
	}
	s.c.say("5. Found and opened all %d documents of all patients and compared every byte in %s;\n   %d corrected ones are marked as replaced and can still be opened.\n", "5. Fant og åpnet alle %d dokumentene for alle pasientene og sammenlignet hver byte på %s;\n   %d rettede er merket som erstattet og kan fortsatt åpnes.\n",
		documents, showTime(s.c.clock().Sub(start)), replaced)
	return nil
}

// since is the time that has gone.
func (c *cli) since(start time.Time) string { return showTime(c.clock().Sub(start)) }

// showTime rounds to what a person reads.
func showTime(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
