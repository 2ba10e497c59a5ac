package ledger

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// work runs behind the records: it signs checkpoints and writes hashes.
func (l *Ledger) work(ctx context.Context) {
	var tick <-chan time.Time
	if l.CheckpointEvery > 0 {
		t := time.NewTicker(l.CheckpointEvery)
		defer t.Stop()
		tick = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick:
		case <-l.kick:
		}
		l.signNow()
	}
}

// signNow signs what is there.
func (l *Ledger) signNow() {
	if _, err := l.Checkpoint(); err != nil {
		l.Log.Error("no checkpoint of the ledger could be signed; records are taken nevertheless and the next one will cover them", "error", err)
	}
}

// signed is how many leaves the newest checkpoint covers.
func (l *Ledger) signed() int64 {
	l.sign.Lock()
	defer l.sign.Unlock()
	return l.last.Size
}

// workOnIndexes runs beside it, since merging indexes may take longer than a
// checkpoint can wait.
func (l *Ledger) workOnIndexes(ctx context.Context) {
	for {
		if err := l.tend(ctx); err != nil && ctx.Err() == nil {
			l.Log.Error("the ledger's search index could not be written; searches read the records themselves meanwhile", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-l.full:
		}
	}
}

// wake lets both run now.
func (l *Ledger) wake() {
	for _, c := range []chan struct{}{l.kick, l.full} {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// absorb puts the leaves of durable records into the tree.
func (l *Ledger) absorb() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.act != nil {
		l.tree.add(l.act.durable())
	}
}

// Checkpoint signs the tree over all durable records and returns it; when nothing
// came since the last one it returns that. It is durable.
func (l *Ledger) Checkpoint() (Checkpoint, error) {
	l.sign.Lock()
	defer l.sign.Unlock()
	l.absorb()
	return l.checkpoint()
}

// checkpoint does it under l.sign.
func (l *Ledger) checkpoint() (Checkpoint, error) {
	front, err := l.tree.flush()
	if err != nil {
		return Checkpoint{}, err
	}
	if front.size == l.last.Size && l.last.Note != nil && l.last.key == len(l.signing.chain.keys)-1 {
		return l.last, nil
	}
	// A signed root must be provable, so its hashes are durable first.
	if err := l.tree.f.Sync(); err != nil {
		return Checkpoint{}, err
	}
	c := Checkpoint{Origin: l.signing.chain.originOf(l.Node), Size: front.size, Root: front.root(), Time: l.Clock(), key: len(l.signing.chain.keys) - 1}
	if c.Note, err = note.Sign(&note.Note{Text: c.text()}, l.signing.signer); err != nil {
		return Checkpoint{}, err
	}
	if err := l.checkpoints.append(c.Note); err != nil {
		return Checkpoint{}, err
	}
	l.last = c
	return c, nil
}

// PublicKeys are the ledger's public keys, the newest last, in the form of
// golang.org/x/mod/sumdb/note.
func (l *Ledger) PublicKeys() []string {
	l.sign.Lock()
	defer l.sign.Unlock()
	var all []string
	for _, k := range l.signing.chain.keys {
		all = append(all, k.vkey)
	}
	return all
}

// RotateKey replaces the signing key: given is the new private key of a ledger
// whose key is not kept in the folder, "" otherwise. Both keys sign the change, and
// a checkpoint by each lies at it. It returns the new public key.
func (l *Ledger) RotateKey(ctx context.Context, given string) (public string, err error) {
	l.sign.Lock()
	defer l.sign.Unlock()
	s := l.signing
	if s.given != (given != "") {
		if s.given {
			return "", errors.New("this ledger's key is given by a setting, so give the new one too")
		}
		return "", errors.New("this ledger keeps its key itself, so do not give a new one")
	}
	private := given
	if !s.given {
		if private, _, err = NewSigningKey(s.chain.origin()); err != nil {
			return "", err
		}
	}
	signer, public, err := parseSigner(private)
	if err != nil {
		return "", err
	}
	l.absorb()
	if _, err := l.checkpoint(); err != nil {
		return "", err
	}
	if !s.given {
		if err := saveSigner(ctx, l.FS, l.dir, nextSigner, l.Ring, private); err != nil {
			return "", err
		}
	}
	if err := s.introduce(public, signer, l.last.Size, l.Clock()); err != nil {
		return "", fmt.Errorf("the ledger's key cannot be replaced: %w", err)
	}
	if !s.given {
		if err := errors.Join(l.FS.Rename(filepath.Join(l.dir, nextSigner), filepath.Join(l.dir, signerName)), l.FS.SyncDir(l.dir)); err != nil {
			return "", err
		}
	}
	_, err = l.checkpoint()
	return public, err
}
