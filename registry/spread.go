package registry

import (
	"time"

	"samdok/metadata"
	"samdok/storage"
)

// spread puts what one request does into the streams that it is done in: one
// change with one event each, appended together.
type spread struct {
	view   *view
	kind   storage.EventKind
	time   time.Time
	order  []*streamChange
	stream map[storage.Stream]*streamChange
}

type streamChange struct{ storage.Change }

func (c *streamChange) event() *storage.Event { return &c.Events[0] }

func newSpread(v *view, kind storage.EventKind, now time.Time) *spread {
	return &spread{view: v, kind: kind, time: now, stream: make(map[storage.Stream]*streamChange)}
}

// of is the change of a stream.
func (s *spread) of(stream storage.Stream) *streamChange {
	c := s.stream[stream]
	if c == nil {
		c = &streamChange{storage.Change{
			Stream: stream, Expect: s.view.versions[stream],
			Events: []storage.Event{{Kind: s.kind, ID: metadata.NewUUID(), Time: s.time}},
		}}
		s.stream[stream] = c
		s.order = append(s.order, c)
	}
	return c
}

func (s *spread) touch(stream storage.Stream, t storage.Touch) {
	e := s.of(stream).event()
	e.Touched = append(e.Touched, t)
}

func (s *spread) remove(stream storage.Stream, id metadata.ID) {
	e := s.of(stream).event()
	e.Removed = append(e.Removed, id)
}

func (s *spread) changes() []storage.Change {
	list := make([]storage.Change, len(s.order))
	for i, c := range s.order {
		list[i] = c.Change
	}
	return list
}
