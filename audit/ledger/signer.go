package ledger

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"samdok/internal/disk"
)

// The file of the private key: magic 8, version 2, zeros 6, number of the data key
// 8, the key as sealed text.
const (
	signerName  = "signer"
	signerMagic = "samdokLS"
	signerHead  = 24
)

// NewSigningKey makes a key for Options.SigningKey: the private key, which is a
// secret, and the public one. origin names the ledger and must stay the same for
// all keys of one ledger; "" makes a new name.
func NewSigningKey(origin string) (private, public string, err error) {
	if origin == "" {
		var id [8]byte
		if _, err := rand.Read(id[:]); err != nil {
			return "", "", err
		}
		origin = "samdok-ledger/" + hex.EncodeToString(id[:])
	}
	return note.GenerateKey(rand.Reader, origin)
}

// parseSigner reads a private key and makes its public one.
func parseSigner(private string) (note.Signer, string, error) {
	private = strings.TrimSpace(private)
	s, err := note.NewSigner(private)
	if err != nil {
		return nil, "", errors.New("the ledger's signing key is not of the form PRIVATE+KEY+name+hash+key; make one with samdok ledger new-key")
	}
	// PRIVATE+KEY+name+hash+base64 of algorithm and seed; the form was checked above.
	text := strings.SplitN(private, "+", 5)[4]
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) != 1+ed25519.SeedSize {
		return nil, "", errors.New("the ledger's signing key is damaged")
	}
	pub := ed25519.NewKeyFromSeed(b[1:]).Public().(ed25519.PublicKey)
	vkey, err := note.NewEd25519VerifierKey(s.Name(), pub)
	return s, vkey, err
}

// loadSigner reads the private key from the folder; "" when there is none.
func loadSigner(fsys disk.FS, dir, name string, ring Ring) (string, error) {
	b, err := loadFile(fsys, dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	private, err := unsealSigner(b, ring)
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return private, err
}

// saveSigner makes the private key durable in the folder.
func saveSigner(ctx context.Context, fsys disk.FS, dir, name string, ring Ring, private string) error {
	b, err := sealSigner(ctx, ring, private)
	if err != nil {
		return err
	}
	return writeWhole(fsys, dir, name, b)
}

func unsealSigner(b []byte, ring Ring) (string, error) {
	if len(b) < signerHead || string(b[:8]) != signerMagic || binary.LittleEndian.Uint16(b[8:]) != version {
		return "", errors.New("damaged; restore it from a backup")
	}
	keyID := binary.LittleEndian.Uint64(b[16:])
	if keyID == 0 {
		return string(b[signerHead:]), nil
	}
	key, err := ring.Key(keyID)
	if err != nil {
		return "", err
	}
	aead, err := newAEAD(keyID, key)
	if err != nil {
		return "", err
	}
	// Each file has a data key of its own, used once.
	private, err := aead.Open(nil, make([]byte, aead.NonceSize()), b[signerHead:], b[:signerHead])
	if err != nil {
		return "", errors.New("altered; restore it from a backup")
	}
	return string(private), nil
}

func sealSigner(ctx context.Context, ring Ring, private string) ([]byte, error) {
	keyID, key, err := ring.New(ctx)
	if err != nil {
		return nil, err
	}
	b := make([]byte, signerHead)
	copy(b, signerMagic)
	binary.LittleEndian.PutUint16(b[8:], version)
	binary.LittleEndian.PutUint64(b[16:], keyID)
	if keyID == 0 {
		return append(b, private...), nil
	}
	aead, err := newAEAD(keyID, key)
	if err != nil {
		return nil, err
	}
	return aead.Seal(b, make([]byte, aead.NonceSize()), []byte(private), b[:signerHead]), nil
}

// writeWhole replaces a small file durably.
func writeWhole(fsys disk.FS, dir, name string, b []byte) error {
	temp := filepath.Join(dir, name+".new")
	f, err := fsys.Open(temp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, fsys.Remove(temp))
	}
	return errors.Join(fsys.Rename(temp, filepath.Join(dir, name)), fsys.SyncDir(dir))
}

// signing is what signs: the chain on disk and the newest private key.
type signing struct {
	chain  *keyChain
	file   *notes
	signer note.Signer
	given  bool // the private key is not kept in the folder
}

const nextSigner = signerName + ".next"

// openSigning finds the private key that belongs to the newest public one, or
// makes the first pair.
func openSigning(ctx context.Context, dir string, o *Options) (_ *signing, err error) {
	s := &signing{given: o.SigningKey != ""}
	var all [][]byte
	if s.file, all, err = openNotes(o.FS, dir, keysName); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.file.close())
		}
	}()
	if s.chain, err = parseChain(all); err != nil {
		return nil, fmt.Errorf("%s: %w; restore it from a backup", keysName, err)
	}
	private := o.SigningKey
	if !s.given {
		if private, err = s.ownKey(ctx, dir, o); err != nil {
			return nil, err
		}
	}
	signer, vkey, err := parseSigner(private)
	if err != nil {
		return nil, err
	}
	s.signer = signer
	if len(s.chain.keys) == 0 && o.Chain != nil {
		if err := s.adopt(o.Chain); err != nil {
			return nil, err
		}
	}
	if len(s.chain.keys) == 0 {
		return s, s.introduce(vkey, signer, 0, o.Clock())
	}
	if s.chain.newest().vkey != vkey {
		return nil, fmt.Errorf("the ledger is signed by %s, and the given key is another one; give the key that belongs to it, or replace the key with samdok ledger rotate-key", s.chain.newest().vkey)
	}
	return s, nil
}

// ownKey reads the private key from the folder, and ends a replacement that was
// interrupted. A ledger without keys gets its first.
func (s *signing) ownKey(ctx context.Context, dir string, o *Options) (string, error) {
	private, err := loadSigner(o.FS, dir, signerName, o.Ring)
	if err != nil {
		return "", err
	}
	if len(s.chain.keys) == 0 {
		if private != "" { // the power failed before it was introduced
			return private, nil
		}
		if private, _, err = NewSigningKey(""); err != nil {
			return "", err
		}
		return private, saveSigner(ctx, o.FS, dir, signerName, o.Ring, private)
	}
	next, err := loadSigner(o.FS, dir, nextSigner, o.Ring)
	if err != nil || next == "" {
		if err == nil && private == "" {
			err = errors.New("the ledger's private key is not in the folder; give it with the setting ledger-key-file")
		}
		return private, err
	}
	_, vkey, err := parseSigner(next)
	if err != nil {
		return "", err
	}
	if s.chain.newest().vkey != vkey {
		return private, errors.Join(o.FS.Remove(filepath.Join(dir, nextSigner)), o.FS.SyncDir(dir))
	}
	return next, errors.Join(o.FS.Rename(filepath.Join(dir, nextSigner), filepath.Join(dir, signerName)), o.FS.SyncDir(dir))
}

// adopt takes over the keys that other ledgers were signed with before.
func (s *signing) adopt(chain [][]byte) (err error) {
	if s.chain, err = parseChain(chain); err != nil {
		return err
	}
	for _, msg := range chain {
		if err := s.file.append(msg); err != nil {
			return err
		}
	}
	return nil
}

// introduce makes a public key the newest one.
func (s *signing) introduce(vkey string, signer note.Signer, from int64, now time.Time) error {
	msg, after, err := s.chain.introduce(s.signer, vkey, signer, from, now)
	if err != nil {
		return err
	}
	if err := s.file.append(msg); err != nil {
		return err
	}
	s.chain, s.signer = after, signer
	return nil
}
