package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"samdok/locator"
	"samdok/metadata"
)

// Patient is a patient's number and the OID of such numbers.
type Patient struct {
	ID     string `json:"id"`
	System string `json:"system"`
}

func patientOf(p metadata.PatientID) Patient { return Patient{p.ID, "urn:oid:" + p.Authority} }

func (p Patient) id() metadata.PatientID {
	return metadata.PatientID{ID: p.ID, Authority: strings.TrimPrefix(p.System, "urn:oid:")}
}

// Class is a class of documents, or the name of an API.
type Class struct {
	Code   string `json:"code"`
	System string `json:"system,omitempty"`
}

// Holding is one thing that is held. Days are of the form 2026-11-22.
type Holding struct {
	Community    string `json:"community,omitempty"` // in answers only
	System       string `json:"system,omitempty"`    // in answers only
	Organisation string `json:"organisation,omitempty"`
	Kind         string `json:"kind"`
	Class        *Class `json:"class,omitempty"`
	First        string `json:"first,omitempty"`
	Last         string `json:"last,omitempty"`
	Told         string `json:"told,omitempty"` // in answers only
}

// Statement is what a source holds about a patient.
type Statement struct {
	Patient   Patient   `json:"patient"`
	Community string    `json:"community"`
	System    string    `json:"system,omitempty"`
	AsOf      time.Time `json:"asOf"`
	Adds      bool      `json:"adds,omitempty"`
	Holdings  []Holding `json:"holdings"`
}

// StatementOf is the form of a statement on the wire.
func StatementOf(s locator.Statement) Statement {
	out := Statement{Patient: patientOf(s.Patient), Community: s.Source.Community, System: s.Source.System, AsOf: s.AsOf.UTC(), Adds: s.Adds, Holdings: make([]Holding, len(s.Held))}
	for i, h := range s.Held {
		out.Holdings[i] = holdingOf(h)
	}
	return out
}

func holdingOf(h locator.Held) Holding {
	out := Holding{Organisation: h.Organisation, Kind: h.Kind.String(), First: formatDay(h.First), Last: formatDay(h.Last)}
	if h.Class != (metadata.CodeRef{}) {
		out.Class = &Class{h.Class.Value, h.Class.Scheme}
	}
	return out
}

// statement is s as the locator takes it.
func (s *Statement) statement(told locator.Told) (locator.Statement, *locator.Problem) {
	out := locator.Statement{Patient: s.Patient.id(), Source: locator.Source{Community: s.Community, System: s.System}, AsOf: s.AsOf, Adds: s.Adds, Told: told}
	if len(s.Holdings) > locator.MaxHeld {
		return out, &locator.Problem{At: "/holdings", Text: fmt.Sprintf("At most %d holdings may be stated.", locator.MaxHeld)}
	}
	for i := range s.Holdings {
		h, p := s.Holdings[i].held()
		if p != nil {
			p.At = fmt.Sprintf("/holdings/%d%s", i, p.At)
			return out, p
		}
		out.Held = append(out.Held, h)
	}
	return out, nil
}

func (h *Holding) held() (out locator.Held, p *locator.Problem) {
	out = locator.Held{Organisation: h.Organisation, Kind: locator.KindNamed(h.Kind)}
	if h.Class != nil {
		out.Class = metadata.CodeRef{Value: h.Class.Code, Scheme: h.Class.System}
	}
	switch {
	case h.Community != "" || h.System != "" || h.Told != "":
		return out, &locator.Problem{At: "", Text: "community, system and told belong to answers; a statement has one community and one system for all holdings."}
	case out.Kind == locator.KindUnknown:
		return out, &locator.Problem{At: "/kind", Text: "The kind must be one of any, documents, images, critical, api."}
	}
	var err error
	if out.First, err = parseDay(h.First); err != nil {
		return out, &locator.Problem{At: "/first", Text: "Give the day as 2026-11-22."}
	}
	if out.Last, err = parseDay(h.Last); err != nil {
		return out, &locator.Problem{At: "/last", Text: "Give the day as 2026-11-22."}
	}
	return out, nil
}

func parseDay(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.DateOnly, s)
}

func formatDay(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
}

// Withdrawal says that a source holds nothing about a patient any more.
type Withdrawal struct {
	Patient   Patient   `json:"patient"`
	Community string    `json:"community"`
	System    string    `json:"system,omitempty"`
	AsOf      time.Time `json:"asOf"`
}

// Result is how a statement was taken: taken, known, outdated.
type Result struct {
	Result string `json:"result"`
}

// Question is who holds something about a patient.
type Question struct {
	Patient Patient `json:"patient"`
	Detail  bool    `json:"detail,omitempty"`
	Alone   bool    `json:"alone,omitempty"`
}

// Answer to a Question.
type Answer struct {
	Holdings   []Holding  `json:"holdings"`
	Covered    []Coverage `json:"covered"`
	Unanswered []string   `json:"unanswered"`
}

// Coverage is a community's report that the locator knows everything of it.
type Coverage struct {
	Community string     `json:"community"`
	Level     string     `json:"level"`
	AsOf      time.Time  `json:"asOf"`
	Ended     bool       `json:"ended,omitempty"`
	Heard     *time.Time `json:"heard,omitempty"`   // in answers only
	Current   *bool      `json:"current,omitempty"` // in answers only
}

func coverageOf(c locator.Coverage) Coverage {
	return Coverage{Community: c.Community, Level: c.Level.String(), AsOf: c.AsOf, Ended: c.Ended, Heard: &c.Heard, Current: &c.Current}
}

func (c *Coverage) coverage() locator.Coverage {
	out := locator.Coverage{Community: c.Community, Level: locator.LevelNamed(c.Level), AsOf: c.AsOf, Ended: c.Ended}
	if c.Heard != nil && c.Current != nil {
		out.Heard, out.Current = *c.Heard, *c.Current
	}
	return out
}

// AnswerOf is the form of an answer on the wire.
func AnswerOf(a locator.Answer) Answer {
	out := Answer{Holdings: []Holding{}, Covered: []Coverage{}, Unanswered: append([]string{}, a.Unanswered...)}
	for _, h := range a.Holdings {
		w := holdingOf(h.Held)
		w.Community, w.System, w.Told = h.Community, h.System, h.Told.String()
		out.Holdings = append(out.Holdings, w)
	}
	for _, c := range a.Covered {
		out.Covered = append(out.Covered, coverageOf(c))
	}
	return out
}

// answer is a as it came from another locator; a holding that cannot be read makes
// the whole answer wrong, for what is left out would look like what is not there.
func (a *Answer) answer() (out locator.Answer, err error) {
	out.Unanswered = a.Unanswered
	for i := range a.Holdings {
		h := a.Holdings[i]
		home, system, told := h.Community, h.System, h.Told
		h.Community, h.System, h.Told = "", "", ""
		held, p := h.held()
		if p != nil {
			return out, p
		}
		out.Holdings = append(out.Holdings, locator.Holding{Source: locator.Source{Community: home, System: system}, Held: held, Told: locator.ToldNamed(told)})
	}
	for i := range a.Covered {
		out.Covered = append(out.Covered, a.Covered[i].coverage())
	}
	return out, nil
}

// Loaded is what became of a bulk load.
type Loaded struct {
	Lines    int `json:"lines"` // that were dealt with; what they state is durable
	Taken    int `json:"taken"`
	Known    int `json:"known"`
	Outdated int `json:"outdated"`
	Refused  int `json:"refused"`
	// Problems of the first refused lines.
	Problems []Problem `json:"problems,omitempty"`
}

func (l *Loaded) count(r locator.Result) {
	switch r {
	case locator.Taken:
		l.Taken++
	case locator.Known:
		l.Known++
	case locator.Outdated:
		l.Outdated++
	}
}

// Status is how much a locator knows.
type Status struct {
	Patients int64      `json:"patients"`
	Coverage []Coverage `json:"coverage"`
}

// decode reads one JSON value and nothing behind it. Its errors quote nothing of what
// was sent.
func decode(b []byte, to any) *Problem {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err := d.Decode(to)
	var kind *json.UnmarshalTypeError
	var form *time.ParseError
	switch {
	case err == nil:
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return malformed("", "There is something behind the JSON object. Send one object.")
		}
		return nil
	case errors.As(err, &kind):
		return malformed("/"+strings.ReplaceAll(kind.Field, ".", "/"), "The value is of another type than the interface has here. The description is at "+Root+"/openapi.yaml.")
	case errors.As(err, &form):
		return malformed("/asOf", "A time must be of the form 2026-11-22T10:00:00Z.")
	case strings.HasPrefix(err.Error(), "json: unknown field "):
		return malformed("", "There is a member that the interface does not have. Look for a spelling mistake; the description is at "+Root+"/openapi.yaml.")
	}
	return malformed("", fmt.Sprintf("This is not JSON: it cannot be read beyond byte %d.", d.InputOffset()))
}
