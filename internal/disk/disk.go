package disk

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"syscall"
	"unsafe"
)

// FS is a file system.
type FS interface {
	// Open opens a file; flag and perm as in os.OpenFile. A created file's name is
	// durable after SyncDir of its folder.
	Open(name string, flag int, perm fs.FileMode) (File, error)
	// Rename is durable after SyncDir of both folders.
	Rename(from, to string) error
	// Remove is durable after SyncDir of the folder.
	Remove(name string) error
	// MkdirAll makes folders that are durable on return.
	MkdirAll(name string) error
	// Names are the names in a folder, sorted.
	Names(dir string) ([]string, error)
	SyncDir(dir string) error
}

// File is an open file without a position.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Truncate(size int64) error
	// Sync makes bytes and size durable (fdatasync).
	Sync() error
	// WriteSync is WriteAt whose bytes and size are durable on return. p begins at a
	// multiple of Block in the file, is of whole blocks and lies in memory from Blocks;
	// one call at a time.
	WriteSync(p []byte, off int64) error
	// Punch frees the space of a range, which then reads as zeros.
	Punch(off, n int64) error
}

// OS is the machine's file system.
type OS struct{}

type osFile struct {
	*os.File
	direct   *os.File // the same file past the page cache; nil until it is needed
	indirect bool     // the file system cannot do that
}

// Open implements FS.
func (OS) Open(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &osFile{File: f}, nil
}

// Rename implements FS.
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove implements FS.
func (OS) Remove(name string) error { return os.Remove(name) }

// MkdirAll implements FS.
func (o OS) MkdirAll(name string) error {
	name = filepath.Clean(name)
	if st, err := os.Stat(name); err == nil {
		if !st.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: name, Err: syscall.ENOTDIR}
		}
		return nil
	}
	parent := filepath.Dir(name)
	if parent != name {
		if err := o.MkdirAll(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return o.SyncDir(parent)
}

// Names implements FS.
func (OS) Names(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	names, err := d.Readdirnames(-1)
	if err = errors.Join(err, d.Close()); err != nil {
		return nil, err
	}
	sort.Strings(names)
	return names, nil
}

// SyncDir implements FS.
func (OS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (f *osFile) Size() (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

func (f *osFile) writeThenSync(p []byte, off int64) error {
	if _, err := f.WriteAt(p, off); err != nil {
		return err
	}
	return f.Sync()
}

func (f *osFile) Close() error {
	var err error
	if f.direct != nil {
		err = f.direct.Close()
	}
	return errors.Join(err, f.File.Close())
}

// Block is the unit of WriteSync, octets: a multiple of every device's sector.
const Block = 4096

// Blocks returns n zeros that begin at a multiple of Block in memory, as writing
// past the page cache needs.
func Blocks(n int) []byte {
	b := make([]byte, n+Block)
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & (Block - 1)
	return b[skip : skip+n : skip+n]
}

// IsFull tells whether an error means that no space is left.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// zeros overwrites a range where holes cannot be punched.
func (f *osFile) zeros(off, n int64) error {
	buf := make([]byte, min(n, 64<<10))
	for n > 0 {
		k := min(n, int64(len(buf)))
		if _, err := f.WriteAt(buf[:k], off); err != nil {
			return err
		}
		off, n = off+k, n-k
	}
	return nil
}
