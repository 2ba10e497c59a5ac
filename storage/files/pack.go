package files

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"samdok/storage/body"
	"strconv"
	"strings"
	"time"

	"samdok/internal/groupsync"
)

// Header of a pack: magic 8, version 2, zeros 2, number 4, time made 8, zeros 36,
// CRC-32C 4.
const (
	packMagic  = "samdokPK"
	packHead   = 64
	packSuffix = ".pack"
)

// pack is the one that takes commits.
type pack struct {
	number uint32
	log    *groupsync.Log
}

func packName(n uint32) string { return fmt.Sprintf("%08x%s", n, packSuffix) }

func parsePackName(name string) (uint32, bool) {
	digits, ok := strings.CutSuffix(name, packSuffix)
	if !ok || len(digits) != 8 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 16, 32)
	return uint32(n), err == nil && packName(uint32(n)) == name
}

// packNumbers are the packs in the folder, in order.
func (s *Store) packNumbers() ([]uint32, error) {
	names, err := s.FS.Names(s.packs())
	if err != nil {
		return nil, err
	}
	var all []uint32
	for _, name := range names {
		if n, ok := parsePackName(name); ok {
			all = append(all, n)
		}
	}
	return all, nil
}

// active is the pack that takes commits; it is made when there is none.
func (s *Store) active() (*pack, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	if s.act != nil && s.act.log.Err() == nil {
		return s.act, nil
	}
	s.closeActive()
	p, err := s.newPack(s.next)
	if err != nil {
		return nil, err
	}
	s.act, s.next = p, s.next+1
	return p, nil
}

// closeActive lets the pack's commits end before another pack is begun, so that
// only the last pack can have a torn end. s.mu is held.
func (s *Store) closeActive() {
	if s.act == nil {
		return
	}
	if err := s.act.log.Close(); err != nil {
		// Its commits have their own errors; what was durable stays so.
		s.Log.Error("a pack of documents could not be closed", "pack", packName(s.act.number), "err", err)
	}
	s.act = nil
}

// retire ends a pack that is full or broken.
func (s *Store) retire(p *pack) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.act == p {
		s.closeActive()
	}
}

func (s *Store) newPack(n uint32) (*pack, error) {
	path := s.packPath(n)
	f, err := s.FS.Open(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	var head [packHead]byte
	copy(head[:], packMagic)
	binary.LittleEndian.PutUint16(head[8:], version)
	binary.LittleEndian.PutUint32(head[12:], n)
	binary.LittleEndian.PutUint64(head[16:], uint64(s.Clock().UnixNano()))
	binary.LittleEndian.PutUint32(head[60:], crc32.Checksum(head[:60], body.Castagnoli()))
	_, err = f.WriteAt(head[:], 0)
	if err == nil {
		err = errors.Join(f.Sync(), s.FS.SyncDir(s.packs()))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), s.FS.Remove(path))
	}
	return &pack{n, groupsync.NewLog(f, packHead, packHead, groupsync.Options{})}, nil
}

// packMade is the time in a pack's header.
func packMade(head []byte) (time.Time, error) {
	if len(head) < packHead || string(head[:8]) != packMagic ||
		crc32.Checksum(head[:60], body.Castagnoli()) != binary.LittleEndian.Uint32(head[60:]) {
		return time.Time{}, errFormat
	}
	if v := binary.LittleEndian.Uint16(head[8:]); v != version {
		return time.Time{}, fmt.Errorf("pack format %d, this samdok knows %d: use a newer samdok", v, version)
	}
	return time.Unix(0, int64(binary.LittleEndian.Uint64(head[16:]))), nil
}

// appendRecord makes a record durable in a pack and says where. rec is the whole
// record; its header still lacks what h.seal writes.
func (s *Store) appendRecord(ctx context.Context, h *header, rec []byte) (place, error) {
	var padding [align]byte
	size := int(padded(int64(len(rec))))
	for {
		p, err := s.active()
		if err != nil {
			return place{}, err
		}
		at, err := p.log.Append(ctx, size, func(dst []byte, at groupsync.Position) []byte {
			h.back = uint32(at.Offset - at.Batch)
			h.seal(rec)
			dst = append(dst, rec...)
			return append(dst, padding[:size-len(rec)]...)
		})
		switch {
		case err == nil:
			if p.log.End() >= s.PackSize {
				s.retire(p)
			}
			return place{
				sealed: h.keyID != 0, pack: p.number, random: h.random,
				unit: uint32(at.Offset / align), units: uint32(size / align),
			}, nil
		case errors.Is(err, groupsync.ErrClosed), errors.Is(err, groupsync.ErrBroken):
			// Another commit filled or broke the pack before this one was written:
			// take the next pack.
			s.retire(p)
			if ctx.Err() != nil {
				return place{}, context.Cause(ctx)
			}
		default:
			if p.log.Err() != nil {
				s.retire(p)
			}
			return place{}, err
		}
	}
}
