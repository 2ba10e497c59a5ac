package files

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"samdok/internal/disk"
	"samdok/storage"
	"samdok/storage/body"
	"samdok/storage/keyring"
)

// Delete implements storage.Documents. When it returns nil the document cannot
// be read any more, also after a power failure.
func (s *Store) Delete(ctx context.Context, key storage.DocumentKey) error {
	if err := ctx.Err(); err != nil {
		return failure("files.Delete", context.Cause(ctx))
	}
	p, ok := parseKey(key)
	if !ok {
		return nil
	}
	var err error
	if p.large {
		err = s.deleteLarge(ctx, &p)
	} else {
		err = s.deletePacked(ctx, &p)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return failure("files.Delete", err)
}

func (s *Store) deleteLarge(ctx context.Context, p *place) error {
	dir, name := s.largePath(p.random)
	path := filepath.Join(dir, name)
	f, err := s.FS.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	var head [headSize]byte
	_, err = f.ReadAt(head[:], 0)
	if err = errors.Join(err, f.Close()); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	// A damaged header hides the key's number; the file goes all the same.
	if h, err := parseHeader(head[:]); err == nil && h.keyID != 0 {
		if err := s.Ring.Destroy(ctx, h.keyID); err != nil {
			return err
		}
	}
	return errors.Join(s.FS.Remove(path), s.FS.SyncDir(dir))
}

func (s *Store) deletePacked(ctx context.Context, p *place) error {
	var head [headSize]byte
	if err := s.readPack(p, head[:], 0); err != nil {
		if errors.Is(err, body.ErrDamaged) {
			return nil // beyond the end of its pack: there is nothing
		}
		return err
	}
	h, err := parseHeader(head[:])
	if errors.Is(err, errFormat) {
		return body.ErrDamaged
	} else if err != nil {
		return err
	}
	if h.random != p.random || h.state == stateDeleted {
		return nil
	}
	if h.keyID != 0 {
		if err := s.Ring.Destroy(ctx, h.keyID); err != nil {
			return err
		}
	}
	return s.erase(p, &h)
}

// erase marks a record and frees its space. With encryption the destroyed key
// has already made it unreadable; without, it must be durable here.
func (s *Store) erase(p *place, h *header) error {
	s.del.Lock()
	defer s.del.Unlock()
	f, err := s.handles.get(p.pack)
	if err != nil {
		return err
	}
	defer s.handles.release(f)
	off := int64(p.unit) * align
	var state [1]byte
	if _, err := f.ReadAt(state[:], off+64); err != nil {
		return err
	}
	if state[0] == stateDeleted {
		return nil
	}
	if _, err := f.WriteAt([]byte{stateDeleted}, off+64); err != nil {
		return err
	}
	if err := punch(f, off+headSize, off+h.length(), h.keyID == 0); err != nil {
		return err
	}
	if h.keyID == 0 {
		if err := f.Sync(); err != nil {
			return err
		}
	}
	return s.discount(p.pack, f)
}

const page = 4096

// punch frees the whole pages of a range; wipe also overwrites its edges.
func punch(f disk.File, from, to int64, wipe bool) error {
	first, last := (from+page-1)/page*page, to/page*page
	if wipe {
		zeros := make([]byte, 2*page) // a range without a whole page is shorter
		if first >= last {
			first, last = to, to
		}
		_, err := f.WriteAt(zeros[:min(first, to)-from], from)
		if err == nil && last < to {
			_, err = f.WriteAt(zeros[:to-last], last)
		}
		if err != nil {
			return err
		}
	}
	if first < last {
		return f.Punch(first, last-first)
	}
	return nil
}

// discount counts one live record less in a full pack and removes the pack when
// none is left. s.del is held.
func (s *Store) discount(n uint32, f disk.File) error {
	if s.takesCommits(n) {
		return nil
	}
	left, counted := s.live[n]
	if counted {
		left--
	} else {
		var err error
		if left, err = countLive(f); err != nil {
			return err
		}
	}
	s.live[n] = left
	if left > 0 {
		return nil
	}
	return s.removePack(n)
}

func countLive(f disk.File) (live int, err error) {
	size, err := f.Size()
	if err != nil {
		return 0, err
	}
	err = walk(f, size, func(_ int64, h *header) error {
		if h.state == stateLive {
			live++
		}
		return nil
	})
	return live, err
}

// removePack removes a pack without live records. s.del is held.
func (s *Store) removePack(n uint32) error {
	delete(s.live, n)
	s.handles.forget(n)
	return errors.Join(s.FS.Remove(s.packPath(n)), s.FS.SyncDir(s.packs()))
}

func (s *Store) takesCommits(n uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.act != nil && s.act.number == n
}

// slack is how far the clock may have been from the order of commits when packs
// are skipped by their time.
const slack = time.Hour

// Keys implements storage.Documents. It also ends deletions that were cut off after
// their data key was destroyed, and removes packs in which nothing is left.
func (s *Store) Keys(ctx context.Context, from, before time.Time) iter.Seq2[storage.DocumentKey, error] {
	return func(yield func(storage.DocumentKey, error) bool) {
		numbers, err := s.packNumbers()
		if err != nil {
			yield("", failure("files.Keys", err))
			return
		}
		for i, n := range numbers {
			if i+1 < len(numbers) && s.madeBefore(numbers[i+1], from.Add(-slack)) {
				continue // all of it is older than what is asked for
			}
			if more, err := s.packKeys(ctx, n, from, before, yield); err != nil {
				if !yield("", failure("files.Keys", err)) {
					return
				}
			} else if !more {
				return
			}
		}
		s.largeKeys(ctx, from, before, yield)
	}
}

func (s *Store) madeBefore(n uint32, t time.Time) bool {
	f, err := s.handles.get(n)
	if err != nil {
		return false
	}
	defer s.handles.release(f)
	var head [packHead]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return false
	}
	made, err := packMade(head[:])
	return err == nil && made.Before(t)
}

func (h *header) within(from, before time.Time) bool {
	t := timeOf(h)
	return h.state == stateLive && !t.Before(from) && t.Before(before)
}

var errStop = errors.New("enough")

func (s *Store) packKeys(ctx context.Context, n uint32, from, before time.Time, yield func(storage.DocumentKey, error) bool) (more bool, err error) {
	f, err := s.handles.get(n)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	} else if err != nil {
		return false, err
	}
	defer s.handles.release(f)
	end, err := s.packEnd(n, f)
	if err != nil {
		return false, err
	}
	live := 0
	err = walk(f, end, func(off int64, h *header) error {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		p := place{sealed: h.keyID != 0, pack: n, unit: uint32(off / align), units: uint32(padded(h.length()) / align), random: h.random}
		if s.begun(h) {
			return s.erase(&p, h)
		}
		if h.state == stateLive {
			live++
		}
		if h.within(from, before) && !yield(p.key(), nil) {
			return errStop
		}
		return nil
	})
	if errors.Is(err, errStop) {
		return false, nil
	}
	if err == nil && live == 0 {
		err = s.removeEmpty(n, f)
	}
	return true, err
}

// begun tells a document whose deletion was cut off: its data key is destroyed,
// which is the deletion's mark. It only remains to free its space.
func (s *Store) begun(h *header) bool {
	if h.state != stateLive || h.keyID == 0 {
		return false
	}
	_, err := s.Ring.Key(h.keyID)
	return errors.Is(err, keyring.ErrDestroyed)
}

// packEnd is how far a pack's records are committed.
func (s *Store) packEnd(n uint32, f disk.File) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.act != nil && s.act.number == n {
		return s.act.log.Durable(), nil
	}
	return f.Size()
}

// removeEmpty counts anew: the pack may have taken commits and been filled since
// its keys were walked.
func (s *Store) removeEmpty(n uint32, f disk.File) error {
	s.del.Lock()
	defer s.del.Unlock()
	if s.takesCommits(n) {
		return nil
	}
	if live, err := countLive(f); err != nil || live > 0 {
		return err
	}
	err := s.removePack(n)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // its last record was deleted meanwhile
	}
	return err
}

func (s *Store) largeKeys(ctx context.Context, from, before time.Time, yield func(storage.DocumentKey, error) bool) {
	dirs, err := s.FS.Names(s.large())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		yield("", failure("files.Keys", err))
		return
	}
	for _, d := range dirs {
		names, err := s.FS.Names(filepath.Join(s.large(), d))
		if err != nil {
			if !yield("", failure("files.Keys", err)) {
				return
			}
			continue
		}
		for _, name := range names {
			key, ok, err := s.largeKey(ctx, filepath.Join(s.large(), d, name), from, before)
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			if (ok || err != nil) && !yield(key, failure("files.Keys", err)) || ctx.Err() != nil {
				return
			}
		}
	}
}

func (s *Store) largeKey(ctx context.Context, path string, from, before time.Time) (storage.DocumentKey, bool, error) {
	f, err := s.FS.Open(path, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil // deleted meanwhile
	} else if err != nil {
		return "", false, err
	}
	var head [headSize]byte
	_, err = f.ReadAt(head[:], 0)
	if err = errors.Join(err, f.Close()); err != nil && !errors.Is(err, io.EOF) {
		return "", false, err
	}
	h, err := parseHeader(head[:])
	if err != nil {
		s.Log.Error("a stored document is damaged; restore it from a backup", "file", filepath.Base(path))
		return "", false, nil
	}
	p := place{large: true, sealed: h.keyID != 0, random: h.random}
	if s.begun(&h) {
		return "", false, s.deleteLarge(ctx, &p)
	}
	return p.key(), h.within(from, before), nil
}
