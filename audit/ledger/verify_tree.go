package ledger

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// hashFile is the file of all hashes, or one that verification made in its place.
type hashFile interface {
	io.ReaderAt
	io.Closer
}

// openTree opens the file of all hashes; one that is missing has none.
func (v *verifier) openTree() error {
	f, err := v.FS.Open(filepath.Join(v.dir, treeName), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		v.tree = noHashes{}
		return nil
	} else if err != nil {
		return err
	}
	size, err := f.Size()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	v.tree, v.treeSize, v.treeThere = f, storedSize(size), true
	return nil
}

type noHashes struct{}

func (noHashes) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }
func (noHashes) Close() error                      { return nil }

// agrees tells whether the tree has a checkpoint's root.
func (v *verifier) agrees(tree io.ReaderAt, c *Checkpoint) bool {
	root, err := tlog.TreeHash(c.Size, fileHashes{tree})
	return err == nil && (c.Size == 0 || root == c.Root)
}

// mendTree takes hashes made from the segments where the tree's file lacks them or has
// others than were signed: the records decide, the file is derived. Without it a record
// that was altered is told by the checkpoints around it only.
func (v *verifier) mendTree(ctx context.Context) error {
	newest := &v.r.Checkpoint
	short := v.treeSize < v.r.Signed
	if v.treeThere && !short && v.agrees(v.tree, newest) {
		return nil
	}
	sound := v.soundTree()
	made, err := v.makeTree(ctx, sound)
	if err != nil {
		return err
	}
	right := made.size >= v.r.Signed && v.agrees(made, newest)
	if v.treeThere && !right && (!short || made.size <= v.treeSize) {
		if short {
			v.find(Finding{Kind: Damaged, Index: v.treeSize, Text: fmt.Sprintf("the file %s ends at record %d, but %d are signed", treeName, v.treeSize, v.r.Signed)})
		}
		return made.Close() // the file is no worse: it tells single records
	}
	switch {
	case !v.treeThere:
		v.find(Finding{Kind: Damaged, Index: 0, Text: fmt.Sprintf("the file %s is missing: its hashes were made again from the segments and compared with the checkpoints, so that of a record that was altered only the checkpoints around it can be told; put the file back from a backup, or let a start of the server make it", treeName)})
	case short:
		v.find(Finding{Kind: Damaged, Index: v.treeSize, Text: fmt.Sprintf("the file %s ends at record %d, but %d are signed: the hashes that it lacks were made from the segments", treeName, v.treeSize, v.r.Signed)})
	default:
		v.find(Finding{Kind: Damaged, Index: sound, Text: fmt.Sprintf("the file %s has other hashes from record %d on than were signed, but the records themselves are right: hashes made from the segments agree with the newest checkpoint", treeName, sound)})
	}
	if made.why != "" && made.size < v.r.Signed {
		v.cut = true
		v.find(Finding{Kind: Damaged, Index: made.size, Text: fmt.Sprintf("records from %d on can be compared with no checkpoint: %s", made.size, made.why)})
	}
	err = v.tree.Close()
	v.tree, v.treeSize = made, made.size
	return err
}

// soundTree is up to which leaf the tree's file has what the checkpoints signed.
func (v *verifier) soundTree() int64 {
	good := int64(0)
	for i := range v.checkpoints {
		c := &v.checkpoints[i]
		if c.Size > v.treeSize {
			continue
		}
		if !v.agrees(v.tree, c) {
			return good
		}
		good = max(good, c.Size)
	}
	return v.treeSize
}

// madeTree is a tree of hashes in a temporary file that has no name any more.
type madeTree struct {
	*os.File
	size int64  // leaves
	why  string // it ends there
}

// makeTree takes the first leaves from the tree's file and the others from the segments,
// as far as one follows the other.
func (v *verifier) makeTree(ctx context.Context, sound int64) (_ *madeTree, err error) {
	f, err := os.CreateTemp("", "samdok-tree-")
	if err != nil {
		return nil, fmt.Errorf("the hashes that are missing need a temporary file: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if err := os.Remove(f.Name()); err != nil {
		return nil, err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	front, err := readFrontier(sound, fileHashes{v.tree})
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(w, io.NewSectionReader(v.tree, 0, tlog.StoredHashCount(sound)*tlog.HashSize)); err != nil {
		return nil, err
	}
	made := &madeTree{File: f}
	for _, p := range v.parts {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		leaves, why, err := v.leavesOf(p, front.size)
		if err != nil {
			return nil, err
		}
		for _, leaf := range leaves {
			front.add(leaf, func(h tlog.Hash) { _, _ = w.Write(h[:]) }) // Flush tells the error
		}
		if made.why = why; why != "" {
			break
		}
	}
	made.size = front.size
	return made, w.Flush()
}

// leavesOf are the leaves of a part from a leaf on, and why nothing can follow them.
func (v *verifier) leavesOf(p *part, from int64) (leaves []tlog.Hash, why string, err error) {
	switch {
	case p.bad || p.first > from:
		return nil, "a segment before " + fileName(p.number+1, segmentSuffix) + " is missing or has another header", nil
	case p.end >= 0 && p.end <= from && !p.last:
		return nil, "", nil
	case p.dropped != nil:
		return nil, fmt.Sprintf("the hashes of segment %d, whose records were destroyed, were in that file only; put it back from a backup", p.number), nil
	}
	b, err := loadFile(v.FS, v.dir, fileName(p.number, segmentSuffix))
	if err != nil {
		return nil, "", err
	}
	if len(b) < headSize {
		return nil, fileName(p.number, segmentSuffix) + " is cut", nil
	}
	leaves = append(leaves, tlog.RecordHash(b[:headSize]))
	end := int64(headSize)
	for s := newScanner(b); ; {
		f, ok := s.next()
		if !ok || f.off != end {
			break
		}
		leaves, end = append(leaves, tlog.RecordHash(f.leaf)), f.end()
	}
	if p.end >= 0 && !p.last && p.first+int64(len(leaves)) != p.end {
		why = fmt.Sprintf("%s does not hold records %d to %d", fileName(p.number, segmentSuffix), p.first, p.end-1)
	}
	return slices.Clone(leaves[min(from-p.first, int64(len(leaves))):]), why, nil
}
