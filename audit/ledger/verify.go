package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"samdok/internal/disk"
)

// Kind of a Finding.
type Kind string

const (
	Altered    Kind = "altered"    // a record or header has other octets than were signed
	Removed    Kind = "removed"    // a record or segment is not there
	Reordered  Kind = "reordered"  // a record lies where another one was
	Duplicated Kind = "duplicated" // a record lies there twice
	Added      Kind = "added"      // a record that was never signed lies between signed ones
	Forked     Kind = "forked"     // a signed checkpoint says otherwise than the records
	Damaged    Kind = "damaged"    // the record is right, but what proves it is not
	Unsigned   Kind = "unsigned"   // nothing proves the record: checkpoints are missing
)

// Finding is one thing that is not as it was signed.
type Finding struct {
	Kind    Kind   `json:"kind"`
	Index   int64  `json:"index"` // of the first record concerned; -1: unknown
	Segment uint64 `json:"segment,omitempty"`
	Offset  int64  `json:"offset,omitempty"`
	Text    string `json:"text"`
}

// Report is what Verify found.
type Report struct {
	Origin      string    `json:"origin"`
	Leaves      int64     `json:"leaves"`  // records and segment headers
	Records     int64     `json:"records"` // checked now
	Segments    int       `json:"segments"`
	Dropped     []Dropped `json:"dropped,omitempty"`
	Checkpoints int       `json:"checkpoints"`
	// Signed is the size of the newest checkpoint; what follows is only checked to
	// be whole.
	Signed     int64     `json:"signed"`
	SignedTime time.Time `json:"signed_time,omitzero"`
	// From is where an incremental run began.
	From int64 `json:"from"`
	// Trusted tells whether a key that the caller trusts is the ledger's; without
	// one, only a change by somebody without the private key is found out.
	Trusted bool   `json:"trusted"`
	Torn    bool   `json:"torn,omitempty"` // a crash left a half-written end; the next start cuts it
	Newest  string `json:"newest_key"`
	// Findings in the order of the records; empty when all is right.
	Findings   []Finding  `json:"findings"`
	Checkpoint Checkpoint `json:"-"` // the newest
}

// VerifyOptions of Verify; zero values mean the defaults.
type VerifyOptions struct {
	// Node is Options.Node of the ledger.
	Node string
	// Chain are keys that followed those of the ledger; notes of dropped segments may
	// be signed by them.
	Chain [][]byte
	// Known are sizes and roots that the ledger must have had, of lists that were
	// signed over many ledgers.
	Known []Known
	// Trusted are public keys of which the ledger must have one.
	Trusted []string
	// Checkpoints are signed notes that somebody kept elsewhere: the ledger must
	// contain what they say.
	Checkpoints [][]byte
	// Since is a checkpoint up to which everything was verified before: the
	// ledger must continue it, and only what follows is checked.
	Since []byte
	// From is a size up to which everything was verified before, like Since, by
	// somebody who remembers a size and a root; give it in Known too.
	From int64
	// Clock is the time now. Default time.Now.
	Clock func() time.Time
	// Workers is how many segments are checked at a time; default one per CPU.
	Workers int
	// Progress is called with octets done and their total.
	Progress func(done, total int64)
	FS       disk.FS
}

// Verify checks a ledger's folder, which may be a copy, with public keys alone:
// every record against the tree, the tree by itself, every checkpoint against the
// tree and the keys. An error means that it could not be checked; what is wrong is
// in the Report. Verify may run beside a Ledger.
func Verify(ctx context.Context, dir string, o VerifyOptions) (*Report, error) {
	if o.FS == nil {
		o.FS = disk.OS{}
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
	v := &verifier{VerifyOptions: o, dir: dir, r: &Report{Findings: []Finding{}}}
	if err := v.run(ctx); err != nil {
		return nil, fmt.Errorf("the ledger in %s cannot be verified: %w", dir, err)
	}
	slices.SortStableFunc(v.r.Findings, func(a, b Finding) int { return cmp.Compare(a.Index, b.Index) })
	return v.r, nil
}

type verifier struct {
	VerifyOptions
	dir         string
	r           *Report
	chain       *keyChain
	keyless     bool // there is no key at all
	checkpoints []Checkpoint
	tree        hashFile
	treeThere   bool  // the tree's file is
	treeSize    int64 // leaves whose hashes are in tree
	cut         bool  // the records go on where tree ends
	parts       []*part

	mu          sync.Mutex
	done, total atomic.Int64
}

// part is a segment or what stands in its place.
type part struct {
	number     uint64
	header     header
	dropped    *Dropped
	bad        bool // the header cannot be read
	first, end int64
	size       int64
	last       bool
}

func (v *verifier) find(f Finding) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.r.Findings = append(v.r.Findings, f)
}

func (v *verifier) run(ctx context.Context) error {
	if err := v.keys(); err != nil {
		return err
	}
	// Checkpoints first: whatever they sign was in the files before them.
	if err := v.since(); err != nil {
		return err
	}
	if err := v.readCheckpoints(); err != nil {
		return err
	}
	if err := v.openTree(); err != nil {
		return err
	}
	defer func() { _ = v.tree.Close() }() // it was only read
	if err := v.list(); err != nil {
		return err
	}
	if err := v.mendTree(ctx); err != nil {
		return err
	}
	if err := v.checkParts(ctx); err != nil {
		return err
	}
	v.checkRoots()
	v.checkKept()
	v.checkKnown()
	v.checkUnsigned()
	return v.checkIndexes()
}

func (v *verifier) keys() error {
	if err := v.readKeys(); err != nil || v.keyless {
		return err
	}
	v.r.Origin, v.r.Newest = v.chain.origin(), v.chain.newest().vkey
	for _, trusted := range v.Trusted {
		k, err := parseVerifier(trusted)
		if err != nil {
			return err
		}
		if v.chain.find(k.vkey) < 0 && k.verifier.Name() == v.chain.origin() {
			v.find(Finding{Kind: Forked, Index: 0, Text: "the ledger does not have the key " + k.vkey + ", which has its name: it was set back to before it got that key, or all of it was made anew"})
			continue
		}
		if v.chain.find(k.vkey) < 0 {
			v.find(Finding{Kind: Forked, Index: 0, Text: "the ledger is not signed by the key " + k.vkey + ", nor by one that follows it: it is another ledger, or all of it was made anew"})
			continue
		}
		v.r.Trusted = true
	}
	return nil
}

// readKeys follows the ledger's keys. Those that the caller trusts do instead when the file
// has none, and without either the checkpoints are compared as they are.
func (v *verifier) readKeys() error {
	all, torn, err := readNotes(v.FS, v.dir, keysName)
	if err == nil && len(all) == 0 {
		if err := v.isLedger(); err != nil {
			return err
		}
		all, torn, err = readNotes(v.FS, v.dir, keysName) // they are made before the first segment
	}
	v.r.Torn = v.r.Torn || torn && len(all) > 0
	if err == nil {
		v.chain, err = parseChain(all)
	} else if len(all) > 0 {
		v.chain, _ = parseChain(all) // err tells where it ends
	} else {
		v.chain = &keyChain{}
	}
	switch {
	case len(v.chain.keys) > 0 && err == nil:
		return nil
	case len(v.chain.keys) > 0:
		v.find(Finding{Kind: Damaged, Index: -1, Text: fmt.Sprintf("%s: %v", keysName, err)})
		return nil
	case err == nil:
		err = errors.New("it is missing or empty")
	}
	for _, trusted := range v.Trusted {
		k, err := parseVerifier(trusted)
		if err != nil {
			return err
		}
		k.from = math.MaxInt64 // when it began to sign is not known
		if v.chain.find(k.vkey) < 0 {
			v.chain.keys = append(v.chain.keys, k)
		}
	}
	v.keyless = len(v.chain.keys) == 0
	text := fmt.Sprintf("the file %s has no key of this ledger (%v): signatures were checked by the keys given", keysName, err)
	if v.keyless {
		text = fmt.Sprintf("the file %s has no key of this ledger (%v), so that no signature could be checked: records were compared with checkpoints that anybody may have written; give the key that you trust", keysName, err)
	}
	v.find(Finding{Kind: Damaged, Index: -1, Text: text})
	return nil
}

// ErrNoLedger is told of a folder that holds nothing of a ledger.
var ErrNoLedger = errors.New("there is no ledger: no keys, checkpoints or segments")

// isLedger tells a folder without keys that was a ledger from one that never was.
func (v *verifier) isLedger() error {
	for _, suffix := range []string{segmentSuffix, droppedSuffix} {
		if numbers, err := segments(v.FS, v.dir, suffix); err != nil || len(numbers) > 0 {
			return err
		}
	}
	if all, _, err := readNotes(v.FS, v.dir, checkpointsName); err == nil && len(all) == 0 {
		return ErrNoLedger
	}
	return nil // notes that cannot be read are notes, and a finding later
}

// open checks a note by the keys, if there are any.
func (v *verifier) open(msg []byte) (Checkpoint, error) {
	if !v.keyless {
		return openCheckpoint(msg, v.chain, v.Node)
	}
	c, err := parseCheckpoint(string(msg))
	c.Note = msg
	return c, err
}

func (v *verifier) readCheckpoints() error {
	all, torn, err := readNotes(v.FS, v.dir, checkpointsName)
	if err != nil {
		v.find(Finding{Kind: Damaged, Index: -1, Text: err.Error()})
	}
	v.r.Torn = v.r.Torn || torn
	for i, msg := range all {
		if c, err := parseCheckpoint(string(msg)); err == nil && c.Size < v.r.From {
			v.r.Checkpoints++
			continue // verified before
		}
		c, err := v.open(msg)
		if err != nil {
			v.find(Finding{Kind: Damaged, Index: -1, Text: fmt.Sprintf("checkpoint %d of the file: %v", i+1, err)})
			continue
		}
		if n := len(v.checkpoints); n > 0 {
			before := v.checkpoints[n-1]
			if c.Size < before.Size || c.Size == before.Size && c.Root != before.Root {
				v.find(Finding{Kind: Forked, Index: c.Size, Text: fmt.Sprintf("the checkpoint of %s signs %d records after one of %s signed %d: there are two histories", c.Time.Format(time.RFC3339), c.Size, before.Time.Format(time.RFC3339), before.Size)})
			}
		}
		v.checkpoints = append(v.checkpoints, c)
		if c.Size >= v.r.Signed {
			v.r.Signed, v.r.SignedTime, v.r.Checkpoint = c.Size, c.Time, c
		}
	}
	v.r.Checkpoints += len(v.checkpoints)
	return nil
}

// list reads the headers and finds out which leaves each segment must have.
func (v *verifier) list() error {
	numbers, err := segments(v.FS, v.dir, segmentSuffix)
	if err != nil {
		return err
	}
	dropped, err := segments(v.FS, v.dir, droppedSuffix)
	if err != nil {
		return err
	}
	for _, n := range numbers {
		p := &part{number: n}
		p.header, p.size, err = readHeader(v.FS, v.dir, n)
		p.first = p.header.first
		p.bad = err != nil || p.header.number != n
		v.parts = append(v.parts, p)
	}
	for _, n := range dropped {
		if slices.Contains(numbers, n) {
			continue // destroyed but not yet deleted
		}
		d, err := v.readDropped(n)
		if err != nil {
			v.find(Finding{Kind: Removed, Index: -1, Segment: n, Text: fmt.Sprintf("%s: %v", fileName(n, droppedSuffix), err)})
			continue
		}
		v.r.Dropped = append(v.r.Dropped, d)
		v.parts = append(v.parts, &part{number: n, dropped: &d, first: d.First})
	}
	slices.SortFunc(v.parts, func(a, b *part) int { return cmp.Compare(a.number, b.number) })
	v.connect()
	return nil
}

func (v *verifier) readDropped(n uint64) (Dropped, error) {
	b, err := loadFile(v.FS, v.dir, fileName(n, droppedSuffix))
	if err != nil {
		return Dropped{}, err
	}
	if v.keyless {
		text, _, _ := strings.Cut(string(b), "\n\n")
		return parseDropped(text + "\n")
	}
	later, err := parseChain(v.Chain)
	if err != nil {
		return Dropped{}, err
	}
	msg, err := note.Open(b, v.chain.verifiers())
	if err != nil && len(later.keys) > 0 {
		msg, err = note.Open(b, later.verifiers())
	}
	if err != nil {
		return Dropped{}, errors.New("the note of a dropped segment is not signed by a key of this ledger")
	}
	d, err := parseDropped(msg.Text)
	if err == nil && d.Segment != n {
		err = errors.New("the note is of another segment")
	}
	return d, err
}

// connect gives each part its end, and finds missing segments and bad headers.
func (v *verifier) connect() {
	v.leaveUnmade()
	known := max(v.r.Signed, v.treeSize)
	v.r.Leaves = known
	expect, number := int64(0), uint64(1)
	for i, p := range v.parts {
		p.last = i == len(v.parts)-1
		if p.bad {
			v.badHeader(p, expect)
			expect, number = -1, p.number+1
			continue
		}
		switch from := max(expect, 0); {
		case p.number > number && p.first == expect:
			// Which records those were, the end of the segment before tells.
			v.find(Finding{Kind: Removed, Index: from, Segment: number, Text: fmt.Sprintf("%s is not there, which held the records before %d", segmentNames(number, p.number-1), p.first)})
		case p.number != number || expect >= 0 && p.first != expect:
			v.find(Finding{Kind: Removed, Index: from, Segment: number, Text: fmt.Sprintf("records %d to %d are not there: segment %s or what followed is missing", from, p.first-1, fileName(number, segmentSuffix))})
		}
		number = p.number + 1
		p.end, expect = -1, -1
		switch {
		case p.dropped != nil:
			p.end, expect = p.dropped.End, p.dropped.End
		case p.last:
			p.end = max(known, p.first) // a new segment may be newer than the tree's file
		case !v.parts[i+1].bad:
			p.end, expect = v.parts[i+1].first, v.parts[i+1].first
		}
		if p.end >= 0 && p.end < p.first {
			v.find(Finding{Kind: Reordered, Index: p.end, Segment: p.number, Text: fmt.Sprintf("%s says that it begins at record %d, but the next one begins at %d", fileName(p.number, segmentSuffix), p.first, p.end)})
			p.bad = true
		}
	}
	if len(v.parts) == 0 && known > 0 {
		v.find(Finding{Kind: Removed, Index: 0, Segment: 1, Text: fmt.Sprintf("all %d records are gone", known)})
	}
	if n := len(v.parts); n > 0 && v.parts[n-1].dropped != nil && v.parts[n-1].end < known {
		v.find(Finding{Kind: Removed, Index: v.parts[n-1].end, Text: fmt.Sprintf("records %d to %d are not there: the last segments are missing", v.parts[n-1].end, known-1)})
	}
}

func (v *verifier) badHeader(p *part, expect int64) {
	name, where := fileName(p.number, segmentSuffix), ""
	if expect >= 0 {
		where = fmt.Sprintf("records from %d on: ", expect)
	}
	if p.header.number != 0 && p.header.number != p.number {
		v.find(Finding{Kind: Reordered, Index: expect, Segment: p.number, Text: fmt.Sprintf("%s%s is segment %d under another name", where, name, p.header.number)})
		return
	}
	v.find(Finding{Kind: Altered, Index: expect, Segment: p.number, Text: fmt.Sprintf("%sthe header of %s is altered, or the file is another one", where, name)})
}

// segmentNames are one segment or several.
func segmentNames(first, last uint64) string {
	if first == last {
		return fileName(first, segmentSuffix)
	}
	return fileName(first, segmentSuffix) + " to " + fileName(last, segmentSuffix)
}

// leaveUnmade leaves out a last segment that is being made just now, or whose
// making a crash stopped: it never had a record, so all that is signed must be in
// those before it.
func (v *verifier) leaveUnmade() {
	if n := len(v.parts); n > 0 && v.parts[n-1].bad && v.parts[n-1].size <= headSize && v.parts[n-1].header == (header{}) {
		v.parts = v.parts[:n-1]
		v.r.Torn = true
	}
}

// since leaves out what was verified before.
func (v *verifier) since() error {
	v.r.From = v.VerifyOptions.From
	if v.Since == nil {
		return nil
	}
	c, err := v.open(v.Since)
	if err != nil {
		return fmt.Errorf("the state of the last verification: %w", err)
	}
	v.r.From = c.Size
	v.Checkpoints = append(v.Checkpoints, v.Since)
	return nil
}

func (v *verifier) checkParts(ctx context.Context) error {
	var todo []*part
	for _, p := range v.parts {
		if !p.bad && (p.end < 0 || p.end > v.r.From || p.last) {
			todo = append(todo, p)
			v.total.Add(p.size)
		}
	}
	queue := make(chan *part)
	var group sync.WaitGroup
	var failed atomic.Pointer[error]
	for range v.Workers {
		group.Go(func() {
			for p := range queue {
				if err := v.checkPart(ctx, p); err != nil {
					failed.CompareAndSwap(nil, &err)
				}
				v.Progress(v.done.Add(p.size), v.total.Load())
			}
		})
	}
	for _, p := range todo {
		if ctx.Err() != nil || failed.Load() != nil {
			break
		}
		queue <- p
	}
	close(queue)
	group.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return context.Cause(ctx)
}

// checkRoots compares every checkpoint with the tree.
func (v *verifier) checkRoots() {
	good := int64(0)
	for _, c := range v.checkpoints {
		if c.Size > v.treeSize {
			continue // found already
		}
		if root, err := tlog.TreeHash(c.Size, fileHashes{v.tree}); err != nil || c.Size > 0 && root != c.Root {
			v.find(Finding{Kind: Forked, Index: good, Text: fmt.Sprintf("records %d to %d are not those that the checkpoint of %s signed", good, c.Size-1, c.Time.Format(time.RFC3339))})
			return
		}
		good = c.Size
	}
}

// foreign says what a kept checkpoint means that no key of the ledger signed.
func (v *verifier) foreign(msg []byte, err error) string {
	if c, perr := parseCheckpoint(string(msg)); perr == nil && c.Origin == v.chain.originOf(v.Node) && errors.Is(err, errForeignKey) {
		return fmt.Sprintf("a checkpoint kept from %s, of %d records, has the ledger's name, but no key of the ledger signed it: the ledger was set back to before it got that key, or one of the two is a forgery", c.Time.Format(time.RFC3339), c.Size)
	}
	return "a checkpoint that was kept: " + err.Error()
}

// checkKept compares checkpoints that were kept elsewhere.
func (v *verifier) checkKept() {
	for _, msg := range v.Checkpoints {
		c, err := v.open(msg)
		if err != nil {
			v.find(Finding{Kind: Forked, Index: -1, Text: v.foreign(msg, err)})
			continue
		}
		when := c.Time.Format(time.RFC3339)
		if c.Size > v.treeSize && v.cut {
			v.find(Finding{Kind: Damaged, Index: v.treeSize, Text: fmt.Sprintf("a checkpoint kept from %s, of %d records, can be compared with nothing: the hashes end at %d", when, c.Size, v.treeSize)})
			continue
		}
		if c.Size > v.treeSize {
			v.find(Finding{Kind: Removed, Index: v.treeSize, Text: fmt.Sprintf("the ledger ends at record %d, but a checkpoint kept from %s signs %d: it was set back", v.treeSize, when, c.Size)})
			continue
		}
		if root, err := tlog.TreeHash(c.Size, fileHashes{v.tree}); err != nil || c.Size > 0 && root != c.Root {
			from := int64(0)
			for i := range v.checkpoints {
				if own := &v.checkpoints[i]; own.Size < c.Size && own.Time.Before(c.Time) && v.agrees(v.tree, own) {
					from = max(from, own.Size)
				}
			}
			v.find(Finding{Kind: Forked, Index: from, Text: fmt.Sprintf("the checkpoint kept from %s signs another history: records before %d were replaced, probably from %d on", when, c.Size, from)})
			continue
		}
		v.signedElsewhere(&c)
	}
}
