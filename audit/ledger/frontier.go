package ledger

import (
	"crypto/sha256"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// frontier is the right edge of a Merkle tree: the roots of its complete subtrees,
// the largest first. It makes hashes in the order in which tlog stores them, but
// without reading any back.
type frontier struct {
	size  int64
	peaks []tlog.Hash
}

// add adds a leaf and emits it and the nodes that it completes.
func (f *frontier) add(leaf tlog.Hash, emit func(tlog.Hash)) {
	emit(leaf)
	h := leaf
	for n := f.size; n&1 == 1; n >>= 1 {
		last := len(f.peaks) - 1
		h = tlog.NodeHash(f.peaks[last], h)
		f.peaks = f.peaks[:last]
		emit(h)
	}
	f.peaks = append(f.peaks, h)
	f.size++
}

// root is the tree's hash.
func (f *frontier) root() tlog.Hash {
	if f.size == 0 {
		return sha256.Sum256(nil)
	}
	h := f.peaks[len(f.peaks)-1]
	for i := len(f.peaks) - 2; i >= 0; i-- {
		h = tlog.NodeHash(f.peaks[i], h)
	}
	return h
}

// readFrontier reads the right edge of the tree's first size leaves.
func readFrontier(size int64, r tlog.HashReader) (frontier, error) {
	f := frontier{size: size}
	var at []int64
	var start int64
	for level := bits.Len64(uint64(size)) - 1; level >= 0; level-- {
		if size&(1<<level) != 0 {
			at = append(at, tlog.StoredHashIndex(level, start>>level))
			start += 1 << level
		}
	}
	if len(at) == 0 {
		return f, nil
	}
	var err error
	f.peaks, err = r.ReadHashes(at)
	return f, err
}
