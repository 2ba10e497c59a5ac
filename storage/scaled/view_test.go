package scaled

import (
	"errors"
	"testing"
	"time"

	"samdok/metadata"
	"samdok/storage"
	"samdok/storage/elastic"
)

var (
	here  = storage.Stream{Kind: storage.StreamPatient, ID: "1^1.2.3"}
	there = storage.Stream{Kind: storage.StreamPatient, ID: "2^1.2.3"}
)

func refOf(s storage.Stream) reference { return reference([]byte((s.ID + "0123456789abcdef")[:16])) }

func asked(s storage.Stream, expect storage.Version, ev storage.Event, claims ...storage.Claim) *submission {
	events := []storage.Event{ev}
	return &submission{changes: []prepared{{ref: refOf(s), stream: s, expect: expect, events: events, claims: claims, links: linksOf(events)}}}
}

func laid(s storage.Stream, v storage.Version, ev storage.Event, claims ...storage.Claim) *change {
	return &change{kind: recordChange, ref: refOf(s), version: v, said: said{s, []storage.Event{ev}, claims}}
}

func adds(objects ...metadata.Object) (ev storage.Event) {
	for _, o := range objects {
		ev.Added = append(ev.Added, storage.Added{Object: o})
	}
	return ev
}

// What is not projected yet counts as what is: laying a change over the answer
// refuses what the projection would refuse after it.
func TestView(t *testing.T) {
	id := func(s string) metadata.ID { return metadata.ID("urn:uuid:" + s) }
	doc, other := &metadata.DocumentEntry{ID: id("doc")}, &metadata.DocumentEntry{ID: id("other")}
	link := &metadata.Association{ID: id("link"), Source: id("other"), Target: id("doc")}
	claim := storage.Claim{ID: "1.2.3.4", Value: "a 1"}
	exclusive := storage.Claim{ID: "1.2.3.4", Exclusive: true}
	removes := func(ids ...metadata.ID) storage.Event { return storage.Event{Removed: ids} }
	touches := func(id metadata.ID) storage.Event {
		return storage.Event{Touched: []storage.Touch{{ID: id, Status: metadata.Deprecated}}}
	}
	for name, c := range map[string]struct {
		laid []*change
		sub  *submission
		want error
	}{
		"a new stream":              {nil, asked(here, 0, adds(doc)), nil},
		"ahead":                     {nil, asked(here, 1, adds(doc)), storage.ErrConflict},
		"behind":                    {[]*change{laid(here, 1, adds(doc))}, asked(here, 0, adds(other)), storage.ErrConflict},
		"after":                     {[]*change{laid(here, 1, adds(doc))}, asked(here, 1, adds(other)), nil},
		"another stream":            {[]*change{laid(there, 1, adds(doc))}, asked(here, 0, adds(other)), nil},
		"redacted":                  {[]*change{{kind: recordRedaction, ref: refOf(here), version: 1, keyID: 9}}, asked(here, 0, adds(other)), nil},
		"key gone":                  {[]*change{{kind: recordChange, ref: refOf(here), version: 1, gone: true}}, asked(here, 1, adds(other)), nil},
		"claimed":                   {[]*change{laid(there, 1, adds(doc), claim)}, asked(here, 0, adds(other), exclusive), storage.ErrConflict},
		"shared":                    {[]*change{laid(there, 1, adds(doc), claim)}, asked(here, 0, adds(other), claim), nil},
		"closed":                    {[]*change{laid(here, 1, storage.MergedInto(there, time.Time{}))}, asked(here, 1, adds(other)), storage.ErrConflict},
		"touched, nowhere":          {nil, asked(here, 0, touches(doc.ID)), errTouched},
		"touched":                   {[]*change{laid(there, 1, adds(doc))}, asked(here, 0, touches(doc.ID)), nil},
		"touched, own":              {nil, asked(here, 0, storage.Event{Added: adds(doc).Added, Touched: touches(doc.ID).Touched}), nil},
		"removed":                   {[]*change{laid(here, 1, adds(doc))}, asked(here, 1, removes(doc.ID)), nil},
		"removed, own":              {nil, asked(here, 0, storage.Event{Added: adds(doc).Added, Removed: removes(doc.ID).Removed}), errTouched},
		"removed, of another":       {[]*change{laid(there, 1, adds(doc))}, asked(here, 0, removes(doc.ID)), errTouched},
		"removed twice":             {[]*change{laid(here, 1, adds(doc)), laid(here, 2, removes(doc.ID))}, asked(here, 2, removes(doc.ID)), storage.ErrConflict},
		"removed, led to":           {[]*change{laid(here, 1, adds(doc)), laid(there, 1, adds(other, link))}, asked(here, 1, removes(doc.ID)), storage.ErrConflict},
		"removed with what leads":   {[]*change{laid(here, 1, adds(doc, other, link))}, asked(here, 1, removes(doc.ID, link.ID)), nil},
		"led to, removed":           {[]*change{laid(there, 1, adds(doc)), laid(there, 2, removes(doc.ID))}, asked(here, 0, adds(other, link)), storage.ErrConflict},
		"led to, nowhere":           {nil, asked(here, 0, adds(other, link)), nil},
		"led to, removed by this":   {[]*change{laid(here, 1, adds(doc))}, asked(here, 1, storage.Event{Added: adds(other, link).Added, Removed: removes(doc.ID).Removed}), storage.ErrConflict},
		"what led there is removed": {[]*change{laid(here, 1, adds(doc, other, link)), laid(here, 2, removes(link.ID))}, asked(here, 2, removes(doc.ID)), nil},
	} {
		v := newView([]reference{refOf(here)}, &elastic.Question{Streams: []storage.Stream{here}}, &elastic.Answer{Heads: make([]elastic.Head, 1)})
		for _, l := range c.laid {
			v.lay(l)
		}
		if err := v.check(c.sub); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// What the projection answered counts.
func TestViewAnswer(t *testing.T) {
	claim := storage.Claim{ID: "1.2.3.4", Exclusive: true}
	doc := &metadata.DocumentEntry{ID: "urn:uuid:doc"}
	link := &metadata.Association{ID: "urn:uuid:link", Source: "urn:uuid:other", Target: doc.ID}
	q := &elastic.Question{Streams: []storage.Stream{here}, Claims: []storage.Claim{claim}}
	a := &elastic.Answer{Heads: []elastic.Head{{Version: 3, KeyID: 7}}, Taken: []bool{true}, State: storage.State{
		Objects:      []storage.Placed{{Added: storage.Added{Object: doc}, Stream: here}},
		Associations: []storage.Placed{{Added: storage.Added{Object: link}, Stream: there}},
	}}
	check := func(sub *submission) error { return newView([]reference{refOf(here)}, q, a).check(sub) }
	if err := check(asked(here, 3, adds(), claim)); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("a claim that is taken: %v", err)
	}
	if err := check(asked(here, 3, adds())); err != nil {
		t.Error(err)
	}
	if err := check(asked(here, 3, storage.Event{Removed: []metadata.ID{doc.ID}})); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("an association leads there: %v", err)
	}
	a.Heads[0].Standing.Into = there
	if err := check(asked(here, 3, adds())); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("a closed stream: %v", err)
	}
}
