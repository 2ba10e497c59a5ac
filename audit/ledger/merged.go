package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Merged is a signed list of what many nodes' ledgers were at a time. Each has the
// hash of the one before, so that the newest one, kept elsewhere, holds them all.
type Merged struct {
	Origin string // of the keys
	Number uint64 // from 1, without gaps
	// Before is the hash of the note before this one; zeros for the first.
	Before [sha256.Size]byte
	Time   time.Time
	// Nodes are the ledgers that were written to lately, in the order of their names.
	// One that is not named is as it was named last.
	Nodes []NodeState
	// Note is the whole signed note.
	Note []byte
}

// NodeState is a checkpoint of one node's ledger.
type NodeState struct {
	Node string
	Size int64
	Root tlog.Hash
}

const mergedHeadline = "samdok ledgers of all nodes"

// Hash is what the next one says is before it: that of what was signed, so that it
// is the same when others have countersigned.
func (m *Merged) Hash() [sha256.Size]byte {
	signed := m.Note
	if end := bytes.LastIndex(signed, []byte("\n\n")); end >= 0 {
		signed = signed[:end+1]
	}
	return sha256.Sum256(signed)
}

func (m *Merged) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n%d\n%s\ntime %s\n", mergedHeadline, m.Origin, m.Number, base64.StdEncoding.EncodeToString(m.Before[:]), m.Time.UTC().Format(time.RFC3339Nano))
	for _, n := range m.Nodes {
		fmt.Fprintf(&b, "%d %s %s\n", n.Size, n.Root, n.Node)
	}
	return b.String()
}

// Sign signs the list with a private key and sets Origin and Note.
func (m *Merged) Sign(private string) error {
	signer, _, err := parseSigner(private)
	if err != nil {
		return err
	}
	m.Origin = signer.Name()
	m.Note, err = note.Sign(&note.Note{Text: m.text()}, signer)
	return err
}

var errMerged = errors.New("not a list of the ledgers of all nodes")

// OpenMerged checks a list by the keys of which one must have signed it.
func OpenMerged(msg []byte, all []SharedKey) (Merged, error) {
	chain, err := sharedChain(all)
	if err != nil {
		return Merged{}, err
	}
	return openMerged(msg, chain)
}

func openMerged(msg []byte, chain *keyChain) (m Merged, err error) {
	n, err := note.Open(msg, chain.verifiers())
	if err != nil {
		return m, errors.New("a list of all ledgers is not signed by a key of theirs")
	}
	if m, err = parseMerged(n.Text); err == nil && m.Origin != chain.origin() {
		err = fmt.Errorf("a list of other ledgers, %s", m.Origin)
	}
	m.Note = msg
	return m, err
}

func parseMerged(text string) (m Merged, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 6 || lines[0] != mergedHeadline || lines[len(lines)-1] != "" {
		return m, errMerged
	}
	m.Origin = lines[1]
	var errs [3]error
	m.Number, errs[0] = strconv.ParseUint(lines[2], 10, 64)
	before, err := base64.StdEncoding.DecodeString(lines[3])
	if errs[1] = err; len(before) == len(m.Before) {
		m.Before = [sha256.Size]byte(before)
	}
	at, timed := strings.CutPrefix(lines[4], "time ")
	m.Time, errs[2] = time.Parse(time.RFC3339Nano, at)
	if errors.Join(errs[:]...) != nil || !timed || len(before) != len(m.Before) {
		return m, errMerged
	}
	for _, line := range lines[5 : len(lines)-1] {
		n, err := parseNodeState(line)
		if err != nil {
			return m, err
		}
		m.Nodes = append(m.Nodes, n)
	}
	return m, nil
}

func parseNodeState(line string) (n NodeState, err error) {
	fields := strings.SplitN(line, " ", 3)
	if len(fields) < 3 || fields[2] == "" {
		return n, errMerged
	}
	n.Node = fields[2]
	if n.Size, err = strconv.ParseInt(fields[0], 10, 64); err != nil || n.Size < 0 {
		return n, errMerged
	}
	if n.Root, err = tlog.ParseHash(fields[1]); err != nil {
		return n, errMerged
	}
	return n, nil
}

// StateOf reads the checkpoint of a node's ledger, as the node tells it to the others.
func StateOf(msg []byte, node string, all []SharedKey) (NodeState, error) {
	chain, err := sharedChain(all)
	if err != nil {
		return NodeState{}, err
	}
	// A node whose key was replaced meanwhile has a chain of its own; the keys are
	// the same.
	n, err := note.Open(msg, chain.verifiers())
	if err != nil {
		return NodeState{}, errors.New("the checkpoint of a node is not signed by a key of the ledgers")
	}
	c, err := parseCheckpoint(n.Text)
	if err == nil && c.Origin != chain.originOf(node) {
		err = fmt.Errorf("a checkpoint of %s instead of %s", c.Origin, chain.originOf(node))
	}
	return NodeState{node, c.Size, c.Root}, err
}
