package s3

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/minio/minio-go/v7"

	"samdok/fault"
	"samdok/internal/disk"
)

// ErrFenced: somebody else writes to a folder that only one process may write to.
// Nothing more is written to it.
var ErrFenced = errors.New("another process writes to the same folder of the store; start this one again, which gives it a folder of its own")

// newSuffix is that of names which are written to be renamed. They are in memory
// only, as nobody needs them before they have their name.
const newSuffix = ".new"

// Files is a disk.FS over a store, for folders that one process writes and any
// number read. A file is a row of objects below its name:
//
//	NAME/NUMBER              a part, as Sync wrote it: an offset and octets. The file
//	                         is cut there, and the octets follow.
//	NAME/FIRST-LAST-OFFSET   the same as the parts from FIRST to LAST, as one object
//	                         without any header; they are deleted then
//
// Numbers are 8 hexadecimal digits from 1 on, offsets 16. A part is written only if
// its number is free, so that two writers of a file cannot both succeed: the second
// one is fenced. What Sync could not find out the fate of may lie under its number
// later; it is known by its hash, and the next part goes over it.
//
// What was synced is read from memory while the file is open for writing. Octets
// that became an object are read from there, and cannot be written again.
type Files struct {
	s    *Store
	keep func(name string) bool

	mu     sync.Mutex
	known  map[string]*inode // that are open for writing, or whose last part is in doubt
	fenced atomic.Bool
	tidy   sync.WaitGroup
}

var _ disk.FS = (*Files)(nil)

// Files are the files of a store. keep tells of which ones the objects are locked
// against deletion (Options.Retention) and get Options.StorageClass; nil: none.
func (s *Store) Files(keep func(name string) bool) *Files {
	if keep == nil {
		keep = func(string) bool { return false }
	}
	return &Files{s: s, keep: keep, known: map[string]*inode{}}
}

// Close waits for parts that are being put together.
func (f *Files) Close() error {
	f.tidy.Wait()
	return nil
}

const filesOp = "s3.Files"

// Open implements disk.FS.
func (f *Files) Open(name string, flag int, _ fs.FileMode) (disk.File, error) {
	writing := flag&(os.O_RDWR|os.O_WRONLY) != 0
	n, err := f.find(name, writing)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	if n.there = n.there || flag&os.O_CREATE != 0; n.there && flag&os.O_TRUNC != 0 {
		n.cut(0)
	}
	there := n.there
	n.mu.Unlock()
	if !there {
		if writing {
			f.release(n)
		}
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &handle{inode: n, files: f, writes: writing}, nil
}

// find is the file of a name, as it is known or as the store has it. Who writes it
// must release it.
func (f *Files) find(name string, writing bool) (*inode, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.known[name]
	if n == nil {
		n = &inode{f: f, name: name, dirty: -1, next: 1, first: 1, scratch: strings.HasSuffix(name, newSuffix)}
		if !writing {
			f.mu.Unlock()
			defer f.mu.Lock()
		}
		if !n.scratch {
			if err := n.load(context.Background()); err != nil {
				return nil, f.s.fault(filesOp, err, reads)
			}
		}
	}
	if writing {
		f.known[name] = n
		n.writers++
	}
	return n, nil
}

// release lets go of a file, of which the memory is not needed when the store has
// it wholly.
func (f *Files) release(n *inode) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if n.writers--; n.writers == 0 && !n.needed() {
		delete(f.known, n.name)
	}
}

// alone tells whether nobody else writes a file. n.mu may be held.
func (f *Files) alone(n *inode) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return n.writers == 1
}

// Rename implements disk.FS: the file has the name, whole, when it returns.
func (f *Files) Rename(from, to string) error {
	old, err := f.Open(from, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	size, err := old.Size()
	b := make([]byte, size)
	if err == nil && size > 0 {
		_, err = old.ReadAt(b, 0)
	}
	if err := errors.Join(err, old.Close()); err != nil {
		return err
	}
	n, err := f.find(to, true)
	if err != nil {
		return err
	}
	defer f.release(n)
	if err := f.replace(n, b); err != nil {
		return err
	}
	return f.Remove(from)
}

// replace writes a file as one object, whose octets supersede all that have lower
// numbers.
func (f *Files) replace(n *inode, b []byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.writeWhole(b); err != nil {
		return f.s.fault(filesOp, err, writes)
	}
	if own := n.first - 1; own > 1 {
		f.sweep(n.name, func(o object) bool { return o.last < own })
	}
	return nil
}

// Remove implements disk.FS.
func (f *Files) Remove(name string) error {
	n, err := f.find(name, true)
	if err != nil {
		return err
	}
	defer f.release(n)
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.there {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	n.cut(0)
	n.there, n.made, n.dirty, n.first = false, false, -1, n.next
	if n.scratch {
		return nil
	}
	return f.s.fault(filesOp, f.s.removeObjects(context.Background(), name, func(object) bool { return true }), writes)
}

// MkdirAll implements disk.FS: a store has no folders.
func (f *Files) MkdirAll(string) error { return nil }

// Names implements disk.FS.
func (f *Files) Names(dir string) (names []string, err error) {
	for after := ""; ; {
		list, err := f.s.page(context.Background(), filesOp, dir+"/", after, false, pageSize)
		if err != nil {
			return nil, f.s.fault(filesOp, err, reads)
		}
		for _, l := range list {
			if name, folder := strings.CutSuffix(l.name, "/"); folder {
				names = append(names, path.Base(name))
			}
		}
		if len(list) < pageSize {
			slices.Sort(names)
			return names, nil
		}
		// '0' follows the slash: everything in that folder is passed over.
		after = strings.TrimSuffix(list[len(list)-1].name, "/") + "0"
	}
}

// SyncDir implements disk.FS: files that were made and not written yet are made in
// the store.
func (f *Files) SyncDir(dir string) error {
	f.mu.Lock()
	var fresh []*inode
	for name, n := range f.known {
		if path.Dir(name) == dir && !n.scratch {
			fresh = append(fresh, n)
		}
	}
	f.mu.Unlock()
	var errs []error
	for _, n := range fresh {
		n.mu.Lock()
		if n.there && !n.made {
			errs = append(errs, n.sync(context.Background()))
		}
		n.mu.Unlock()
	}
	return f.s.fault(filesOp, errors.Join(errs...), writes)
}

// sweep deletes objects of a file behind the caller. What stays when that fails is
// not read and costs room only.
func (f *Files) sweep(name string, of func(object) bool) {
	f.tidy.Go(func() {
		if err := f.s.removeObjects(context.Background(), name, of); err != nil {
			f.s.Log.Warn("parts that are not needed any more could not be deleted", "error", f.s.fault(filesOp, err, writes))
		}
	})
}

// atOnce is how many objects are deleted or read at the same time.
const atOnce = 8

// removeObjects deletes objects of a file.
func (s *Store) removeObjects(ctx context.Context, name string, of func(object) bool) error {
	all, err := s.objects(ctx, name)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(o object) bool { return !of(o) })
	return together(len(all), func(i int) error {
		o := all[i]
		if s.versioned && !(o.whole && s.Retention > 0) {
			return s.purge(ctx, filesOp, o.name, true)
		}
		return s.remove(ctx, filesOp, o.name)
	})
}

// together does n things, some at the same time, and returns the first error.
func together(n int, do func(i int) error) error {
	var (
		group sync.WaitGroup
		once  sync.Once
		first error
		next  atomic.Int64
	)
	for range min(atOnce, n) {
		group.Go(func() {
			for i := next.Add(1) - 1; int(i) < n; i = next.Add(1) - 1 {
				if err := do(int(i)); err != nil {
					once.Do(func() { first = err })
					return
				}
			}
		})
	}
	group.Wait()
	return first
}

// kept are the options of a whole object.
func (f *Files) kept(name string) minio.PutObjectOptions {
	if !f.keep(name) {
		return minio.PutObjectOptions{}
	}
	return f.s.locked(minio.PutObjectOptions{StorageClass: f.s.StorageClass})
}

// fence stops all writing.
func (f *Files) fence(name string) error {
	if !f.fenced.Swap(true) {
		f.s.Log.Error("a part of a file was written by somebody else; nothing more is written", slog.String("file", path.Base(name)))
	}
	return fault.Wrap(ErrFenced, fault.Internal, filesOp, fault.RegistryError, "This node has lost its place in the store.")
}
