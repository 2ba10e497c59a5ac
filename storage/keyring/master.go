package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"samdok/internal/disk"
)

// MasterSize is the length of a master key in bytes.
const MasterSize = 32

// Master is the key that wraps all data keys. Printing it shows nothing of it.
type Master struct{ key [MasterSize]byte }

// NewMaster takes 32 bytes.
func NewMaster(b []byte) (Master, error) {
	var m Master
	if len(b) != MasterSize {
		return m, fmt.Errorf("a master key has %d bytes, this one has %d", MasterSize, len(b))
	}
	copy(m.key[:], b)
	if m == (Master{}) {
		return m, errors.New("a master key of zeros protects nothing; make one with: head -c 32 /dev/urandom | base64")
	}
	return m, nil
}

// Fingerprint names the key without telling it.
func (m Master) Fingerprint() (string, error) {
	_, print, err := m.Wrapper(make([]byte, 16))
	return fmt.Sprintf("%x", print[:4]), err
}

// ParseMaster reads the text form: 32 bytes in base64 (standard or URL alphabet,
// padding optional), blanks around it allowed.
func ParseMaster(s string) (Master, error) {
	s = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(strings.TrimSpace(s), "="))
	b, err := base64.RawStdEncoding.Strict().DecodeString(s)
	if err != nil {
		return Master{}, errors.New("a master key is 32 bytes in base64; make one with: head -c 32 /dev/urandom | base64")
	}
	return NewMaster(b)
}

// LoadMaster reads the text form from a file, which nobody but its owner may
// read.
func LoadMaster(path string) (Master, error) {
	st, err := os.Stat(path)
	if err != nil {
		return Master{}, fmt.Errorf("master key: %w", err)
	}
	if st.Mode().Perm()&0o077 != 0 {
		return Master{}, fmt.Errorf("master key file %s can be read by others (mode %04o): chmod 600 it", path, st.Mode().Perm())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return Master{}, fmt.Errorf("master key: %w", err)
	}
	m, err := ParseMaster(string(b))
	if err != nil {
		return Master{}, fmt.Errorf("master key file %s: %w", path, err)
	}
	return m, nil
}

// LoadOrCreateMaster reads the file, or makes a random key and writes it there
// (mode 0600, durable on return) when the file is missing. created tells which.
func LoadOrCreateMaster(path string) (m Master, created bool, err error) {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		m, err := LoadMaster(path)
		return m, false, err
	}
	if _, err := rand.Read(m.key[:]); err != nil {
		return m, false, err
	}
	dir := filepath.Dir(path)
	if err := (disk.OS{}).MkdirAll(dir); err != nil {
		return Master{}, false, fmt.Errorf("master key: %w", err)
	}
	if err := writeNew(path, []byte(m.Encode()+"\n")); err != nil {
		return Master{}, false, fmt.Errorf("master key file %s cannot be made: %w", path, err)
	}
	return m, true, nil
}

// writeNew makes a whole file appear under its name, or nothing.
func writeNew(path string, b []byte) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	// Link, unlike rename, does not replace a key that appeared meanwhile.
	if err := os.Link(tmp, path); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return errors.Join(os.Remove(tmp), (disk.OS{}).SyncDir(filepath.Dir(path)))
}

// Encode is the text form. It is the secret itself.
func (m Master) Encode() string { return base64.StdEncoding.EncodeToString(m.key[:]) }

// String hides the key from logs.
func (Master) String() string { return "master key (hidden)" }

// GoString hides the key from %#v.
func (Master) GoString() string { return "keyring.Master{hidden}" }

// Format hides the key from every verb.
func (m Master) Format(s fmt.State, _ rune) { fmt.Fprint(s, m.String()) }

// Wrapper is what wraps data keys under the master key, and a fingerprint of the
// master key; both depend on salt.
func (m Master) Wrapper(salt []byte) (aead cipher.AEAD, print [16]byte, err error) {
	b, err := m.derive(salt, "fingerprint", len(print))
	if err != nil {
		return nil, print, err
	}
	copy(print[:], b)
	if b, err = m.derive(salt, "wrap", 32); err != nil {
		return nil, print, err
	}
	block, err := aes.NewCipher(b)
	if err != nil {
		return nil, print, err
	}
	aead, err = cipher.NewGCM(block)
	return aead, print, err
}

func (m Master) derive(salt []byte, purpose string, n int) ([]byte, error) {
	return hkdf.Key(sha256.New, m.key[:], salt, "samdok keyring 1 "+purpose, n)
}
