package elastic

import (
	"slices"
	"strconv"

	"samdok/access"
	"samdok/metadata"
	"samdok/storage"
	"samdok/storage/encoding"
)

// sought is what a search yields. The cluster is asked for the parts that may have
// it; which objects of them it is, and in which state they were, is decided here.
type sought struct {
	storage.Filter
	without []metadata.CodeRef
}

func seek(f storage.Filter, r access.Restriction) *sought { return &sought{f, r.WithoutCodes} }

// query selects parts as of a batch; scope are further conditions.
func (s *sought) query(at uint64, scope ...object) object {
	any := []object{{"range": object{"touched": object{"gt": at}}}} // what they were found by may be newer
	if f := s.Documents; f != nil {
		any = append(any, all(s.entries(f)...))
	}
	if f := s.SubmissionSets; f != nil {
		clauses := withStatus(nil, "set", f.Status)
		any = append(any, all(within(clauses, "submitted", f.Submission)...))
	}
	if f := s.Folders; f != nil {
		clauses := withStatus(nil, "folder", f.Status)
		for _, or := range f.Codes {
			clauses = withCodes(clauses, "list", or)
		}
		any = append(any, all(clauses...))
	}
	if s.Associations {
		any = append(any, exists("association"))
	}
	scope = append(scope, object{"range": object{"seq": object{"lte": at}}})
	return object{"bool": object{"filter": scope, "should": any, "minimum_should_match": 1}}
}

// entries are the conditions on entries; author, reference ids and availability are
// left to the exact filter.
func (s *sought) entries(f *metadata.DocumentFilter) (c []object) {
	c = withStatus(c, "entry", f.Status)
	kinds := f.Kinds
	if len(kinds) == 0 {
		kinds = []metadata.EntryKind{metadata.Stable}
	}
	var terms []string
	for _, k := range kinds {
		terms = append(terms, strconv.Itoa(int(k)))
	}
	c = append(c, object{"terms": object{"kind": terms}})
	c = withCodes(c, "class", f.ClassCode)
	c = withCodes(c, "type", f.TypeCode)
	c = withCodes(c, "format", f.FormatCode)
	c = withCodes(c, "facility", f.Facility)
	c = withCodes(c, "practice", f.Practice)
	for _, or := range f.Confidential {
		c = withCodes(c, "confidentiality", or)
	}
	for _, or := range f.EventCodes {
		c = withCodes(c, "event", or)
	}
	c = within(c, "created", f.Creation)
	c = within(c, "started", f.ServiceStart)
	c = within(c, "stopped", f.ServiceStop)
	if hidden := withCodes(nil, "confidentiality", s.without); len(hidden) > 0 {
		hidden = append(hidden, object{"term": object{"solo": true}})
		c = append(c, object{"bool": object{"must_not": all(hidden...)}})
	}
	return c
}

func all(clauses ...object) object { return object{"bool": object{"filter": clauses}} }

func exists(field string) object { return object{"exists": object{"field": field}} }

func withStatus(c []object, field string, any []metadata.Status) []object {
	if len(any) == 0 {
		return append(c, exists(field))
	}
	var terms []string
	for _, s := range any {
		terms = append(terms, strconv.Itoa(int(s)))
	}
	return append(c, object{"terms": object{field: terms}})
}

func withCodes(c []object, field string, any []metadata.CodeRef) []object {
	if len(any) == 0 {
		return c
	}
	var terms []string
	for _, ref := range any {
		if ref == (metadata.CodeRef{}) {
			return c // also what has no such code: left to the exact filter
		}
		terms = append(terms, codeTerm(ref))
	}
	return append(c, object{"terms": object{field: terms}})
}

// within lets pass what is in the range or has no such time. An end that is no time
// is left to the exact filter.
func within(c []object, field string, r metadata.TimeRange) []object {
	limits := object{}
	if from := moment(r.From); from != noMoment {
		limits["gte"] = from
	}
	if to := moment(r.To); to != noMoment {
		limits["lt"] = to
	}
	if len(limits) == 0 {
		return c
	}
	return append(c, object{"bool": object{"should": []object{
		{"range": object{field: limits}}, {"term": object{field: noMoment}},
	}}})
}

// class tells whether objects of a class are wanted at all.
func (s *sought) class(c encoding.Class) bool {
	switch c {
	case encoding.ClassDocumentEntry:
		return s.Documents != nil
	case encoding.ClassSubmissionSet:
		return s.SubmissionSets != nil
	case encoding.ClassFolder:
		return s.Folders != nil
	}
	return s.Associations
}

// has tells whether an object of a wanted class, in its state at the time, is
// wanted.
func (s *sought) has(o metadata.Object) bool {
	switch o := o.(type) {
	case *metadata.DocumentEntry:
		return s.Documents.Match(o) && !s.hidden(o)
	case *metadata.SubmissionSet:
		return s.SubmissionSets.Match(o)
	case *metadata.Folder:
		return s.Folders.Match(o)
	}
	return true
}

func (s *sought) hidden(d *metadata.DocumentEntry) bool {
	for i := range d.Confidential {
		if slices.ContainsFunc(s.without, d.Confidential[i].Ref().Same) {
			return true
		}
	}
	return false
}
