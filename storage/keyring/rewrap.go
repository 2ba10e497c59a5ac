package keyring

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"samdok/internal/disk"
)

// rewrapSlots is how many slots are read at a time.
const rewrapSlots = 4096

// Rewrap wraps all data keys of the keyring in dir anew under another master key.
// The data keys and their numbers stay, and so does what is destroyed. Nobody may
// have the keyring open. The new file takes the place of the old one in one step:
// whenever the process dies, the keyring is whole under one of the two keys.
// progress is called with slots done and their total. keys counts the living keys.
func Rewrap(ctx context.Context, dir string, old, next Master, progress func(done, total int64)) (keys int64, err error) {
	return RewrapOn(ctx, disk.OS{}, dir, old, next, progress)
}

// RewrapOn is Rewrap on a file system.
func RewrapOn(ctx context.Context, fsys disk.FS, dir string, old, next Master, progress func(done, total int64)) (keys int64, err error) {
	from, err := OpenOn(fsys, dir, old)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	size, err := from.f.Size()
	if err != nil {
		return 0, fmt.Errorf("keyring: %w", err)
	}
	path := filepath.Join(dir, FileName)
	f, err := fsys.Open(path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, fmt.Errorf("keyring: %w", err)
	}
	to := &Ring{path: path + ".new", f: f}
	keys, err = to.takeOver(ctx, from, next, size, progress)
	if err = errors.Join(err, f.Close()); err != nil {
		return 0, errors.Join(fmt.Errorf("keyring %s: nothing was changed: %w", path, err), fsys.Remove(path+".new"))
	}
	return keys, errors.Join(fsys.Rename(path+".new", path), fsys.SyncDir(dir))
}

// takeOver writes a new keyring with the keys of another.
func (r *Ring) takeOver(ctx context.Context, from *Ring, m Master, size int64, progress func(done, total int64)) (keys int64, err error) {
	head, err := newHeader(m)
	if err != nil {
		return 0, err
	}
	if err := r.unlock(head, m); err != nil {
		return 0, err
	}
	if _, err := r.f.WriteAt(head[:], 0); err != nil {
		return 0, err
	}
	total := (size + slotSize - 1) / slotSize
	in, out := make([]byte, rewrapSlots*slotSize), make([]byte, 0, rewrapSlots*slotSize)
	for first := int64(1); first < total; first += rewrapSlots {
		if err := ctx.Err(); err != nil {
			return 0, context.Cause(ctx)
		}
		n, err := from.f.ReadAt(in[:min(int64(len(in)), size-first*slotSize)], first*slotSize)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		out = out[:0]
		for at := 0; at+slotSize <= n; at += slotSize {
			var live bool
			if out, live, err = r.adopt(out, from, uint64(first)+uint64(at/slotSize), in[at:at+slotSize]); err != nil {
				return 0, err
			}
			if live {
				keys++
			}
		}
		if _, err := r.f.WriteAt(out, first*slotSize); err != nil {
			return 0, err
		}
		if progress != nil {
			progress(min(first+rewrapSlots, total), total)
		}
	}
	return keys, r.f.Sync()
}

// adopt appends the slot of a key to b. What is destroyed, or was never made,
// stays as it is.
func (r *Ring) adopt(b []byte, from *Ring, id uint64, slot []byte) ([]byte, bool, error) {
	if slot[60] == stateDestroyed || bytes.Equal(slot, make([]byte, slotSize)) {
		return append(b, slot...), false, nil
	}
	var number [8]byte
	binary.LittleEndian.PutUint64(number[:], id)
	k := numbered{id: id}
	if _, err := from.aead.Open(k.key[:0], slot[:12], slot[12:60], number[:]); err != nil || slot[60] != stateLive {
		return b, false, fmt.Errorf("%w: slot %d; put the keyring back from a backup first", ErrDamaged, id)
	}
	b, err := r.appendSlot(b, &k)
	return b, true, err
}

// newHeader is the header of a new keyring under a master key.
func newHeader(m Master) (head [slotSize]byte, err error) {
	copy(head[:8], magic)
	binary.LittleEndian.PutUint16(head[8:], version)
	if _, err = rand.Read(head[16:32]); err != nil {
		return head, err
	}
	_, print, err := m.Wrapper(head[16:32])
	if err != nil {
		return head, err
	}
	copy(head[32:48], print[:])
	binary.LittleEndian.PutUint32(head[60:], checksum(head[:60]))
	return head, nil
}

// Fingerprint names the master key that wraps the keys, without telling it. It is
// another one after each Rewrap.
func (r *Ring) Fingerprint() string {
	if r == nil {
		return ""
	}
	return fmt.Sprintf("%x", r.print[:4])
}
