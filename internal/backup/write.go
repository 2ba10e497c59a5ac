package backup

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// Format of a backup, in its manifest.
const Format = 1

// ManifestName is the last member of the tar stream.
const ManifestName = "manifest.json"

// Manifest says what a backup holds.
type Manifest struct {
	Format int       `json:"format"`
	Made   time.Time `json:"made"`
	Files  []File    `json:"files"`
}

// File is one file of a backup.
type File struct {
	Name   string `json:"name"` // slash-separated, relative to the data folder
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Source is a data folder that serves.
type Source struct {
	Dir string
	// Log copies the database LogName to a new file (sqlite.DB).
	Log interface {
		Backup(ctx context.Context, path string) error
	}
	LogName string
	// Databases are further ones, copied after the log.
	Databases []Database
	// Trees are folders or files below Dir whose files are only appended to, replaced
	// never and deleted only when nothing needs them: documents, the ledger. A file
	// belongs to the first that names it: what must not be newer than the rest comes
	// first, such as the ledger's checkpoints.
	Trees []string
	// Leave are folders below Dir that are left out: uncommitted intakes, spools.
	Leave []string
	// Last are files copied last, in this order: keyring, identity, and the master
	// key if it shall go into the backup. Those that do not exist are left out.
	Last []string
	// Temp is a folder for the copy of the log; it needs as much room as the log.
	Temp  string
	Clock func() time.Time
}

// Database copies itself to a new file.
type Database struct {
	Name string // in the data folder
	From interface {
		Backup(ctx context.Context, path string) error
	}
}

// Progress is called now and then with bytes done and their expected total,
// which grows when the log does.
type Progress func(done, total int64)

type writer struct {
	ctx         context.Context
	tar         *tar.Writer
	made        time.Time
	manifest    Manifest
	progress    Progress
	done, total int64
	buf         []byte
}

type listed struct {
	name string // slash-separated
	path string
	size int64
}

// Write makes a backup of s. When it returns an error the stream is worth
// nothing; Restore will say so.
func Write(ctx context.Context, s Source, to io.Writer, p Progress) (Manifest, error) {
	if p == nil {
		p = func(int64, int64) {}
	}
	w := &writer{ctx: ctx, tar: tar.NewWriter(to), made: s.Clock().UTC(), progress: p, buf: make([]byte, 256<<10)}
	w.manifest = Manifest{Format: Format, Made: w.made}
	err := w.all(s)
	if err == nil {
		err = w.end()
	}
	if err != nil {
		return Manifest{}, fmt.Errorf("backup of %s: %w", s.Dir, err)
	}
	return w.manifest, nil
}

func (w *writer) all(s Source) (err error) {
	temp, err := os.MkdirTemp(s.Temp, "backup-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	var log []listed
	for i, db := range append([]Database{{s.LogName, s.Log}}, s.Databases...) {
		name := strconv.Itoa(i)
		if err := db.From.Backup(w.ctx, filepath.Join(temp, name)); err != nil {
			return err
		}
		copied, err := list(temp, name, nil)
		if err != nil {
			return err
		}
		copied[0].name = db.Name
		log = append(log, copied[0])
	}
	// Names and sizes now: what is appended later belongs to entries that are not
	// in the copied log.
	files := log
	var early []string // single files
	for _, tree := range s.Trees {
		more, err := list(s.Dir, tree, s.Leave)
		if err != nil {
			return err
		}
		for _, f := range more {
			if !slices.Contains(early, f.name) {
				files = append(files, f)
			}
		}
		if len(more) == 1 && more[0].name == tree {
			early = append(early, tree)
		}
	}
	for _, f := range files {
		w.total += f.size
	}
	if err := w.copyAll(files); err != nil {
		return err
	}
	for _, name := range s.Last {
		last, err := list(s.Dir, name, nil)
		if err != nil {
			return err
		}
		for _, f := range last {
			w.total += f.size
		}
		if err := w.copyAll(last); err != nil {
			return err
		}
	}
	return nil
}

// list lists the files of a tree, or a single file; nothing when it does not
// exist.
func list(dir, tree string, leave []string) (all []listed, err error) {
	err = filepath.WalkDir(filepath.Join(dir, filepath.FromSlash(tree)), func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // never there, or deleted meanwhile
		} else if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if d.IsDir() {
			for _, l := range leave {
				if name == path.Clean(l) {
					return filepath.SkipDir
				}
			}
			return nil
		}
		st, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		if !st.Mode().IsRegular() {
			return fmt.Errorf("%s is not a regular file", p)
		}
		all = append(all, listed{name, p, st.Size()})
		return nil
	})
	return all, err
}

func (w *writer) copyAll(files []listed) error {
	for _, f := range files {
		if err := w.copy(f); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) copy(l listed) error {
	f, err := os.Open(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		w.total -= l.size
		return nil // a deleted document, or a pack of nothing else
	} else if err != nil {
		return err
	}
	defer f.Close()
	// The file may have become shorter: the zeros ahead of a full audit segment, or
	// what a failed commit left in a pack, are cut off.
	st, err := f.Stat()
	if err != nil {
		return err
	}
	size := min(l.size, st.Size())
	w.total -= l.size - size
	if err := w.tar.WriteHeader(&tar.Header{Name: l.name, Mode: 0o600, Size: size, ModTime: w.made, Format: tar.FormatPAX}); err != nil {
		return err
	}
	sum := sha256.New()
	if err := w.bytes(io.LimitReader(f, size), sum, size); err != nil {
		return fmt.Errorf("%s: %w", l.path, err)
	}
	w.manifest.Files = append(w.manifest.Files, File{l.name, size, hex.EncodeToString(sum.Sum(nil))})
	return nil
}

func (w *writer) bytes(r io.Reader, sum hash.Hash, size int64) error {
	for size > 0 {
		if w.ctx.Err() != nil {
			return context.Cause(w.ctx)
		}
		n, err := r.Read(w.buf)
		if n == 0 && errors.Is(err, io.EOF) {
			// Cut while it was read: what is missing was zeros or never committed.
			n = int(min(size, int64(len(w.buf))))
			clear(w.buf[:n])
			err = nil
		}
		sum.Write(w.buf[:n])
		if _, err := w.tar.Write(w.buf[:n]); err != nil {
			return err
		}
		size -= int64(n)
		w.done += int64(n)
		w.progress(w.done, w.total)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	return nil
}

func (w *writer) end() error {
	b, err := json.MarshalIndent(w.manifest, "", " ")
	if err != nil {
		return err
	}
	if err := w.tar.WriteHeader(&tar.Header{Name: ManifestName, Mode: 0o600, Size: int64(len(b)), ModTime: w.made, Format: tar.FormatPAX}); err != nil {
		return err
	}
	if _, err := w.tar.Write(b); err != nil {
		return err
	}
	return w.tar.Close()
}
