package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/soap/xds"
)

// kept is what a reader was shown.
type kept struct {
	id    metadata.DocumentRequest
	bytes []byte
}

// summaries opens the summary of a patient whose documents grow in number, until the
// server is gone.
func summaries(client *xds.Client, g *metadatatest.Gen, p metadatatest.Patient, answers *atomic.Int64) (shown []kept) {
	for {
		d := g.Document(p, metadatatest.Note)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		_, err := client.Provide(ctx, g.Submission(p, d), []xds.Attachment{xds.BytesAttachment(d.Entry.ID, d.Entry.MimeType, d.Bytes)})
		for range 2 {
			var k kept
			if err == nil {
				k, err = openSummary(ctx, client, p)
			}
			if err == nil {
				shown = append(shown, k)
				answers.Add(1)
			}
		}
		cancel()
		if err != nil {
			return shown
		}
	}
}

func openSummary(ctx context.Context, client *xds.Client, p metadatatest.Patient) (k kept, err error) {
	q := &metadata.FindDocuments{Patient: p.CX(), Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}, Kinds: []metadata.EntryKind{metadata.OnDemand}}}
	answer, err := client.Find(ctx, metadata.StoredQuery{Query: q})
	if err != nil {
		return k, err
	}
	entries := entriesOf(answer.Objects)
	if len(entries) != 1 {
		return k, fmt.Errorf("%d on-demand entries", len(entries))
	}
	r, err := client.Retrieve(ctx, []metadata.DocumentRequest{{RepositoryID: entries[0].RepositoryID, UniqueID: entries[0].UniqueID}}, func(d xds.Document) (err error) {
		k.id = d.NewID
		k.bytes, err = io.ReadAll(d.Body)
		return err
	})
	if err == nil && k.id.RepositoryID == "" {
		err = fmt.Errorf("nothing was kept: %v", r.Problems)
	}
	return k, err
}

// TestKilledServerKeepsSnapshots ends the server with SIGKILL while readers have
// snapshots made. Every snapshot that was shown is there afterwards, with the bytes
// that were shown, in one submission with its origin; none is there in part.
func TestKilledServerKeepsSnapshots(t *testing.T) {
	t.Parallel()
	const readers, rounds = 4, 3
	dir, settings := t.TempDir(), []string{"--on-demand-snapshots", "on", "--on-demand-register", "cda"}
	var mu sync.Mutex
	var shown []kept
	var patients []metadatatest.Patient
	for round := range rounds {
		p := startProcess(t, dir, settings...)
		client := p.client(t)
		var group sync.WaitGroup
		var answers atomic.Int64
		for i := range readers {
			g := metadatatest.New(uint64(round*readers+i) + rand.Uint64()<<8)
			patient := g.Patient()
			patients = append(patients, patient)
			group.Go(func() {
				got := summaries(client, g, patient, &answers)
				mu.Lock()
				defer mu.Unlock()
				shown = append(shown, got...)
			})
		}
		inTheMiddle(t, &answers, readers)
		p.signal(t, syscall.SIGKILL)
		p.wait(t)
		group.Wait()
	}
	p := startProcess(t, dir, settings...)
	client := p.client(t)
	for _, k := range shown {
		var got []byte
		if _, err := client.Retrieve(t.Context(), []metadata.DocumentRequest{k.id}, func(d xds.Document) (err error) {
			got, err = io.ReadAll(d.Body)
			return err
		}); err != nil || !bytes.Equal(got, k.bytes) {
			t.Errorf("%s was shown and is not what it was: %v", k.id.UniqueID, err)
		}
	}
	for _, patient := range patients {
		checkSnapshots(t, client, patient)
	}
	if len(shown) < readers*rounds {
		t.Errorf("only %d summaries were shown: the test proves nothing", len(shown))
	}
	t.Logf("%d summaries shown in %d rounds", len(shown), rounds)
	p.signal(t, syscall.SIGTERM)
	if err := p.wait(t); err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

// checkSnapshots: every snapshot of a patient has its origin and its bytes, at most
// one is in force, and one content was kept once.
func checkSnapshots(t *testing.T, client *xds.Client, p metadatatest.Patient) {
	t.Helper()
	both := []metadata.Status{metadata.Approved, metadata.Deprecated}
	answer, err := client.Find(t.Context(), metadata.StoredQuery{Query: &metadata.GetAll{Patient: p.CX(), DocumentStatus: both, SetStatus: both, FolderStatus: both,
		Members: metadata.MemberFilter{Kinds: []metadata.EntryKind{metadata.Stable, metadata.OnDemand}}}})
	if err != nil {
		t.Fatal(err)
	}
	origins := map[metadata.ID]int{}
	for _, o := range answer.Objects {
		if a, ok := o.(*metadata.Association); ok && a.Type == metadata.IsSnapshotOf {
			origins[a.Source]++
		}
	}
	approved, snapshots, unique := 0, 0, map[string]bool{}
	for _, e := range entriesOf(answer.Objects) {
		if e.Kind != metadata.Stable || e.MimeType != "text/xml" {
			continue
		}
		snapshots++
		if e.Status == metadata.Approved {
			approved++
		}
		if origins[e.ID] != 1 || unique[e.UniqueID] {
			t.Errorf("a snapshot with %d origins, or twice", origins[e.ID])
		}
		unique[e.UniqueID] = true
		if _, err := client.Retrieve(t.Context(), []metadata.DocumentRequest{{RepositoryID: e.RepositoryID, UniqueID: e.UniqueID}}, func(d xds.Document) error {
			n, err := io.Copy(io.Discard, d.Body)
			if n != e.Size.Octets {
				return fmt.Errorf("%d octets of %d", n, e.Size.Octets)
			}
			return err
		}); err != nil {
			t.Errorf("a registered snapshot cannot be opened: %v", err)
		}
	}
	if approved > 1 || snapshots != len(origins) {
		t.Errorf("%d approved of %d snapshots, %d origins", approved, snapshots, len(origins))
	}
}
