package s3

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"samdok/storage/keyring"
)

// Format 1 of a page of data keys. Numbers are little-endian.
//
//	 0 magic "samdokKP"
//	 8 version 1, 2 bytes
//	10 zeros 6
//	16 salt 16
//	32 fingerprint of the master key 16
//	48 stamp 8: another one each time the page is written
//	56 zeros 4
//	60 CRC-32C of bytes 0-59
//	64 256 slots: nonce 12, wrapped key 32, tag 16, state 1, zeros 3
//
// A key's number is page << 8 | slot; it is the associated data of its slot.
const (
	pageMagic = "samdokKP"
	pageKeys  = 256
	slotSize  = 64
	pageHead  = 64
	pageBytes = pageHead + pageKeys*slotSize

	slotLive      = 1
	slotDestroyed = 2
)

// page is one that was read or written.
type page struct {
	number uint64
	etag   string
	raw    []byte
	aead   cipher.AEAD
	master int // index of the master key that wraps it
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// newPage makes a page of random keys; they are returned too.
func newPage(number uint64, m keyring.Master) (*page, []keyring.Key, error) {
	p := &page{number: number, raw: make([]byte, pageBytes)}
	if err := p.head(m); err != nil {
		return nil, nil, err
	}
	keys := make([]keyring.Key, pageKeys)
	for slot := range keys {
		if _, err := rand.Read(keys[slot][:]); err != nil {
			return nil, nil, err
		}
		if err := p.wrap(slot, &keys[slot]); err != nil {
			return nil, nil, err
		}
	}
	return p, keys, nil
}

// head begins a page that a master key wraps.
func (p *page) head(m keyring.Master) error {
	copy(p.raw, pageMagic)
	binary.LittleEndian.PutUint16(p.raw[8:], 1)
	if _, err := rand.Read(p.raw[16:32]); err != nil {
		return err
	}
	aead, print, err := m.Wrapper(p.raw[16:32])
	if err != nil {
		return err
	}
	copy(p.raw[32:48], print[:])
	p.aead, p.master = aead, 0
	return p.stamp()
}

// stamp makes the page differ from all that were written before.
func (p *page) stamp() error {
	_, err := rand.Read(p.raw[48:56])
	binary.LittleEndian.PutUint32(p.raw[60:], crc32.Checksum(p.raw[:60], castagnoli()))
	return err
}

// parsePage reads a page that one of the master keys wraps.
func parsePage(number uint64, raw []byte, masters []keyring.Master) (*page, error) {
	if len(raw) != pageBytes || string(raw[:8]) != pageMagic || crc32.Checksum(raw[:60], castagnoli()) != binary.LittleEndian.Uint32(raw[60:]) {
		return nil, fmt.Errorf("%w: page %x of data keys", keyring.ErrDamaged, number)
	}
	if v := binary.LittleEndian.Uint16(raw[8:]); v != 1 {
		return nil, fmt.Errorf("page %x of data keys has format %d, this samdok knows 1: use a newer samdok", number, v)
	}
	p := &page{number: number, raw: raw}
	for i, m := range masters {
		aead, print, err := m.Wrapper(raw[16:32])
		if err != nil {
			return nil, err
		}
		if bytes.Equal(print[:], raw[32:48]) {
			p.aead, p.master = aead, i
			return p, nil
		}
	}
	return nil, fmt.Errorf("page %x of data keys was made with %w: give the key that belongs to this store, in SAMDOK_MASTER_KEY or its file", number, keyring.ErrOtherMaster)
}

func (p *page) slot(i int) []byte { return p.raw[pageHead+i*slotSize : pageHead+(i+1)*slotSize] }

func (p *page) id(slot int) uint64 { return p.number<<8 | uint64(slot) }

func (p *page) wrap(slot int, key *keyring.Key) error {
	b := p.slot(slot)
	if _, err := rand.Read(b[:12]); err != nil {
		return err
	}
	var id [8]byte
	binary.LittleEndian.PutUint64(id[:], p.id(slot))
	p.aead.Seal(b[12:12], b[:12], key[:], id[:])
	b[60] = slotLive
	return nil
}

// key unwraps a key. ErrDestroyed, ErrDamaged.
func (p *page) key(slot int) (key keyring.Key, err error) {
	b := p.slot(slot)
	if b[60] == slotDestroyed {
		return key, fmt.Errorf("%w (%x)", keyring.ErrDestroyed, p.id(slot))
	}
	var id [8]byte
	binary.LittleEndian.PutUint64(id[:], p.id(slot))
	if _, err := p.aead.Open(key[:0], b[:12], b[12:60], id[:]); err != nil || b[60] != slotLive {
		return keyring.Key{}, fmt.Errorf("%w: key %x", keyring.ErrDamaged, p.id(slot))
	}
	return key, nil
}

// destroyed is a copy of the page without some keys; nil when they are gone.
func (p *page) destroyed(slots []int) (*page, error) {
	c := *p
	c.raw = bytes.Clone(p.raw)
	changed := false
	for _, i := range slots {
		changed = changed || c.slot(i)[60] != slotDestroyed
		copy(c.slot(i), make([]byte, slotSize))
		c.slot(i)[60] = slotDestroyed
	}
	if !changed {
		return nil, nil //nolint:nilnil // nothing to write
	}
	return &c, c.stamp()
}

// rewrapped is a copy of the page under another master key; what is destroyed
// stays so.
func (p *page) rewrapped(m keyring.Master) (*page, int64, error) {
	c := &page{number: p.number, raw: bytes.Clone(p.raw)}
	if err := c.head(m); err != nil {
		return nil, 0, err
	}
	keys := int64(0)
	for i := range pageKeys {
		if p.slot(i)[60] == slotDestroyed {
			continue
		}
		key, err := p.key(i)
		if err != nil {
			return nil, 0, err
		}
		if err := c.wrap(i, &key); err != nil {
			return nil, 0, err
		}
		keys++
	}
	return c, keys, nil
}
