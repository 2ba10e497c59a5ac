package app

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"samdok/access"
	"samdok/audit"
	"samdok/audit/ledger"
	"samdok/internal/disk"
	"samdok/internal/servertest"
	"samdok/internal/telemetry"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/soap/xds"
)

// smallDisk is a disk of its own for the ledger: files together take so many octets.
type smallDisk struct {
	disk.FS
	mu   sync.Mutex
	size map[string]int64
	room int64
}

type smallFile struct {
	disk.File
	d    *smallDisk
	name string
}

func (d *smallDisk) Open(name string, flag int, perm os.FileMode) (disk.File, error) {
	f, err := d.FS.Open(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &smallFile{f, d, name}, nil
}

func (d *smallDisk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.size, name)
	return d.FS.Remove(name)
}

func (d *smallDisk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.size[to] = d.size[from]
	delete(d.size, from)
	return d.FS.Rename(from, to)
}

// take tells how many of n octets at off there is room for.
func (f *smallFile) take(off int64, n int) int {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	used := int64(0)
	for _, s := range f.d.size {
		used += s
	}
	more := min(max(0, off+int64(n)-f.d.size[f.name]), max(0, f.d.room-used))
	end := min(off+int64(n), f.d.size[f.name]+more)
	f.d.size[f.name] = max(f.d.size[f.name], end)
	return int(max(0, end-off))
}

func (f *smallFile) WriteAt(b []byte, off int64) (int, error) {
	k := f.take(off, len(b))
	n, err := f.File.WriteAt(b[:k], off)
	if err == nil && k < len(b) {
		err = syscall.ENOSPC
	}
	return n, err
}

func (f *smallFile) WriteSync(b []byte, off int64) error {
	if _, err := f.WriteAt(b, off); err != nil {
		return err
	}
	return f.Sync()
}

func (f *smallFile) Truncate(size int64) error {
	f.d.mu.Lock()
	f.d.size[f.name] = size
	f.d.mu.Unlock()
	return f.File.Truncate(size)
}

// enlarge is what an operator does.
func (d *smallDisk) enlarge(n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room += n
}

// TestLedgerDiskFull serves from a ledger whose disk, and no other, is full again and
// again while 16 clients submit, search and retrieve. What cannot be recorded is not
// answered but told to be tried again; what was answered is recorded; with room it
// goes on by itself, and nothing in the ledger is torn.
func TestLedgerDiskFull(t *testing.T) {
	dir, small := filepath.Join(t.TempDir(), "ledger"), &smallDisk{FS: disk.OS{}, size: map[string]int64{}, room: 600_000}
	book, err := ledger.Open(t.Context(), dir, ledger.Options{FS: small, SegmentSize: 100_000, Ahead: 16 << 10, CheckpointEvery: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	l, err := telemetry.NewLog(servertest.Keep("app"), "error", "text")
	if err != nil {
		t.Fatal(err)
	}
	a, err := Open(t.Context(), Options{Config: settings(t, t.TempDir()), Log: l, Clock: time.Now, Version: "test", recorder: book})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Serve(ctx, func() error { return nil }) }()
	x, _ := client(t, a.Info())

	load := &ledgerLoad{x: x, repository: a.Info().RepositoryUniqueID}
	for round := range 4 {
		if !load.until(t, 2*time.Minute, func() bool { return load.refused.Load() >= int64(50*(round+1)) }) {
			t.Fatal("the disk never became full")
		}
		before := load.answered.Load()
		small.enlarge(300_000)
		if !load.until(t, 2*time.Minute, func() bool { return load.answered.Load() > before+20 }) {
			t.Fatal("it does not go on although there is room")
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	small.enlarge(1 << 30)
	if err := book.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := ledger.Verify(t.Context(), dir, ledger.VerifyOptions{Trusted: book.PublicKeys()})
	if err != nil || len(r.Findings) > 0 || r.Torn {
		t.Fatalf("%+v, %v", r, err)
	}
	recorded := map[metadata.PatientID]map[access.Action]int{}
	for r, err := range ledger.Read(t.Context(), dir, ledger.Options{}) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Event.Outcome != audit.Success {
			continue
		}
		for i := range r.Event.Items {
			p := r.Event.Items[i].Patient
			if recorded[p] == nil {
				recorded[p] = map[access.Action]int{}
			}
			recorded[p][r.Event.Request.Action]++
		}
	}
	load.mu.Lock()
	defer load.mu.Unlock()
	for _, done := range load.done {
		if recorded[done.patient][done.action] == 0 {
			t.Fatalf("an answered %s has no record", done.action)
		}
	}
	t.Logf("%d answered, %d refused, %d records", load.answered.Load(), load.refused.Load(), r.Records)
}

// ledgerLoad is what clients do meanwhile.
type ledgerLoad struct {
	x                 *xds.Client
	repository        string
	answered, refused atomic.Int64
	seed              atomic.Uint64
	mu                sync.Mutex
	done              []answered
}

type answered struct {
	patient metadata.PatientID
	action  access.Action
}

// until runs 16 clients until something is so, and tells whether it came to that.
func (l *ledgerLoad) until(t *testing.T, patience time.Duration, so func() bool) bool {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for ctx.Err() == nil && !so() {
				l.one(t)
			}
		})
	}
	group.Wait()
	return so()
}

// one hands in a document, searches for it and opens it.
func (l *ledgerLoad) one(t *testing.T) {
	g := metadatatest.New(1000 + l.seed.Add(1))
	p := g.Patient()
	d := g.Document(p, metadatatest.Note)
	id, _ := p.CX().Patient()
	tell := func(action access.Action, err error) bool {
		if err == nil {
			l.answered.Add(1)
			l.mu.Lock()
			defer l.mu.Unlock()
			l.done = append(l.done, answered{id, action})
			return true
		}
		if text := err.Error(); !strings.Contains(text, "XDSRegistryBusy") && !strings.Contains(text, "XDSRepositoryBusy") || !strings.Contains(strings.ToLower(text), "try again") {
			t.Errorf("%s: refused with %v", action, err)
		}
		l.refused.Add(1)
		return false
	}
	_, err := l.x.Provide(t.Context(), g.Submission(p, d), []xds.Attachment{xds.BytesAttachment(d.Entry.ID, d.Entry.MimeType, d.Bytes)})
	if !tell(access.ActionProvide, err) {
		return
	}
	found, err := l.x.Find(t.Context(), metadata.StoredQuery{Query: &metadata.FindDocuments{Patient: p.CX(), Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}, Return: metadata.LeafClass})
	if err == nil && len(found.Objects) != 1 {
		err = fmt.Errorf("%d entries", len(found.Objects))
	}
	if !tell(access.ActionFind, err) {
		return
	}
	var got []byte
	_, err = l.x.Retrieve(t.Context(), []metadata.DocumentRequest{{RepositoryID: l.repository, UniqueID: d.Entry.UniqueID}}, func(d xds.Document) (err error) {
		got, err = io.ReadAll(d.Body)
		return err
	})
	if err == nil && !bytes.Equal(got, d.Bytes) {
		err = fmt.Errorf("other octets")
	}
	tell(access.ActionRetrieve, err)
}
