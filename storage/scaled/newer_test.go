package scaled_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"samdok/fault"
	"samdok/metadata/metadatatest"
	"samdok/storage/s3"
	"samdok/storage/scaled"
	"samdok/storage/storagetest"
)

// A node of a newer version writes what this one does not know: this one says so,
// writes nothing more and loses nothing; what it had stays found.
func TestNewerNode(t *testing.T) {
	p := newPlace(t)
	var store *s3.Store
	l := open(t, p, func(o *scaled.Options) { store = o.S3 })
	ctx := context.Background()
	g := metadatatest.New(12)
	patient := g.Patient()
	must(t, persist(l, storagetest.NewChange(g.Metadata(patient, 1), 0)))
	must(t, l.Ready(ctx))
	journal := store.Journal(tenant)
	next, err := journal.End(ctx, 0)
	must(t, err)
	must(t, journal.Append(ctx, next, scaled.NewerBatch(next)))
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if err := l.Ready(ctx); err != nil {
			if !strings.Contains(err.Error(), "use a newer samdok") {
				t.Error(err)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the node does not notice what it does not know")
		}
	}
	for range 2 {
		err := persist(l, storagetest.NewChange(g.Metadata(patient, 1), 0))
		if fault.KindOf(err) != fault.Busy || !strings.Contains(fault.ProblemsOf(err)[0].Context, "must upgrade it. Nothing was written.") {
			t.Errorf("%v %+v", err, fault.ProblemsOf(err))
		}
	}
	if end, err := journal.End(ctx, 0); err != nil || end != next+1 {
		t.Errorf("the journal ends before %d instead of %d: %v", end, next+1, err)
	}
	if n := len(found(t, l, stream(patient))); n != 1 {
		t.Errorf("%d documents are found", n)
	}
	// One that starts now says so too, and a rebuild does not go past it.
	if err := open(t, p).Ready(ctx); err == nil {
		t.Error("a node that starts is ready")
	}
	if err := l.Rebuild(ctx, nil); err == nil || !strings.Contains(err.Error(), "use a newer samdok") {
		t.Errorf("rebuilt: %v", err)
	}
}
