package retention

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"

	"samdok/metadata"
)

// RulesFormat is the version of the form of the rules.
const RulesFormat = 1

// Rules say when documents are due. The first rule that fits a document decides;
// a document that none fits is kept.
type Rules struct {
	Version int    `json:"version"`
	Rules   []Rule `json:"rules"`
}

// Rule is one of them. Empty conditions fit everything.
type Rule struct {
	ID    string `json:"id"`
	Title string `json:"title,omitempty"`
	// Class and Type are codes as value^^scheme, Controller are organisations.
	Class      []string `json:"class,omitempty"`
	Type       []string `json:"type,omitempty"`
	Controller []string `json:"controller,omitempty"`
	// Action is "erase" when the document is older than Age ("10y", "6m", "90d"), or
	// "keep": never.
	Action string `json:"action"`
	Age    string `json:"age,omitempty"`
	// From is what the age is counted from: creationTime (default) or serviceStop. A
	// document without it is kept.
	From string `json:"from,omitempty"`

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
	tree, err := yaml.Parser().Unmarshal(b)
	if err != nil {
		return nil, fmt.Errorf("retention rules: %w", err)
	}
	if b, err = json.Marshal(tree); err != nil {
		return nil, fmt.Errorf("retention rules: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var r Rules
	if err := d.Decode(&r); err != nil {
		return nil, fmt.Errorf("retention rules: %w", err)
	}
	return &r, r.check()
}

func (r *Rules) check() error {
	if r.Version != RulesFormat {
		return fmt.Errorf("retention rules: version is %d; this samdok knows %d", r.Version, RulesFormat)
	}
	if len(r.Rules) == 0 || len(r.Rules) > maxRules {
		return fmt.Errorf("retention rules: there are %d rules; give 1 to %d", len(r.Rules), maxRules)
	}
	seen := map[string]bool{}
	for i := range r.Rules {
		rule := &r.Rules[i]
		if rule.ID == "" || seen[rule.ID] {
			return fmt.Errorf("retention rules: rule %d needs an id of its own", i+1)
		}
		seen[rule.ID] = true
		if err := rule.check(); err != nil {
			return fmt.Errorf("retention rules: rule %s: %w", rule.ID, err)
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
