package locator

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"samdok/access"
	"samdok/metadata"
	"samdok/storage"
)

// Options of a Locator. Cards, Tenant and Clock are required.
type Options struct {
	Cards  storage.Cards
	Tenant access.Tenant
	Clock  func() time.Time
	// Stale is how long a community counts as covered after its last report; 0: 5
	// minutes.
	Stale time.Duration
	// KeepWithdrawn is how long it is kept that something is no longer held, so that
	// older statements on their way do not bring it back; 0: 7 days.
	KeepWithdrawn time.Duration
}

// Locator keeps what sources state. It is safe for concurrent use. Access is not
// its matter: see sharing.Locating.
type Locator struct{ o Options }

// New makes a Locator.
func New(o Options) *Locator {
	if o.Stale <= 0 {
		o.Stale = 5 * time.Minute
	}
	if o.KeepWithdrawn <= 0 {
		o.KeepWithdrawn = 7 * 24 * time.Hour
	}
	return &Locator{o}
}

// Result of a statement.
type Result uint8

const (
	// Taken: it holds from now on.
	Taken Result = iota + 1
	// Known: nothing changed, it was taken before.
	Known
	// Outdated: a newer statement was taken before.
	Outdated
	// Refused: something is wrong with it.
	Refused
)

var resultNames = [...]string{"", "taken", "known", "outdated", "refused"}

func (r Result) String() string { return resultNames[r] }

// Outcome of one statement. Problem is set when it was refused.
type Outcome struct {
	Result  Result
	Problem *Problem
	// Denied: the caller may not state it.
	Denied bool
}

// key is whose card it is.
func key(p metadata.PatientID) string { return "patient " + p.ID + "^" + p.Authority }

// maxAhead is how far the clock of a source may be ahead of the locator's. What is of a
// later time would make everything outdated that the source says until then.
const maxAhead = time.Hour

func (l *Locator) ahead(asOf time.Time) *Problem {
	if asOf.After(l.o.Clock().Add(maxAhead)) {
		return &Problem{"/asOf", "The time is more than an hour ahead of this locator's clock. Set the source's clock, and give the time with its zone, such as 2026-11-22T11:00:00+01:00."}
	}
	return nil
}

// State takes statements. Those that are right are durable when it returns nil, and
// each has its outcome. An error means that it is not known which were taken:
// they can be sent again.
func (l *Locator) State(ctx context.Context, all []Statement) ([]Outcome, error) {
	outcomes := make([]Outcome, len(all))
	var keys []string
	of := map[string][]int{} // statements, by key
	for i := range all {
		p := all[i].Check()
		if p == nil {
			p = l.ahead(all[i].AsOf)
		}
		if p != nil {
			outcomes[i] = Outcome{Result: Refused, Problem: p}
			continue
		}
		k := key(all[i].Patient)
		if of[k] == nil {
			keys = append(keys, k)
		}
		of[k] = append(of[k], i)
	}
	numbered, err := l.number(ctx, all, outcomes)
	if err != nil {
		return nil, err
	}
	err = l.o.Cards.Revise(ctx, l.o.Tenant, keys, func(i int, old []byte) ([]byte, bool, error) {
		c, err := decodeCard(old)
		if err != nil {
			return nil, false, err
		}
		any := false
		for _, n := range of[keys[i]] {
			changed, outdated, err := c.take(&numbered[n])
			var p *Problem
			switch {
			case errors.As(err, &p):
				outcomes[n] = Outcome{Result: Refused, Problem: p}
			case err != nil:
				return nil, false, err
			case outdated:
				outcomes[n] = Outcome{Result: Outdated}
			case changed:
				outcomes[n], any = Outcome{Result: Taken}, true
			default:
				outcomes[n] = Outcome{Result: Known}
			}
		}
		return c.encode(), !any, nil
	})
	if err != nil {
		return nil, err
	}
	return outcomes, nil
}

// number gives the texts of statements their numbers.
func (l *Locator) number(ctx context.Context, all []Statement, outcomes []Outcome) ([]stated, error) {
	var texts []string
	for i := range all {
		if outcomes[i].Result == Refused {
			continue
		}
		s := &all[i]
		texts = append(texts, s.Source.word())
		for k := range s.Held {
			texts = append(texts, s.Held[k].Organisation, s.Held[k].word())
		}
	}
	numbers, err := l.o.Cards.Words(ctx, texts)
	if err != nil {
		return nil, err
	}
	next := func() uint64 {
		n := numbers[0]
		numbers = numbers[1:]
		return n
	}
	out := make([]stated, len(all))
	for i := range all {
		if outcomes[i].Result == Refused {
			continue
		}
		s := &all[i]
		out[i] = stated{source: next(), asOf: micros(s.AsOf), adds: s.Adds, held: make([]heldCard, len(s.Held))}
		for k := range s.Held {
			h := &s.Held[k]
			out[i].held[k] = heldCard{organisation: next(), what: next(), first: dayOf(h.First), last: dayOf(h.Last), told: s.Told}
		}
	}
	return out, nil
}

// word is the text of a source; texts of organisations and sources cannot be mixed
// up, for no text has control characters of its own.
func (s *Source) word() string { return s.Community + "\x00" + s.System }

func sourceOf(word string) Source {
	community, system, _ := strings.Cut(word, "\x00")
	return Source{community, system}
}

func (h *Held) word() string {
	return strconv.Itoa(int(h.Kind)) + "\x01" + h.Class.Value + "\x01" + h.Class.Scheme
}

func whatOf(word string) (Kind, metadata.CodeRef, bool) {
	parts := strings.Split(word, "\x01")
	if len(parts) != 3 {
		return KindUnknown, metadata.CodeRef{}, false
	}
	kind, err := strconv.ParseUint(parts[0], 10, 8)
	return Kind(kind), metadata.CodeRef{Value: parts[1], Scheme: parts[2]}, err == nil
}

// Of is all that is known of a patient, also what was withdrawn lately, ordered by
// source, organisation and kind.
func (l *Locator) Of(ctx context.Context, p metadata.PatientID) ([]Holding, error) {
	b, err := l.o.Cards.Card(ctx, l.o.Tenant, key(p))
	if err != nil {
		return nil, err
	}
	c, err := decodeCard(b)
	if err != nil {
		return nil, err
	}
	var all []Holding
	for i := range c {
		word, ok := l.o.Cards.Word(c[i].source)
		if !ok {
			return nil, errCard
		}
		source := sourceOf(word)
		for _, h := range c[i].held {
			holding, err := l.holding(source, h)
			if err != nil {
				return nil, err
			}
			all = append(all, holding)
		}
	}
	slices.SortFunc(all, func(a, b Holding) int {
		return cmp.Or(cmp.Compare(a.Community, b.Community), cmp.Compare(a.System, b.System), cmp.Compare(a.Organisation, b.Organisation),
			cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Class.Value, b.Class.Value), cmp.Compare(a.Class.Scheme, b.Class.Scheme))
	})
	return all, nil
}

func (l *Locator) holding(source Source, h heldCard) (Holding, error) {
	organisation, ok := l.o.Cards.Word(h.organisation)
	what, known := l.o.Cards.Word(h.what)
	kind, class, right := whatOf(what)
	if !ok || !known || !right {
		return Holding{}, errCard
	}
	out := Holding{Source: source, Told: h.told, Held: Held{Organisation: organisation, Kind: kind, Class: class, First: fromDay(h.first), Last: fromDay(h.last)}}
	if h.withdrawn > 0 {
		out.Withdrawn = fromMicros(h.withdrawn)
	}
	return out, nil
}

// Locate is what is held about a patient now.
func (l *Locator) Locate(ctx context.Context, p metadata.PatientID) (Answer, error) {
	all, err := l.Of(ctx, p)
	if err != nil {
		return Answer{}, err
	}
	covered, err := l.Coverage(ctx)
	if err != nil {
		return Answer{}, err
	}
	return Answer{
		Holdings: slices.DeleteFunc(all, func(h Holding) bool { return !h.Withdrawn.IsZero() }),
		Covered:  slices.DeleteFunc(covered, func(c Coverage) bool { return !c.Current }),
	}, nil
}

// Purge forgets what was withdrawn long ago. It tells how many patients it was about.
func (l *Locator) Purge(ctx context.Context) (n int, err error) {
	before := micros(l.o.Clock().Add(-l.o.KeepWithdrawn))
	err = l.o.Cards.Each(ctx, func(b []byte) ([]byte, bool, error) {
		if b[0] == coverageVersion {
			return nil, true, nil
		}
		c, err := decodeCard(b)
		if err != nil {
			return nil, false, err
		}
		if !c.purge(before) {
			return nil, true, nil
		}
		n++
		return c.encode(), false, nil
	})
	return n, err
}

// Patients is of how many patients something is known.
func (l *Locator) Patients(ctx context.Context) (int64, error) {
	n, err := l.o.Cards.Count(ctx)
	if err != nil {
		return 0, err
	}
	covered, err := l.o.Cards.Card(ctx, l.o.Tenant, coverageKey)
	if covered != nil {
		n-- // of a tenant that is the file's only one
	}
	return n, err
}
