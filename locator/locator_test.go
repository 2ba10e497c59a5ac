package locator

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"samdok/access"
	"samdok/metadata"
)

// memory is a storage.Cards without a disk.
type memory struct {
	mu    sync.Mutex
	cards map[string][]byte
	words []string
}

func (m *memory) Card(_ context.Context, t access.Tenant, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cards[string(t)+" "+key], nil
}

func (m *memory) Revise(_ context.Context, t access.Tenant, keys []string, change func(int, []byte) ([]byte, bool, error)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, key := range keys {
		card, unchanged, err := change(i, m.cards[string(t)+" "+key])
		if err != nil {
			return err
		}
		m.put(string(t)+" "+key, card, unchanged)
	}
	return nil
}

func (m *memory) put(name string, card []byte, unchanged bool) {
	switch {
	case unchanged:
	case card == nil:
		delete(m.cards, name)
	default:
		m.cards[name] = card
	}
}

func (m *memory) Words(_ context.Context, texts []string) (numbers []uint64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
next:
	for _, text := range texts {
		for i, w := range m.words {
			if w == text {
				numbers = append(numbers, uint64(i+1))
				continue next
			}
		}
		m.words = append(m.words, text)
		numbers = append(numbers, uint64(len(m.words)))
	}
	return numbers, nil
}

func (m *memory) Word(n uint64) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n == 0 || n > uint64(len(m.words)) {
		return "", false
	}
	return m.words[n-1], true
}

func (m *memory) Each(_ context.Context, visit func([]byte) ([]byte, bool, error)) error {
	for name, card := range m.cards {
		after, unchanged, err := visit(card)
		if err != nil {
			return err
		}
		m.put(name, after, unchanged)
	}
	return nil
}

func (m *memory) Count(context.Context) (int64, error) { return int64(len(m.cards)), nil }
func (m *memory) Ready(context.Context) error          { return nil }

var (
	now     = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	patient = metadata.PatientID{ID: "13858599169", Authority: "2.16.578.1.12.4.1.4.1"}
	west    = Source{"urn:oid:2.16.578.1.12.4.5.100.9.21", "1.2.3"}
	north   = Source{"urn:oid:2.16.578.1.12.4.5.100.9.22", "EPJ"}
	class   = metadata.CodeRef{Value: "A00-1", Scheme: "2.16.578.1.12.4.1.1.9602"}
)

func day(n int) time.Time { return time.Date(2026, 11, n, 0, 0, 0, 0, time.UTC) }

func newLocator(clock *time.Time) (*Locator, *memory) {
	m := &memory{cards: map[string][]byte{}}
	return New(Options{Cards: m, Tenant: "t", Clock: func() time.Time { return *clock }}), m
}

func state(t testing.TB, l *Locator, s Statement) Outcome {
	t.Helper()
	out, err := l.State(context.Background(), []Statement{s})
	if err != nil {
		t.Fatal(err)
	}
	return out[0]
}

func TestStatements(t *testing.T) {
	clock := now
	l, _ := newLocator(&clock)
	documents := Held{Organisation: "983974694", Kind: KindDocuments, Class: class, First: day(1), Last: day(20)}
	critical := Held{Organisation: "983974694", Kind: KindCritical}
	expect := func(step string, want ...Holding) {
		t.Helper()
		got, err := l.Of(context.Background(), patient)
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%s: %v\n%s", step, err, d)
		}
	}
	take := func(want Result, s Statement) {
		t.Helper()
		s.Patient = patient
		if got := state(t, l, s); got.Result != want {
			t.Errorf("%v, not %v: %v", got.Result, want, got.Problem)
		}
	}
	first := Statement{Source: west, AsOf: now, Held: []Held{documents, critical}, Told: ToldByAPI}
	take(Taken, first)
	take(Known, first)
	said := critical
	said.First, said.Last = day(22), day(22)
	a, b := Holding{Source: west, Held: documents, Told: ToldByAPI}, Holding{Source: west, Held: said, Told: ToldByAPI}
	expect("first", a, b)

	take(Outdated, Statement{Source: west, AsOf: now.Add(-time.Second)})
	expect("an older statement came later", a, b)

	// Another source adds; the first says that one thing is gone.
	take(Taken, Statement{Source: north, AsOf: now, Adds: true, Held: []Held{{Kind: KindImages, Last: day(3)}}, Told: ToldByNotice})
	take(Taken, Statement{Source: north, AsOf: now.Add(-time.Hour), Adds: true, Held: []Held{{Kind: KindImages, Last: day(2)}}, Told: ToldByNotice})
	images := Holding{Source: north, Held: Held{Kind: KindImages, First: day(2), Last: day(3)}, Told: ToldByNotice}
	take(Taken, Statement{Source: west, AsOf: now.Add(time.Second), Held: []Held{documents}, Told: ToldByAPI})
	b.Withdrawn = now.Add(time.Second)
	expect("withdrawn", a, b, images)
	answer, err := l.Locate(context.Background(), patient)
	if d := cmp.Diff([]Holding{a, images}, answer.Holdings); err != nil || d != "" {
		t.Error(err, d)
	}

	// What was added before the withdrawal does not bring it back; what is added later
	// does.
	take(Known, Statement{Source: west, AsOf: now, Adds: true, Held: []Held{critical}, Told: ToldByAPI})
	expect("an addition came late", a, b, images)
	take(Taken, Statement{Source: west, AsOf: now.Add(2 * time.Second), Adds: true, Held: []Held{critical}, Told: ToldByAPI})
	b.Withdrawn = time.Time{}
	expect("held again", a, b, images)

	take(Taken, Statement{Source: west, AsOf: now.Add(time.Minute)})
	clock = now.Add(8 * 24 * time.Hour)
	if n, err := l.Purge(context.Background()); n != 1 || err != nil {
		t.Error(n, err)
	}
	expect("purged", images)
	if n, err := l.Purge(context.Background()); n != 0 || err != nil {
		t.Error(n, err)
	}
	take(Taken, Statement{Source: north, AsOf: now.Add(time.Minute)})
	clock = clock.Add(8 * 24 * time.Hour)
	if n, err := l.Purge(context.Background()); n != 1 || err != nil {
		t.Error(n, err)
	}
	if n, err := l.Patients(context.Background()); n != 0 || err != nil {
		t.Errorf("%d patients, %v", n, err)
	}
}

// Statements of one source may come in any order, and again: what holds in the end is
// the newest. A model without cards says what that is.
func TestAnyOrder(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		clock := now
		l, _ := newLocator(&clock)
		held := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) Held {
			return Held{Organisation: rapid.SampledFrom([]string{"", "1", "2"}).Draw(r, "organisation"), Kind: Kind(rapid.IntRange(1, 5).Draw(r, "kind")), First: day(1), Last: day(2)}
		}), 0, 4)
		n := rapid.IntRange(1, 8).Draw(r, "statements")
		all := make([]Statement, n)
		for i := range all {
			all[i] = Statement{Patient: patient, Source: rapid.SampledFrom([]Source{west, north}).Draw(r, "source"),
				AsOf: now.Add(time.Duration(i) * time.Millisecond), Held: held.Draw(r, "held"), Told: ToldByAPI}
		}
		want := map[string]bool{}
		for _, source := range []Source{west, north} {
			for i := n - 1; i >= 0; i-- {
				if all[i].Source == source {
					for _, h := range all[i].Held {
						want[fmt.Sprint(source, h)] = true
					}
					break
				}
			}
		}
		for _, i := range rapid.Permutation(indexes(n)).Draw(r, "order") {
			for range rapid.IntRange(1, 2).Draw(r, "times") {
				if _, err := l.State(context.Background(), all[i:i+1]); err != nil {
					r.Fatal(err)
				}
			}
		}
		answer, err := l.Locate(context.Background(), patient)
		if err != nil {
			r.Fatal(err)
		}
		got := map[string]bool{}
		for _, h := range answer.Holdings {
			got[fmt.Sprint(h.Source, h.Held)] = true
		}
		if d := cmp.Diff(want, got); d != "" {
			r.Fatal(d)
		}
	})
}

func indexes(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func TestRefused(t *testing.T) {
	clock := now
	l, m := newLocator(&clock)
	good := func() Statement {
		return Statement{Patient: patient, Source: west, AsOf: now, Held: []Held{{Kind: KindDocuments}}}
	}
	for at, spoil := range map[string]func(*Statement){
		"/patient/id":              func(s *Statement) { s.Patient.ID = "" },
		"/patient/system":          func(s *Statement) { s.Patient.Authority = "fnr" },
		"/community":               func(s *Statement) { s.Source.Community = "2.16" },
		"/system":                  func(s *Statement) { s.Source.System = "a\x00b" },
		"/asOf":                    func(s *Statement) { s.AsOf = time.Time{} },
		"/holdings":                func(s *Statement) { s.Held = make([]Held, MaxHeld+1) },
		"/holdings/0/kind":         func(s *Statement) { s.Held[0].Kind = 77 },
		"/holdings/0/organisation": func(s *Statement) { s.Held[0].Organisation = strings.Repeat("9", MaxText+1) },
		"/holdings/0/class":        func(s *Statement) { s.Held[0].Class.Value = "\xff" },
		"/holdings/0/first":        func(s *Statement) { s.Held[0].First = time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"/holdings/0/last":         func(s *Statement) { s.Held[0].First, s.Held[0].Last = day(2), day(1) },
	} {
		s := good()
		spoil(&s)
		if got := state(t, l, s); got.Result != Refused || got.Problem.At != at {
			t.Errorf("%s: %v %v", at, got.Result, got.Problem)
		}
	}
	early := good()
	early.AsOf = now.Add(maxAhead + time.Second) // a later statement would be outdated
	if got := state(t, l, early); got.Result != Refused || got.Problem.At != "/asOf" {
		t.Errorf("ahead of the clock: %v", got)
	}
	if len(m.cards) > 0 {
		t.Error("something was kept")
	}
	for i := range MaxSources + 1 {
		s := good()
		s.Source.System = fmt.Sprint(i)
		if got := state(t, l, s); (got.Result == Refused) != (i == MaxSources) {
			t.Fatalf("source %d: %v", i, got)
		}
	}
}

func TestCoverage(t *testing.T) {
	clock := now
	l, _ := newLocator(&clock)
	ctx := context.Background()
	report := Coverage{Community: west.Community, Level: LevelSystem, AsOf: now}
	for _, c := range []Coverage{{}, {Community: west.Community, AsOf: now}, {Community: west.Community, Level: LevelSystem},
		{Community: west.Community, Level: LevelSystem, AsOf: now.Add(maxAhead + time.Second)}} {
		var p *Problem
		if err := l.Cover(ctx, c); !errors.As(err, &p) {
			t.Errorf("%+v is taken: %v", c, err)
		}
	}
	covered := func() int {
		t.Helper()
		a, err := l.Locate(ctx, patient)
		if err != nil {
			t.Fatal(err)
		}
		return len(a.Covered)
	}
	if covered() != 0 {
		t.Error("nobody has reported")
	}
	if err := l.Cover(ctx, report); err != nil || covered() != 1 {
		t.Error(err, covered())
	}
	clock = now.Add(5*time.Minute + 1)
	if covered() != 0 {
		t.Error("a community that stopped reporting is still covered")
	}
	report.AsOf = now.Add(-time.Hour)
	if err := l.Cover(ctx, report); err != nil || covered() != 0 {
		t.Error("an older report counts", err)
	}
	report.AsOf = now.Add(time.Hour)
	if err := l.Cover(ctx, report); err != nil || covered() != 1 {
		t.Error(err, covered())
	}
	report.AsOf, report.Ended = now.Add(time.Hour+time.Minute), true
	if err := l.Cover(ctx, report); err != nil || covered() != 0 {
		t.Error("a community that ended is covered", err)
	}
	if n, err := l.Patients(ctx); n != 0 || err != nil {
		t.Error(n, err)
	}
}

// What the first version wrote is read for ever.
func TestFirstVersionIsRead(t *testing.T) {
	b, err := hex.DecodeString("01" + "07" + "c0843d" + "02" + "0102" + "9c60" + "13" + "00" + "02" + "0103" + "00" + "00" + "c0843d" + "01")
	if err != nil {
		t.Fatal(err)
	}
	want := card{{source: 7, asOf: 1_000_000, held: []heldCard{{1, 2, 6158, 6177, 0, ToldByAPI}, {1, 3, 0, 0, 1_000_000, ToldByLog}}}}
	got, err := decodeCard(b)
	if err != nil || !cmp.Equal(want, got, cmp.AllowUnexported(sourceCard{}, heldCard{})) || string(got.encode()) != string(b) {
		t.Errorf("%+v %v %x", got, err, got.encode())
	}
	if fromDay(6158) != time.Date(2026, 11, 11, 0, 0, 0, 0, time.UTC) || dayOf(fromDay(6158)) != 6158 || dayOf(dayZero) >= 0 || fromDay(dayOf(dayZero)) != dayZero {
		t.Error(fromDay(6158), dayOf(dayZero))
	}
}

func FuzzCard(f *testing.F) {
	f.Add([]byte{1, 7, 0, 1, 1, 2, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeCard(b)
		if err != nil {
			return
		}
		again, err := decodeCard(c.encode())
		if err != nil || !cmp.Equal(c, again, cmp.AllowUnexported(sourceCard{}, heldCard{})) {
			t.Errorf("%v %v %v", c, again, err)
		}
	})
}
