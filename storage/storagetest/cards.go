package storagetest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"samdok/access"
	"samdok/storage"
)

// CardsEngine is what the suite must know about an engine.
type CardsEngine struct {
	// Open opens the engine in dir, anew each time it is called. The returned
	// function closes it.
	Open func(dir string) (storage.Cards, func() error, error)
}

// RunCards runs the suite for storage.Cards. Engines also call RunCardsKill from a
// test whose TestMain calls CardsChild.
func RunCards(t *testing.T, e CardsEngine) {
	t.Run("model", e.model)
	t.Run("all or none", e.allOrNone)
	t.Run("counters", e.counters)
	t.Run("canceled context", e.cardsCanceled)
}

func (e CardsEngine) open(t testing.TB, dir string) storage.Cards {
	t.Helper()
	c, done, err := e.Open(dir)
	must(t, err)
	t.Cleanup(func() { must(t, done()) })
	return c
}

// cardsModel is a map beside the engine.
type cardsModel struct {
	e     CardsEngine
	dir   string
	c     storage.Cards
	done  func() error
	cards map[string][]byte
	words map[string]uint64
}

func (e CardsEngine) model(t *testing.T) {
	dir, n := t.TempDir(), 0
	rapid.Check(t, func(r *rapid.T) {
		n++
		m := &cardsModel{e: e, dir: fmt.Sprintf("%s/%d", dir, n), cards: map[string][]byte{}, words: map[string]uint64{}}
		fine(r, os.Mkdir(m.dir, 0o700))
		m.reopen(r)
		defer func() { fine(r, m.done()) }()
		r.Repeat(map[string]func(*rapid.T){"revise": m.revise, "words": m.someWords, "each": m.each, "reopen": m.reopen, "": m.same})
	})
}

func fine(r *rapid.T, err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (m *cardsModel) reopen(r *rapid.T) {
	if m.done != nil {
		if rapid.IntRange(0, 9).Draw(r, "reopen") > 0 {
			return // it takes long
		}
		fine(r, m.done())
	}
	var err error
	m.c, m.done, err = m.e.Open(m.dir)
	fine(r, err)
}

func cardKey(n int) (access.Tenant, string) {
	return access.Tenant([]string{"a", "ab"}[n%2]), "key" + strconv.Itoa(n/2)
}

const cardKeys = 24

func (m *cardsModel) revise(r *rapid.T) {
	tenant := rapid.SampledFrom([]access.Tenant{"a", "ab"}).Draw(r, "tenant")
	numbers := rapid.SliceOfNDistinct(rapid.IntRange(0, cardKeys/2-1), 1, 6, rapid.ID[int]).Draw(r, "keys")
	fails := rapid.IntRange(0, 9).Draw(r, "fails") == 0
	keys, whats, cards := make([]string, len(numbers)), make([]int, len(numbers)), make([][]byte, len(numbers))
	for i, n := range numbers {
		keys[i] = "key" + strconv.Itoa(n)
		whats[i] = rapid.IntRange(0, 3).Draw(r, "what")
		cards[i] = rapid.SliceOfN(rapid.Byte(), 1, 600).Draw(r, "card")
	}
	after := map[string][]byte{}
	broken, wrong := errors.New("of the change"), ""
	err := m.c.Revise(context.Background(), tenant, keys, func(i int, old []byte) ([]byte, bool, error) {
		name := string(tenant) + " " + keys[i]
		if !bytes.Equal(old, m.cards[name]) {
			wrong = fmt.Sprintf("%s is %x, not %x", name, old, m.cards[name])
		}
		switch {
		case fails && i == len(keys)-1:
			return nil, false, broken
		case whats[i] == 0:
			after[name] = nil
			return nil, false, nil
		case whats[i] == 1:
			return []byte("never kept"), true, nil
		}
		after[name] = cards[i]
		return cards[i], false, nil
	})
	if wrong != "" {
		r.Fatal(wrong)
	}
	if fails {
		if !errors.Is(err, broken) {
			r.Fatalf("the error of a change is answered as %v", err)
		}
		return
	}
	fine(r, err)
	for name, card := range after {
		if card == nil {
			delete(m.cards, name)
			continue
		}
		m.cards[name] = card
	}
}

func (m *cardsModel) someWords(r *rapid.T) {
	texts := rapid.SliceOfN(rapid.StringN(0, 3, 12), 0, 5).Draw(r, "texts")
	numbers, err := m.c.Words(context.Background(), texts)
	fine(r, err)
	for i, text := range texts {
		if was := m.words[text]; was != 0 && was != numbers[i] || numbers[i] == 0 {
			r.Fatalf("%q has the number %d, and had %d", text, numbers[i], was)
		}
		m.words[text] = numbers[i]
	}
}

// each turns every card around, and drops some.
func (m *cardsModel) each(r *rapid.T) {
	seen := 0
	fine(r, m.c.Each(context.Background(), func(card []byte) ([]byte, bool, error) {
		seen++
		after, unchanged := eachOne(card)
		return after, unchanged, nil
	}))
	if seen != len(m.cards) {
		r.Fatalf("%d of %d cards were visited", seen, len(m.cards))
	}
	for name, card := range m.cards {
		if after, unchanged := eachOne(card); !unchanged && after == nil {
			delete(m.cards, name)
		} else if !unchanged {
			m.cards[name] = after
		}
	}
}

func eachOne(card []byte) (after []byte, unchanged bool) {
	switch len(card) % 3 {
	case 0:
		return nil, true
	case 1:
		return append([]byte("seen"), card...), false
	}
	return nil, false
}

// same compares all.
func (m *cardsModel) same(r *rapid.T) {
	for n := range cardKeys {
		tenant, key := cardKey(n)
		card, err := m.c.Card(context.Background(), tenant, key)
		fine(r, err)
		if want := m.cards[string(tenant)+" "+key]; !bytes.Equal(card, want) {
			r.Fatalf("%s %s is %x, not %x", tenant, key, card, want)
		}
	}
	for text, n := range m.words {
		if is, ok := m.c.Word(n); !ok || is != text {
			r.Fatalf("%d is %q, not %q", n, is, text)
		}
	}
	if _, ok := m.c.Word(0); ok {
		r.Fatal("0 is a word")
	}
	if _, ok := m.c.Word(uint64(len(m.words)) + 1); ok {
		r.Fatal("there are more words than were given")
	}
}

// An error of one key leaves those before it as they were.
func (e CardsEngine) allOrNone(t *testing.T) {
	c, ctx := e.open(t, t.TempDir()), context.Background()
	keys := make([]string, 100)
	for i := range keys {
		keys[i] = strconv.Itoa(i)
	}
	broken := errors.New("the last one")
	err := c.Revise(ctx, "t", keys, func(i int, _ []byte) ([]byte, bool, error) {
		if i == 99 {
			return nil, false, broken
		}
		return []byte{1}, false, nil
	})
	if !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if n, err := c.Count(ctx); err != nil || n != 0 {
		t.Fatalf("%d cards are left, %v", n, err)
	}
	must(t, c.Ready(ctx))
}

// Nobody's change is lost between others'.
func (e CardsEngine) counters(t *testing.T) {
	c, ctx := e.open(t, t.TempDir()), context.Background()
	const each = 50
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				if _, err := c.Words(ctx, []string{fmt.Sprint(w, "/", i)}); err != nil {
					t.Error(err)
				}
				if err := countUp(ctx, c, fmt.Sprint("own ", w), "of all"); err != nil {
					t.Error(err)
				}
				if card, err := c.Card(ctx, "t", fmt.Sprint("own ", w)); err != nil || counted(card) != uint64(i+1) {
					t.Errorf("a counter is %d after %d: %v", counted(card), i+1, err)
				}
			}
		})
	}
	all.Wait()
	card, err := c.Card(ctx, "t", "of all")
	if err != nil || counted(card) != writers*each {
		t.Errorf("%d of %d were counted: %v", counted(card), writers*each, err)
	}
	texts := map[string]bool{}
	for n := uint64(1); ; n++ {
		text, ok := c.Word(n)
		if !ok {
			break
		}
		texts[text] = true
	}
	if len(texts) != writers*each {
		t.Errorf("%d words", len(texts))
	}
}

func counted(card []byte) uint64 {
	if len(card) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(card)
}

func countUp(ctx context.Context, c storage.Cards, keys ...string) error {
	return c.Revise(ctx, "t", keys, func(_ int, old []byte) ([]byte, bool, error) {
		return binary.BigEndian.AppendUint64(nil, counted(old)+1), false, nil
	})
}

func (e CardsEngine) cardsCanceled(t *testing.T) {
	c := e.open(t, t.TempDir())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := c.Each(ctx, func([]byte) ([]byte, bool, error) { return nil, true, nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	must(t, countUp(context.Background(), c, "k"))
}

const cardsChildDir = "SAMDOK_CARDS_CHILD"

// CardsChild counts in cards until it is killed, when this process was started for
// that; otherwise it returns at once. It belongs at the beginning of TestMain.
func CardsChild(e CardsEngine) {
	dir := os.Getenv(cardsChildDir)
	if dir == "" {
		return
	}
	c, _, err := e.Open(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for limit := time.Now().Add(time.Minute); err == nil && time.Now().Before(limit); {
				// Two cards in one step, one of which others change too.
				if err := errors.Join(countUp(context.Background(), c, "of all", fmt.Sprint(w)), say(strconv.Itoa(w))); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
			}
		})
	}
	all.Wait()
	os.Exit(0)
}

// RunCardsKill kills a child process at random moments and checks that every change
// that it acknowledged is there, whole.
func RunCardsKill(t *testing.T, e CardsEngine, rounds int) {
	dir, said := t.TempDir(), [writers]uint64{}
	for round := range rounds {
		killedCards(t, dir, &said, time.Duration(20+rand.IntN(180))*time.Millisecond)
		c, done, err := e.Open(dir)
		must(t, err)
		sum := uint64(0)
		for w := range writers {
			card, err := c.Card(context.Background(), "t", strconv.Itoa(w))
			must(t, err)
			if counted(card) < said[w] {
				t.Fatalf("round %d: %d changes were acknowledged and %d are there", round, said[w], counted(card))
			}
			said[w] = counted(card)
			sum += counted(card)
		}
		card, err := c.Card(context.Background(), "t", "of all")
		must(t, err)
		if counted(card) != sum {
			t.Fatalf("round %d: half a change is there: %d and %d", round, counted(card), sum)
		}
		must(t, done())
	}
	t.Logf("%v changes in %d rounds", said, rounds)
}

func killedCards(t *testing.T, dir string, said *[writers]uint64, after time.Duration) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), cardsChildDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	defer cmd.Wait()
	defer cmd.Process.Kill()
	var timer *time.Timer
	for r := bufio.NewReader(out); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			break
		}
		w, err := strconv.Atoi(strings.TrimSuffix(line, "\n"))
		must(t, err)
		said[w]++
		if timer == nil {
			timer = time.AfterFunc(after, func() { cmd.Process.Kill() })
		}
	}
	if timer == nil {
		t.Fatal("the child acknowledged nothing")
	}
	timer.Stop()
}
