package elastic

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"samdok/access"
	"samdok/metadata"
	"samdok/storage"
	"samdok/storage/encoding"
)

// Load is storage.Log's. The watermark is that at which the state holds.
func (x *Index) Load(ctx context.Context, t access.Tenant, s storage.Stream, refs storage.Refs) (storage.State, storage.Version, Watermark, error) {
	const op = "elastic.Load"
	a, at, err := x.now(ctx, t, &Question{Streams: []storage.Stream{s}, Refs: refs})
	if err != nil {
		return storage.State{}, 0, at, wrap(op, err)
	}
	return a.State, a.Heads[0].Version, at, nil
}

// Lookup implements storage.Index.
func (x *Index) Lookup(ctx context.Context, t access.Tenant, refs storage.Refs) (storage.State, error) {
	a, _, err := x.now(ctx, t, &Question{Refs: refs})
	return a.State, wrap("elastic.Lookup", err)
}

// At answers a question as of a batch that is projected, with its Basis.
func (x *Index) At(ctx context.Context, t access.Tenant, at Watermark, q Question) (Answer, error) {
	a, err := x.ask(ctx, t, at, &q, alsoKeep)
	return a, wrap("elastic.At", err)
}

// now answers a question as of this moment. It asks as of the watermark that was seen last,
// reads the watermark along, and asks again when that has moved.
func (x *Index) now(ctx context.Context, t access.Tenant, q *Question) (a Answer, at Watermark, err error) {
	if at = x.seen.last(t); at.Seq > 0 {
		a, err = x.ask(ctx, t, at, q, alsoLook)
		if !errors.Is(err, errMoved) && !gone(err) {
			return a, at, err
		}
	}
	if at, err = x.watermark(ctx, t); err != nil {
		return a, at, err
	}
	a, err = x.ask(ctx, t, at, q, 0)
	return a, at, err
}

// errMoved: the watermark is another one than the question was asked of.
var errMoved = errors.New("elastic: the watermark has moved")

// How a question is asked.
type manner uint8

const (
	alsoKeep manner = 1 << iota // what was read is in Answer.Basis
	alsoLook                    // errMoved unless the watermark is still the one
)

func (x *Index) ask(ctx context.Context, t access.Tenant, at Watermark, q *Question, how manner) (Answer, error) {
	var err error
	var a asking
	err = x.inGeneration(ctx, t, &at, func() error {
		a = asking{
			x: x, tenant: t, at: at, q: q, family: x.family(t, at),
			ids: map[hash]*idDoc{}, parts: map[place]*asked{}, wants: map[place]want{},
		}
		if how&alsoLook != 0 {
			a.mark = x.wantState(x.hash.tenant(t).id())
		}
		if how&alsoKeep != 0 {
			a.answer.Basis = newBasis(at)
		}
		return a.run(ctx)
	})
	return a.answer, err
}

// asking answers one question with two reads: first what the names say, then the
// parts that they lead to.
type asking struct {
	x      *Index
	tenant access.Tenant
	at     Watermark
	q      *Question
	family *family
	ids    map[hash]*idDoc
	wants  map[place]want
	parts  map[place]*asked
	answer Answer
	mark   *wantedState // nil: the watermark is not looked at
}

// want says why a part is read.
type want struct {
	objects      bool // one of its objects may be asked for
	associations bool // its associations may have an end that is asked for
}

// asked is a part that was read.
type asked struct {
	hit
	touches []touch
}

func (a *asking) run(ctx context.Context) error {
	if err := a.names(ctx); err != nil {
		return err
	}
	a.places()
	if err := a.read(ctx); err != nil {
		return err
	}
	if err := a.heads(ctx); err != nil {
		return err
	}
	a.claims()
	return a.objects(ctx)
}

// names reads streams and identifiers.
func (a *asking) names(ctx context.Context) error {
	var streams []hash
	for _, s := range a.q.Streams {
		streams = append(streams, a.x.hash.stream(a.tenant, s))
	}
	gets, finish := a.family.wants(streams)
	need := func(id string) {
		h := a.x.hash.id(a.tenant, id)
		if a.ids[h] == nil && id != "" {
			doc := &idDoc{}
			a.ids[h] = doc
			gets = append(gets, &wanted{index: a.x.name(a.at.Generation, idsIndex), id: h.id(), source: &doc.identifier})
		}
	}
	for i := range a.q.Claims {
		need(a.q.Claims[i].ID)
	}
	for _, id := range a.q.Refs.UniqueIDs {
		need(id)
	}
	for _, list := range [3][]metadata.ID{a.q.Refs.IDs, a.q.Refs.LogicalIDs, a.q.Refs.AssociationsOf} {
		for _, id := range list {
			need(string(id))
		}
	}
	if a.mark != nil {
		gets = append(gets, a.mark.wanted)
	}
	if len(gets) == 0 {
		return nil
	}
	unknown, err := a.recall(gets)
	if err != nil {
		return err
	}
	if err := a.x.getAnd(ctx, unknown, a.note); err != nil {
		return err
	}
	finish()
	if err := a.still(); err != nil {
		return err
	}
	return a.holders(ctx)
}

// recall fills what a check finds in what was loaded before it; the rest is returned.
func (a *asking) recall(gets []*wanted) (unknown []*wanted, err error) {
	if a.answer.Basis == nil {
		return gets, nil
	}
	return a.x.lately.recall(a.tenant, a.at, gets, a.answer.Basis)
}

// note keeps what was read, but for the watermark, which is the last.
func (a *asking) note(list []*wanted, docs []document) {
	if n := len(list) - 1; a.mark != nil && n >= 0 && list[n] == a.mark.wanted {
		list, docs = list[:n], docs[:n]
	}
	a.x.lately.note(a.tenant, a.at, list, docs)
	a.keep(list, docs)
}

// keep notes what was read in the answer's basis, if it has one.
func (a *asking) keep(list []*wanted, docs []document) {
	if a.answer.Basis != nil {
		a.answer.Basis.add(list, docs)
	}
}

// still is errMoved when the watermark was looked at and is another one.
func (a *asking) still() error {
	if a.mark == nil {
		return nil
	}
	now, err := a.mark.read()
	if err != nil && !missing(err) {
		return err
	}
	if now != a.at {
		return errMoved
	}
	return nil
}

// holders decodes identifiers, and reads further pages of those whose
// associations are asked for.
func (a *asking) holders(ctx context.Context) (err error) {
	ends := map[hash]bool{}
	for _, id := range a.q.Refs.AssociationsOf {
		ends[a.x.hash.id(a.tenant, string(id))] = true
	}
	var gets []*wanted
	var pages []*identifier
	var of []*idDoc
	for h, doc := range a.ids {
		if doc.holders, err = decodeHolders(doc.Holders); err != nil {
			return err
		}
		for n := 1; n <= doc.Pages && ends[h]; n++ {
			page := &identifier{}
			pages, of = append(pages, page), append(of, doc)
			gets = append(gets, &wanted{index: a.x.name(a.at.Generation, idsIndex), id: pageID(h, n), routing: h.id(), source: page})
		}
	}
	if len(gets) == 0 {
		return nil
	}
	if err := a.x.get(ctx, gets); err != nil {
		return err
	}
	for i, page := range pages {
		more, err := decodeHolders(page.Holders)
		if err != nil {
			return err
		}
		of[i].holders = append(of[i].holders, more...)
	}
	return nil
}

// lead calls visit with where an identifier led after the batch.
func (a *asking) lead(id string, visit func(*holder)) {
	doc := a.ids[a.x.hash.id(a.tenant, id)]
	if doc == nil {
		return
	}
	for i := range doc.holders {
		if h := &doc.holders[i]; h.seq <= a.at.Seq {
			visit(h)
		}
	}
}

// places gathers the parts to read.
func (a *asking) places() {
	object := func(roles role) func(h *holder) {
		return func(h *holder) {
			if h.role&roles != 0 {
				w := a.wants[h.place()]
				w.objects = true
				a.wants[h.place()] = w
			}
		}
	}
	for _, id := range a.q.Refs.IDs {
		a.lead(string(id), object(isEntryUUID))
	}
	for _, id := range a.q.Refs.UniqueIDs {
		a.lead(id, object(isUniqueID))
	}
	for _, id := range a.q.Refs.LogicalIDs {
		a.lead(string(id), object(isEntryUUID|isLogicalID))
	}
	for _, id := range a.q.Refs.AssociationsOf {
		a.lead(string(id), func(h *holder) {
			if h.role&(isEntryUUID|mentions) != 0 {
				w := a.wants[h.place()]
				w.associations = true
				a.wants[h.place()] = w
			}
		})
	}
	for i := range a.q.Claims {
		c := &a.q.Claims[i]
		value := a.x.hash.value(a.tenant, c.Value)
		a.lead(c.ID, func(h *holder) {
			if h.role&claims != 0 && collide(h, c, value) {
				a.having(c.ID, h, func(o *holder) { a.wants[o.place()] = a.wants[o.place()] })
			}
		})
	}
}

// having calls visit with the objects of a claim's change that have its id as
// uniqueId.
func (a *asking) having(id string, claim *holder, visit func(*holder)) {
	a.lead(id, func(h *holder) {
		if h.role&isUniqueID != 0 && h.stream == claim.stream && h.version == claim.version {
			visit(h)
		}
	})
}

// read reads the parts, and their streams up to the ends of their chains.
func (a *asking) read(ctx context.Context) error {
	var streams []hash
	for p := range a.wants {
		streams = append(streams, p.stream)
	}
	gets, finish := a.family.wants(streams)
	var list []place
	named := len(gets)
	for p := range a.wants {
		part := &asked{}
		a.parts[p] = part
		list = append(list, p)
		gets = append(gets, &wanted{index: a.x.name(a.at.Generation, changesIndex), id: p.id(), routing: p.stream.term(), source: &part.hit})
	}
	if len(gets) > 0 {
		if err := a.x.getAnd(ctx, gets, a.keep); err != nil {
			return err
		}
	}
	finish()
	for i, p := range list {
		if gets[named+i].version == 0 {
			delete(a.parts, p)
			continue
		}
		var err error
		if a.parts[p].touches, err = decodeTouches(a.parts[p].Touches); err != nil {
			return err
		}
	}
	for _, s := range a.q.Streams {
		streams = append(streams, a.x.hash.stream(a.tenant, s))
	}
	return a.family.survivors(ctx, streams)
}

// heads answers Question.Streams.
func (a *asking) heads(ctx context.Context) error {
	for i, s := range a.q.Streams {
		h := a.x.hash.stream(a.tenant, s)
		var head Head
		if doc := a.family.streams[h]; doc != nil {
			var ok bool
			if head.Version, ok = doc.Head.at(a.at.Seq); !ok {
				var err error
				if head.Version, err = a.x.versionAt(ctx, a.tenant, a.at, h); err != nil {
					return err
				}
			}
			head.KeyID = doc.Head.Key
			head.Standing.Known = doc.Head.Known != 0 && doc.Head.Known <= a.at.Seq
			if to := a.family.survivor(h); to != h {
				n, _, err := a.family.name(ctx, to)
				if err != nil {
					return err
				}
				head.Standing.Into = n.Stream
			}
		}
		a.answer.Heads = append(a.answer.Heads, head)
		if i == 0 {
			a.answer.State.Standing = head.Standing
		}
	}
	return nil
}

// versionAt looks for the last change of a stream up to a batch.
func (x *Index) versionAt(ctx context.Context, t access.Tenant, at Watermark, h hash) (storage.Version, error) {
	hits, _, err := x.search(ctx, t, &at, object{
		"size": 1, "track_total_hits": false, "sort": []object{{"version": "desc"}}, "_source": []string{"version"},
		"query": all(object{"term": object{"stream": h.term()}}, object{"term": object{"part": 0}}, object{"range": object{"seq": object{"lte": at.Seq}}}),
	}, h.term())
	if len(hits) == 0 || err != nil {
		return 0, err
	}
	return hits[0].Version, nil
}

// claims answers Question.Claims.
func (a *asking) claims() {
	for i := range a.q.Claims {
		c := &a.q.Claims[i]
		value := a.x.hash.value(a.tenant, c.Value)
		taken := false
		a.lead(c.ID, func(h *holder) {
			if h.role&claims != 0 && collide(h, c, value) && !a.released(c.ID, h) {
				taken = true
			}
		})
		a.answer.Taken = append(a.answer.Taken, taken)
	}
}

// released tells whether all objects of a claim's change with its uniqueId were
// removed.
func (a *asking) released(id string, claim *holder) bool {
	had, left := false, false
	a.having(id, claim, func(h *holder) {
		had = true
		part := a.parts[h.place()]
		left = left || part == nil || !isRemoved(h.n, part.touches, a.at.Seq)
	})
	return had && !left
}

// objects answers Question.Refs.
func (a *asking) objects(ctx context.Context) error {
	refs := &a.q.Refs
	match := matching{ids: set(refs.IDs), unique: set(refs.UniqueIDs), logical: set(refs.LogicalIDs), ends: set(refs.AssociationsOf)}
	open := opener{keys: a.x.options.Keys}
	for p, part := range a.parts {
		w := a.wants[p]
		if !w.objects && !w.associations {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := a.part(ctx, &open, p, part, w, &match); err != nil {
			return err
		}
	}
	return nil
}

// matching is what Refs ask for.
type matching struct {
	ids, logical, ends map[metadata.ID]bool
	unique             map[string]bool
}

func set[T comparable](list []T) map[T]bool {
	m := make(map[T]bool, len(list))
	for _, v := range list {
		m[v] = true
	}
	return m
}

func (m *matching) object(o metadata.Object) bool {
	return m.ids[o.ObjectID()] || m.unique[metadata.UniqueIDOf(o)] && metadata.UniqueIDOf(o) != "" || m.logical[metadata.LogicalIDOf(o)] && metadata.LogicalIDOf(o) != ""
}

func (m *matching) association(o metadata.Object) bool {
	link, ok := o.(*metadata.Association)
	return ok && (m.ends[link.Source] || m.ends[link.Target])
}

// part takes what is asked for out of a part.
func (a *asking) part(ctx context.Context, open *opener, p place, part *asked, w want, match *matching) error {
	owner, show, ok, err := a.family.owner(ctx, p.stream)
	if !ok || err != nil {
		return err // erased
	}
	if owner.Kind != storage.StreamPatient && !a.q.Refs.Everywhere {
		return nil
	}
	text, ok, err := open.open(ctx, p.id(), part.Data)
	if !ok || err != nil {
		return err
	}
	reader := readers.Get().(*encoding.Reader)
	defer readers.Put(reader)
	if err := reader.Reset(unsafeString(text)); err != nil {
		return err
	}
	for i := range reader.Len() {
		n := p.part*partObjects + i
		if !w.objects && reader.Class(i) != encoding.ClassAssociation || !a.q.Refs.WithRemoved && isRemoved(n, part.touches, a.at.Seq) {
			continue
		}
		added, err := reader.Added(i)
		if err != nil {
			return err
		}
		found := storage.Placed{Added: added, Stream: owner}
		object, link := w.objects && match.object(added.Object), w.associations && match.association(added.Object)
		if !object && !link {
			reader.GiveBack()
			continue
		}
		overlay(&found, n, part.touches, a.at.Seq)
		if show != "" {
			storage.ShowPatient(found.Object, show)
		}
		if object {
			a.answer.State.Objects = append(a.answer.State.Objects, found)
		}
		if object && link {
			found.Object = metadata.CloneObject(found.Object)
		}
		if link {
			a.answer.State.Associations = append(a.answer.State.Associations, found)
		}
	}
	return nil
}

// Referred finds the stream of a reference; false when there is none or its key is
// gone.
func (x *Index) Referred(ctx context.Context, ref [16]byte) (Named, bool, error) {
	const op = "elastic.Referred"
	at, err := x.serving(ctx)
	if err != nil {
		return Named{}, false, wrap(op, err)
	}
	f := x.family("", at)
	if err := f.read(ctx, ref); err != nil {
		return Named{}, false, wrap(op, err)
	}
	n, ok, err := f.name(ctx, ref)
	return n, ok, wrap(op, err)
}

// call is one request whose answer is decoded.
func (x *Index) call(ctx context.Context, request func() esapi.Request, answer any) error {
	body, err := x.client.do(ctx, request)
	if err != nil {
		return err
	}
	if json.Unmarshal(body, answer) != nil {
		return odd("an answer")
	}
	return nil
}
