package s3

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/minio/minio-go/v7"

	"samdok/fault"
	"samdok/internal/disk"
)

// When the parts of a file become one object: how many octets or parts they are.
const (
	wholeOctets = 8 << 20
	wholeParts  = 512
)

// inode is a file as this process knows it. The octets before base are in extents,
// the rest in tail.
type inode struct {
	f       *Files
	name    string
	scratch bool // in memory only
	writers int  // that use it; Files.mu

	mu      sync.Mutex
	there   bool // the file has its name
	made    bool // also in the store
	extents []extent
	base    int64
	tail    []byte
	first   uint32           // number of the first part of the tail
	next    uint32           // of the next part
	dirty   int64            // from here on the store does not have what tail has; -1: it has all
	doubts  map[uint32][]sum // by number, parts whose fate is not known
	lately  pieces
}

// sum tells contents apart.
type sum = [sha256.Size]byte

// extent is a range of a file that an object has; "": zeros.
type extent struct {
	from, to int64
	object   string
}

// needed tells whether the store lacks something of the file, or may get something
// yet that was given up. n.mu is held.
func (n *inode) needed() bool {
	return n.there && n.scratch || n.dirty >= 0 || len(n.doubts) > 0
}

func (n *inode) size() int64 { return n.base + int64(len(n.tail)) }

// cut ends the file at a size. n.mu is held.
func (n *inode) cut(size int64) {
	if size >= n.size() {
		return
	}
	if size < n.base {
		n.extents, n.base, n.tail = clip(n.extents, size), size, nil
	} else {
		n.tail = n.tail[:size-n.base]
	}
	n.touch(size)
}

// touch notes that the store lacks what follows.
func (n *inode) touch(from int64) {
	if n.dirty < 0 || from < n.dirty {
		n.dirty = from
	}
}

func clip(all []extent, size int64) []extent {
	for len(all) > 0 && all[len(all)-1].from >= size {
		all = all[:len(all)-1]
	}
	if k := len(all); k > 0 && all[k-1].to > size {
		all = slices.Clone(all)
		all[k-1].to = size
	}
	return all
}

// write puts octets into the tail. n.mu is held.
func (n *inode) write(p []byte, off int64) error {
	if off < n.base {
		return fmt.Errorf("octet %d of %s is part of a whole object, which is not written again", off, n.name)
	}
	if gap := off - n.size(); gap > 0 {
		n.touch(n.size())
		n.tail = append(n.tail, make([]byte, gap)...)
	}
	n.touch(off)
	k := copy(n.tail[off-n.base:], p)
	n.tail = append(n.tail, p[k:]...)
	return nil
}

// sync writes what the store lacks as one part. n.mu is held.
func (n *inode) sync(ctx context.Context) error {
	if n.scratch || n.made && n.dirty < 0 {
		return nil
	}
	from := n.dirty
	if from < 0 {
		from = n.size()
	}
	for {
		b := appendPart(nil, from, n.tail[from-n.base:])
		err := n.create(ctx, partName(n.name, n.next), b, from, minio.PutObjectOptions{})
		if err == nil {
			break
		}
		if !errors.Is(err, errTakenByUs) {
			return err
		}
	}
	n.dirty, n.made = -1, true
	if n.next-n.first >= wholeParts && (n.next-n.first)%(wholeParts/8) == 0 || len(n.tail) >= wholeOctets {
		n.unite(ctx)
	}
	return nil
}

// errTakenByUs: what was in doubt is there after all.
var errTakenByUs = errors.New("an earlier part has arrived")

// create writes the object of the next number. n.mu is held.
func (n *inode) create(ctx context.Context, object string, b []byte, from int64, o minio.PutObjectOptions) error {
	if n.f.fenced.Load() {
		return n.f.fence(n.name)
	}
	_, found, err := n.f.s.create(ctx, filesOp, object, b, o)
	if err == nil {
		delete(n.doubts, n.next)
		n.next++
		return nil
	}
	if !errors.Is(err, errCondition) {
		if n.doubts == nil {
			n.doubts = map[uint32][]sum{}
		}
		n.doubts[n.next] = append(n.doubts[n.next], sha256.Sum256(b))
		n.touch(from) // the next part goes over it
		return err
	}
	if slices.Contains(n.doubts[n.next], sha256.Sum256(found)) {
		delete(n.doubts, n.next)
		n.next++
		return errTakenByUs
	}
	return n.f.fence(n.name)
}

// writeWhole replaces the file by one object. n.mu is held.
func (n *inode) writeWhole(b []byte) error {
	for {
		object := wholeName(n.name, n.next, n.next, 0)
		err := n.create(context.Background(), object, b, 0, n.f.kept(n.name))
		if errors.Is(err, errTakenByUs) {
			continue
		}
		if err != nil {
			return err
		}
		n.extents, n.base, n.tail, n.lately = nil, int64(len(b)), nil, nil
		if len(b) > 0 {
			n.extents = []extent{{0, n.base, object}}
		}
		n.first, n.dirty, n.there, n.made = n.next, -1, true, true
		return nil
	}
}

// unite makes one object of the parts of the tail, and has them deleted. When that
// fails they stay, and it is tried again later. n.mu is held.
func (n *inode) unite(ctx context.Context) {
	if n.scratch || n.dirty >= 0 || len(n.doubts) > 0 || n.next == n.first || n.f.fenced.Load() {
		return
	}
	first, last := n.first, n.next-1
	whole := wholeName(n.name, first, last, n.base)
	if _, _, err := n.f.s.create(ctx, filesOp, whole, n.tail, n.f.kept(n.name)); err != nil {
		n.f.s.Log.Warn("parts could not be put together; they are read one by one meanwhile", "error", n.f.s.fault(filesOp, err, writes))
		return
	}
	if len(n.tail) > 0 {
		n.extents = append(n.extents, extent{n.base, n.size(), whole})
	}
	n.base, n.tail, n.first = n.size(), nil, n.next
	n.f.sweep(n.name, func(o object) bool { return !o.whole && o.first >= first && o.last <= last })
}

// handle is an open file.
type handle struct {
	*inode
	files  *Files
	writes bool
	closed atomic.Bool
}

// ReadAt implements disk.File.
func (h *handle) ReadAt(p []byte, off int64) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.read(context.Background(), p, off)
}

// WriteAt implements disk.File.
func (h *handle) WriteAt(p []byte, off int64) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.writes || h.closed.Load() {
		return 0, &fs.PathError{Op: "write", Path: h.name, Err: fs.ErrClosed}
	}
	if err := h.write(p, off); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Size implements disk.File.
func (h *handle) Size() (int64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.size(), nil
}

// Truncate implements disk.File.
func (h *handle) Truncate(size int64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if size > h.size() {
		return h.write(make([]byte, size-h.size()), h.size())
	}
	h.cut(size)
	return nil
}

// Sync implements disk.File.
func (h *handle) Sync() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.f.s.fault(filesOp, h.sync(context.Background()), writes)
}

// WriteSync implements disk.File.
func (h *handle) WriteSync(p []byte, off int64) error {
	if _, err := h.WriteAt(p, off); err != nil {
		return err
	}
	return h.Sync()
}

// Punch implements disk.File.
func (h *handle) Punch(int64, int64) error {
	return fault.New(fault.Internal, filesOp, fault.RegistryError, "no holes are punched in files of a store")
}

// Close implements disk.File. Parts that nobody writes behind any more are put
// together behind the caller.
func (h *handle) Close() error {
	if h.closed.Swap(true) {
		return fs.ErrClosed
	}
	if !h.writes {
		return nil
	}
	h.files.tidy.Go(func() {
		h.mu.Lock()
		if h.there && h.files.alone(h.inode) && (h.next-h.first > 1 || h.files.keep(h.name)) {
			h.unite(context.Background())
		}
		h.mu.Unlock()
		h.files.release(h.inode)
	})
	return nil
}

var _ disk.File = (*handle)(nil)
