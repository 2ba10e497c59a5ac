package sharing

import (
	"context"

	"samdok/access"
	"samdok/access/guard"
	"samdok/metadata"
	"samdok/storage"
)

// findBatch is how many objects are decided on at once.
const findBatch = 256

// Find answers a stored query (ITI-18). A caller who may not search at all gets
// an empty answer, as if there were nothing (promise P5).
func (s *Sharing) Find(ctx context.Context, c access.Caller, q metadata.StoredQuery, show func(metadata.Object) error) (Found, error) {
	req := s.request(c, access.ActionFind, "ITI-18")
	req.Query = q.Query
	req.Patients = queryPatients(q.Query)
	found, err := guard.Do(ctx, s.guard, req, func(ctx context.Context, pass *guard.Pass) (Found, error) {
		f := finder{s: s, pass: pass, show: show}
		if connects(q.Query) {
			f.reveal = newReveal(s, pass)
		}
		for o, err := range s.registry.Find(ctx, s.tenant, q, pass.Restriction()) {
			if err != nil {
				return Found{}, err
			}
			if err := f.add(ctx, o); err != nil {
				return Found{}, err
			}
		}
		return Found{Shown: f.shown}, f.flush(ctx)
	})
	if isDenied(err) {
		return Found{}, nil
	}
	return found, err
}

// queryPatients is the patient that a query names.
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
	}
	return p.all
}

// connects tells whether the query can return associations or submission sets,
// which reveal other objects.
func connects(q metadata.Query) bool {
	switch q.(type) {
	case *metadata.FindDocuments, *metadata.FindDocumentsByReferenceID, *metadata.FindFolders,
		*metadata.GetDocuments, *metadata.GetFolders, *metadata.GetFoldersForDocument:
		return false
	}
	return true
}

// finder decides on what a search yields and shows it.
type finder struct {
	s      *Sharing
	pass   *guard.Pass
	show   func(metadata.Object) error
	reveal *reveal // nil: nothing in this answer reveals other objects
	batch  []storage.Placed
	items  []access.Item // of batch
	ids    patients
	shown  int
}

func (f *finder) add(ctx context.Context, o storage.Placed) error {
	f.batch = append(f.batch, o)
	f.items = append(f.items, f.ids.placed(o))
	if len(f.batch) < findBatch {
		return nil
	}
	return f.flush(ctx)
}

// flush decides on the batch and shows what is allowed, in order.
func (f *finder) flush(ctx context.Context) error {
	decisions, err := f.pass.Decide(ctx, f.items)
	if err != nil {
		return err
	}
	if f.reveal != nil {
		if err := f.reveal.check(ctx, f.batch, decisions); err != nil {
			return err
		}
	}
	n := 0
	for i := range decisions {
		if decisions[i].Effect != access.Allow {
			continue
		}
		if err := f.show(f.batch[i].Object); err != nil {
			return err
		}
		f.items[n] = f.items[i]
		n++
	}
	f.pass.Showed(f.items[:n]...)
	f.shown += n
	f.batch, f.items = f.batch[:0], f.items[:0]
	return nil
}
