package crashdisk

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"

	"samdok/internal/disk"
)

// Disk implements disk.FS.
type Disk struct {
	mu      sync.Mutex
	inodes  []*inode
	names   map[string]int // path -> inode
	journal []op
	// Fail, when set, is asked before each change; an error makes it fail without
	// any effect.
	Fail func(op, name string) error
}

type inode struct{ data []byte }

type opKind uint8

const (
	opWrite opKind = iota
	opTruncate
	opSync
	opLink   // name -> inode
	opUnlink // name
	opSyncDir
	opMark
)

type op struct {
	kind  opKind
	inode int
	off   int64
	data  []byte
	name  string // path; of the folder for opSyncDir
}

// New is an empty disk.
func New() *Disk { return &Disk{names: map[string]int{}} }

var _ disk.FS = (*Disk)(nil)

// do writes an operation down and applies it. d.mu is held.
func (d *Disk) do(o op) {
	d.journal = append(d.journal, o)
	d.apply(&o)
}

func (d *Disk) apply(o *op) {
	switch o.kind {
	case opWrite:
		i := d.inodes[o.inode]
		if end := o.off + int64(len(o.data)); end > int64(len(i.data)) {
			i.data = append(i.data, make([]byte, end-int64(len(i.data)))...)
		}
		copy(i.data[o.off:], o.data)
	case opTruncate:
		i := d.inodes[o.inode]
		if o.off <= int64(len(i.data)) {
			i.data = i.data[:o.off:o.off]
		} else {
			i.data = append(i.data, make([]byte, o.off-int64(len(i.data)))...)
		}
	case opLink:
		for len(d.inodes) <= o.inode {
			d.inodes = append(d.inodes, &inode{})
		}
		d.names[o.name] = o.inode
	case opUnlink:
		delete(d.names, o.name)
	}
}

func (d *Disk) fail(op, name string) error {
	if d.Fail == nil {
		return nil
	}
	return d.Fail(op, name)
}

// Mark writes a number down: that something was acknowledged.
func (d *Disk) Mark(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.do(op{kind: opMark, name: name})
}

// Len is the number of operations so far.
func (d *Disk) Len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.journal)
}

// Marks are the marks among the first n operations.
func (d *Disk) Marks(n int) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []string
	for _, o := range d.journal[:n] {
		if o.kind == opMark {
			all = append(all, o.name)
		}
	}
	return all
}

const sector = 512

// At is the disk after a power failure that follows the first n operations. keep
// is asked for each unsynced piece (a sector, a truncation, a name) whether it
// reached the disk all the same.
func (d *Disk) At(n int, keep func() bool) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	synced, syncedDir := map[int]int{}, map[string]int{}
	for i, o := range d.journal[:n] {
		switch o.kind {
		case opSync:
			synced[o.inode] = i
		case opSyncDir:
			syncedDir[o.name] = i
		}
	}
	after := New()
	for range d.inodes {
		after.inodes = append(after.inodes, &inode{})
	}
	for i := range d.journal[:n] {
		o := d.journal[i]
		last, ok := synced[o.inode]
		durable := ok && i < last
		if o.kind == opLink || o.kind == opUnlink {
			last, ok = syncedDir[filepath.Dir(o.name)]
			durable = ok && i < last
		}
		switch {
		case durable:
			after.apply(&o)
		case o.kind == opWrite:
			after.tear(&o, keep)
		case keep():
			after.apply(&o)
		}
	}
	return after
}

// tear applies the sectors of a write that keep says.
func (d *Disk) tear(o *op, keep func() bool) {
	for at := int64(0); at < int64(len(o.data)); {
		end := min(int64(len(o.data)), (o.off+at)/sector*sector+sector-o.off)
		if keep() {
			d.apply(&op{kind: opWrite, inode: o.inode, off: o.off + at, data: o.data[at:end]})
		}
		at = end
	}
}

// Open implements disk.FS.
func (d *Disk) Open(name string, flag int, _ fs.FileMode) (disk.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name = filepath.Clean(name)
	n, ok := d.names[name]
	switch {
	case ok && flag&os.O_EXCL != 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrExist}
	case !ok && flag&os.O_CREATE == 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case !ok:
		if err := d.fail("create", name); err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		n = len(d.inodes)
		d.do(op{kind: opLink, inode: n, name: name})
	case flag&os.O_TRUNC != 0:
		d.do(op{kind: opTruncate, inode: n})
	}
	return &file{d, n, name}, nil
}

// Rename implements disk.FS.
func (d *Disk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	from, to = filepath.Clean(from), filepath.Clean(to)
	n, ok := d.names[from]
	if !ok {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	if err := d.fail("rename", to); err != nil {
		return &fs.PathError{Op: "rename", Path: to, Err: err}
	}
	d.do(op{kind: opLink, inode: n, name: to})
	d.do(op{kind: opUnlink, name: from})
	return nil
}

// Remove implements disk.FS.
func (d *Disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	name = filepath.Clean(name)
	if _, ok := d.names[name]; !ok {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	d.do(op{kind: opUnlink, name: name})
	return nil
}

// MkdirAll implements disk.FS: folders are always there.
func (d *Disk) MkdirAll(string) error { return nil }

// Names implements disk.FS.
func (d *Disk) Names(dir string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	prefix := filepath.Clean(dir) + "/"
	seen := map[string]bool{}
	for name := range d.names {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			first, _, _ := strings.Cut(rest, "/")
			seen[first] = true
		}
	}
	var all []string
	for name := range seen {
		all = append(all, name)
	}
	sort.Strings(all)
	return all, nil
}

// SyncDir implements disk.FS.
func (d *Disk) SyncDir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.fail("syncdir", dir); err != nil {
		return &fs.PathError{Op: "fsync", Path: dir, Err: err}
	}
	d.do(op{kind: opSyncDir, name: filepath.Clean(dir)})
	return nil
}

type file struct {
	d    *Disk
	n    int
	name string
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	data := f.d.inodes[f.n].data
	if off >= int64(len(data)) {
		return 0, io.EOF
	}
	n := copy(p, data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.fail("write", f.name); err != nil {
		return 0, &fs.PathError{Op: "write", Path: f.name, Err: err}
	}
	f.d.do(op{kind: opWrite, inode: f.n, off: off, data: append([]byte(nil), p...)})
	return len(p), nil
}

// WriteSync is two operations, so that the power can fail between them.
func (f *file) WriteSync(p []byte, off int64) error {
	if _, err := f.WriteAt(p, off); err != nil {
		return err
	}
	return f.Sync()
}

func (f *file) Size() (int64, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return int64(len(f.d.inodes[f.n].data)), nil
}

func (f *file) Truncate(size int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.d.do(op{kind: opTruncate, inode: f.n, off: size})
	return nil
}

func (f *file) Sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.fail("sync", f.name); err != nil {
		return &fs.PathError{Op: "fdatasync", Path: f.name, Err: err}
	}
	f.d.do(op{kind: opSync, inode: f.n})
	return nil
}

func (f *file) Punch(off, n int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	size := int64(len(f.d.inodes[f.n].data))
	if n = min(n, size-off); n > 0 {
		f.d.do(op{kind: opWrite, inode: f.n, off: off, data: make([]byte, n)})
	}
	return nil
}

func (f *file) Close() error { return nil }
