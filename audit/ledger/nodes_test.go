package ledger

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"samdok/internal/disk"
)

// cluster is what nodes leave: a folder with their ledgers, their key and the lists.
type cluster struct {
	dir     string
	keys    []SharedKey
	private string
	lists   [][]byte
	o       Options
}

// newCluster has the ledgers of three nodes, of which one has ended, and a list after
// each round.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{dir: t.TempDir(), o: Options{Ring: ring(t, t.TempDir()), SegmentSize: 3000, CheckpointEvery: -1, Ahead: -1}}
	k, err := NextSharedKey(t.Context(), c.o.Ring, nil, "", "", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c.keys = []SharedKey{k}
	private, chain, err := OpenSharedKeys(c.o.Ring, c.keys, "")
	if err != nil {
		t.Fatal(err)
	}
	c.private, c.o.SigningKey, c.o.Chain = private, private, chain
	var nodes []*Ledger
	for _, name := range []string{"a", "b", "c"} {
		o := c.o
		o.Node = name
		nodes = append(nodes, open(t, filepath.Join(c.dir, name), o))
	}
	for round := range 4 {
		var states []NodeState
		for i, l := range nodes {
			if i == 0 && round > 1 {
				continue // it has ended
			}
			for k := range 5 {
				record(t, l, fmt.Sprint(round, "/", k))
			}
			states = append(states, c.state(t, l))
		}
		c.list(t, states)
	}
	for _, l := range nodes {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func (c *cluster) state(t *testing.T, l *Ledger) NodeState {
	t.Helper()
	signed, err := l.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	state, err := StateOf(signed.Note, l.Node, c.keys)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := StateOf(signed.Note, "other", c.keys); err == nil {
		t.Error("a checkpoint of one node passes for another's")
	}
	return state
}

func (c *cluster) list(t *testing.T, states []NodeState) {
	t.Helper()
	m := Merged{Number: uint64(len(c.lists)) + 1, Time: time.Now(), Nodes: states}
	if n := len(c.lists); n > 0 {
		before, err := OpenMerged(c.lists[n-1], c.keys)
		if err != nil {
			t.Fatal(err)
		}
		m.Before = before.Hash()
	}
	if err := m.Sign(c.private); err != nil {
		t.Fatal(err)
	}
	c.lists = append(c.lists, m.Note)
}

func (c *cluster) verify(t *testing.T, kept ...[]byte) *NodesReport {
	t.Helper()
	r, err := VerifyNodes(t.Context(), c.dir, NodesOptions{FS: disk.OS{}, Keys: c.keys, Kept: kept,
		Lists: func(_ context.Context, from uint64) iter.Seq2[[]byte, error] {
			return func(yield func([]byte, error) bool) {
				for _, l := range c.lists[from-1:] {
					if !yield(l, nil) {
						return
					}
				}
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// cutBack is a node's ledger as somebody without the key can set it back: to an
// earlier checkpoint, and all that follows gone.
func cutBack(t *testing.T, dir string) {
	t.Helper()
	all, _, err := readNotes(disk.OS{}, dir, checkpointsName)
	if err != nil || len(all) < 2 {
		t.Fatal(len(all), err)
	}
	early, err := parseCheckpoint(string(all[0]))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, checkpointsName), fmt.Appendf(nil, "note %d\n%s", len(all[0]), all[0]))
	tree := readFile(t, filepath.Join(dir, treeName))
	front, err := readFrontier(early.Size, fileHashes{bytes.NewReader(tree)})
	if err != nil || front.root() != early.Root {
		t.Fatal(err)
	}
	numbers, err := segments(disk.OS{}, dir, segmentSuffix)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range numbers {
		path := filepath.Join(dir, fileName(n, segmentSuffix))
		b := readFile(t, path)
		h, err := parseHeader(b)
		if err != nil {
			t.Fatal(err)
		}
		if h.first >= early.Size {
			remove(t, path)
			continue
		}
		if frames := framesOf(b); h.first+1+int64(len(frames)) > early.Size {
			writeFile(t, path, b[:frames[early.Size-h.first-2][1]])
		}
	}
	size := int64(0)
	for n := int64(0); n < early.Size; n++ {
		size++
		for m := n; m&1 == 1; m >>= 1 {
			size++
		}
	}
	writeFile(t, filepath.Join(dir, treeName), tree[:size*32])
}

// What is done to ledgers of many nodes is found, and where.
func TestNodesAreVerified(t *testing.T) {
	if r := newCluster(t).verify(t); len(r.Findings) > 0 || len(r.Nodes) != 3 || r.Lists != 4 {
		t.Fatalf("%+v", r)
	}
	newer := func(c *cluster, t *testing.T) { // by somebody who has the key
		m, err := OpenMerged(c.lists[3], c.keys)
		if err != nil {
			t.Fatal(err)
		}
		m.Time = m.Time.Add(time.Second)
		if err := m.Sign(c.private); err != nil {
			t.Fatal(err)
		}
		c.lists[3] = m.Note
	}
	for name, c := range map[string]struct {
		do   func(*cluster, *testing.T)
		kind Kind
		node string
	}{
		"a whole ledger is removed": {func(c *cluster, t *testing.T) { must(t, os.RemoveAll(filepath.Join(c.dir, "a"))) }, Removed, "a"},
		"a ledger is set back":      {func(c *cluster, t *testing.T) { cutBack(t, filepath.Join(c.dir, "b")) }, Removed, "b"},
		"a ledger is another one's": {func(c *cluster, t *testing.T) {
			must(t, os.RemoveAll(filepath.Join(c.dir, "a")))
			must(t, os.Rename(filepath.Join(c.dir, "c"), filepath.Join(c.dir, "a")))
		}, "", "a"},
		"a list is gone": {func(c *cluster, _ *testing.T) { c.lists[1] = nil }, Removed, ""},
		"a list is altered": {func(c *cluster, _ *testing.T) {
			c.lists[1] = bytes.Replace(c.lists[1], []byte("\n6 "), []byte("\n5 "), 1)
			c.lists[1][40] ^= 1
		}, Altered, ""},
		"lists are swapped":            {func(c *cluster, _ *testing.T) { c.lists[1], c.lists[2] = c.lists[2], c.lists[1] }, Altered, ""},
		"the lists end early":          {func(c *cluster, _ *testing.T) { c.lists = c.lists[:2] }, Removed, ""},
		"the newest list is made anew": {newer, Forked, ""},
		"a list is signed by nobody": {func(c *cluster, t *testing.T) {
			other, _, err := NewSigningKey("")
			must(t, err)
			m := Merged{Number: 5, Time: time.Now()}
			must(t, m.Sign(other))
			c.lists = append(c.lists, m.Note)
		}, Altered, ""},
		"a list says less than the one before": {func(c *cluster, t *testing.T) {
			m, err := OpenMerged(c.lists[0], c.keys)
			must(t, err)
			c.list(t, m.Nodes)
		}, Forked, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			all := newCluster(t)
			kept := all.lists[3]
			c.do(all, t)
			r := all.verify(t, kept)
			if len(r.Findings) == 0 {
				t.Fatal("not found")
			}
			f := r.Findings[0]
			if c.kind != "" && f.Kind != c.kind || f.Node != c.node {
				t.Errorf("%+v", r.Findings)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func FuzzMerged(f *testing.F) {
	m := Merged{Origin: "x", Number: 3, Time: time.Unix(7, 0), Nodes: []NodeState{{Node: "a b", Size: 7}}}
	f.Add(m.text())
	f.Add(mergedHeadline + "\n\n\n\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseMerged(text)
		if err != nil {
			return
		}
		again, err := parseMerged(m.text())
		if err != nil || m.text() != again.text() || strings.Count(m.text(), "\n") != 5+len(m.Nodes) {
			t.Errorf("%q %v", m.text(), err)
		}
	})
}

// A witness signs lists that follow those it has seen, and no others; what it kept
// proves that everything before was not made anew.
func TestWitnessOfLists(t *testing.T) {
	c, kept := newCluster(t), t.TempDir()
	public, err := PublicOf(c.keys)
	must(t, err)
	tell := func(lists [][]byte, seen int64) (said Testimony) {
		said.Newest, said.Keys = int64(len(lists)), []string{c.keys[0].Note}
		for _, l := range lists[min(int64(len(lists)), max(seen-1, 0)):] {
			said.Lists = append(said.Lists, string(l))
		}
		return said
	}
	w := witness(t, kept, public[0])
	for _, n := range []int{2, 2, 4} {
		seen, err := w.See(tell(c.lists[:n], w.Size()))
		if err != nil || seen.Size != int64(n) || WitnessedBy(seen.Note, w.PublicKey()) != nil {
			t.Fatalf("%+v %v", seen, err)
		}
		must(t, w.Close())
		w = witness(t, kept, "")
	}
	newest, err := os.ReadFile(filepath.Join(kept, witnessNewest))
	must(t, err)
	if r := c.verify(t, newest); len(r.Findings) > 0 {
		t.Errorf("%+v", r.Findings)
	}
	other := newCluster(t)
	other.private, other.keys, other.lists = c.private, c.keys, c.lists[:3]
	other.list(t, nil) // another list 4
	shorter := *c
	m, err := OpenMerged(c.lists[2], c.keys)
	must(t, err)
	m.Nodes[0].Size = 1
	shorter.list(t, m.Nodes[:1])
	for name, said := range map[string]Testimony{
		"fewer lists": tell(c.lists[:3], 4), "history made anew": tell(other.lists, 4), "one is gone": tell(append(c.lists[:3:3], nil), 4),
		"a ledger is shorter": tell(shorter.lists, 4), "one ledger": {Checkpoint: "x", Keys: []string{c.keys[0].Note}},
	} {
		if seen, err := w.See(said); err == nil {
			t.Errorf("%s: signed %s", name, seen.Note)
		}
	}
	must(t, w.Close())
}
