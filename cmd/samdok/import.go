package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"samdok/metadata"
	"samdok/soap/xds"
)

// importFlags are those of import that are not facts.
type importFlags struct {
	table, pattern, journal, profile string
	parallel                         int
	dryRun, asJSON                   bool
}

func (c *cli) importCommand() *cobra.Command {
	var f facts
	var patient patientFlags
	var o importFlags
	var server *serverFlags
	cmd := c.command(c.tr("import FOLDER", "import MAPPE"), c.tr("Register a folder of documents (ITI-41)", "Registrer en mappe med dokumenter (ITI-41)"),
		c.tr(`Registers many documents by the same rules as put, several at a time, each as its own
submission. What each is comes from metadata.csv or metadata.json in the folder, with
the columns file, patient and any flag of put (type, title, created ...), or from the
files' names by --pattern. Flags of put fill empty columns.

A journal in the folder remembers what is done: after an interruption the same command
goes on and registers nothing twice. Documents that fail are listed at the end, and
tried again next time.`,
			`Registrerer mange dokumenter etter samme regler som put, flere samtidig, hvert som egen
innsending. Hva hvert er, står i metadata.csv eller metadata.json i mappen, med
kolonnene file, patient og ethvert flagg til put (type, title, created ...), eller i
filnavnene med --pattern. Flagg til put fyller tomme kolonner.

En journal i mappen husker hva som er gjort: etter et avbrudd fortsetter samme kommando
og registrerer ingenting to ganger. Dokumenter som mislykkes, listes til slutt og prøves
igjen neste gang.`),
		`  samdok import ./arkiv --organisation "Sykehuset Øst HF;974706490"
  samdok import ./arkiv --pattern "{patient}/{type}_{created}_{title}.*" --parallel 8
  samdok import ./arkiv --dry-run`,
		func(cmd *cobra.Command, args []string) error {
			if patient != (patientFlags{}) {
				id, err := c.patientFrom(patient)
				if err != nil {
					return err
				}
				f.Patient = string(id.CX())
			}
			p, err := c.loadProfile(o.profile)
			if err != nil {
				return err
			}
			client, err := c.client(server, o.parallel)
			if err != nil {
				return err
			}
			return c.importFolder(cmd.Context(), args[0], &importer{c: c, client: client, builder: builder{c, p}, defaults: f, flags: o})
		})
	cmd.Args = cobra.ExactArgs(1)
	flags := cmd.Flags()
	flags.StringVar(&o.table, "table", "", c.tr("`FILE` (CSV or JSON) that describes the documents", "`FIL` (CSV eller JSON) som beskriver dokumentene"))
	flags.StringVar(&o.pattern, "pattern", "", c.tr("how files are named, such as '{patient}/{type}_{title}.*'", "hvordan filer heter, som '{patient}/{type}_{title}.*'"))
	flags.StringVar(&o.journal, "journal", "", c.tr("`FILE` that remembers what is done (default FOLDER/.samdok-import)", "`FIL` som husker hva som er gjort (ellers MAPPE/.samdok-import)"))
	flags.IntVar(&o.parallel, "parallel", 4, c.tr("documents sent at the same time", "dokumenter som sendes samtidig"))
	flags.BoolVar(&o.dryRun, "dry-run", false, c.tr("check everything here, send nothing", "kontroller alt her, send ingenting"))
	flags.BoolVar(&o.asJSON, "json", false, c.tr("print the summary as JSON", "skriv sammendraget som JSON"))
	flags.StringVar(&o.profile, "profile", "norway", c.tr("`norway|base`: whose codes and defaults", "`norway|base`: profilen som koder og standardverdier kommer fra"))
	c.patientFlags(flags, &patient)
	c.factFlags(flags, &f)
	server = c.serverFlags(flags)
	return cmd
}

// importer is one run.
type importer struct {
	c        *cli
	client   *xds.Client
	builder  builder
	defaults facts
	flags    importFlags
	dir      string
	journal  *journal

	mu       sync.Mutex
	failures []failure
	done     atomic.Int64
	skipped  atomic.Int64
	away     atomic.Bool // the server is gone: stop trying
}

type failure struct {
	File  string `json:"file"`
	Line  int    `json:"line,omitempty"`
	Error string `json:"error"`
}

func (c *cli) importFolder(ctx context.Context, dir string, im *importer) (err error) {
	im.dir = dir
	records, err := c.readRecords(dir, im.flags.table, im.flags.pattern)
	if err != nil {
		return err
	}
	if !im.flags.dryRun {
		if im.journal, err = openJournal(first(im.flags.journal, filepath.Join(dir, ".samdok-import"))); err != nil {
			return exit(exitFailed, err)
		}
		defer func() { err = errors.Join(err, im.journal.close()) }()
	}
	start := c.clock()
	im.run(ctx, records)
	return im.summary(ctx, len(records), c.clock().Sub(start))
}

// run hands the records to workers.
func (im *importer) run(ctx context.Context, records []record) {
	progress := im.c.countBar(int64(len(records)), im.c.tr("importing", "importerer"))
	defer progress.done()
	work := make(chan *record)
	var group sync.WaitGroup
	for range max(im.flags.parallel, 1) {
		group.Go(func() {
			for r := range work {
				if err := im.one(ctx, r); err != nil && ctx.Err() == nil {
					im.fail(r, err)
				}
				progress.add(1)
			}
		})
	}
	for i := range records {
		if ctx.Err() != nil || im.away.Load() {
			break
		}
		work <- &records[i]
	}
	close(work)
	group.Wait()
}

func (im *importer) fail(r *record, err error) {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.failures = append(im.failures, failure{r.File, r.line, err.Error()})
}

// one registers one document, unless that is done already.
func (im *importer) one(ctx context.Context, r *record) error {
	path, err := im.locate(r.File)
	if err != nil {
		return err
	}
	file, err := examine(ctx, path)
	if err != nil {
		return err
	}
	f := r.facts
	for _, row := range factTable() {
		if to := row.field(&f); *to == "" {
			*to = *row.field(&im.defaults)
		}
	}
	patient, err := im.c.parsePatient(first(f.Patient, im.defaults.Patient))
	if err != nil {
		return err
	}
	e, err := im.builder.entry(&f, patient, file)
	if err != nil {
		return err
	}
	s, err := im.builder.submission(&f, []*metadata.DocumentEntry{e})
	if err != nil || im.flags.dryRun {
		return err
	}
	return im.send(ctx, s, path, journalKey(r.File, file.size, file.sha1))
}

// locate keeps a table from reaching out of its folder.
func (im *importer) locate(name string) (string, error) {
	if name == "" {
		return "", im.c.usage("the column file is empty", "kolonnen file er tom")
	}
	if !filepath.IsLocal(name) {
		return "", im.c.usage("%s is not inside the folder", "%s ligger ikke i mappen", name)
	}
	return filepath.Join(im.dir, name), nil
}

// send registers s once, whatever happened in earlier runs.
func (im *importer) send(ctx context.Context, s *metadata.Submission, path, key string) error {
	line := im.journal.lookup(key)
	switch line.State {
	case "done":
		im.skipped.Add(1)
		return nil
	case "sent":
		known, err := im.known(ctx, line)
		if err != nil {
			return im.lost(err)
		}
		if known {
			im.skipped.Add(1)
			line.State = "done"
			return im.journal.write(line)
		}
		sameIDs(s, line)
	}
	e := s.Entries[0]
	line = journalLine{Key: key, State: "sent", Entry: e.ID, UniqueID: e.UniqueID, Set: s.Set.ID, SetUniqueID: s.Set.UniqueID}
	if err := im.journal.write(line); err != nil {
		return err
	}
	if err := im.provide(ctx, s, path); err != nil {
		return im.lost(err)
	}
	im.done.Add(1)
	line.State = "done"
	return im.journal.write(line)
}

// known asks whether an earlier run's submission arrived.
func (im *importer) known(ctx context.Context, line journalLine) (bool, error) {
	entries, err := getDocuments(ctx, im.client, string(line.Entry))
	return len(entries) > 0, err
}

// sameIDs gives a submission the ids that an earlier run has sent.
func sameIDs(s *metadata.Submission, line journalLine) {
	oldEntry, oldSet := s.Entries[0].ID, s.Set.ID
	s.Entries[0].ID, s.Entries[0].UniqueID = line.Entry, line.UniqueID
	s.Set.ID, s.Set.UniqueID = line.Set, line.SetUniqueID
	for _, a := range s.Associations {
		for _, end := range []*metadata.ID{&a.Source, &a.Target} {
			switch *end {
			case oldEntry:
				*end = line.Entry
			case oldSet:
				*end = line.Set
			}
		}
	}
}

// provide tries again while the server is busy or away for a moment.
func (im *importer) provide(ctx context.Context, s *metadata.Submission, path string) error {
	e := s.Entries[0]
	document := xds.Attachment{EntryID: e.ID, MimeType: e.MimeType, Size: e.Size.Octets, Open: func() (io.ReadCloser, error) { return os.Open(path) }}
	for attempt := 0; ; attempt++ {
		_, err := im.client.Provide(ctx, s, []xds.Attachment{document})
		if err == nil || !isBusy(err) || attempt == 4 {
			return err
		}
		if attempt > 0 {
			// The last attempt may have arrived although its answer did not.
			if known, err := im.known(ctx, journalLine{Entry: e.ID}); err == nil && known {
				return nil
			}
		}
		wait := time.NewTimer(time.Duration(1<<attempt) * 200 * time.Millisecond)
		select {
		case <-ctx.Done():
			wait.Stop()
			return ctx.Err()
		case <-wait.C:
		}
	}
}

// lost notes that nobody answers, so that a thousand files do not each wait.
func (im *importer) lost(err error) error {
	if isNetwork(err) {
		im.away.Store(true)
	}
	return err
}

func (im *importer) summary(ctx context.Context, total int, took time.Duration) error {
	c := im.c
	slices.SortFunc(im.failures, func(a, b failure) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.File, b.File)) })
	if im.flags.asJSON {
		if im.failures == nil {
			im.failures = []failure{}
		}
		if err := c.printJSON(struct {
			Total      int       `json:"total"`
			Registered int64     `json:"registered"`
			Before     int64     `json:"alreadyRegistered"`
			Failures   []failure `json:"failures"`
		}{total, im.done.Load(), im.skipped.Load(), im.failures}); err != nil {
			return err
		}
	} else {
		im.tell(total, took)
	}
	switch {
	case ctx.Err() != nil:
		return exit(exitInterrupted, errors.New(c.tr("interrupted; the same command goes on", "avbrutt; samme kommando fortsetter")))
	case im.away.Load():
		return exit(exitUnreachable, errors.New(c.tr("no server answers; the same command goes on later", "ingen tjener svarer; samme kommando fortsetter senere")))
	case len(im.failures) == 0:
		return nil
	case im.done.Load()+im.skipped.Load() == 0 && !im.flags.dryRun:
		return exit(exitFailed, errors.New(c.tr("nothing was registered", "ingenting ble registrert")))
	}
	return exit(exitPartly, fmt.Errorf(c.tr("%d of %d documents failed", "%d av %d dokumenter mislyktes"), len(im.failures), total))
}

var elevenDigits = regexp.MustCompile(`\b([0-9]{6})[0-9]{5}\b`)

// shown is a file name for standard error, which may end up in a log: of an identity
// number in it, as folders of patients have, the date is left, by which the operator
// finds the folder. --json says all of it.
func shown(name string) string { return elevenDigits.ReplaceAllString(clean(name), "$1*****") }

func (im *importer) tell(total int, took time.Duration) {
	c := im.c
	for _, f := range im.failures {
		if f.Line > 0 {
			c.note("line %d, %s: %s", "linje %d, %s: %s", f.Line, shown(f.File), shown(f.Error))
		} else {
			c.note("%s: %s", "%s: %s", shown(f.File), shown(f.Error))
		}
	}
	if im.flags.dryRun {
		c.say("%d documents looked at, %d would fail here. Nothing was sent.", "%d dokumenter sett på, %d ville mislyktes her. Ingenting ble sendt.", total, len(im.failures))
		return
	}
	c.say("%d documents: %d registered in %s, %d were registered before, %d failed.", "%d dokumenter: %d registrert på %s, %d var registrert fra før, %d mislyktes.",
		total, im.done.Load(), took.Round(time.Millisecond), im.skipped.Load(), len(im.failures))
}
