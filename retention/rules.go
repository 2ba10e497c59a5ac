package retention

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"samdok/internal/strictfile"
	"samdok/metadata"
)

// RulesFormat is the version of the form of the rules.
const RulesFormat = 1

// Rules say when documents are due. The first rule that fits a document decides;
// a document that none fits is kept.
type Rules struct {
	Version int    `yaml:"version" json:"version" example:"1"`
	Rules   []Rule `yaml:"rules" json:"rules" example:"[{id: lab, action: erase, age: 10y}]"`
}

// Rule is one of them. Empty conditions fit everything.
type Rule struct {
	ID    string `yaml:"id" json:"id" example:"lab"`
	Title string `yaml:"title" json:"title,omitempty" example:"Laboratory reports"`
	// Class and Type are codes as value^^scheme, Controller are organisations.
	Class      []string `yaml:"class" json:"class,omitempty" example:"[ALM^^2.16.578.1.12.4.1.1.9602]"`
	Type       []string `yaml:"type" json:"type,omitempty" example:"[A05-2^^2.16.578.1.12.4.1.1.9602]"`
	Controller []string `yaml:"controller" json:"controller,omitempty" example:"[974749025]"`
	// Action is "erase" when the document is older than Age ("10y", "6m", "90d"), or
	// "keep": never.
	Action string `yaml:"action" json:"action" example:"erase"`
	Age    string `yaml:"age" json:"age,omitempty" example:"10y"`
	// From is what the age is counted from: creationTime (default) or serviceStop. A
	// document without it is kept.
	From string `yaml:"from" json:"from,omitempty" example:"creationTime"`

	class, kind         []metadata.CodeRef
	years, months, days int
}

// What rules do and count from.
const (
	ActionErase      = "erase"
	ActionKeep       = "keep"
	FromCreationTime = "creationTime"
	FromServiceStop  = "serviceStop"
)

const maxRules = 1000

// ParseRules reads YAML (or JSON) and checks it.
func ParseRules(b []byte) (*Rules, error) {
	var r Rules
	read, err := strictfile.YAML(b, &r)
	if err != nil {
		return nil, strictfile.In("retention rules", err)
	}
	return &r, r.check(read)
}

// check names the line of the first mistake.
func (r *Rules) check(read *strictfile.File) error {
	wrong := func(line int, format string, args ...any) error {
		return strictfile.In("retention rules", strictfile.Problems{{Line: line, Text: fmt.Sprintf(format, args...)}})
	}
	if r.Version == 0 {
		return wrong(0, "the version of their form is missing; write version: %d", RulesFormat)
	}
	if r.Version != RulesFormat {
		return wrong(read.Line("version"), "version is %d; this samdok knows %d", r.Version, RulesFormat)
	}
	if len(r.Rules) == 0 || len(r.Rules) > maxRules {
		return wrong(read.Line("rules"), "there are %d rules; give 1 to %d", len(r.Rules), maxRules)
	}
	seen := map[string]bool{}
	for i := range r.Rules {
		rule := &r.Rules[i]
		if rule.ID == "" || seen[rule.ID] {
			return wrong(read.Line("rules", i, "id"), "rule %d needs an id of its own; write for example id: rule-%d", i+1, i+1)
		}
		seen[rule.ID] = true
		if err := rule.check(); err != nil {
			return wrong(read.Line("rules", i), "rule %s: %v", rule.ID, err)
		}
	}
	return nil
}

func (r *Rule) check() (err error) {
	if r.class, err = codes(r.Class); err != nil {
		return err
	}
	if r.kind, err = codes(r.Type); err != nil {
		return err
	}
	if r.From == "" {
		r.From = FromCreationTime
	}
	switch {
	case slices.Contains(r.Controller, ""):
		return errors.New("an empty controller")
	case r.From != FromCreationTime && r.From != FromServiceStop:
		return fmt.Errorf("from is %q; it is %s or %s", r.From, FromCreationTime, FromServiceStop)
	case r.Action == ActionKeep && r.Age != "":
		return errors.New("what is kept has no age")
	case r.Action == ActionKeep:
		return nil
	case r.Action != ActionErase:
		return fmt.Errorf("action is %q; it is %s or %s", r.Action, ActionErase, ActionKeep)
	}
	return r.parseAge()
}

func (r *Rule) parseAge() error {
	n := 0
	var err error
	if len(r.Age) > 1 {
		n, err = strconv.Atoi(r.Age[:len(r.Age)-1])
	}
	if err != nil || n < 1 || n > 100_000 {
		return fmt.Errorf("age is %q; give a number of years, months or days, such as 10y, 6m or 90d", r.Age)
	}
	switch r.Age[len(r.Age)-1] {
	case 'y':
		r.years = n
	case 'm':
		r.months = n
	case 'd':
		r.days = n
	default:
		return fmt.Errorf("age is %q; its unit is y, m or d", r.Age)
	}
	return nil
}

// codes reads value^^scheme.
func codes(texts []string) (refs []metadata.CodeRef, err error) {
	for _, s := range texts {
		ref, err := ParseCode(s)
		if err != nil {
			return nil, err
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// ParseCode reads value^^scheme.
func ParseCode(s string) (metadata.CodeRef, error) {
	value, scheme, ok := strings.Cut(s, "^^")
	if !ok || value == "" || scheme == "" {
		return metadata.CodeRef{}, fmt.Errorf("%q is not a code as value^^scheme", s)
	}
	return metadata.CodeRef{Value: value, Scheme: scheme}, nil
}

// Verdict is what the rules say of a document.
type Verdict struct {
	Rule *Rule // nil: none fits
	// Due is when it may be erased; zero: never. Undated: the rule would erase it, but
	// it lacks the time that the age is counted from.
	Due     time.Time
	Undated bool
}

// Of is what the rules say of an entry of a controller.
func (r *Rules) Of(d *metadata.DocumentEntry, controller string) Verdict {
	for i := range r.Rules {
		rule := &r.Rules[i]
		if !rule.fits(d, controller) {
			continue
		}
		v := Verdict{Rule: rule}
		if rule.Action == ActionKeep {
			return v
		}
		from := d.CreationTime
		if rule.From == FromServiceStop {
			from = d.ServiceStop
		}
		end, ok := endOf(from)
		if v.Undated = !ok; ok {
			v.Due = end.AddDate(rule.years, rule.months, rule.days)
		}
		return v
	}
	return Verdict{}
}

func (r *Rule) fits(d *metadata.DocumentEntry, controller string) bool {
	has := func(list []metadata.CodeRef, c metadata.CodeRef) bool {
		return len(list) == 0 || slices.ContainsFunc(list, c.Same)
	}
	return has(r.class, d.ClassCode.Ref()) && has(r.kind, d.TypeCode.Ref()) &&
		(len(r.Controller) == 0 || slices.Contains(r.Controller, controller))
}

// endOf is the end of the time that a DTM names: of its year, month, day, hour,
// minute or second, in UTC. What is only known to the year is not due a day too
// early.
func endOf(d metadata.DTM) (time.Time, bool) {
	t, err := d.Time()
	if err != nil {
		return time.Time{}, false
	}
	switch len(d) {
	case 4:
		return t.AddDate(1, 0, 0), true
	case 6:
		return t.AddDate(0, 1, 0), true
	case 8:
		return t.AddDate(0, 0, 1), true
	case 10:
		return t.Add(time.Hour), true
	case 12:
		return t.Add(time.Minute), true
	}
	return t.Add(time.Second), true
}

// String says what a rule does, for people.
func (r *Rule) String() string {
	var b strings.Builder
	part := func(what string, list []string) {
		if len(list) > 0 {
			fmt.Fprintf(&b, " %s %s;", what, strings.Join(list, " or "))
		}
	}
	part("class", r.Class)
	part("type", r.Type)
	part("controller", r.Controller)
	where := strings.TrimSuffix(b.String(), ";")
	if where == "" {
		where = " everything"
	}
	if r.Action == ActionKeep {
		return r.ID + ": keep" + where + " for ever"
	}
	return fmt.Sprintf("%s: erase%s when it is older than %s, counted from %s", r.ID, where, r.Age, r.From)
}
