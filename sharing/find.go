package sharing

import (
	"context"
	"errors"
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
	f := s.finder(show)
	defer f.done()
	found, err := guard.Do(ctx, s.guard, req, func(ctx context.Context, pass *guard.Pass) (Found, error) {
		err := f.search(ctx, pass, q)
		return Found{Shown: f.shown}, err
	})
	if isDenied(err) {
		return Found{}, nil
	}
	if err == nil {
		err = s.showRest(ctx, f)
	}
	if err != nil {
		return Found{}, err
	}
	return found, nil
}

// showRest shows the last batch when its record is durable: until then few octets wait
// for the disk, and those of the answer are written when they can be sent. What cannot
// be shown, or ends in a panic, is recorded as an answer that was not sent.
func (s *Sharing) showRest(ctx context.Context, f *finder) (err error) {
	err = errUnshown
	defer func() {
		if err != nil {
			s.aborted(context.WithoutCancel(ctx), f.pass.Request(), f.batch.items)(err)
		}
	}()
	err = f.rest()
	return err
}

var errUnshown = errors.New("sharing: an answer ended in a panic")

// search decides on what the registry finds, and shows what the pass allows, but for
// the last batch.
func (f *finder) search(ctx context.Context, pass *guard.Pass, q metadata.StoredQuery) error {
	f.pass = pass
	if connects(q.Query) {
		f.reveal = newReveal(f.s, pass)
	}
	for o, err := range f.s.registry.Find(ctx, f.s.tenant, q, pass.Restriction()) {
		if err != nil {
			return err
		}
		if err := f.add(ctx, o); err != nil {
			return err
		}
	}
	return f.decide(ctx)
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

func (s *Sharing) finder(show func(metadata.Object) error) *finder {
	return &finder{s: s, show: show, batch: batches.Get().(*batch)}
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
	if err := f.decide(ctx); err != nil {
		return err
	}
	return f.rest()
}

// rest shows what was decided on, in order.
func (f *finder) rest() error {
	for _, o := range f.batch.objects {
		if err := f.show(o.Object); err != nil {
			return err
		}
	}
	f.reset()
	return nil
}

// decide leaves of the batch what is allowed.
func (f *finder) decide(ctx context.Context) error {
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
		objects[n], items[n] = objects[i], items[i]
		n++
	}
	f.pass.Showed(items[:n]...)
	f.shown += n
	clear(objects[n:])
	f.batch.objects, f.batch.items = objects[:n], items[:n]
	return nil
}
