package ledger

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Proof proves to whoever has the public key that a record is in the ledger.
type Proof struct {
	Index int64
	Leaf  tlog.Hash // hash of the record as it is stored
	// Path are the hashes from the leaf to the root of the checkpoint (RFC 6962,
	// 2.1.1).
	Path       tlog.RecordProof
	Checkpoint Checkpoint
}

// Check checks the path; the checkpoint's signature is for OpenCheckpoint.
func (p *Proof) Check() error {
	return tlog.CheckRecord(p.Path, p.Checkpoint.Size, p.Checkpoint.Root, p.Index, p.Leaf)
}

// Prove proves that the record of an index is in the ledger, by a checkpoint made
// now if needed, or by the last one of a View.
func (l *Ledger) Prove(index int64) (p Proof, err error) {
	c, tree, done, err := l.provable()
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, done()) }()
	if index < 0 || index >= c.Size {
		return Proof{}, fmt.Errorf("the ledger has no record %d; it has %d", index, c.Size)
	}
	p = Proof{Index: index, Checkpoint: c}
	leaf, err := tree.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
	if err != nil {
		return p, err
	}
	p.Leaf = leaf[0]
	if p.Path, err = tlog.ProveRecord(c.Size, index, tree); err != nil {
		return p, err
	}
	return p, p.Check()
}

// Consistency proves that the ledger at its newest checkpoint continues the one
// of size leaves, which somebody holds a checkpoint of (RFC 6962, 2.1.2).
func (l *Ledger) Consistency(size int64) (tlog.TreeProof, Checkpoint, error) {
	c, err := l.Checkpoint()
	if err != nil {
		return nil, c, err
	}
	if size <= 0 || size > c.Size {
		return nil, c, fmt.Errorf("the ledger never had %d leaves; it has %d", size, c.Size)
	}
	p, err := tlog.ProveTree(c.Size, size, l.tree)
	return p, c, err
}

// OpenCheckpoint checks an exported checkpoint by public keys.
func OpenCheckpoint(msg []byte, publicKeys ...string) (Checkpoint, error) {
	chain := &keyChain{}
	for _, vkey := range publicKeys {
		k, err := parseVerifier(vkey)
		if err != nil {
			return Checkpoint{}, err
		}
		chain.keys = append(chain.keys, k)
	}
	if len(chain.keys) == 0 {
		return Checkpoint{}, errors.New("no public key was given")
	}
	return openCheckpoint(msg, chain, chain.nodeOf(msg))
}
