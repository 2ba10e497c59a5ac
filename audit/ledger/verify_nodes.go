package ledger

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"iter"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"samdok/internal/disk"
)

// Known is what a ledger was, as a list of all ledgers says.
type Known struct {
	Size int64     `json:"size"`
	Root tlog.Hash `json:"root"`
	Time time.Time `json:"time"` // of the list
}

// NodesOptions of VerifyNodes. FS, Keys and Lists are required.
type NodesOptions struct {
	// Trusted are public keys of which the ledgers must have one.
	Trusted []string
	// Kept are signed lists, or checkpoints of one node, that somebody kept elsewhere.
	Kept [][]byte
	// Since is Verified of an earlier report: only what follows is checked.
	Since *Verified
	// Keys are the keys of all ledgers; the private ones are not needed.
	Keys []SharedKey
	// Lists yields the signed lists from a number on, nil for one that is missing.
	Lists func(ctx context.Context, from uint64) iter.Seq2[[]byte, error]
	// Workers is how many segments of a ledger are checked at a time.
	Workers int
	// Progress is called with octets done and those known so far.
	Progress func(done, total int64)
	FS       disk.FS
}

// Verified is how far ledgers were verified, to go on from there.
type Verified struct {
	Lists uint64            `json:"lists"` // number of the last list
	Hash  [sha256.Size]byte `json:"hash"`  // of that list
	// Listed is what the lists said last of each ledger, Nodes what was verified.
	Listed map[string]Known `json:"listed"`
	Nodes  map[string]Known `json:"nodes"`
}

// NodesReport is what VerifyNodes found.
type NodesReport struct {
	Origin  string        `json:"origin"`
	Nodes   []*NodeReport `json:"nodes"`
	Lists   uint64        `json:"lists"` // checked now
	Trusted bool          `json:"trusted"`
	Newest  string        `json:"newest_key"`
	// Findings about lists and whole ledgers, and those of each ledger.
	Findings []NodeFinding `json:"findings"`
	Verified Verified      `json:"-"`
}

// NodeReport is the report of one node's ledger.
type NodeReport struct {
	Node string `json:"node"`
	*Report
}

// NodeFinding is a finding and where it is.
type NodeFinding struct {
	Node string `json:"node,omitempty"` // "": the lists
	Finding
}

// VerifyNodes checks the ledgers of many nodes, each a folder in dir, and the signed
// lists of what they were: every ledger as Verify does, every list against the one
// before it, and every ledger against the lists. What a list names and is not
// there, or is shorter or another one, is a finding. It needs public keys alone, and
// may run while nodes record.
func VerifyNodes(ctx context.Context, dir string, o NodesOptions) (*NodesReport, error) {
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
	v := &nodesVerifier{NodesOptions: o, dir: dir, r: &NodesReport{Findings: []NodeFinding{}}, known: map[string][]Known{}, last: map[string]Known{}, kept: map[string][][]byte{}}
	if err := v.run(ctx); err != nil {
		return nil, fmt.Errorf("the ledgers cannot be verified: %w", err)
	}
	slices.SortStableFunc(v.r.Findings, func(a, b NodeFinding) int { return cmp.Compare(a.Node, b.Node) })
	return v.r, nil
}

type nodesVerifier struct {
	NodesOptions
	dir   string
	r     *NodesReport
	chain *keyChain
	known map[string][]Known  // by node, in the order of the lists
	last  map[string]Known    // the newest of them
	kept  map[string][][]byte // checkpoints by node

	mu   sync.Mutex
	work map[string][2]int64 // octets done and their total, by node
}

func (v *nodesVerifier) find(node string, f Finding) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.r.Findings = append(v.r.Findings, NodeFinding{node, f})
}

func (v *nodesVerifier) run(ctx context.Context) (err error) {
	if v.chain, err = sharedChain(v.Keys); err != nil {
		return err
	}
	if len(v.chain.keys) == 0 {
		return fmt.Errorf("there are no ledgers of nodes: no key was made yet")
	}
	v.r.Origin, v.r.Newest = v.chain.origin(), v.chain.newest().vkey
	for _, trusted := range v.Trusted {
		k, err := parseVerifier(trusted)
		if err != nil {
			return err
		}
		if v.chain.find(k.vkey) < 0 {
			v.find("", Finding{Kind: Forked, Index: -1, Text: "the ledgers are not signed by the key " + k.vkey + ", nor by one that follows it: they are other ledgers, or all of them were made anew"})
			continue
		}
		v.r.Trusted = true
	}
	// Lists first: what they sign was in the ledgers before them.
	if err := v.readLists(ctx); err != nil {
		return err
	}
	return v.ledgers(ctx)
}

// readLists checks the lists against one another.
func (v *nodesVerifier) readLists(ctx context.Context) error {
	number, hash := uint64(0), [sha256.Size]byte{}
	if v.Since != nil {
		number, hash = v.Since.Lists, v.Since.Hash
		maps.Copy(v.last, v.Since.Listed)
		for node, k := range v.Since.Nodes {
			v.known[node] = []Known{k}
		}
	}
	kept := v.readKept()
	sound := true
	for msg, err := range v.Lists(ctx, number+1) {
		if err != nil {
			return err
		}
		number++
		v.r.Lists++
		m, err := openMerged(msg, v.chain)
		switch {
		case msg == nil:
			v.find("", Finding{Kind: Removed, Index: -1, Text: fmt.Sprintf("list %d of all ledgers is gone", number)})
			sound = false
			continue
		case err != nil || m.Number != number:
			v.find("", Finding{Kind: Altered, Index: -1, Text: fmt.Sprintf("list %d of all ledgers is altered or another one (%v)", number, err)})
			sound = false
			continue
		case sound && m.Before != hash:
			v.find("", Finding{Kind: Forked, Index: -1, Text: fmt.Sprintf("list %d of all ledgers does not follow the one before it", number)})
		}
		sound, hash = true, m.Hash()
		if k, ok := kept[number]; ok && k != hash {
			v.find("", Finding{Kind: Forked, Index: -1, Text: fmt.Sprintf("list %d of all ledgers is another one than was kept: history was made anew", number)})
		}
		delete(kept, number)
		v.follow(&m)
	}
	for n := range kept {
		if v.Since == nil || n > v.Since.Lists {
			v.find("", Finding{Kind: Removed, Index: -1, Text: fmt.Sprintf("the lists of all ledgers end at %d, but list %d was kept: they were set back", number, n)})
		}
	}
	v.r.Verified = Verified{number, hash, v.last, map[string]Known{}}
	return nil
}

// readKept sorts what somebody kept: lists, whose hashes are returned, and
// checkpoints.
func (v *nodesVerifier) readKept() map[uint64][sha256.Size]byte {
	lists := map[uint64][sha256.Size]byte{}
	for _, msg := range v.Kept {
		text := string(msg)
		if !strings.HasPrefix(text, mergedHeadline+"\n") {
			v.kept[v.chain.nodeOf(msg)] = append(v.kept[v.chain.nodeOf(msg)], msg)
			continue
		}
		m, err := openMerged(msg, v.chain)
		if err != nil {
			v.find("", Finding{Kind: Forked, Index: -1, Text: "a list that was kept: " + err.Error()})
			continue
		}
		lists[m.Number] = m.Hash()
		for _, n := range m.Nodes {
			v.known[n.Node] = append(v.known[n.Node], Known{n.Size, n.Root, m.Time})
		}
	}
	return lists
}

// follow takes what a list says of each ledger.
func (v *nodesVerifier) follow(m *Merged) {
	for _, n := range m.Nodes {
		k := Known{n.Size, n.Root, m.Time}
		before, listed := v.last[n.Node]
		switch {
		case !listed || n.Size > before.Size:
		case n.Size == before.Size && n.Root == before.Root:
			continue
		default:
			v.find(n.Node, Finding{Kind: Forked, Index: n.Size, Text: fmt.Sprintf("the list of %s signs %d records of this ledger, but that of %s signed %d: there are two histories", m.Time.Format(time.RFC3339), n.Size, before.Time.Format(time.RFC3339), before.Size)})
		}
		v.known[n.Node], v.last[n.Node] = append(v.known[n.Node], k), k
	}
}

// nodesAtOnce is how many ledgers are checked at the same time.
const nodesAtOnce = 4

// ledgers checks every ledger that is there, and finds those that are not.
func (v *nodesVerifier) ledgers(ctx context.Context) error {
	names, err := v.FS.Names(v.dir)
	if err != nil {
		return err
	}
	for node := range v.known {
		if !slices.Contains(names, node) {
			v.find(node, Finding{Kind: Removed, Index: 0, Text: fmt.Sprintf("the whole ledger of node %s is gone; it had %d records", node, v.known[node][len(v.known[node])-1].Size)})
		}
	}
	v.work = map[string][2]int64{}
	reports := make([]*NodeReport, len(names))
	failures := make([]error, len(names))
	var group sync.WaitGroup
	queue := make(chan int)
	for range nodesAtOnce {
		group.Go(func() {
			for i := range queue {
				reports[i], failures[i] = v.one(ctx, names[i])
			}
		})
	}
	for i := range names {
		queue <- i
	}
	close(queue)
	group.Wait()
	for i, r := range reports {
		if failures[i] != nil {
			return failures[i]
		}
		if r != nil {
			v.add(r)
		}
	}
	return nil
}

func (v *nodesVerifier) add(r *NodeReport) {
	v.r.Nodes = append(v.r.Nodes, r)
	for _, f := range r.Findings {
		v.find(r.Node, f)
	}
	if r.Signed > 0 {
		v.r.Verified.Nodes[r.Node] = Known{r.Signed, r.Checkpoint.Root, r.SignedTime}
	}
}

// one checks the ledger of a node; nil when it never began.
func (v *nodesVerifier) one(ctx context.Context, node string) (*NodeReport, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	dir := filepath.Join(v.dir, node)
	o := VerifyOptions{Node: node, Trusted: []string{v.chain.keys[0].vkey}, Checkpoints: v.kept[node], Known: v.known[node], Chain: notesOf(v.Keys), Workers: v.Workers, FS: v.FS,
		Progress: func(done, total int64) { v.progress(node, done, total) }}
	if v.Since != nil {
		o.From = v.Since.Nodes[node].Size
	}
	r, err := Verify(ctx, dir, o)
	if err == nil {
		return &NodeReport{node, r}, nil
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	numbers, lerr := segments(v.FS, dir, segmentSuffix)
	if lerr != nil {
		return nil, lerr
	}
	if _, listed := v.known[node]; listed || len(numbers) > 0 {
		v.find(node, Finding{Kind: Removed, Index: 0, Text: err.Error()})
	}
	return nil, nil //nolint:nilnil // its node stopped before it had a ledger
}

func (v *nodesVerifier) progress(node string, done, total int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.work[node] = [2]int64{done, total}
	var sum [2]int64
	for _, w := range v.work {
		sum[0], sum[1] = sum[0]+w[0], sum[1]+w[1]
	}
	v.Progress(sum[0], sum[1])
}

// checkKnown compares what lists of all ledgers say.
func (v *verifier) checkKnown() {
	good := int64(0)
	for _, k := range v.Known {
		when := k.Time.Format(time.RFC3339)
		if k.Size > v.treeSize && v.cut {
			return // that nothing can be compared from there on is found already
		}
		if k.Size > v.treeSize {
			v.find(Finding{Kind: Removed, Index: v.treeSize, Text: fmt.Sprintf("the ledger ends at record %d, but the list of all ledgers of %s signs %d: it was set back", v.treeSize, when, k.Size)})
			return
		}
		if root, err := tlog.TreeHash(k.Size, fileHashes{v.tree}); err != nil || k.Size > 0 && root != k.Root {
			v.find(Finding{Kind: Forked, Index: good, Text: fmt.Sprintf("records %d to %d are not those that the list of all ledgers of %s signed", good, k.Size-1, when)})
			return
		}
		good = k.Size
	}
}
