package elastic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"samdok/access"
)

// watermark is a document of index state. Its version is Seq.
type watermark struct {
	Seq        uint64     `json:"seq"`
	Generation Generation `json:"generation"`
}

// servingID is the document of the generation that tenants without a watermark
// begin in.
const servingID = "serving"

// ownerID is the document that says whose the indexes are, in the form of a watermark
// so that older programs do not mind it.
const ownerID = "owner"

// own takes indexes that are nobody's yet. Two installations with one prefix would
// work side by side until one of them drops the indexes of the other (Drop).
func (x *Index) own(ctx context.Context) error {
	mine := watermark{Seq: x.hash.owner(), Generation: 1}
	body, err := json.Marshal(mine)
	if err != nil {
		return err
	}
	_, err = x.client.do(ctx, func() esapi.Request {
		return esapi.IndexRequest{Index: x.state(), DocumentID: ownerID, Body: strings.NewReader(string(body)), OpType: "create"}
	})
	if !late(err) {
		return err
	}
	found, err := x.readState(ctx, ownerID)
	if err == nil && found.Seq != mine.Seq {
		err = fmt.Errorf("%w (%s belongs to an installation with another bucket)", ErrForeign, x.state())
	}
	return err
}

// Watermark is how far a tenant is projected, in real time. A tenant of whom
// nothing is projected yet is at 0.
func (x *Index) Watermark(ctx context.Context, t access.Tenant) (Watermark, error) {
	w, err := x.watermark(ctx, t)
	return w, wrap("elastic.Watermark", err)
}

func (x *Index) watermark(ctx context.Context, t access.Tenant) (Watermark, error) {
	w, err := x.readState(ctx, x.hash.tenant(t).id())
	if missing(err) {
		w, err = x.serving(ctx)
	}
	if err == nil {
		x.seen.note(t, w)
	}
	return w, err
}

func (x *Index) serving(ctx context.Context) (Watermark, error) {
	w, err := x.readState(ctx, servingID)
	return Watermark{Generation: w.Generation}, err
}

func (x *Index) readState(ctx context.Context, id string) (Watermark, error) {
	mark := x.wantState(id)
	if err := x.get(ctx, []*wanted{mark.wanted}); err != nil {
		return Watermark{}, err
	}
	return mark.read()
}

// wantedState is a document of index state to read.
type wantedState struct {
	*wanted
	mark watermark
}

func (x *Index) wantState(id string) *wantedState {
	s := &wantedState{}
	s.wanted = &wanted{index: x.state(), id: id, source: &s.mark}
	return s
}

// read is what was found; an error that is missing when there is none.
func (s *wantedState) read() (Watermark, error) {
	if s.version == 0 && s.mark == (watermark{}) {
		return Watermark{}, &statusError{status: http.StatusNotFound, kind: "missing", reason: "no watermark"}
	}
	if s.mark.Generation == 0 {
		return Watermark{}, odd("a watermark")
	}
	return Watermark(s.mark), nil
}

// marks are the watermarks that this process saw or made last. The zero value is none.
type marks struct{ of sync.Map } // access.Tenant -> Watermark

func (m *marks) note(t access.Tenant, w Watermark) { m.of.Store(t, w) }

func (m *marks) last(t access.Tenant) Watermark {
	w, _ := m.of.Load(t)
	last, _ := w.(Watermark)
	return last
}

// move moves the watermark of a tenant, when all documents can be found.
func (x *Index) move(ctx context.Context, t access.Tenant, to Watermark) error {
	err := x.writeState(ctx, x.hash.tenant(t).id(), to)
	if err == nil {
		x.seen.note(t, to)
	}
	return err
}

// writeState moves a watermark forward; one that is there or further stays.
func (x *Index) writeState(ctx context.Context, id string, w Watermark) error {
	body, err := json.Marshal(watermark(w))
	if err != nil {
		return err
	}
	version := int(w.Seq)
	_, err = x.client.do(ctx, func() esapi.Request {
		return esapi.IndexRequest{
			Index: x.state(), DocumentID: id, Body: strings.NewReader(string(body)), Version: &version, VersionType: "external",
		}
	})
	if late(err) {
		return nil
	}
	return err
}

// late tells whether a newer version was there already.
func late(err error) bool {
	var status *statusError
	return errors.As(err, &status) && status.status == http.StatusConflict
}

// builtID is the watermark of a tenant in a generation that does not serve it.
func (x *Index) builtID(g Generation, t access.Tenant) string {
	return "built-" + strconv.FormatUint(uint64(g), 10) + "-" + x.hash.tenant(t).id()
}

// create makes an index; one that is there stays.
func (x *Index) create(ctx context.Context, k kind, name string) (made bool, err error) {
	body, err := x.definition(k, name)
	if err != nil {
		return false, err
	}
	_, err = x.client.do(ctx, func() esapi.Request {
		return esapi.IndicesCreateRequest{Index: name, Body: strings.NewReader(string(body)), WaitForActiveShards: "1"}
	})
	var status *statusError
	if errors.As(err, &status) && status.kind == "resource_already_exists_exception" {
		return false, nil
	}
	return err == nil, err
}

// NewGeneration makes an empty set of indexes beside those that serve.
func (x *Index) NewGeneration(ctx context.Context) (Generation, error) {
	const op = "elastic.NewGeneration"
	all, err := x.generations(ctx)
	if err != nil {
		return 0, wrap(op, err)
	}
	g := Generation(1)
	if len(all) > 0 {
		g = all[len(all)-1] + 1
	}
	for ; ; g++ {
		made, err := x.create(ctx, changesIndex, x.name(g, changesIndex))
		if err != nil {
			return 0, wrap(op, err)
		}
		if !made {
			continue // somebody else makes this one
		}
		return g, wrap(op, x.complete(ctx, g))
	}
}

// Resume makes what is missing of a generation whose making or dropping was cut off.
func (x *Index) Resume(ctx context.Context, g Generation) error {
	return wrap("elastic.Resume", x.complete(ctx, g))
}

// complete makes what is missing of a generation.
func (x *Index) complete(ctx context.Context, g Generation) error {
	for _, k := range kinds {
		if _, err := x.create(ctx, k, x.name(g, k)); err != nil {
			return err
		}
	}
	return nil
}

// Generations lists those that exist, the oldest first.
func (x *Index) Generations(ctx context.Context) ([]Generation, error) {
	all, err := x.generations(ctx)
	return all, wrap("elastic.Generations", err)
}

func (x *Index) generations(ctx context.Context) ([]Generation, error) {
	prefix := x.options.Prefix + string(changesIndex) + "-"
	body, err := x.client.do(ctx, func() esapi.Request {
		return esapi.IndicesGetRequest{Index: []string{prefix + "*"}, FilterPath: []string{"*.aliases"}}
	})
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found map[string]json.RawMessage
	if err := json.Unmarshal(body, &found); err != nil {
		return nil, odd("the list of indexes")
	}
	var all []Generation
	for name := range found {
		if n, err := strconv.ParseUint(strings.TrimPrefix(name, prefix), 10, 63); err == nil && n > 0 {
			all = append(all, Generation(n))
		}
	}
	slices.Sort(all)
	return all, nil
}

// Built is how far a generation that does not serve has a tenant's batches.
func (x *Index) Built(ctx context.Context, g Generation, t access.Tenant) (uint64, error) {
	w, err := x.readState(ctx, x.builtID(g, t))
	if missing(err) {
		return 0, nil
	}
	return w.Seq, wrap("elastic.Built", err)
}

// Switch is the projection of the batch at.Seq+1 that says "from here on read
// generation g", which must be built up to at.Seq. The watermark it returns names
// g.
func (x *Index) Switch(ctx context.Context, t access.Tenant, at Watermark, g Generation) (Watermark, error) {
	const op = "elastic.Switch"
	built, err := x.Built(ctx, g, t)
	if err != nil {
		return at, err
	}
	if built < at.Seq {
		return at, wrap(op, fmt.Errorf("%w: generation %d has batches up to %d, not %d", ErrAhead, g, built, at.Seq))
	}
	if err := x.refresh(ctx, g); err != nil {
		return at, wrap(op, err)
	}
	to := Watermark{Seq: at.Seq + 1, Generation: g}
	if err := x.move(ctx, t, to); err != nil {
		return at, wrap(op, err)
	}
	return to, nil
}

// Serve makes a generation the one that new tenants begin in, and lets the
// aliases that people look at lead to it.
func (x *Index) Serve(ctx context.Context, g Generation) error {
	const op = "elastic.Serve"
	if err := x.writeServing(ctx, g); err != nil {
		return wrap(op, err)
	}
	var actions []object
	for _, k := range kinds {
		actions = append(actions,
			object{"remove": object{"index": x.shown(k) + "-*", "alias": x.shown(k), "must_exist": false}},
			object{"add": object{"index": x.name(g, k), "alias": x.shown(k)}})
	}
	body, err := json.Marshal(object{"actions": actions})
	if err != nil {
		return wrap(op, err)
	}
	_, err = x.client.do(ctx, func() esapi.Request {
		return esapi.IndicesUpdateAliasesRequest{Body: strings.NewReader(string(body))}
	})
	return wrap(op, err)
}

func (x *Index) writeServing(ctx context.Context, g Generation) error {
	body, err := json.Marshal(watermark{Generation: g})
	if err != nil {
		return err
	}
	version := int(g)
	_, err = x.client.do(ctx, func() esapi.Request {
		return esapi.IndexRequest{Index: x.state(), DocumentID: servingID, Body: strings.NewReader(string(body)), Version: &version, VersionType: "external"}
	})
	if late(err) {
		return nil
	}
	return err
}

// Drop deletes a generation. Searches that still read it go on in the one that
// serves now.
func (x *Index) Drop(ctx context.Context, g Generation) error {
	for _, k := range slices.Backward(kinds[:]) { // a generation is listed as long as its first index is there
		_, err := x.client.do(ctx, func() esapi.Request { return esapi.IndicesDeleteRequest{Index: []string{x.name(g, k)}} })
		if err != nil && !missing(err) {
			return wrap("elastic.Drop", err)
		}
	}
	return nil
}

// refresh shows searches everything that was written to a generation.
func (x *Index) refresh(ctx context.Context, g Generation) error {
	_, err := x.client.do(ctx, func() esapi.Request {
		return esapi.IndicesRefreshRequest{Index: []string{x.name(g, changesIndex)}}
	})
	return err
}
