package sqlite

import (
	"context"
	"iter"
	"slices"

	"samdok/access"
	"samdok/metadata"
	"samdok/storage"
	"samdok/storage/encoding"
)

// One page of a large stream that is read at a time: no reader and no snapshot
// of the file is held while its objects are handed over, and memory stays small.
const (
	pageBytes = 1 << 20
	pageRows  = 1024
)

// page is a run of changes of one stream.
type page struct {
	of      *stream
	first   storage.Version // of texts[0]
	texts   []string
	touches []touch // of their objects, sorted
	more    bool    // changes follow
	seq     int64   // of the last commit that it shows
}

// Find implements storage.Index.
func (db *DB) Find(ctx context.Context, t access.Tenant, s storage.Stream, f storage.Filter, r access.Restriction) iter.Seq2[storage.Placed, error] {
	return func(yield func(storage.Placed, error) bool) {
		reader := db.decoders.Get().(*encoding.Reader)
		defer db.decoders.Put(reader)
		w := wanted{Filter: f, without: r.WithoutCodes}
		err := db.patient(ctx, name{t, s}, func(p *page) (bool, error) {
			var show metadata.CX
			if p.of.stream != s {
				show = shown(s)
			}
			for i, text := range p.texts {
				at := logID(p.of.key, p.first+storage.Version(i))
				if more, err := w.change(reader, s, show, at, text, p.touches, yield); !more || err != nil {
					return false, err
				}
			}
			return true, nil
		})
		if err != nil {
			yield(storage.Placed{}, wrap("sqlite.Find", err, onlyRead))
		}
	}
}

// wanted decides what Find yields.
type wanted struct {
	storage.Filter
	without []metadata.CodeRef
}

// change yields the wanted objects of one change as those of a stream's patient;
// false when no more are wanted. show is the patient id of merged ones, else "".
func (w *wanted) change(reader *encoding.Reader, s storage.Stream, show metadata.CX, at int64, text string, all []touch, yield func(storage.Placed, error) bool) (bool, error) {
	if err := reader.Reset(text); err != nil {
		return false, err
	}
	for n := range reader.Len() {
		touches := of(all, place{at, int64(n)})
		if !w.class(reader.Class(n)) || isRemoved(touches) {
			continue
		}
		a, err := reader.Added(n)
		if err != nil {
			return false, err
		}
		if storage.IsTombstone(a.Object) {
			reader.GiveBack() // erased after this search began
			continue
		}
		found := storage.Placed{Added: a, Stream: s}
		overlay(&found, touches)
		if show != "" {
			storage.ShowPatient(found.Object, show)
		}
		if !w.has(found.Object) {
			reader.GiveBack()
		} else if !yield(found, nil) {
			return false, nil
		}
	}
	return true, nil
}

// has tells whether an object of a wanted class, in its current state, is wanted.
func (w *wanted) has(o metadata.Object) bool {
	switch o := o.(type) {
	case *metadata.DocumentEntry:
		return w.Documents.Match(o) && !w.hidden(o)
	case *metadata.SubmissionSet:
		return w.SubmissionSets.Match(o)
	case *metadata.Folder:
		return w.Folders.Match(o)
	}
	return true
}

func (w *wanted) class(c encoding.Class) bool {
	switch c {
	case encoding.ClassDocumentEntry:
		return w.Documents != nil
	case encoding.ClassSubmissionSet:
		return w.SubmissionSets != nil
	case encoding.ClassFolder:
		return w.Folders != nil
	}
	return w.Associations
}

func (w *wanted) hidden(d *metadata.DocumentEntry) bool {
	for i := range d.Confidential {
		if slices.ContainsFunc(w.without, d.Confidential[i].Ref().Same) {
			return true
		}
	}
	return false
}

// Events implements storage.Log: events of the changes that made version from
// and later ones.
func (db *DB) Events(ctx context.Context, t access.Tenant, s storage.Stream, from storage.Version) iter.Seq2[storage.Event, error] {
	return func(yield func(storage.Event, error) bool) {
		reader := db.decoders.Get().(*encoding.Reader)
		defer db.decoders.Put(reader)
		err := db.pages(ctx, name{t, s}, max(from, 1), true, func(p *page) (bool, error) {
			for _, text := range p.texts {
				if err := reader.Reset(text); err != nil {
					return false, err
				}
				events, err := reader.Events()
				if err != nil {
					return false, err
				}
				for _, ev := range events {
					if !yield(ev, nil) {
						return false, nil
					}
				}
			}
			return true, nil
		})
		if err != nil {
			yield(storage.Event{}, wrap("sqlite.Events", err, onlyRead))
		}
	}
}

// pages calls visit with the changes of a stream from a version on, until it
// returns false. All pages show the file as it was after one commit. told: that is at
// least the one that made the version from.
func (db *DB) pages(ctx context.Context, n name, from storage.Version, told bool, visit func(*page) (bool, error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if of, snap := db.cache.whole(n); snap != nil && from <= snap.version() {
		_, err := visit(&page{of: of, first: from, texts: snap.texts[from-1:], touches: snap.touches})
		return err
	}
	return db.paged(ctx, func(s *session) (*stream, error) { return s.named(n) }, from, db.seq.Load(), told, visit)
}

// paged is pages of a stream that pick finds, as the file was at seq. told: or later, when
// the version from was made, which Load may have told a moment before seq says so, as a
// commit is seen in the file at once.
func (db *DB) paged(ctx context.Context, pick func(*session) (*stream, error), from storage.Version, seq int64, told bool, visit func(*page) (bool, error)) error {
	for next := from; ; {
		p, err := db.page(ctx, pick, next, seq, told && next == from)
		if err != nil || p == nil {
			return err
		}
		if from == 1 && next == 1 && !p.more && p.seq == seq {
			db.cache.put(p.of, p.snapshot(), seq)
		}
		seq = p.seq
		if more, err := visit(p); !more || err != nil || !p.more {
			return err
		}
		next += storage.Version(len(p.texts))
	}
}

func (p *page) snapshot() *snapshot {
	s := &snapshot{texts: p.texts, touches: p.touches, bytes: len(p.touches) * touchBytes}
	for _, text := range p.texts {
		s.bytes += len(text) + 16
	}
	return s
}

// page reads changes from a version on that were committed up to seq; nil when
// there are none.
func (db *DB) page(ctx context.Context, pick func(*session) (*stream, error), from storage.Version, seq int64, told bool) (p *page, err error) {
	err = db.read(ctx, func(s *session) error {
		of, err := pick(s)
		if of == nil || err != nil || of.erased {
			return err
		}
		p = &page{of: of, first: from, seq: seq}
		if err := s.fill(ctx, p, told); err != nil {
			return err
		}
		if len(p.texts) == 0 {
			p = nil
			return nil
		}
		last := logID(of.key, from+storage.Version(len(p.texts)-1))
		p.touches, err = s.touchesIn(logID(of.key, from), last)
		p.touches = slices.DeleteFunc(p.touches, func(t touch) bool { return t.seq > p.seq })
		return err
	})
	return p, err
}

func (s *session) fill(ctx context.Context, p *page, told bool) error {
	q := s.rows.bind(logID(p.of.key, p.first), p.of.last())
	for bytes := 0; ; {
		ok, err := q.step()
		if !ok || err != nil {
			return err
		}
		if seq := q.int(1); seq > p.seq {
			if !told || len(p.texts) > 0 {
				break
			}
			p.seq = seq
		}
		if p.more = bytes >= pageBytes || len(p.texts) >= pageRows; p.more {
			break
		}
		text, err := s.open(p.of, q.int(0), q.bytes(2))
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			q.reset()
			return err
		}
		p.texts = append(p.texts, text)
		bytes += len(text)
	}
	q.reset()
	return nil
}
