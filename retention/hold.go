package retention

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/storage"
)

// Hold is a legal hold: as long as it stands nothing that it covers is erased, and
// neither removed by ITI-62 nor by ITI-86. It covers one of a patient, a document
// or everything of a controller.
type Hold struct {
	ID         string    `json:"id"`
	Patient    string    `json:"patient,omitempty"` // CX
	Document   string    `json:"document,omitempty"`
	Controller string    `json:"controller,omitempty"`
	Reason     string    `json:"reason"`
	Who        string    `json:"who"`
	From       time.Time `json:"from"`
	Until      time.Time `json:"until,omitzero"` // zero: until it is released

	stream storage.Stream // of the patient, as of now
}

// covers tells whether the hold is about an object of a stream.
func (h *Hold) covers(s storage.Stream, unique, controller string) bool {
	switch {
	case h.Document != "":
		return h.Document == unique
	case h.Controller != "":
		return h.Controller == controller
	}
	return h.Patient != "" && h.stream == s
}

// find finds the patient's stream: that of the survivor when the patient was merged
// since.
func (h *Hold) find(ctx context.Context, k *Keeper, t access.Tenant) error {
	if h.Patient == "" {
		return nil
	}
	p, err := metadata.CX(h.Patient).Patient()
	if err != nil {
		return err
	}
	h.stream = storage.PatientStream(p)
	st, _, err := k.log.Load(ctx, t, h.stream, storage.Refs{})
	if st.Standing.Into != (storage.Stream{}) {
		h.stream = st.Standing.Into
	}
	return err
}

// check refuses a hold that says too little or too much.
func (h *Hold) check(now time.Time) error {
	named := 0
	for _, s := range []string{h.Patient, h.Document, h.Controller} {
		if s != "" {
			named++
		}
	}
	switch {
	case named != 1:
		return errors.New("a hold is about one of a patient, a document or a controller")
	case h.Reason == "":
		return errors.New("a hold needs a reason")
	case !h.Until.IsZero() && !h.Until.After(now):
		return errors.New("a hold cannot end before it begins")
	}
	if h.Patient != "" {
		_, err := metadata.CX(h.Patient).Patient()
		return err
	}
	return nil
}

// register is the stream of a tenant's holds and erasures. Every erasure appends
// to it together with the streams that it changes: a hold that begins meanwhile
// makes that Append fail.
var register = storage.Stream{Kind: storage.StreamHold, ID: "register"}

const bodyVersion = 1

// released is the body of an EventReleased.
type released struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
	Who    string `json:"who"`
}

// Record is the body of an EventErased in the register.
type Record struct {
	Reason    string `json:"reason"`
	Rule      string `json:"rule,omitempty"`
	Who       string `json:"who"`
	Whole     bool   `json:"patient,omitempty"` // a whole patient
	Objects   int    `json:"objects"`
	Documents int    `json:"documents"`
}

func body(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	return append([]byte{bodyVersion}, b...), err
}

func parseBody(b []byte, v any) error {
	if len(b) == 0 || b[0] != bodyVersion {
		return errors.New("retention: an event has a body of a newer form; use a newer samdok")
	}
	return json.Unmarshal(b[1:], v)
}

// state is a register folded up to a version.
type state struct {
	version storage.Version
	holds   map[string]Hold
	order   []string
	erased  map[metadata.UUID]bool
}

// registered folds the register as far as it is.
func (k *Keeper) registered(ctx context.Context, t access.Tenant) (*state, error) {
	_, version, err := k.log.Load(ctx, t, register, storage.Refs{})
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.states[t]
	if s == nil || s.version > version {
		s = &state{holds: map[string]Hold{}, erased: map[metadata.UUID]bool{}}
		k.states[t] = s
	}
	for s.version < version {
		// One event in each change of the register.
		for ev, err := range k.log.Events(ctx, t, register, s.version+1) {
			if err != nil {
				delete(k.states, t)
				return nil, err
			}
			if err := s.add(ev); err != nil {
				delete(k.states, t)
				return nil, err
			}
			s.version++
		}
		if s.version < version {
			delete(k.states, t)
			return nil, fmt.Errorf("retention: the register has fewer events than its version says")
		}
	}
	return s.clone(version), nil
}

// clone is the state for one caller. More may have been appended since version was
// read: an Append that expects it fails then, as it must.
func (s *state) clone(version storage.Version) *state {
	c := &state{version: version, erased: s.erased, holds: make(map[string]Hold, len(s.holds))}
	for _, id := range s.order {
		if h, ok := s.holds[id]; ok {
			c.order = append(c.order, id)
			c.holds[id] = h
		}
	}
	return c
}

func (s *state) add(ev storage.Event) error {
	switch ev.Kind {
	case storage.EventHeld:
		var h Hold
		if err := parseBody(ev.Body, &h); err != nil {
			return err
		}
		s.holds[h.ID] = h
		s.order = append(s.order, h.ID)
	case storage.EventReleased:
		var r released
		if err := parseBody(ev.Body, &r); err != nil {
			return err
		}
		delete(s.holds, r.ID)
	case storage.EventErased:
		s.erased[ev.ID] = true
	}
	return nil
}

// Holds are those that stand, the oldest first.
func (k *Keeper) Holds(ctx context.Context, t access.Tenant) ([]Hold, error) {
	holds, _, err := k.Guard(ctx, t)
	return holds, err
}

// Guard are the holds that stand, and the change that makes an Append fail when a
// hold has begun or ended since.
func (k *Keeper) Guard(ctx context.Context, t access.Tenant) ([]Hold, storage.Change, error) {
	s, err := k.registered(ctx, t)
	if err != nil {
		return nil, storage.Change{}, err
	}
	holds, err := k.standing(ctx, t, s)
	return holds, storage.Change{Stream: register, Expect: s.version}, err
}

func (k *Keeper) standing(ctx context.Context, t access.Tenant, s *state) ([]Hold, error) {
	var all []Hold
	now := k.clock()
	for _, id := range s.order {
		h := s.holds[id]
		if !h.Until.IsZero() && !h.Until.After(now) {
			continue
		}
		if err := h.find(ctx, k, t); err != nil {
			return nil, err
		}
		all = append(all, h)
	}
	return all, nil
}

// Hold begins a hold.
func (k *Keeper) Hold(ctx context.Context, t access.Tenant, h Hold) (Hold, error) {
	h.ID, h.From = metadata.NewUUID().String(), k.clock().UTC()
	if err := h.check(h.From); err != nil {
		return h, fault.New(fault.Invalid, "retention.Hold", fault.RegistryError, "The hold was refused: %v.", err)
	}
	return h, k.note(ctx, t, storage.EventHeld, metadata.NewUUID(), h)
}

// Release ends a hold before its time.
func (k *Keeper) Release(ctx context.Context, t access.Tenant, id, reason, who string) (Hold, error) {
	holds, err := k.Holds(ctx, t)
	if err != nil {
		return Hold{}, err
	}
	for _, h := range holds {
		if h.ID == id {
			return h, k.note(ctx, t, storage.EventReleased, metadata.NewUUID(), released{id, reason, who})
		}
	}
	return Hold{}, fault.New(fault.NotFound, "retention.Release", fault.RegistryError, "No hold with the id %s stands.", id)
}

// note appends to the register.
func (k *Keeper) note(ctx context.Context, t access.Tenant, kind storage.EventKind, id metadata.UUID, v any) error {
	b, err := body(v)
	if err != nil {
		return err
	}
	for range attempts {
		_, version, err := k.log.Load(ctx, t, register, storage.Refs{})
		if err != nil {
			return err
		}
		err = k.log.Append(ctx, t, []storage.Change{{Stream: register, Expect: version,
			Events: []storage.Event{{Kind: kind, ID: id, Time: k.clock().UTC(), Body: b}}}})
		if !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
	return busy("retention.note")
}

// HeldBy are the holds that cover one of the objects, each once.
func HeldBy(holds []Hold, objects []storage.Placed) (found []Hold) {
	for _, h := range holds {
		for i := range objects {
			if h.covers(objects[i].Stream, metadata.UniqueIDOf(objects[i].Object), objects[i].Controller) {
				found = append(found, h)
				break
			}
		}
	}
	return found
}

// Refused is the error of an operation that a hold stops.
func Refused(op string, code fault.Code, held []Hold) error {
	return fault.New(fault.Conflict, op, code, "Nothing was done: a legal hold stands (%s). Whoever placed it must release it first.", namesOf(held))
}

func namesOf(held []Hold) string {
	text := ""
	for i, h := range held {
		if i > 0 {
			text += ", "
		}
		text += h.ID
	}
	return text
}
