package storagetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"samdok/access"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/storage"
)

const (
	outboxChildDir   = "SAMDOK_OUTBOX_CHILD"
	outboxChildCount = "SAMDOK_OUTBOX_CHILD_COUNT"
	projector        = "child"
)

// OutboxChild posts, takes and settles letters, writes changes and follows their
// feed, when this process was started to be killed or watched, and then exits;
// otherwise it returns at once. It belongs at the beginning of TestMain. It writes
// the lines "posted ID", "settling ID" and "settled ID" to standard output.
func OutboxChild(open func(dir string) (Mailroom, func() error, error)) {
	dir := os.Getenv(outboxChildDir)
	if dir == "" {
		return
	}
	m, done, err := open(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	c := mailChild{m: m, seed: rand.Uint64(), limit: time.Now().Add(time.Minute), most: 1 << 40}
	if n, err := strconv.ParseInt(os.Getenv(outboxChildCount), 10, 64); err == nil {
		c.most = n
	}
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() { c.loop(w, c.post) })
	}
	for w := range 2 {
		all.Go(func() { c.loop(w, c.settle) })
	}
	all.Go(func() { c.loop(0, c.change) })
	all.Go(func() { c.loop(0, c.project) })
	all.Wait()
	if err := done(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

type mailChild struct {
	m      Mailroom
	seed   uint64
	limit  time.Time
	most   int64
	posted atomic.Int64
}

func (c *mailChild) loop(worker int, step func(rng *rand.Rand) error) {
	rng := rand.New(rand.NewPCG(c.seed, uint64(worker)))
	for time.Now().Before(c.limit) && c.posted.Load() < c.most {
		if err := step(rng); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func (c *mailChild) post(rng *rand.Rand) error {
	c.posted.Add(1)
	l := letter(strings.Repeat("b", rng.IntN(3000)))
	l.Created = time.Now()
	l.Due = l.Created
	if err := c.m.Post(context.Background(), []storage.Letter{l}); err != nil {
		return err
	}
	return say("posted " + l.ID.String())
}

func (c *mailChild) settle(rng *rand.Rand) error {
	list, err := c.m.Take(context.Background(), storage.QueueAnswers, time.Now(), time.Hour, 4)
	if err != nil {
		return err
	}
	for _, l := range list {
		if rng.IntN(2) == 0 {
			if err := c.m.Delay(context.Background(), l, time.Now().Add(time.Millisecond)); err != nil {
				return err
			}
			continue
		}
		if err := say("settling " + l.ID.String()); err != nil {
			return err
		}
		if err := c.m.Settle(context.Background(), l); err != nil {
			return err
		}
		if err := say("settled " + l.ID.String()); err != nil {
			return err
		}
	}
	if len(list) == 0 {
		time.Sleep(time.Millisecond)
	}
	return nil
}

func (c *mailChild) change(rng *rand.Rand) error {
	patients := childPatients()
	return persist(c.m, submission(metadatatest.New(rng.Uint64()), patients[rng.IntN(len(patients))], 1, 0))
}

// project posts a letter for each change, named like its event.
func (c *mailChild) project(*rand.Rand) error {
	from, err := c.m.Cursor(context.Background(), projector)
	if err != nil {
		return err
	}
	to := from
	var letters []storage.Letter
	for f, err := range c.m.Feed(context.Background(), tenant, from) {
		if err != nil {
			return err
		}
		l := letter("")
		l.ID, l.Queue = f.Events[0].ID, storage.QueueNotify
		letters, to = append(letters, l), f.Position
	}
	if to == from {
		time.Sleep(time.Millisecond)
		return nil
	}
	return c.m.Advance(context.Background(), projector, from, to, letters)
}

// mail is what the lines of a child say.
type mail struct {
	posted, settling, settled map[string]bool
}

func newMail() mail { return mail{map[string]bool{}, map[string]bool{}, map[string]bool{}} }

func (m *mail) line(line string) bool {
	word, id, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
	switch word {
	case "posted":
		m.posted[id] = true
	case "settling":
		m.settling[id] = true
	case "settled":
		m.settled[id] = true
	default:
		return false
	}
	return ok
}

// kept is an error unless the outbox holds what was posted and not settled, and a
// letter for each change that the cursor has passed, and for no other.
func (m *mail) kept(box Mailroom) error {
	var problems []error
	have := map[string]bool{}
	for l, err := range box.Letters(context.Background(), storage.QueueAnswers) {
		if err != nil {
			return err
		}
		if have[l.ID.String()] = true; m.settled[l.ID.String()] {
			problems = append(problems, errors.New("a settled letter is there again"))
		}
	}
	for id := range m.posted {
		if !have[id] && !m.settling[id] {
			problems = append(problems, errors.New("a posted letter is gone"))
		}
	}
	projected := map[metadata.UUID]bool{}
	for l, err := range box.Letters(context.Background(), storage.QueueNotify) {
		if err != nil {
			return err
		}
		projected[l.ID] = true
	}
	all := len(projected)
	cursor, err := box.Cursor(context.Background(), projector)
	if err != nil {
		return err
	}
	passed := 0
	for f, err := range box.Feed(context.Background(), tenant, "") {
		if err != nil {
			return err
		}
		if passed == all || cursor == "" {
			break
		}
		if !projected[f.Events[0].ID] {
			problems = append(problems, errors.New("the cursor passed a change without its letter"))
		}
		if passed++; f.Position == cursor {
			break
		}
	}
	if passed != all {
		problems = append(problems, fmt.Errorf("%d letters and %d changes up to the cursor", all, passed))
	}
	_, err = box.Lookup(context.Background(), access.Tenant(tenant), storage.Refs{})
	return errors.Join(append(problems, err)...)
}

// RunOutboxKill kills a child process at random moments, opens its folder again
// and checks that every letter is where it was said to be, and that cursors and
// their letters fit.
func RunOutboxKill(t *testing.T, e OutboxEngine, rounds int) {
	dir, m, total := t.TempDir(), newMail(), 0
	for round := range rounds {
		n := killedMail(t, dir, &m, time.Duration(20+rand.IntN(230))*time.Millisecond)
		total += n
		box, done := e.Open(t, dir)
		if err := errors.Join(m.kept(box), done()); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if len(m.posted) > 3000 {
			dir, m = t.TempDir(), newMail()
		}
	}
	if total < rounds*5 {
		t.Fatalf("only %d letters in %d rounds: the test proves too little", total, rounds)
	}
	t.Logf("%d acknowledged steps in %d rounds", total, rounds)
}

func killedMail(t *testing.T, dir string, m *mail, after time.Duration) (lines int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), outboxChildDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	defer cmd.Wait()
	defer cmd.Process.Kill()
	var timer *time.Timer
	for r := bufio.NewReader(out); ; lines++ {
		line, err := r.ReadString('\n')
		if err != nil {
			break
		}
		if !m.line(line) {
			t.Fatalf("the child says %q", line)
		}
		if timer == nil {
			timer = time.AfterFunc(after, func() { cmd.Process.Kill() })
		}
	}
	if timer == nil {
		t.Fatal("the child acknowledged nothing")
	}
	timer.Stop()
	return lines
}

// OutboxPowerCuts is PowerCuts for letters: at the moment each line is written,
// what it says survives a loss of power.
func OutboxPowerCuts(t *testing.T, e OutboxEngine, letters int) error {
	t.Helper()
	dir, letters := t.TempDir(), max(10, letters/slower)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), outboxChildDir+"="+dir, outboxChildCount+"="+strconv.Itoa(letters))
	cmd.Stdout, cmd.Stderr = nil, os.Stderr
	log := traced(t, cmd)
	rng := rand.New(rand.NewPCG(2, uint64(letters)))
	m, cuts := newMail(), 0
	err := replay(log, dir, func(disk *machine, line string) error {
		if !m.line(line) && line != "" {
			return nil
		}
		// What follows may be on the disk already: it is true then, not yet said.
		for _, r := range []*rand.Rand{nil, rng} {
			cuts++
			if err := e.survives(t, disk, r, &m); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && cuts < letters {
		t.Fatalf("only %d power cuts for %d letters", cuts, letters)
	}
	t.Logf("%d power cuts", cuts)
	return err
}

func (e OutboxEngine) survives(t *testing.T, disk *machine, rng *rand.Rand, m *mail) error {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "cut")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := disk.powerCut(dir, rng); err != nil {
		return err
	}
	said := mail{maps.Clone(m.posted), m.settling, m.settled}
	box, done := e.Open(t, dir)
	return errors.Join(said.kept(box), done())
}
