package files

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"samdok/storage/body"

	"samdok/internal/disk"
	"samdok/internal/groupsync"
)

// walk calls fn for each record of a pack up to end, in order. A place without a
// sound header is skipped up to the next sound one.
func walk(f disk.File, end int64, fn func(off int64, h *header) error) error {
	var b [headSize]byte
	for off := int64(packHead); off+headSize <= end; {
		if _, err := f.ReadAt(b[:], off); err != nil {
			return err
		}
		h, err := parseHeader(b[:])
		if err != nil || off+h.length() > end {
			if off, err = nextHeader(f, off+align, end); err != nil {
				return err
			}
			continue
		}
		if err := fn(off, &h); err != nil {
			return err
		}
		off += padded(h.length())
	}
	return nil
}

// nextHeader finds the first sound header at or after off; end when there is
// none.
func nextHeader(f disk.File, off, end int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for off+headSize <= end {
		n, err := f.ReadAt(buf[:min(int64(len(buf)), end-off)], off)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if n < headSize {
			return end, nil
		}
		last := 0
		for i := 0; i+headSize <= n; i += align {
			last = i
			if !bytes.Equal(buf[i:i+4], []byte(magic)) {
				continue
			}
			if _, err := parseHeader(buf[i : i+headSize]); err == nil {
				return off + int64(i), nil
			}
		}
		off += int64(last) + align
	}
	return end, nil
}

// intact tells whether the checksum of a packed record holds.
func intact(f disk.File, off int64, h *header, buf []byte) (bool, error) {
	crc := uint32(0)
	for at, end := off+headSize, off+h.length(); at < end; {
		n, err := f.ReadAt(buf[:min(int64(len(buf)), end-at)], at)
		if n == 0 && err != nil {
			return false, err
		}
		crc = crc32.Update(crc, body.Castagnoli(), buf[:n])
		at += int64(n)
	}
	return crc == h.crc, nil
}

// resume finds the last pack, repairs its end and takes commits there.
func (s *Store) resume() error {
	numbers, err := s.packNumbers()
	if err != nil || len(numbers) == 0 {
		return err
	}
	n := numbers[len(numbers)-1]
	s.next = n + 1
	f, err := s.FS.Open(s.packPath(n), os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	end, err := s.repair(n, f)
	if err != nil || end == 0 || end >= s.PackSize {
		return errors.Join(err, f.Close())
	}
	s.act = &pack{n, groupsync.NewLog(f, end, end, groupsync.Options{})}
	return nil
}

// repair cuts what a crash left at the end of the last pack: records whose commit
// never ended. It returns the new end, 0 when the pack is left alone or gone.
func (s *Store) repair(n uint32, f disk.File) (int64, error) {
	size, err := f.Size()
	if err != nil {
		return 0, err
	}
	var head [packHead]byte
	if size >= packHead {
		if _, err := f.ReadAt(head[:], 0); err != nil {
			return 0, err
		}
	}
	if _, err := packMade(head[:]); err != nil && !errors.Is(err, errFormat) {
		return 0, fmt.Errorf("%s: %w", s.packPath(n), err)
	} else if err != nil && size <= packHead {
		// The power failed while it was being made; no record was ever in it.
		return 0, errors.Join(s.FS.Remove(s.packPath(n)), s.FS.SyncDir(s.packs()))
	} else if err != nil {
		s.Log.Error("the header of a pack of documents is damaged; its documents stay readable", "pack", packName(n))
		return 0, nil
	}
	end, torn, err := s.findEnd(n, f, size)
	if err != nil {
		return 0, err
	}
	for _, off := range torn {
		if _, err := f.WriteAt([]byte{stateTorn}, off+64); err != nil {
			return 0, err
		}
	}
	if size > end {
		if err := f.Truncate(end); err != nil {
			return 0, err
		}
	}
	if size > end || len(torn) > 0 {
		s.Log.Info("commits that never ended were cut from the last pack of documents", "pack", packName(n), "bytes", size-end, "records", len(torn))
		return end, f.Sync()
	}
	return end, nil
}

// findEnd is the end of the last sound record, and the torn ones before it. A
// record that is not sound but lies before the batch of the last sound one was
// durable once: it is damaged, not torn, and is left as evidence.
func (s *Store) findEnd(n uint32, f disk.File, size int64) (end int64, torn []int64, err error) {
	buf := make([]byte, 256<<10)
	var bad []int64
	end, batch := int64(packHead), int64(packHead)
	err = walk(f, size, func(off int64, h *header) error {
		ok := h.state != stateLive
		if !ok {
			if ok, err = intact(f, off, h, buf); err != nil {
				return err
			}
		}
		if !ok {
			bad = append(bad, off)
			return nil
		}
		end, batch = off+padded(h.length()), off-int64(h.back)
		return nil
	})
	for _, off := range bad {
		switch {
		case off >= end:
		case off >= batch:
			torn = append(torn, off)
		default:
			s.Log.Error("a stored document is damaged; restore it from a backup", "pack", packName(n), "offset", off)
		}
	}
	return min(end, size), torn, err
}
