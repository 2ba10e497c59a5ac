package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"samdok/audit"
	"samdok/internal/config"
	"samdok/internal/datadir"
	"samdok/internal/disk"
	"samdok/sharing"
	"samdok/storage/keyring"
)

// destroyed gathers the numbers of data keys that were destroyed, whoever did it
// (erasure, ITI-86, the sweep, a refused intake, a dropped segment), and records
// them a moment later, many in one record.
type destroyed struct {
	mu   sync.Mutex
	keys []uint64
	quit chan struct{}
	done chan struct{}
}

const (
	destroyedEvery = time.Second
	destroyedMost  = 1000 // in one record
)

func (k *destroyed) add(id uint64) {
	k.mu.Lock()
	k.keys = append(k.keys, id)
	k.mu.Unlock()
}

// start records from now on what is gathered.
func (k *destroyed) start(d *data, clock func() time.Time, l *slog.Logger) {
	k.quit, k.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(k.done)
		tick := time.NewTicker(destroyedEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-k.quit:
				return
			}
			if err := k.flush(d, clock); err != nil {
				l.Error("destroyed data keys could not be recorded; it is tried again", "error", err)
			}
		}
	}()
}

// flush records what waits. What cannot be recorded waits on.
func (k *destroyed) flush(d *data, clock func() time.Time) error {
	for {
		k.mu.Lock()
		part := k.keys[:min(len(k.keys), destroyedMost)]
		k.mu.Unlock()
		if len(part) == 0 {
			return nil
		}
		e := d.event(audit.KindKey, clock())
		e.Details = []audit.Detail{{Name: "data keys destroyed", Value: sharing.Numbers(part)}}
		if err := d.record(context.Background(), e); err != nil {
			return err
		}
		k.mu.Lock()
		k.keys = k.keys[len(part):]
		k.mu.Unlock()
	}
}

// stop records the rest.
func (k *destroyed) stop(d *data, clock func() time.Time) error {
	if k.quit == nil {
		return nil
	}
	close(k.quit)
	<-k.done
	k.quit = nil
	return k.flush(d, clock)
}

// RotatedMaster says what RotateMaster did.
type RotatedMaster struct {
	Keys int64 // data keys that are wrapped anew
	// File is where the new master key lies; "" when a setting gives it, which must
	// give the new one from now on.
	File string
}

// newMasterName is the new master key until the keyring is wrapped by it.
const newMasterName = masterName + ".new"

// RotateMaster wraps all data keys anew under another master key, next, or under a
// random one when the key lies in the data folder and next is "". No server may run
// on the folder. A run that was cut off changed nothing, or is ended by the next
// start.
func RotateMaster(ctx context.Context, c *config.Config, l *slog.Logger, clock func() time.Time, next config.Secret, who string, progress func(done, total int64)) (r RotatedMaster, err error) {
	if err := hasData(c); err != nil {
		return r, err
	}
	if c.MasterKey != "" && next == "" {
		return r, errors.New("the master key is given by a setting: give the new one too, with --new-master-key-file")
	}
	if c.Scaled() {
		return rotateShared(ctx, c, l, clock, next, who, progress)
	}
	if r, err = rewrap(ctx, c, l, next, progress); err != nil {
		return r, err
	}
	after := *c
	if c.MasterKey != "" {
		after.MasterKey = next
	}
	d, err := openData(ctx, &after, l, clock)
	if err != nil {
		return r, err
	}
	return r, errors.Join(d.recordMaster(ctx, who, r.Keys, clock()), d.close())
}

// rotateShared wraps the data keys of a scaled-out installation anew, while nodes that
// know both master keys serve. progress counts pages of keys.
func rotateShared(ctx context.Context, c *config.Config, l *slog.Logger, clock func() time.Time, next config.Secret, who string, progress func(done, total int64)) (r RotatedMaster, err error) {
	after := *c
	after.MasterKey, after.OtherKey = next, c.MasterKey
	if strings.TrimSpace(string(next)) == strings.TrimSpace(string(c.MasterKey)) { // the settings of a node in the middle of it
		after.OtherKey = c.OtherKey
	}
	d, end, err := openBeside(ctx, &after, l, clock)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, end()) }()
	e, ok := d.log.(*scaledEngine)
	if !ok || e.keys == nil {
		return r, errors.New("the data in the store is not encrypted: there is no master key")
	}
	if r.Keys, err = e.keys.Rewrap(ctx, func(pages int64) { progress(pages, pages) }); err != nil {
		return r, err
	}
	return r, d.recordMaster(ctx, who, r.Keys, clock())
}

// rewrap does it under the folder's lock.
func rewrap(ctx context.Context, c *config.Config, l *slog.Logger, next config.Secret, progress func(done, total int64)) (r RotatedMaster, err error) {
	dir, err := filepath.Abs(c.Data)
	if err != nil {
		return r, err
	}
	lock, err := datadir.Acquire(dir)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	id, err := readIdentity(dir)
	if err != nil {
		return r, err
	}
	if !id.Encryption {
		return r, errors.New("the data in this folder is not encrypted: there is no master key")
	}
	ring, err := openRing(dir, c, l) // ends a rotation that was cut off
	if err != nil {
		return r, err
	}
	if err := ring.Close(); err != nil {
		return r, err
	}
	old, wanted, err := masters(dir, c, next)
	if err != nil {
		return r, err
	}
	if r.Keys, err = keyring.Rewrap(ctx, filepath.Join(dir, keysFolder), old, wanted, progress); err != nil {
		return r, err
	}
	if c.MasterKey == "" {
		r.File = filepath.Join(dir, masterName)
		err = adoptMaster(dir)
	}
	return r, err
}

// masters are the key in force and the one to come. One that lies in the folder is
// durable there under another name before anything is wrapped by it.
func masters(dir string, c *config.Config, next config.Secret) (old, wanted keyring.Master, err error) {
	if next != "" {
		if wanted, err = keyring.ParseMaster(string(next)); err != nil {
			return old, wanted, fmt.Errorf("the new master key: %w", err)
		}
	}
	if c.MasterKey != "" {
		old, err = keyring.ParseMaster(string(c.MasterKey))
		return old, wanted, err
	}
	if old, err = keyring.LoadMaster(filepath.Join(dir, masterName)); err != nil {
		return old, wanted, err
	}
	path := filepath.Join(dir, newMasterName)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return old, wanted, err
	}
	if next != "" {
		return old, wanted, writeDurably(path, []byte(wanted.Encode()+"\n"))
	}
	wanted, _, err = keyring.LoadOrCreateMaster(path)
	return old, wanted, err
}

// adoptMaster puts the new master key in the place of the old one.
func adoptMaster(dir string) error {
	return errors.Join(os.Rename(filepath.Join(dir, newMasterName), filepath.Join(dir, masterName)), disk.OS{}.SyncDir(dir))
}

// openWithNew opens a keyring that does not belong to the folder's master key: a
// rotation may have been cut off after its last step but one.
func openWithNew(dir string, l *slog.Logger) (*keyring.Ring, error) {
	m, err := keyring.LoadMaster(filepath.Join(dir, newMasterName))
	if err != nil {
		return nil, err
	}
	ring, err := keyring.Open(filepath.Join(dir, keysFolder), m)
	if err != nil {
		return nil, err
	}
	l.Warn("a rotation of the master key that was cut off is ended: the new key is in force")
	if err := adoptMaster(dir); err != nil {
		return nil, errors.Join(err, ring.Close())
	}
	return ring, nil
}

// masterSetting is what settings.last calls the fingerprint of the master key.
const masterSetting = "master key (fingerprint)"

// fingerprint of the master key that wraps the data keys; "" without encryption.
func (d *data) fingerprint() string {
	if e, scaled := d.log.(*scaledEngine); scaled {
		return e.fingerprint
	}
	return d.ring.Fingerprint()
}

// masterChange is the event of another master key than that of the last start; nil
// when it is the same.
func (d *data) masterChange(before map[string]string, now time.Time) *audit.Event {
	was, known := before[masterSetting]
	if !known || was == "" || was == d.fingerprint() {
		return nil
	}
	e := d.event(audit.KindKey, now)
	e.Details = []audit.Detail{{Name: "master key", Value: fmt.Sprintf("replaced: fingerprint %s instead of %s", d.fingerprint(), was)}}
	return e
}

// recordMaster records a rotation and remembers that it is recorded.
func (d *data) recordMaster(ctx context.Context, who string, keys int64, now time.Time) error {
	path := filepath.Join(d.dir, settingsName)
	before, err := loadSettings(path)
	if err != nil {
		return err
	}
	e := d.event(audit.KindKey, now)
	e.Request.Caller.Door, e.Request.Caller.Subject = "cli", who
	e.Details = []audit.Detail{{Name: "master key", Value: "replaced: fingerprint " + d.fingerprint()}, {Name: "data keys wrapped anew", Value: strconv.FormatInt(keys, 10)}}
	if err := d.record(ctx, e); err != nil || before == nil {
		return err
	}
	before[masterSetting] = d.fingerprint()
	b, err := json.MarshalIndent(before, "", "  ")
	if err != nil {
		return err
	}
	return writeDurably(path, append(b, '\n'))
}
