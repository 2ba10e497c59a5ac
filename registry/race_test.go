package registry_test

import (
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// together submits all at the same moment and returns their errors.
func (w *world) together(subs []*metadata.Submission) []error {
	errs := make([]error, len(subs))
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i, sub := range subs {
		wg.Go(func() {
			<-start
			_, errs[i] = w.submit(sub)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// oneWins checks that exactly one was accepted and the others got the code.
func (w *world) oneWins(errs []error, code fault.Code) (winner int) {
	w.t.Helper()
	winner = -1
	for i, err := range errs {
		if err == nil && winner < 0 {
			winner = i
			continue
		}
		w.wantRefused(err, code)
	}
	if winner < 0 {
		w.t.Fatal("nobody won")
	}
	return winner
}

// TestReplaceRace: eight replacements of one document, one wins.
func TestReplaceRace(t *testing.T) {
	w := newWorld(t, openSQLite(t))
	for range 10 {
		old := w.registered()
		f := w.folder(old.ID)
		var subs []*metadata.Submission
		for range 8 {
			sub := w.with(w.entry())
			metadatatest.Relate(sub, metadata.Replaces, sub.Entries[0].ID, old.ID)
			subs = append(subs, sub)
		}
		i := w.oneWins(w.together(subs), fault.DeprecatedDocument)
		w.wantMember(f.ID, subs[i].Entries[0].ID, subs[i].Set.ID)
		if n := len(w.associationsOf(old.ID)); n != 3 { // SS-DE, FD-DE, RPLC
			t.Fatalf("the replaced document has %d associations, want 3", n)
		}
	}
}

// TestUniqueIDRace: one set uniqueId, eight senders, two patients.
func TestUniqueIDRace(t *testing.T) {
	w := newWorld(t, openSQLite(t))
	for range 10 {
		unique := w.gen.OID()
		var subs []*metadata.Submission
		for i := range 8 {
			p := w.patient
			if i%2 == 1 {
				p = w.other
			}
			sub := w.gen.Submission(p)
			metadatatest.AddEntry(sub, w.gen.Entry(p, metadatatest.Note))
			sub.Set.UniqueID = unique
			subs = append(subs, sub)
		}
		w.oneWins(w.together(subs), fault.DuplicateUniqueID)
	}
}

// TestContentRace: one document uniqueId with two contents for two patients: only
// those with the winner's bytes are registered.
func TestContentRace(t *testing.T) {
	w := newWorld(t, openSQLite(t))
	for range 10 {
		unique := w.gen.OID()
		var subs []*metadata.Submission
		for i := range 8 {
			p := w.patient
			if i%2 == 1 {
				p = w.other
			}
			e := w.gen.Entry(p, metadatatest.Note)
			e.UniqueID, e.Size = unique, metadata.Octets(7)
			e.Hash = []string{"0000000000000000000000000000000000000000", "ABCDABCDABCDABCDABCDABCDABCDABCDABCDABCD"}[i/4]
			sub := w.gen.Submission(p)
			metadatatest.AddEntry(sub, e)
			subs = append(subs, sub)
		}
		errs := w.together(subs)
		won := [2]int{}
		for i, err := range errs {
			if err == nil {
				won[i/4]++
			} else {
				w.wantRefused(err, fault.NonIdenticalHash)
			}
		}
		if won != [2]int{4, 0} && won != [2]int{0, 4} {
			t.Fatalf("won %v", won)
		}
	}
}

// TestManyWritersOfOnePatient: nobody is lost and nobody is told to come back.
func TestManyWritersOfOnePatient(t *testing.T) {
	w := newWorld(t, openSQLite(t))
	var subs []*metadata.Submission
	var want []metadata.ID
	for range 40 {
		sub := w.with(w.entry())
		subs, want = append(subs, sub), append(want, sub.Entries[0].ID)
	}
	for _, err := range w.together(subs) {
		if err != nil {
			t.Fatal(err, fault.ProblemsOf(err))
		}
	}
	got, err := w.find(metadata.StoredQuery{Query: &metadata.FindDocuments{
		Patient: w.patient.CX(), Filter: metadata.DocumentFilter{Status: approved},
	}}, access.Restriction{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range got {
		i := slices.Index(want, o.ObjectID())
		if i < 0 {
			t.Fatalf("%s is there twice or should not be", o.ObjectID())
		}
		want = slices.Delete(want, i, i+1)
	}
	if len(want) > 0 {
		t.Fatalf("%d documents are missing", len(want))
	}
}
