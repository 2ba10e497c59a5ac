package backup

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"samdok/internal/datadir"
	"samdok/internal/disk"
)

// ErrNotEmpty: the target of a restore has something in it.
var ErrNotEmpty = errors.New("restore: the target folder is not empty")

// ErrBroken: the backup is not whole or was altered.
var ErrBroken = errors.New("restore: the backup is damaged or not whole")

const manifestMost = 1 << 30

// Restore reads a backup into dir, which must be empty or missing, checks it
// against its manifest and makes it durable. Until all files are right they are
// in a folder of dir that makes datadir.Acquire refuse it; an error removes that
// folder. done counts bytes of the backup read.
func Restore(ctx context.Context, from io.Reader, dir string, p func(done int64)) (Manifest, error) {
	return RestoreWith(ctx, from, dir, p, func(string, Manifest) error { return nil })
}

// RestoreWith is Restore that calls add with the folder where the files are, all
// right, before they get their real names: what it makes there is restored with
// them. Its error ends the restore.
func RestoreWith(ctx context.Context, from io.Reader, dir string, p func(done int64), add func(dir string, m Manifest) error) (Manifest, error) {
	if p == nil {
		p = func(int64) {}
	}
	dir = filepath.Clean(dir)
	if err := refuseFull(dir); err != nil {
		return Manifest{}, err
	}
	temp := filepath.Join(dir, datadir.Restoring)
	m, err := unpack(ctx, from, temp, p)
	if err == nil {
		err = add(temp, m)
	}
	if err == nil {
		err = place(temp, dir)
	}
	if err != nil {
		return Manifest{}, errors.Join(err, os.RemoveAll(temp))
	}
	return m, nil
}

func refuseFull(dir string) error {
	names, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("restore: %w", err)
	}
	for _, n := range names {
		if n.Name() != "lost+found" { // the folder may be a disk of its own
			return fmt.Errorf("%w: %s holds %s; choose another folder or move that away", ErrNotEmpty, dir, n.Name())
		}
	}
	return nil
}

// unpack writes the files to dir and compares them with the manifest.
func unpack(ctx context.Context, from io.Reader, dir string, p func(int64)) (m Manifest, err error) {
	got := map[string]File{}
	r := tar.NewReader(from)
	buf, done := make([]byte, 256<<10), int64(0)
	for {
		if ctx.Err() != nil {
			return m, context.Cause(ctx)
		}
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return m, fmt.Errorf("%w: it has no %s at its end", ErrBroken, ManifestName)
		} else if err != nil {
			return m, fmt.Errorf("%w: %w", ErrBroken, err)
		}
		if h.Name == ManifestName {
			return checkManifest(r, got)
		}
		if !filepath.IsLocal(h.Name) || h.Typeflag != tar.TypeReg {
			return m, fmt.Errorf("%w: member %q is not a file of a data folder", ErrBroken, h.Name)
		}
		if _, twice := got[h.Name]; twice {
			return m, fmt.Errorf("%w: member %q comes twice", ErrBroken, h.Name)
		}
		f, err := writeFile(ctx, r, filepath.Join(dir, filepath.FromSlash(h.Name)), buf, func(n int) { done += int64(n); p(done) })
		if err != nil {
			return m, err
		}
		f.Name = h.Name
		got[h.Name] = f
	}
}

func writeFile(ctx context.Context, r io.Reader, path string, buf []byte, progress func(int)) (File, error) {
	if err := (disk.OS{}).MkdirAll(filepath.Dir(path)); err != nil {
		return File{}, fmt.Errorf("restore: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return File{}, fmt.Errorf("restore: %w", err)
	}
	sum, size := sha256.New(), int64(0)
	for {
		n, rerr := r.Read(buf)
		if _, err = f.Write(buf[:n]); err != nil {
			err = fmt.Errorf("restore: %w", err)
			break
		}
		sum.Write(buf[:n])
		size += int64(n)
		progress(n)
		if errors.Is(rerr, io.EOF) {
			err = f.Sync()
			break
		} else if rerr != nil {
			err = fmt.Errorf("%w: %w", ErrBroken, rerr)
			break
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
			break
		}
	}
	return File{Size: size, SHA256: hex.EncodeToString(sum.Sum(nil))}, errors.Join(err, f.Close())
}

func checkManifest(r io.Reader, got map[string]File) (m Manifest, err error) {
	b, err := io.ReadAll(io.LimitReader(r, manifestMost))
	if err != nil {
		return m, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("%w: %s: %w", ErrBroken, ManifestName, err)
	}
	if m.Format != Format {
		return m, fmt.Errorf("restore: backup format %d, this samdok knows %d: use a newer samdok", m.Format, Format)
	}
	if len(m.Files) != len(got) {
		return m, fmt.Errorf("%w: it holds %d files, its manifest names %d", ErrBroken, len(got), len(m.Files))
	}
	for _, f := range m.Files {
		if got[f.Name] != f {
			return m, fmt.Errorf("%w: %s is missing or has other bytes than its manifest says", ErrBroken, f.Name)
		}
	}
	return m, nil
}

// place makes the restored files durable under their real names. dir itself is
// kept: it may be a disk of its own.
func place(temp, dir string) error {
	fsys := disk.OS{}
	err := filepath.WalkDir(temp, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = fsys.SyncDir(p)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	names, err := fsys.Names(temp)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	for _, n := range names {
		if err := fsys.Rename(filepath.Join(temp, n), filepath.Join(dir, n)); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
	}
	// First the names, then the end of what makes the folder refused.
	if err := fsys.SyncDir(dir); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return errors.Join(fsys.Remove(temp), fsys.SyncDir(dir))
}
