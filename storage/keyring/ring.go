package keyring

import (
	"bytes"
	"context"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"samdok/internal/disk"
	"samdok/internal/groupsync"
)

// FileName of the keyring in its folder.
const FileName = "keyring"

const (
	slotSize  = 64
	magic     = "samdokKR"
	version   = 1
	aheadMost = 512 // keys made durable with one fsync
	aheadLow  = 128 // make more when fewer are left

	stateLive      = 1
	stateDestroyed = 2
)

var (
	// ErrDestroyed: the key was destroyed; what it protected is gone for good.
	ErrDestroyed = errors.New("keyring: key destroyed")
	// ErrUnknown: no key of this number was ever made.
	ErrUnknown = errors.New("keyring: unknown key")
	// ErrDamaged: the slot does not hold what was written.
	ErrDamaged = errors.New("keyring: slot damaged or altered")
	// ErrOtherMaster: the keyring is wrapped by another master key than the given one.
	ErrOtherMaster = errors.New("another master key")
	// ErrClosed: the ring was closed.
	ErrClosed = errors.New("keyring: closed")
)

// Key is a data key.
type Key = [32]byte

type numbered struct {
	id  uint64
	key Key
}

// Ring is an open keyring. Its methods may be called at the same time.
type Ring struct {
	path string
	f    disk.File
	aead cipher.AEAD
	dead *groupsync.Syncer
	// print is the fingerprint of the master key.
	print [16]byte
	gone  atomic.Pointer[func(id uint64)] // see Watch

	mu     sync.Mutex
	ready  []numbered // durable and not handed out
	next   uint64     // slot that the next key goes to
	making *making    // a run of makeAhead
	failed error      // of the last run; nil when it succeeded
	closed bool

	cache cache
}

type making struct {
	done chan struct{}
	err  error
}

// Open opens the keyring in dir on the machine's file system and makes it when
// there is none. A master key other than the one it was made with is refused.
func Open(dir string, m Master) (*Ring, error) { return OpenOn(disk.OS{}, dir, m) }

// OpenOn opens the keyring in dir of a file system.
func OpenOn(fsys disk.FS, dir string, m Master) (*Ring, error) {
	if err := fsys.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	path := filepath.Join(dir, FileName)
	f, err := fsys.Open(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	r := &Ring{path: path, f: f}
	r.dead = groupsync.NewSyncer(f.Sync)
	if err := r.start(fsys, dir, m); err != nil {
		f.Close()
		return nil, err
	}
	return r, nil
}

func (r *Ring) start(fsys disk.FS, dir string, m Master) error {
	size, err := r.f.Size()
	if err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	var head [slotSize]byte
	if size >= slotSize {
		if _, err := r.f.ReadAt(head[:], 0); err != nil {
			return fmt.Errorf("keyring %s: %w", r.path, err)
		}
	}
	// A header of zeros or a short one is left when the power fails while the
	// keyring is being made: no key can have been handed out then.
	if size < slotSize || (size == slotSize && head == [slotSize]byte{}) {
		if head, err = r.create(fsys, dir, m); err != nil {
			return fmt.Errorf("keyring %s cannot be made: %w", r.path, err)
		}
		size = slotSize
	}
	if err := r.unlock(head, m); err != nil {
		return err
	}
	// Slots that were half written were never handed out: number past them.
	r.next = uint64((size + slotSize - 1) / slotSize)
	return nil
}

// Header: magic 8, version 2, zeros 6, salt 16, fingerprint 16, zeros 12,
// CRC-32C 4. Numbers are little-endian.
func (r *Ring) create(fsys disk.FS, dir string, m Master) (head [slotSize]byte, err error) {
	if head, err = newHeader(m); err != nil {
		return head, err
	}
	if _, err = r.f.WriteAt(head[:], 0); err != nil {
		return head, err
	}
	return head, errors.Join(r.f.Truncate(slotSize), r.f.Sync(), fsys.SyncDir(dir))
}

func (r *Ring) unlock(head [slotSize]byte, m Master) error {
	if string(head[:8]) != magic {
		return fmt.Errorf("%s is not a samdok keyring; restore it from a backup", r.path)
	}
	if v := binary.LittleEndian.Uint16(head[8:]); v != version {
		return fmt.Errorf("keyring %s has format %d, this samdok knows %d: use a newer samdok", r.path, v, version)
	}
	if checksum(head[:60]) != binary.LittleEndian.Uint32(head[60:]) {
		return fmt.Errorf("keyring %s: header damaged; restore it from a backup", r.path)
	}
	aead, print, err := m.Wrapper(head[16:32])
	if err != nil {
		return err
	}
	if !bytes.Equal(print[:], head[32:48]) {
		return fmt.Errorf("keyring %s was made with %w (its fingerprint is %x, that of the given key %x): give the key that belongs to this data folder, in SAMDOK_MASTER_KEY or its file",
			r.path, ErrOtherMaster, head[32:36], print[:4])
	}
	r.aead, r.print = aead, print
	return nil
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// New hands out a new random key. The key is durable when New returns. A nil
// ring returns number 0 and no error: encryption is off.
func (r *Ring) New(ctx context.Context) (id uint64, key Key, err error) {
	if r == nil {
		return 0, Key{}, nil
	}
	for {
		r.mu.Lock()
		if r.closed {
			r.mu.Unlock()
			return 0, Key{}, ErrClosed
		}
		if len(r.ready) < aheadLow && r.making == nil {
			r.making = &making{done: make(chan struct{})}
			go r.makeAhead(r.making, r.next)
		}
		if n := len(r.ready); n > 0 {
			k := r.ready[n-1]
			r.ready[n-1] = numbered{}
			r.ready = r.ready[:n-1]
			r.mu.Unlock()
			return k.id, k.key, nil
		}
		m := r.making
		r.mu.Unlock()
		select {
		case <-m.done:
			if m.err != nil {
				return 0, Key{}, m.err
			}
		case <-ctx.Done():
			return 0, Key{}, context.Cause(ctx)
		}
	}
}

// Ready is nil when keys can be handed out; the error names the action that mends
// it. After keys could not be written, it tries again. A nil ring is ready.
func (r *Ring) Ready(ctx context.Context) error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return ErrClosed
	}
	if r.failed == nil {
		r.mu.Unlock()
		return nil
	}
	if r.making == nil {
		r.making = &making{done: make(chan struct{})}
		go r.makeAhead(r.making, r.next)
	}
	m := r.making
	r.mu.Unlock()
	select {
	case <-m.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if m.err != nil {
		return fmt.Errorf("%w; make room on its disk, or see that the disk is there and writable", m.err)
	}
	return nil
}

// makeAhead makes keys durable from a slot on. When that fails, the next try
// writes the same slots: none of their keys was handed out.
func (r *Ring) makeAhead(m *making, first uint64) {
	made, err := r.write(first)
	r.mu.Lock()
	if err == nil {
		r.next = first + aheadMost
		r.ready = append(r.ready, made...)
	} else {
		m.err = fmt.Errorf("keyring %s: new keys cannot be written: %w", r.path, err)
	}
	r.failed = m.err
	r.making = nil
	r.mu.Unlock()
	close(m.done)
}

func (r *Ring) write(first uint64) ([]numbered, error) {
	made := make([]numbered, aheadMost)
	buf := make([]byte, 0, aheadMost*slotSize)
	for i := range made {
		k := &made[i]
		k.id = first + uint64(i)
		if _, err := rand.Read(k.key[:]); err != nil {
			return nil, err
		}
		var err error
		if buf, err = r.appendSlot(buf, k); err != nil {
			return nil, err
		}
	}
	if _, err := r.f.WriteAt(buf, int64(first)*slotSize); err != nil {
		return nil, err
	}
	if err := r.f.Sync(); err != nil {
		return nil, err
	}
	return made, nil
}

// Slot: nonce 12 (number of the slot 8, random 4), wrapped key 32, tag 16,
// state 1, zeros 3.
func (r *Ring) appendSlot(b []byte, k *numbered) ([]byte, error) {
	var nonce [12]byte
	binary.LittleEndian.PutUint64(nonce[:], k.id)
	if _, err := rand.Read(nonce[8:]); err != nil {
		return nil, err
	}
	b = append(b, nonce[:]...)
	b = r.aead.Seal(b, nonce[:], k.key[:], nonce[:8])
	return append(b, stateLive, 0, 0, 0), nil
}

// Key finds a key by its number. ErrDestroyed, ErrUnknown, ErrDamaged.
func (r *Ring) Key(id uint64) (Key, error) {
	if r == nil {
		return Key{}, fmt.Errorf("%w %d: encryption is off, so there are no keys; start with the keyring that the data was written with", ErrUnknown, id)
	}
	if key, ok := r.cache.get(id); ok {
		return key, nil
	}
	// Under the lock of its number, so that a key destroyed meanwhile does not
	// come back into the cache.
	l := r.cache.lock(id)
	l.Lock()
	defer l.Unlock()
	key, err := r.read(id)
	if err == nil {
		r.cache.put(id, key)
	}
	return key, err
}

func (r *Ring) read(id uint64) (key Key, err error) {
	var slot [slotSize]byte
	if id == 0 || id > 1<<50 {
		return key, fmt.Errorf("%w %d", ErrUnknown, id)
	}
	if _, err := r.f.ReadAt(slot[:], int64(id)*slotSize); err != nil {
		if errors.Is(err, io.EOF) {
			return key, fmt.Errorf("%w %d", ErrUnknown, id)
		}
		return key, fmt.Errorf("keyring %s: %w", r.path, err)
	}
	switch slot[60] {
	case stateDestroyed:
		return key, fmt.Errorf("%w (%d)", ErrDestroyed, id)
	case 0:
		if slot == [slotSize]byte{} {
			return key, fmt.Errorf("%w %d", ErrUnknown, id)
		}
	}
	var number [8]byte
	binary.LittleEndian.PutUint64(number[:], id)
	if _, err := r.aead.Open(key[:0], slot[:12], slot[12:60], number[:]); err != nil || slot[60] != stateLive {
		return Key{}, fmt.Errorf("%w: slot %d of %s", ErrDamaged, id, r.path)
	}
	return key, nil
}

// Destroy overwrites a key and returns when that is durable. Destroying twice is
// fine. What a disk keeps of overwritten blocks is still wrapped by the master
// key.
func (r *Ring) Destroy(ctx context.Context, id uint64) error {
	if r == nil {
		return nil
	}
	l := r.cache.lock(id)
	l.Lock()
	err := r.overwrite(id)
	l.Unlock()
	if err != nil {
		return err
	}
	if err := r.dead.Sync(ctx); err != nil {
		return fmt.Errorf("keyring %s: key %d may not be destroyed durably: %w", r.path, id, err)
	}
	if f := r.gone.Load(); f != nil {
		(*f)(id)
	}
	return nil
}

// Watch has f called with the number of each key that was destroyed, after that is
// durable. f must not block.
func (r *Ring) Watch(f func(id uint64)) {
	if r != nil {
		r.gone.Store(&f)
	}
}

func (r *Ring) overwrite(id uint64) error {
	if _, err := r.read(id); errors.Is(err, ErrUnknown) {
		return err
	}
	slot := [slotSize]byte{60: stateDestroyed}
	if _, err := r.f.WriteAt(slot[:], int64(id)*slotSize); err != nil {
		return fmt.Errorf("keyring %s: key %d cannot be destroyed: %w", r.path, id, err)
	}
	r.cache.drop(id)
	return nil
}

// Close waits for what runs and closes the file.
func (r *Ring) Close() error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	m := r.making
	r.mu.Unlock()
	if m != nil {
		<-m.done
	}
	r.dead.Wait()
	return r.f.Close()
}
