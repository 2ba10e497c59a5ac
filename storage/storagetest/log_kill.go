package storagetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
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
	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/storage"
)

const (
	logChildDir   = "SAMDOK_LOG_CHILD"
	logChildRound = "SAMDOK_LOG_CHILD_ROUND"
	logChildCount = "SAMDOK_LOG_CHILD_COUNT"
)

// LogChild appends submissions with 8 writers when this process was started to be
// killed or watched, and then exits; otherwise it returns at once. It belongs at
// the beginning of TestMain. After each Append it writes a line to standard
// output: "ack" and the entryUUIDs of the submission, or "refused" and the kind
// of the error.
func LogChild(open func(dir string) (LogIndex, func() error, error)) {
	dir := os.Getenv(logChildDir)
	if dir == "" {
		return
	}
	l, done, err := open(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	round, _ := strconv.ParseUint(os.Getenv(logChildRound), 10, 64)
	left := int64(1 << 40)
	if n, err := strconv.ParseInt(os.Getenv(logChildCount), 10, 64); err == nil {
		left = n
	}
	var count atomic.Int64
	limit := time.Now().Add(time.Minute) // when nobody kills it
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			c := childWriter{l: l, gen: metadatatest.New(round<<8 | uint64(w)), rng: rand.New(rand.NewPCG(round, uint64(w)))}
			for time.Now().Before(limit) && count.Add(1) <= left {
				if err := c.submit(); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
			}
		})
	}
	all.Wait()
	if err := done(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

type childWriter struct {
	l    LogIndex
	gen  *metadatatest.Gen
	rng  *rand.Rand
	last *metadata.DocumentEntry
	of   int // the patient of last
	// spare is a submission that nothing refers to.
	spare *storage.Change
	// refused: an Append was, since this was last set to false.
	refused bool
}

// childPatients are the same in every process.
func childPatients() []metadatatest.Patient {
	g := metadatatest.New(4711)
	list := make([]metadatatest.Patient, 6)
	for i := range list {
		list[i] = g.Patient()
	}
	return list
}

// pairTitle starts the title of a submission set that was appended together with
// another; the rest is the other's id.
const pairTitle = "together with "

// submit appends one submission, a replacement, a new version, two submissions
// together, or a removal, or merges a patient into one of those that are checked.
func (c *childWriter) submit() error {
	patients := childPatients()
	i := c.rng.IntN(len(patients))
	changes := []storage.Change{submission(c.gen, patients[i], 1, 0)}
	plain := false
	switch {
	case c.rng.IntN(8) == 0:
		return c.merge(patients[i])
	case c.spare != nil && c.rng.IntN(4) == 0:
		gone := removeAll(0, *c.spare)
		c.spare = nil
		return c.append([]storage.Change{gone}, "-", gone.Events[0].Removed)
	case c.last != nil && c.rng.IntN(5) == 0:
		i = c.of
		changes[0], _ = revise(c.gen, patients[i], c.last, 0)
	case c.rng.IntN(4) == 0:
		other := submission(c.gen, patients[(i+1)%len(patients)], 1, 0)
		setOf(changes[0]).Title = metadata.NewText(pairTitle + string(setOf(other).ID))
		setOf(other).Title = metadata.NewText(pairTitle + string(setOf(changes[0]).ID))
		changes = append(changes, other)
	case c.last != nil && c.rng.IntN(3) == 0:
		relate(&changes[0], metadata.Replaces, entries(changes[0])[0].ID, c.last.ID)
		changes[0].Events[0].Touched = []storage.Touch{{ID: c.last.ID, Status: metadata.Deprecated}}
	default:
		plain = true
	}
	if plain && c.spare == nil {
		c.spare = &changes[0]
	} else {
		c.last, c.of = entries(changes[0])[0], i
	}
	var added []metadata.ID
	for _, change := range changes {
		for _, a := range change.Events[0].Added {
			added = append(added, a.Object.ObjectID())
		}
	}
	return c.append(changes, "", added)
}

// merge makes a patient, sometimes a chain of two, and merges it into a survivor.
func (c *childWriter) merge(survivor metadatatest.Patient) error {
	c.refused = false
	var merged []metadata.ID
	into := streamOf(survivor)
	var steps []storage.Change
	for range 1 + c.rng.IntN(2) {
		p := c.gen.Patient()
		sub := submission(c.gen, p, 1, 0)
		ids := refsOf(sub).IDs
		if err := c.append([]storage.Change{sub}, "", ids); err != nil || c.refused {
			return err
		}
		merged = append(merged, ids...)
		none := func(storage.Stream) storage.Version { return 0 }
		steps = append(mergeInto(none, into, streamOf(p)), steps...) // the far end of the chain first
		into = streamOf(p)
	}
	for len(steps) > 2 {
		if err := c.append(steps[:2], "", nil); err != nil || c.refused {
			return err
		}
		steps = steps[2:]
	}
	return c.append(steps, "+", merged)
}

// append appends and acknowledges the ids, each after a mark. What was refused is
// not used again.
func (c *childWriter) append(changes []storage.Change, mark string, ids []metadata.ID) error {
	err := persistAll(c.l, changes)
	if kind := fault.KindOf(err); err != nil && (kind == fault.Unavailable || kind == fault.Busy) {
		c.spare, c.last, c.refused = nil, nil, true
		return say("refused " + fmt.Sprint(kind))
	}
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return nil // a step on the way
	}
	line := "ack"
	for _, id := range ids {
		line += " " + mark + string(id)
	}
	return say(line)
}

// say writes one line in one write, so that lines never mix.
func say(line string) error {
	_, err := os.Stdout.WriteString(line + "\n")
	return err
}

func setOf(c storage.Change) *metadata.SubmissionSet {
	return c.Events[0].Added[0].Object.(*metadata.SubmissionSet)
}

// persistAll is persist for several changes.
func persistAll(l storage.Log, changes []storage.Change) error {
	for {
		for i := range changes {
			_, v, err := l.Load(context.Background(), tenant, changes[i].Stream, storage.Refs{})
			if err != nil {
				return err
			}
			changes[i].Expect = v
		}
		if err := l.Append(context.Background(), tenant, changes); !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
}

// RunLogKill kills a child process with 8 writers at random moments, opens its
// folder again and checks that everything acknowledged is there and nothing half
// (P1, P2).
func RunLogKill(t *testing.T, e LogEngine, rounds int) {
	dir := t.TempDir()
	var acked []metadata.ID
	acks := 0
	for round := range rounds {
		fresh := killedLog(t, dir, round, time.Duration(max(1, e.Pace)*(20+rand.IntN(230)))*time.Millisecond)
		for _, line := range fresh {
			acked = append(acked, line...)
		}
		acks += len(fresh)
		l, done := e.Open(t, dir)
		if err := errors.Join(survivors(l, acked), done()); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if acks > 1500*(1+round/5) { // a fresh folder now and then keeps the rounds short
			dir, acked = t.TempDir(), nil
		}
	}
	if acks < rounds*5 {
		t.Fatalf("only %d submissions in %d rounds: the test proves too little", acks, rounds)
	}
	t.Logf("%d acknowledged submissions in %d rounds", acks, rounds)
}

func killedLog(t *testing.T, dir string, round int, after time.Duration) [][]metadata.ID {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), logChildDir+"="+dir, logChildRound+"="+strconv.Itoa(int(rand.Uint32())+round))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	var timer *time.Timer
	acks := readAcks(t, out, func() {
		if timer == nil { // the first acknowledgement starts the clock
			timer = time.AfterFunc(after, func() { cmd.Process.Kill() })
		}
	})
	if timer == nil {
		t.Fatal("the child acknowledged nothing")
	}
	timer.Stop()
	return acks
}

// readAcks reads a child's output to its end; a line that was cut off is none.
func readAcks(t *testing.T, out io.Reader, each func()) (acks [][]metadata.ID) {
	t.Helper()
	for r := bufio.NewReader(out); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			return acks
		}
		if ids := parseAck(line); ids != nil {
			acks = append(acks, ids)
		}
		each()
	}
}

func parseAck(line string) (ids []metadata.ID) {
	words := strings.Fields(line)
	if len(words) == 0 || words[0] != "ack" {
		return nil
	}
	for _, w := range words[1:] {
		ids = append(ids, metadata.ID(w))
	}
	return ids
}

// survivors is an error unless all acknowledged objects are there, those whose
// removal was acknowledged (they have a minus sign) are gone, those whose patient
// was merged (a plus sign) are the survivor's, and every submission is whole: its
// set, document and membership, its pair, its effects.
func survivors(l LogIndex, acked []metadata.ID) error {
	var added []metadata.ID
	removed, moved := map[metadata.ID]bool{}, map[metadata.ID]bool{}
	for _, id := range acked {
		if gone, ok := strings.CutPrefix(string(id), "-"); ok {
			removed[metadata.ID(gone)] = true
		} else if merged, ok := strings.CutPrefix(string(id), "+"); ok {
			moved[metadata.ID(merged)] = true
		} else {
			added = append(added, id)
		}
	}
	st, err := l.Lookup(context.Background(), tenant, storage.Refs{IDs: added, WithRemoved: true})
	if err != nil {
		return err
	}
	if len(st.Objects) != len(added) {
		return fmt.Errorf("%d of %d acknowledged objects are there", len(st.Objects), len(added))
	}
	checked := map[storage.Stream]bool{}
	for _, p := range childPatients() {
		checked[streamOf(p)] = true
	}
	for _, o := range st.Objects {
		if moved[o.Object.ObjectID()] && !checked[o.Stream] {
			return errors.New("a merge that was acknowledged is undone")
		}
		if removed[o.Object.ObjectID()] && !o.Removed {
			return errors.New("an object whose removal was acknowledged is there again")
		}
	}
	var h holdings
	for _, p := range childPatients() {
		if err := h.add(l, streamOf(p)); err != nil {
			return err
		}
	}
	return h.whole()
}

// holdings is everything that the child's patients have.
type holdings struct {
	sets  map[metadata.ID]*metadata.SubmissionSet
	docs  map[metadata.ID]*metadata.DocumentEntry
	old   map[metadata.ID]bool // superseded documents
	links []*metadata.Association
}

func (h *holdings) add(l LogIndex, s storage.Stream) error {
	if h.sets == nil {
		h.sets, h.docs = map[metadata.ID]*metadata.SubmissionSet{}, map[metadata.ID]*metadata.DocumentEntry{}
		h.old = map[metadata.ID]bool{}
	}
	left, changes, err := logged(l, s)
	if err != nil {
		return err
	}
	for o, err := range l.Find(context.Background(), tenant, s, everything, access.Restriction{}) {
		if err != nil {
			return err
		}
		if !left[o.Object.ObjectID()] {
			return errors.New("an object is found that the log does not have, or has removed")
		}
		delete(left, o.Object.ObjectID())
		switch x := o.Object.(type) {
		case *metadata.SubmissionSet:
			h.sets[x.ID] = x
		case *metadata.DocumentEntry:
			h.docs[x.ID], h.old[x.ID] = x, o.Superseded
		case *metadata.Association:
			h.links = append(h.links, x)
		}
	}
	_, v, err := l.Load(context.Background(), tenant, s, storage.Refs{})
	if err == nil && v != changes {
		err = fmt.Errorf("version %d and %d changes", v, changes)
	}
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("%d objects of the log are not found", len(left))
	}
	return err
}

// logged are the objects that the events of a stream and of those merged into it
// leave, and how many of its own there are: the child writes one event in each
// change.
func logged(l LogIndex, s storage.Stream) (left map[metadata.ID]bool, changes storage.Version, err error) {
	left = map[metadata.ID]bool{}
	for ev, err := range l.Events(context.Background(), tenant, s, 0) {
		if err != nil {
			return nil, 0, err
		}
		changes++
		for _, a := range ev.Added {
			left[a.Object.ObjectID()] = true
		}
		for _, id := range ev.Removed {
			delete(left, id)
		}
		streams, err := ev.Merged()
		if err != nil {
			return nil, 0, err
		}
		if ev.Kind == storage.EventMergedInto {
			continue
		}
		for _, from := range streams {
			st, _, err := l.Load(context.Background(), tenant, from, storage.Refs{})
			if err != nil {
				return nil, 0, err
			}
			if st.Standing.Into == (storage.Stream{}) {
				return nil, 0, errors.New("half a merge: a stream that was absorbed is not closed")
			}
			theirs, _, err := logged(l, from)
			if err != nil {
				return nil, 0, err
			}
			maps.Copy(left, theirs)
		}
	}
	return left, changes, nil
}

func (h *holdings) whole() error {
	members := 0
	for _, a := range h.links {
		switch {
		case a.Type == metadata.HasMember:
			members++
			if h.sets[a.Source] == nil || h.docs[a.Target] == nil {
				return errors.New("half a submission: a membership without its ends")
			}
		case h.docs[a.Source] == nil || h.docs[a.Target] == nil:
			return errors.New("half a submission: a replacement without its ends")
		case h.docs[a.Target].Status != metadata.Deprecated:
			return errors.New("half a submission: the replaced document is still Approved")
		}
	}
	if members != len(h.sets) || members != len(h.docs) {
		return fmt.Errorf("half a submission: %d sets, %d documents, %d memberships", len(h.sets), len(h.docs), members)
	}
	newest := map[metadata.ID]int{}
	for _, d := range h.docs {
		newest[d.LogicalID] = max(newest[d.LogicalID], d.Version)
	}
	for id, d := range h.docs {
		if h.old[id] != (d.Version < newest[d.LogicalID]) {
			return fmt.Errorf("half an update: version %d of %d, superseded: %v", d.Version, newest[d.LogicalID], h.old[id])
		}
	}
	for _, s := range h.sets {
		if other, ok := strings.CutPrefix(s.Title.String(), pairTitle); ok && h.sets[metadata.ID(other)] == nil {
			return errors.New("half an Append: one submission of two")
		}
	}
	return nil
}
