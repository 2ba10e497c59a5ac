package app

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"samdok/audit/ledger"
	"samdok/internal/config"
	"samdok/internal/jobs"
	"samdok/storage/keyring"
	"samdok/storage/s3"
)

// ledgersDir holds a folder for each node's ledger in the store.
const ledgersDir = "ledger"

// The store of the ledgers gives up sooner than that of the log: every request waits
// for its record.
const (
	ledgerPatience = 5 * time.Second
	ledgerTimeout  = 3 * time.Second
	ledgerFailures = 4
	ledgerPause    = 500 * time.Millisecond
)

// Ledgers in a store: many small segments, since what is not full yet is read from
// its parts, and indexes that fit in memory.
const (
	ledgerSegment = 8 << 20
	ledgerMerged  = 8
)

// ledgers are those of all nodes, of which one is this process's own.
type ledgers struct {
	store *s3.Store
	files *s3.Files
	ring  ledger.Ring // nil without encryption
	given string      // the signing key, when a setting gives it
	node  string      // this process's ledger
	own   *ledger.Ledger
	clock func() time.Time
	log   *slog.Logger
	watch ledger.Watch

	mu      sync.Mutex // one list at a time
	keys    []ledger.SharedKey
	private string
	seen    uint64 // the newest list at the last look
}

// ringOfStore gives the ledger its data keys from the store. Whoever asks has a
// record to write or to read, and the store bounds how long that takes.
type ringOfStore struct{ *s3.Keys }

func (r ringOfStore) Key(id uint64) (keyring.Key, error) {
	return r.Keys.Key(context.Background(), id)
}

func (r ringOfStore) Destroy(ctx context.Context, id uint64) error {
	return r.Keys.Destroy(ctx, id)
}

// storeOf are the settings of the store.
func storeOf(c *config.Config, watch watching, clock func() time.Time, l *slog.Logger) (s3.Options, error) {
	secure, err := trusting(c.S3.CA, "s3.ca")
	if err != nil {
		return s3.Options{}, err
	}
	retention := c.S3.LockFor
	if c.S3.Lock == "off" {
		retention = 0
	}
	o := s3.Options{
		Endpoint: c.S3.Endpoint, Region: c.S3.Region, Bucket: c.S3.Bucket, Prefix: c.S3.Prefix, AccessKey: c.S3.AccessKey, SecretKey: string(c.S3.SecretKey),
		SSE: c.S3.Encryption, StorageClass: c.S3.StorageClass, Retention: retention, Governance: c.S3.Lock == "governance",
		Timeout: c.S3.Timeout, Patience: c.S3.Patience, Create: c.S3.CreateBucket, TLS: secure, Wrap: watch.to("s3"), Clock: clock, Log: l,
	}
	if watch.wait == nil { // a command: what it has begun is worth more than a quick answer
		o.Patience, o.Insist = max(o.Patience, commandPatience), true
	}
	return o, nil
}

// commandPatience is how long a command waits for the store, at least.
const commandPatience = 20 * time.Second

// openLedgers finds the ledgers of all nodes in a store that is known to be there.
func openLedgers(ctx context.Context, o s3.Options, keys *s3.Keys, c *config.Config) (n *ledgers, err error) {
	o.Timeout, o.Patience, o.Failures, o.Pause = min(o.Timeout, ledgerTimeout), min(o.Patience, ledgerPatience), ledgerFailures, ledgerPause
	o.Insist = false
	o.Proven, o.Create = true, false
	n = &ledgers{given: string(c.LedgerKey), clock: o.Clock, log: o.Log}
	if keys != nil {
		n.ring = ringOfStore{keys}
	}
	if n.store, err = s3.Open(ctx, o); err != nil {
		return nil, err
	}
	n.files = n.store.Files(ledger.Kept)
	if err := n.readKeys(ctx); err != nil {
		return nil, errors.Join(err, n.end(ctx))
	}
	return n, nil
}

// readKeys reads the keys that were made since the last time.
func (n *ledgers) readKeys(ctx context.Context) error {
	journal := n.store.LedgerKeys()
	for {
		b, err := journal.Read(ctx, uint64(len(n.keys))+1)
		if errors.Is(err, s3.ErrNone) {
			return nil
		}
		var k ledger.SharedKey
		if err == nil {
			err = json.Unmarshal(b, &k)
		}
		if err != nil {
			return fmt.Errorf("the keys of the ledgers: %w", err)
		}
		n.keys = append(n.keys, k)
	}
}

// addKey makes the next key of all ledgers, unless another node is first.
func (n *ledgers) addKey(ctx context.Context, given string) error {
	k, err := ledger.NextSharedKey(ctx, n.ring, n.keys, n.private, given, n.clock())
	if err != nil {
		return err
	}
	b, err := json.Marshal(k)
	if err != nil {
		return err
	}
	err = n.store.LedgerKeys().Append(ctx, uint64(len(n.keys))+1, b)
	if err != nil && !errors.Is(err, s3.ErrTaken) {
		return err
	}
	return n.readKeys(ctx)
}

// begin opens a ledger for this process. Its name has a random part, so that no
// other process ever has it.
func (n *ledgers) begin(ctx context.Context, c *config.Config) (*ledger.Ledger, error) {
	if len(n.keys) == 0 {
		if err := n.addKey(ctx, n.given); err != nil {
			return nil, err
		}
	}
	private, chain, err := ledger.OpenSharedKeys(n.ring, n.keys, n.given)
	if err != nil {
		return nil, err
	}
	n.private = private
	node, err := c.NodeName()
	if err != nil {
		return nil, err
	}
	n.node = n.clock().UTC().Format("20060102T150405Z") + "-" + plainName(node) + "-" + strings.ToLower(rand.Text()[:12])
	// Before the folder is there: a ledger of which nothing is told has ended.
	if err := n.store.Tell(ctx, n.node, nil); err != nil {
		return nil, err
	}
	n.own, err = ledger.Open(ctx, ledgersDir+"/"+n.node, n.options(c.CheckpointInterval, chain))
	return n.own, err
}

func (n *ledgers) options(every time.Duration, chain [][]byte) ledger.Options {
	return ledger.Options{Ring: n.ring, SigningKey: n.private, Node: n.node, Chain: chain, CheckpointEvery: every, Clock: n.clock, Log: n.log,
		FS: n.files, SegmentSize: ledgerSegment, Ahead: -1, Merged: ledgerMerged, Watch: n.watch}
}

// plainName leaves of a node's name what is plain in the name of an object.
func plainName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' {
			return r
		}
		return '_'
	}, s)
	return s[:min(len(s), 40)]
}

// all yields the ledgers of all nodes: this one's own, and views of the others.
func (n *ledgers) all() iter.Seq2[*nodeLedger, error] {
	return func(yield func(*nodeLedger, error) bool) {
		names, err := n.files.Names(ledgersDir)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, name := range slices.Backward(names) { // the newest first
			of, err := n.view(name)
			if !yield(of, err) || err != nil {
				return
			}
		}
	}
}

// nodeLedger is a ledger and the node whose it is.
type nodeLedger struct {
	*ledger.Ledger
	node string
}

func (n *ledgers) view(name string) (*nodeLedger, error) {
	if name == n.node {
		return &nodeLedger{n.own, name}, nil
	}
	o := n.options(-1, nil)
	o.Node = name
	of, err := ledger.View(ledgersDir+"/"+name, o)
	if err != nil {
		return nil, fmt.Errorf("the ledger of node %s: %w", name, err)
	}
	return &nodeLedger{of, name}, nil
}

// deadAfter is how long a node that ended without a word is thought to live.
const deadAfter = 24 * time.Hour

// ended yields the ledgers of nodes that do not live any more, and this process's
// own: those that it may change.
func (n *ledgers) ended(ctx context.Context) iter.Seq2[*nodeLedger, error] {
	return func(yield func(*nodeLedger, error) bool) {
		told, err := n.store.Told(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		living := map[string]bool{}
		for _, t := range told {
			living[t.Node] = n.clock().Sub(t.At) < deadAfter
		}
		for of, err := range n.all() {
			if err == nil && living[of.node] && of.node != n.node {
				continue
			}
			if !yield(of, err) {
				return
			}
		}
	}
}

// listsEach is how many checkpoint intervals lie between two lists: a minute, unless
// the interval is set.
const listsEach = 6

// job signs a list of all ledgers now and then.
func (n *ledgers) job(every time.Duration) jobs.Job {
	return jobs.Job{Name: "ledgers", Every: every, Do: n.tend}
}

// tend takes up a key that another node made, tells the others how far this ledger
// is, and signs the next list if nobody has since the last time.
func (n *ledgers) tend(ctx context.Context) error {
	if err := n.followKey(ctx); err != nil {
		return err
	}
	if err := n.tell(ctx); err != nil {
		return err
	}
	next, err := n.store.LedgerLists().End(ctx, n.lastSeen())
	if err != nil {
		return err
	}
	if n.lastSeen() != next-1 {
		n.see(next - 1)
		return nil
	}
	_, err = n.list(ctx)
	return err
}

func (n *ledgers) lastSeen() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.seen
}

func (n *ledgers) see(number uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seen = max(n.seen, number)
}

// followKey signs with the key that another node has made.
func (n *ledgers) followKey(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := len(n.keys)
	if err := n.readKeys(ctx); err != nil || len(n.keys) == before || n.given != "" {
		return err
	}
	private, _, err := ledger.OpenSharedKeys(n.ring, n.keys, "")
	if err != nil {
		return err
	}
	n.private = private
	_, err = n.own.RotateKey(ctx, private)
	return err
}

// tell tells the other nodes how far this ledger is.
func (n *ledgers) tell(ctx context.Context) error {
	c, err := n.own.Checkpoint()
	if err != nil {
		return err
	}
	return n.store.Tell(ctx, n.node, c.Note)
}

// list signs a list of what all nodes told, unless it would say the same as the
// newest one, and returns the newest one.
func (n *ledgers) list(ctx context.Context) (ledger.Merged, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for {
		before, err := n.newest(ctx)
		if err != nil {
			return before, err
		}
		m := ledger.Merged{Number: before.Number + 1, Time: n.clock()}
		if before.Note != nil {
			m.Before = before.Hash()
		}
		if m.Nodes, err = n.states(ctx); err != nil || before.Note != nil && slices.Equal(m.Nodes, before.Nodes) {
			return before, err
		}
		if err := m.Sign(n.private); err != nil {
			return m, err
		}
		err = n.store.LedgerLists().Append(ctx, m.Number, m.Note)
		if errors.Is(err, s3.ErrTaken) {
			continue // another node was first; its list is the one before ours
		}
		n.seen = m.Number
		return m, err
	}
}

// state tells the newest list, made now.
func (n *ledgers) state(ctx context.Context) (s LedgerState, err error) {
	if err := n.tell(ctx); err != nil {
		return s, err
	}
	m, err := n.list(ctx)
	if err != nil {
		return s, err
	}
	s.Checkpoint = string(m.Note)
	for _, of := range m.Nodes {
		s.Size += of.Size
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	s.PublicKeys, err = ledger.PublicOf(n.keys)
	return s, err
}

// testimony are the lists from the one on that a witness has seen, and the newest.
func (n *ledgers) testimony(ctx context.Context, seen uint64) (t ledger.Testimony, err error) {
	if err := n.tell(ctx); err != nil {
		return t, err
	}
	newest, err := n.list(ctx)
	if err != nil {
		return t, err
	}
	t.Newest, t.Since = int64(newest.Number), int64(seen)
	for msg, err := range n.lists(ctx, max(seen, 1)) {
		if err != nil {
			return t, err
		}
		t.Lists = append(t.Lists, string(msg))
		if len(t.Lists) == ledger.MostLists {
			break
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, k := range n.keys {
		t.Keys = append(t.Keys, k.Note)
	}
	return t, nil
}

// rotate makes the next key of all ledgers. This one is signed with it at once, the
// others within a minute; a key that a setting gives must be given to all nodes, and
// is theirs when they start again.
func (n *ledgers) rotate(ctx context.Context, given string) (public string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if (n.given != "") != (given != "") {
		if n.given != "" {
			return "", errors.New("the ledgers' key is given by a setting, so give the new one too")
		}
		return "", errors.New("the ledgers' key is kept in the store, so do not give a new one")
	}
	if err := n.readKeys(ctx); err != nil {
		return "", err
	}
	if err := n.addKey(ctx, given); err != nil {
		return "", err
	}
	private, _, err := ledger.OpenSharedKeys(n.ring, n.keys, given)
	if err != nil {
		return "", err
	}
	if public, err = n.own.RotateKey(ctx, private); err == nil {
		n.private = private
	}
	return public, err
}

// newest is the newest list; number 0: there is none. n.mu is held.
func (n *ledgers) newest(ctx context.Context) (m ledger.Merged, err error) {
	lists := n.store.LedgerLists()
	next, err := lists.End(ctx, n.seen)
	if err != nil || next == 1 {
		return m, err
	}
	msg, err := lists.Read(ctx, next-1)
	if err != nil {
		return m, err
	}
	if m, err = ledger.OpenMerged(msg, n.keys); err != nil || m.Number != next-1 {
		n.log.Error("the newest list of all ledgers was altered; run samdok verify ledger", "list", next-1, "error", err)
		m = ledger.Merged{Number: next - 1, Note: msg} // what follows says what was there
	}
	return m, nil
}

// states are what the nodes told. n.mu is held.
func (n *ledgers) states(ctx context.Context) (all []ledger.NodeState, err error) {
	told, err := n.store.Told(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range told {
		if len(t.Text) == 0 { // it has just begun
			continue
		}
		state, err := ledger.StateOf(t.Text, t.Node, n.keys)
		if err != nil {
			n.log.Error("what a node told about its ledger is not signed by it; run samdok verify ledger", "node", t.Node, "error", err)
			continue
		}
		if state.Size > 0 {
			all = append(all, state)
		}
		if n.clock().Sub(t.At) > deadAfter {
			if err := n.store.Untell(ctx, t.Node); err != nil { // it is in a list
				return nil, err
			}
		}
	}
	return all, nil
}

// end closes this process's ledger, and has its last checkpoint listed.
func (n *ledgers) end(ctx context.Context) error {
	if n == nil {
		return nil
	}
	var errs []error
	if n.own != nil {
		errs = append(errs, n.own.Close())
		if err := n.farewell(ctx); err != nil {
			n.log.Warn("the end of this node's ledger could not be listed; another node does that", "error", err)
		}
	}
	return errors.Join(append(errs, n.files.Close(), n.store.Close())...)
}

func (n *ledgers) farewell(ctx context.Context) error {
	if err := n.tell(ctx); err != nil {
		return err
	}
	if _, err := n.list(ctx); err != nil {
		return err
	}
	return n.store.Untell(ctx, n.node)
}
