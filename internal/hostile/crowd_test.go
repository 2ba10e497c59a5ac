package hostile

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/soap/xds"
)

// provide sends documents and returns how many were registered: all or none.
func (w *world) provide(ctx context.Context, s *metadata.Submission, docs ...metadatatest.Document) error {
	var list []xds.Attachment
	for _, d := range docs {
		list = append(list, xds.BytesAttachment(d.Entry.ID, d.Entry.MimeType, d.Bytes))
	}
	_, err := w.client.Provide(ctx, s, list)
	if err == nil {
		w.mu.Lock()
		w.stored += len(docs)
		w.mu.Unlock()
	}
	return err
}

// TestSameSubmissionAtOnce: the same message from several clients is registered
// once; each of the others gets an answer of the standard.
func TestSameSubmissionAtOnce(t *testing.T) {
	w := start(t)
	for range 20 {
		patient := w.gen.Patient()
		d := w.gen.Document(patient, metadatatest.LabXML)
		s := w.gen.Submission(patient, d)
		errs := together(6, func(int) error { return w.provide(t.Context(), s, d) })
		if yes := count(errs, nil); yes != 1 {
			t.Errorf("%d of 6 were accepted: %v", yes, errs)
		}
		for _, err := range errs {
			var refused *xds.RefusedError
			if err != nil && !errors.As(err, &refused) {
				t.Errorf("an answer of no kind: %v", err)
			}
		}
		if err := w.opens(t.Context(), patient, d); err != nil {
			t.Error(err)
		}
	}
	w.calm(t)
	w.end(t)
}

// TestSameUniqueIDAtOnce: of different documents with one uniqueId, sent at once,
// at most one is there afterwards, whole.
func TestSameUniqueIDAtOnce(t *testing.T) {
	w := start(t)
	for range 20 {
		patient := w.gen.Patient()
		id := w.gen.OID()
		docs := make([]metadatatest.Document, 6)
		subs := make([]*metadata.Submission, 6)
		for i := range docs {
			docs[i] = w.gen.Document(patient, metadatatest.Note)
			docs[i].Entry.UniqueID = id
			docs[i].Bytes = bytes.Repeat([]byte{byte('a' + i)}, 50_000)
			docs[i].Entry.Hash, docs[i].Entry.Size = "", metadata.Size{}
			subs[i] = w.gen.Submission(patient, docs[i])
		}
		errs := together(6, func(i int) error { return w.provide(t.Context(), subs[i], docs[i]) })
		if yes := count(errs, nil); yes != 1 {
			t.Errorf("%d of 6 were accepted: %v", yes, errs)
		}
		for i, err := range errs {
			if err == nil {
				if err := w.opens(t.Context(), patient, docs[i]); err != nil {
					t.Error(err)
				}
			}
		}
	}
	w.calm(t)
	w.end(t)
}

// TestReplaceAtOnce: 16 clients replace one document; one of them does, and one
// document is approved.
func TestReplaceAtOnce(t *testing.T) {
	w := start(t)
	patient := w.gen.Patient()
	d := w.gen.Document(patient, metadatatest.Note)
	if err := w.provide(t.Context(), w.gen.Submission(patient, d), d); err != nil {
		t.Fatal(err)
	}
	old := d
	for round := range 5 {
		docs := make([]metadatatest.Document, 16)
		subs := make([]*metadata.Submission, 16)
		for i := range docs {
			docs[i] = w.gen.Document(patient, metadatatest.Note)
			subs[i] = w.gen.Submission(patient, docs[i])
			subs[i].Associations = append(subs[i].Associations, &metadata.Association{
				ID: metadata.NewUUID().ID(), Type: metadata.Replaces, Source: docs[i].Entry.ID, Target: old.Entry.ID})
		}
		errs := together(16, func(i int) error { return w.provide(t.Context(), subs[i], docs[i]) })
		if yes := count(errs, nil); yes != 1 {
			t.Errorf("%d of 16 replaced it: %v", yes, errs)
		}
		for i, err := range errs {
			if err == nil {
				old = docs[i]
			}
		}
		found, err := w.find(t.Context(), patient.CX())
		if err != nil || len(found) != round+2 {
			t.Errorf("%d documents, %v", len(found), err)
		}
		for _, e := range found {
			if approved := e.Status == metadata.Approved; approved != (e.UniqueID == old.Entry.UniqueID) {
				t.Errorf("%s is approved: %v", e.ID, approved)
			}
		}
	}
	w.calm(t)
	w.end(t)
}

func together(n int, f func(int) error) []error {
	errs := make([]error, n)
	var group sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		group.Go(func() {
			<-begin
			errs[i] = f(i)
		})
	}
	close(begin)
	group.Wait()
	return errs
}

func count(errs []error, want error) (n int) {
	for _, err := range errs {
		if err == want {
			n++
		}
	}
	return n
}

// TestNoRoom: files may grow no further, as on a full disk. The server lives, says
// so in a way that can be tried again (on a file system of its own, below 100 MB and
// named by TMPDIR and HOSTILE_SMALL_DISK, also for real), never calls a lost document stored, still
// finds and opens, and goes on by itself when there is room.
func TestNoRoom(t *testing.T) {
	w := start(t)
	acknowledged := map[*metadata.Submission]metadatatest.Document{}
	patients := map[*metadata.Submission]metadatatest.Patient{}
	send := func(size int) error {
		patient := w.gen.Patient()
		w.secret = append(w.secret, patient.FNR)
		d := w.gen.Document(patient, metadatatest.Note)
		if size > 0 {
			d.Bytes = bytes.Repeat([]byte("x"), size)
			d.Entry.Hash, d.Entry.Size = "", metadata.Size{}
		}
		s := w.gen.Submission(patient, d)
		err := w.provide(t.Context(), s, d)
		if err == nil {
			acknowledged[s], patients[s] = d, patient
		}
		return err
	}
	if err := send(0); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for round := range 3 {
		free := func() { limit(t, w.PID, unix.RLIM_INFINITY) }
		if dir := os.Getenv("HOSTILE_SMALL_DISK"); dir != "" {
			free = fill(t, dir, uint64(rand.IntN(500_000)))
		} else {
			limit(t, w.PID, uint64(200_000*(round+1))+uint64(rand.IntN(50_000)))
		}
		for i := range 60 {
			err := send([]int{0, 100_000, 3 << 20}[i%3])
			if err == nil {
				continue
			}
			refused++
			if text := err.Error(); !strings.Contains(text, "OutOfResources") && !strings.Contains(strings.ToLower(text), "try again") {
				t.Errorf("nobody would try again: %v", err)
			}
		}
		free()
		var err error
		for range 300 {
			if err = send(0); err == nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if err != nil {
			t.Errorf("it does not recover: %v", err)
		}
	}
	if refused < 30 {
		t.Errorf("only %d of 180 were refused: the test proves little", refused)
	}
	t.Logf("%d refused, %d accepted", refused, len(acknowledged))
	check := func() {
		for s, d := range acknowledged {
			if err := w.opens(t.Context(), patients[s], d); err != nil {
				t.Errorf("acknowledged: %v", err)
			}
		}
	}
	check()
	w.normal(t)
	w.calm(t)
	w.doubtful = refused // some of those may have been stored: the sweep will tell
	w.end(t)
}

// fill takes the room of a small file system away, down to some octets.
func fill(t *testing.T, dir string, left uint64) (free func()) {
	t.Helper()
	name := dir + "/ballast"
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		t.Fatal(err)
	}
	n := s.Bavail*uint64(s.Bsize) - left
	if err := os.WriteFile(name, make([]byte, n), 0o600); err != nil {
		t.Fatal(err)
	}
	return func() { os.Remove(name) }
}

func limit(t *testing.T, pid int, n uint64) {
	t.Helper()
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: n, Max: unix.RLIM_INFINITY}, nil); err != nil {
		t.Fatal(err)
	}
}
