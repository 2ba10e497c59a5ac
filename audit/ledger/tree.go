package ledger

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"samdok/internal/disk"
)

const treeName = "tree"

// tree is the file of all hashes, in tlog's order, 32 octets each. It is written
// behind the records: what it lacks after a crash is made from the segments again.
type tree struct {
	f disk.File

	mu    sync.Mutex
	front frontier
	saved int64  // octets in the file
	buf   []byte // comes after them
}

func openTree(fsys disk.FS, dir string) (*tree, error) {
	f, err := fsys.Open(filepath.Join(dir, treeName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return &tree{f: f}, nil
}

// startAt takes the file's first size leaves for the tree and forgets the rest.
func (t *tree) startAt(size int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	front, err := readFrontier(size, fileHashes{t.f})
	if err != nil {
		return err
	}
	t.front, t.saved, t.buf = front, tlog.StoredHashCount(size)*tlog.HashSize, t.buf[:0]
	return t.f.Truncate(t.saved)
}

// add adds leaves. They are kept in memory until flush has written them.
func (t *tree) add(leaves []tlog.Hash) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range leaves {
		t.front.add(leaves[i], func(h tlog.Hash) { t.buf = append(t.buf, h[:]...) })
	}
}

func (t *tree) size() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.front.size
}

// flush writes what is in memory. The lock is held, so that readers see the whole.
func (t *tree) flush() (frontier, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	front := frontier{t.front.size, append([]tlog.Hash(nil), t.front.peaks...)}
	if len(t.buf) == 0 {
		return front, nil
	}
	if _, err := t.f.WriteAt(t.buf, t.saved); err != nil {
		return front, err
	}
	t.saved += int64(len(t.buf))
	if t.buf = t.buf[:0]; cap(t.buf) > 4<<20 {
		t.buf = nil
	}
	return front, nil
}

// ReadHashes implements tlog.HashReader on what flush has written.
func (t *tree) ReadHashes(at []int64) ([]tlog.Hash, error) { return fileHashes{t.f}.ReadHashes(at) }

type fileHashes struct{ f io.ReaderAt }

// ReadHashes implements tlog.HashReader.
func (r fileHashes) ReadHashes(at []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(at))
	for i, n := range at {
		if _, err := r.f.ReadAt(out[i][:], n*tlog.HashSize); err != nil {
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("the file %s ends before hash %d", treeName, n)
			}
			return nil, err
		}
	}
	return out, nil
}

// storedSize is how many leaves a tree file of n octets holds wholly.
func storedSize(octets int64) int64 {
	count := octets / tlog.HashSize
	// About two hashes a leaf: search near the half.
	lo, hi := int64(0), count
	for lo < hi {
		mid := lo + (hi-lo+1)/2
		if tlog.StoredHashCount(mid) <= count {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	return lo
}
