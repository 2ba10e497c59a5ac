package sharing

import (
	"context"
	"errors"
	"fmt"

	"samdok/access"
	"samdok/access/guard"
	"samdok/audit"
	"samdok/fault"
	"samdok/metadata"
	"samdok/ondemand"
	"samdok/storage"
)

// openAtOnce is how many documents of one answer are open at the same time; the
// others are looked up and opened when they are read.
const openAtOnce = 32

// Retrieve opens documents (ITI-43). A document that the caller may not see is
// answered exactly like one that does not exist (promise P5). Deprecated
// documents stay retrievable.
func (s *Sharing) Retrieve(ctx context.Context, c access.Caller, r []metadata.DocumentRequest) (*Retrieved, error) {
	req := s.request(c, access.ActionRetrieve, "ITI-43")
	req.Documents = r
	most := s.repository.Limits().Documents
	if len(r) > most {
		req.Documents = r[:most] // enough for the record; it is refused below
	}
	o, err := guard.Do(ctx, s.guard, req, func(ctx context.Context, pass *guard.Pass) (opened, error) {
		if len(r) > most {
			return opened{}, fault.New(fault.TooLarge, "sharing.Retrieve", fault.TooManyResults,
				"The request asks for %d documents; the limit limits.retrieve-documents is %d. Ask in several requests.", len(r), most)
		}
		return s.open(ctx, pass, r)
	})
	if isDenied(err) {
		return s.nothing(r), nil
	}
	if err != nil {
		return nil, asRepository(err)
	}
	return o.Retrieved, nil
}

// opened is a result that the guard can release.
type opened struct{ *Retrieved }

func (o opened) Close() error {
	if o.Retrieved != nil {
		o.Retrieved.onClose = nil
		o.Retrieved.Close(nil)
	}
	return nil
}

// nothing is the answer to a caller for whom there are no documents.
func (s *Sharing) nothing(r []metadata.DocumentRequest) *Retrieved {
	answer := &Retrieved{Problems: make([]fault.Problem, 0, len(r))}
	for i := range r {
		if p, ok := s.misplaced(&r[i]); ok {
			answer.Problems = append(answer.Problems, p)
		} else {
			answer.Problems = append(answer.Problems, unknown(&r[i]))
		}
	}
	return answer
}

// misplaced tells whether a request is for another community or repository.
func (s *Sharing) misplaced(r *metadata.DocumentRequest) (fault.Problem, bool) {
	switch {
	case r.Home != "" && s.home != "" && r.Home != s.home:
		return fault.Problem{Code: fault.UnknownCommunity, Location: r.UniqueID,
			Context: fmt.Sprintf("The community %s is not this one. Ask it, or a gateway.", r.Home)}, true
	case r.RepositoryID != s.repository.ID():
		return fault.Problem{Code: fault.UnknownRepositoryID, Location: r.UniqueID,
			Context: fmt.Sprintf("The repositoryUniqueId %s is not this repository's, which is %s.", r.RepositoryID, s.repository.ID())}, true
	}
	return fault.Problem{}, false
}

func unknown(r *metadata.DocumentRequest) fault.Problem {
	return fault.Problem{Code: fault.DocumentUniqueIDError, Location: r.UniqueID,
		Context: fmt.Sprintf("There is no document %s here.", r.UniqueID)}
}

// open resolves the requests to entries, decides on them and opens the bytes.
func (s *Sharing) open(ctx context.Context, pass *guard.Pass, r []metadata.DocumentRequest) (opened, error) {
	visible, err := s.visible(ctx, pass, r)
	if err != nil {
		return opened{}, err
	}
	answer := opened{&Retrieved{Documents: make([]Document, 0, len(r))}}
	done := false
	defer func() {
		if !done { // an error, or a panic of an engine
			answer.Close()
		}
	}()
	m := &making{s: s, pass: pass}
	defer m.done()
	shown := make([]access.Item, 0, len(r))
	for i := range r {
		if p, ok := s.misplaced(&r[i]); ok {
			answer.Problems = append(answer.Problems, p)
			continue
		}
		v, ok := visible[r[i].UniqueID]
		if !ok {
			answer.Problems = append(answer.Problems, unknown(&r[i]))
			continue
		}
		if v.generator != nil {
			d, items, err := m.document(ctx, r[i], v)
			if err != nil {
				if fault.KindOf(err) == fault.Canceled {
					return opened{}, err
				}
				answer.Problems = append(answer.Problems, located(err, &r[i])...)
				continue
			}
			answer.Documents, shown = append(answer.Documents, d), append(shown, items...)
			continue
		}
		body, size, err := s.repository.Open(ctx, v.placed, len(answer.Documents) >= openAtOnce)
		if err != nil {
			if fault.KindOf(err) == fault.Canceled {
				return opened{}, err
			}
			answer.Problems = append(answer.Problems, located(err, &r[i])...)
			continue
		}
		answer.Documents = append(answer.Documents, Document{
			Request: r[i], MimeType: v.placed.Object.(*metadata.DocumentEntry).MimeType, Size: size, Body: body,
		})
		shown = append(shown, v.item)
	}
	pass.Showed(shown...)
	pass.SetProblems(answer.Problems)
	answer.onClose = s.aborted(context.WithoutCancel(ctx), pass.Request(), shown)
	done = true
	return answer, nil
}

// entry is what a request leads to.
type entry struct {
	placed    storage.Placed
	item      access.Item
	generator ondemand.Generator // nil: the document is stored
}

// visible finds, for each uniqueId asked for, an entry that this repository
// holds the bytes of, or can make them for, and that the caller may see. Several entries of one
// uniqueId have equal bytes (ITI TF-3 4.2.3.2.26): an Approved one is preferred,
// then the one registered last.
func (s *Sharing) visible(ctx context.Context, pass *guard.Pass, r []metadata.DocumentRequest) (map[string]entry, error) {
	found := make(map[string]entry, len(r))
	asked := make([]string, 0, len(r))
	for i := range r {
		if _, other := s.misplaced(&r[i]); other {
			continue
		}
		if _, twice := found[r[i].UniqueID]; !twice {
			found[r[i].UniqueID] = entry{}
			asked = append(asked, r[i].UniqueID)
		}
	}
	clear(found)
	if len(asked) == 0 {
		return found, nil
	}
	all, err := s.registry.Documents(ctx, s.tenant, asked)
	if err != nil {
		return nil, err
	}
	var ids patients
	held := make([]storage.Placed, 0, len(all))
	items := make([]access.Item, 0, len(all))
	for _, p := range all {
		if e := p.Object.(*metadata.DocumentEntry); e.RepositoryID == s.repository.ID() && (p.Document != "" || s.generator(p) != nil) {
			held, items = append(held, p), append(items, ids.placed(p))
		}
	}
	decisions, err := pass.Decide(ctx, items)
	if err != nil {
		return nil, err
	}
	for i := range held {
		if decisions[i].Effect != access.Allow {
			continue
		}
		had, ok := found[items[i].UniqueID]
		if !ok || had.item.Status != metadata.Approved || items[i].Status == metadata.Approved {
			found[items[i].UniqueID] = entry{held[i], items[i], s.generator(held[i])}
		}
	}
	return found, nil
}

// generator makes the documents of an on-demand entry, and of one that is assembled
// late; nil for others.
func (s *Sharing) generator(p storage.Placed) ondemand.Generator {
	e := p.Object.(*metadata.DocumentEntry)
	if e.Kind != metadata.OnDemand && !isDelayed(p) {
		return nil
	}
	return s.onDemand.Generator(e)
}

// located are the problems of one document (ITI TF-2 3.43.5: location is the
// DocumentUniqueId).
func located(err error, r *metadata.DocumentRequest) []fault.Problem {
	problems := forRepository(fault.ProblemsOf(err))
	if len(problems) == 0 {
		problems = []fault.Problem{{Code: fault.RepositoryError, Context: "The document cannot be read now. Ask again later."}}
	}
	for i := range problems {
		problems[i].Location = r.UniqueID
	}
	return problems
}

// aborted records that an answer could not be sent to its end.
func (s *Sharing) aborted(ctx context.Context, req access.Request, shown []access.Item) func(error) {
	return func(cause error) {
		if cause == nil {
			return
		}
		if err := s.guard.Record(ctx, req, audit.Aborted, shown, fault.ProblemsOf(cause)); err != nil {
			s.logger.ErrorContext(ctx, "an aborted answer could not be recorded", "error", errors.Join(err, cause))
		}
	}
}
