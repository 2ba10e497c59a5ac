package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"samdok/hl7/hl7v3"
	"samdok/hl7/mllp"
	"samdok/internal/app"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/soap/xds"
)

// told is a patient that a feed has told of.
type told struct {
	patient   metadatatest.Patient
	documents []string // uniqueIds whose registration was acknowledged
	perhaps   string   // sent and not answered
	into      *told    // an acknowledged merge
	doubtful  bool     // what was told last of it was not answered
}

// teller is a patient administration system and a registering system in one.
type teller struct {
	all           []*told
	added, merged int           // acknowledged
	merges        *atomic.Int64 // of all tellers
}

// tell adds patients, registers a document for each, and merges some, until the
// server is gone.
func (w *teller) tell(s sender, client *xds.Client, g *metadatatest.Gen) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var survivor *told
	for n := 0; ; n++ {
		now := &told{patient: g.Patient(), doubtful: true}
		w.all = append(w.all, now)
		if s.send(ctx, hl7v3.Added, now.patient.ID(), nil) != nil {
			return
		}
		w.added++
		now.doubtful = false
		sub := g.Metadata(now.patient, 1)
		sub.Entries[0].RepositoryID = "1.2.3.4" // somebody else's
		now.perhaps = sub.Entries[0].UniqueID
		if _, err := client.Register(ctx, sub); err != nil {
			return
		}
		now.documents, now.perhaps = []string{now.perhaps}, ""
		if survivor != nil && n%4 != 0 { // chains of up to four
			survivor.doubtful, now.doubtful = true, true
			if s.send(ctx, hl7v3.Merged, now.patient.ID(), []metadata.PatientID{survivor.patient.ID()}) != nil {
				return
			}
			w.merged++
			w.merges.Add(1)
			survivor.doubtful, now.doubtful, survivor.into = false, false, now
		}
		survivor = now
	}
}

// TestKilledServerKeepsItsFeed ends the server with SIGKILL while patients are
// added and merged, by ITI-8 and by ITI-44. Every message that was acknowledged has
// its effect afterwards, and its record.
func TestKilledServerKeepsItsFeed(t *testing.T) {
	t.Parallel()
	const tellers, rounds = 8, 3
	dir := t.TempDir()
	settings := []string{"--patients", "known", "--mllp-listen", "127.0.0.1:0"}
	var all []*teller
	for round := range rounds {
		p := startProcess(t, dir, settings...)
		client := p.feedClient(t)
		var group sync.WaitGroup
		var merges atomic.Int64
		for i := range tellers {
			w := &teller{merges: &merges}
			all = append(all, w)
			var s sender = soapSender{client}
			if i%2 == 0 {
				c, err := mllp.Dial(t.Context(), p.MLLP, nil)
				if err != nil {
					t.Fatal(err)
				}
				s = &mllpSender{c, 10 * time.Second, time.Now}
			}
			g := metadatatest.New(uint64(round*tellers+i) + rand.Uint64()<<8)
			group.Go(func() {
				defer s.close()
				w.tell(s, client, g)
			})
		}
		inTheMiddle(t, &merges, tellers)
		p.signal(t, syscall.SIGKILL)
		p.wait(t)
		group.Wait()
	}
	p := startProcess(t, dir, settings...)
	client := p.feedClient(t)
	added, merged := 0, 0
	for _, w := range all {
		added, merged = added+w.added, merged+w.merged
		w.check(t, client)
	}
	if merged < tellers*rounds {
		t.Errorf("only %d merges were acknowledged: the test proves little", merged)
	}
	t.Logf("%d patients added and %d merged in %d rounds", added, merged, rounds)
	p.signal(t, syscall.SIGTERM)
	if err := p.wait(t); err != nil {
		t.Errorf("the server ended with %v", err)
	}
	recordedFeed(t, dir, added, merged)
}

func (p *process) feedClient(t *testing.T) *xds.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return xds.NewClient(xds.Options{RegistryURL: p.Registry, RepositoryURL: p.Repository, IdentityURL: p.PatientIdentity,
		HTTP: &http.Client{Transport: transport, Timeout: 20 * time.Second}})
}

// check holds that a merge is there whole: its survivor finds what all had, the
// subsumed nothing, and takes nothing.
func (w *teller) check(t *testing.T, client *xds.Client) {
	t.Helper()
	mine := map[*told][]string{}
	for _, one := range w.all {
		end := one
		for end.into != nil {
			end = end.into
		}
		mine[end] = append(mine[end], one.documents...)
	}
	g := metadatatest.New(rand.Uint64())
	for _, one := range w.all {
		found := w.find(t, client, one)
		switch {
		case one.doubtful: // of an unanswered merge all or nothing; checked with its partner below
			continue
		case one.into != nil:
			if len(found) > 0 {
				t.Errorf("%d documents are found by a subsumed id", len(found))
			}
		default:
			if i := slices.Index(found, one.perhaps); i >= 0 {
				found = slices.Delete(found, i, i+1)
			}
			slices.Sort(found)
			slices.Sort(mine[one])
			if !slices.Equal(found, mine[one]) {
				t.Errorf("%d documents are found by a surviving id, %d were acknowledged", len(found), len(mine[one]))
			}
		}
		sub := g.Metadata(one.patient, 1)
		sub.Entries[0].RepositoryID = "1.2.3.4" // somebody else's
		if _, err := client.Register(t.Context(), sub); (err != nil) != (one.into != nil) {
			t.Errorf("registering for a patient (merged: %v): %v", one.into != nil, err)
		}
	}
	w.checkDoubtful(t, client, mine)
}

// checkDoubtful holds that nothing is lost between the two of an unanswered merge.
func (w *teller) checkDoubtful(t *testing.T, client *xds.Client, mine map[*told][]string) {
	t.Helper()
	var found, want []string
	for _, one := range w.all {
		if one.doubtful {
			found = append(found, w.find(t, client, one)...)
			want = append(want, mine[one]...)
		}
	}
	slices.Sort(found)
	slices.Sort(want)
	if !slices.Equal(found, want) {
		t.Errorf("%d documents are found by the ids of an unanswered message, %d were acknowledged", len(found), len(want))
	}
}

func (w *teller) find(t *testing.T, client *xds.Client, one *told) []string {
	t.Helper()
	q := &metadata.FindDocuments{Patient: one.patient.CX(), Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}
	answer, err := client.Find(t.Context(), metadata.StoredQuery{Query: q})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, e := range entriesOf(answer.Objects) {
		if e.PatientID != one.patient.CX() {
			t.Error("an entry shows another id than the surviving one")
		}
		ids = append(ids, e.UniqueID)
	}
	return ids
}

// recordedFeed counts the records of what was acknowledged, and verifies the ledger.
func recordedFeed(t *testing.T, dir string, added, merged int) {
	t.Helper()
	out, err := exec.Command("samdok", "log", "--json", "--limit", "100000", "--data", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for line := range bytes.Lines(out) {
		var r app.LogRecord
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		counts[fmt.Sprint(r.Event, " ", r.Outcome)]++
	}
	if a, m := counts["feed-patient success"], counts["merge-patients success"]; a < added || m < merged {
		t.Errorf("%d and %d records of %d additions and %d merges: %v", a, m, added, merged, counts)
	}
	if out, err := exec.Command("samdok", "verify", "ledger", "--data", dir).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
