package sharing

import (
	"context"
	"sync"

	"samdok/access"
	"samdok/access/guard"
	"samdok/metadata"
	"samdok/storage"
)

// findBatch is how many objects are decided on at once.
const findBatch = 256

// Find answers a stored query (ITI-18, or ITI-51, which is an action of its own
// for the decider). A caller who may not search at all gets
// an empty answer, as if there were nothing (promise P5).
func (s *Sharing) Find(ctx context.Context, c access.Caller, q metadata.StoredQuery, show func(metadata.Object) error) (Found, error) {
	req := s.request(c, access.ActionFind, "ITI-18")
	if metadata.Across(q.Query) {
		req = s.request(c, access.ActionFindAcross, "ITI-51")
	}
	req.Query = q.Query
	req.Patients = queryPatients(q.Query)
	found, err := guard.Do(ctx, s.guard, req, func(ctx context.Context, pass *guard.Pass) (Found, error) {
		shown, err := s.search(ctx, pass, q, show)
		return Found{Shown: shown}, err
	})
	if isDenied(err) {
		return Found{}, nil
	}
	return found, err
}

// search shows what the registry finds and the pass allows.
func (s *Sharing) search(ctx context.Context, pass *guard.Pass, q metadata.StoredQuery, show func(metadata.Object) error) (int, error) {
	f := finder{s: s, pass: pass, show: show, batch: batches.Get().(*batch)}
	defer f.done()
	if connects(q.Query) {
		f.reveal = newReveal(s, pass)
	}
	for o, err := range s.registry.Find(ctx, s.tenant, q, pass.Restriction()) {
		if err != nil {
			return 0, err
		}
		if err := f.add(ctx, o); err != nil {
			return 0, err
		}
	}
	err := f.flush(ctx)
	return f.shown, err
}

// queryPatients are the patients that a query names.
func queryPatients(q metadata.Query) []metadata.PatientID {
	var p patients
	switch q := q.(type) {
	case *metadata.FindDocuments:
		p.add(q.Patient)
	case *metadata.FindDocumentsByReferenceID:
		p.add(q.Patient)
	case *metadata.FindSubmissionSets:
		p.add(q.Patient)
	case *metadata.FindFolders:
		p.add(q.Patient)
	case *metadata.GetAll:
		p.add(q.Patient)
	case *metadata.FindDocumentsForMultiplePatients:
		p.addAll(q.Patients)
	case *metadata.FindFoldersForMultiplePatients:
		p.addAll(q.Patients)
	}
	return p.all
}

// connects tells whether the query can return associations or submission sets,
// which reveal other objects.
func connects(q metadata.Query) bool {
	switch q.(type) {
	case *metadata.FindDocuments, *metadata.FindDocumentsByReferenceID, *metadata.FindFolders,
		*metadata.GetDocuments, *metadata.GetFolders, *metadata.GetFoldersForDocument,
		*metadata.FindDocumentsForMultiplePatients, *metadata.FindFoldersForMultiplePatients:
		return false
	}
	return true
}

// batch is what is decided on at once. Batches are reused: the record copies
// what it lists.
type batch struct {
	objects []storage.Placed
	items   []access.Item // of objects
}

var batches = sync.Pool{New: func() any { return new(batch) }}

// finder decides on what a search yields and shows it.
type finder struct {
	s      *Sharing
	pass   *guard.Pass
	show   func(metadata.Object) error
	reveal *reveal // nil: nothing in this answer reveals other objects
	batch  *batch
	ids    patients
	shown  int
}

// done gives the batch back, without what it held.
func (f *finder) done() {
	f.reset()
	batches.Put(f.batch)
}

func (f *finder) reset() {
	clear(f.batch.objects)
	clear(f.batch.items)
	f.batch.objects, f.batch.items = f.batch.objects[:0], f.batch.items[:0]
}

func (f *finder) add(ctx context.Context, o storage.Placed) error {
	f.batch.objects = append(f.batch.objects, o)
	f.batch.items = append(f.batch.items, f.ids.placed(o))
	if len(f.batch.objects) < findBatch {
		return nil
	}
	return f.flush(ctx)
}

// flush decides on the batch and shows what is allowed, in order.
func (f *finder) flush(ctx context.Context) error {
	objects, items := f.batch.objects, f.batch.items
	decisions, err := f.pass.Decide(ctx, items)
	if err != nil {
		return err
	}
	if f.reveal != nil {
		if err := f.reveal.check(ctx, objects, decisions); err != nil {
			return err
		}
	}
	n := 0
	for i := range decisions {
		if decisions[i].Effect != access.Allow {
			continue
		}
		if err := f.show(objects[i].Object); err != nil {
			return err
		}
		items[n] = items[i]
		n++
	}
	f.pass.Showed(items[:n]...)
	f.shown += n
	f.reset()
	return nil
}
