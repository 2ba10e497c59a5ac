package ledger_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"samdok/audit"
	"samdok/audit/ledger"
)

// stranger verifies a folder with nothing but docs/ledger-format.md and the standard
// library. What it cannot do, the page does not say well enough.
type stranger struct {
	dir    string
	name   string
	keys   []ed25519.PublicKey
	hashes [][]byte // of the keys
	from   []int    // size at which each began
	leaves [][]byte
}

func (s *stranger) notes(file string) (all []string, err error) {
	b, err := os.ReadFile(filepath.Join(s.dir, file))
	for rest := string(b); err == nil && rest != ""; {
		line, after, _ := strings.Cut(rest, "\n")
		n, nerr := strconv.Atoi(strings.TrimPrefix(line, "note "))
		if nerr != nil || n > len(after) {
			return nil, fmt.Errorf("%s: %q", file, line)
		}
		all, rest = append(all, after[:n]), after[n:]
	}
	return all, err
}

// signedBy tells which of the keys signed a note.
func (s *stranger) signedBy(note string) (text string, keys []int) {
	end := strings.LastIndex(note, "\n\n")
	text = note[:end+1]
	for line := range strings.Lines(note[end+2:]) {
		fields := strings.Fields(line)
		sig, err := base64.StdEncoding.DecodeString(fields[2])
		for i := range s.keys {
			if err == nil && fields[1] == s.name && bytes.Equal(sig[:4], s.hashes[i]) && ed25519.Verify(s.keys[i], []byte(text), sig[4:]) {
				keys = append(keys, i)
			}
		}
	}
	return text, keys
}

func (s *stranger) addKey(public string, from int) error {
	parts := strings.SplitN(public, "+", 3)
	b, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(b) != 33 || b[0] != 1 {
		return errors.New("not a key: " + public)
	}
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), b...))
	if hex.EncodeToString(sum[:4]) != parts[1] || s.name != "" && s.name != parts[0] {
		return errors.New("a key with another hash or name: " + public)
	}
	s.name, s.keys, s.hashes, s.from = parts[0], append(s.keys, b[1:]), append(s.hashes, sum[:4]), append(s.from, from)
	return nil
}

// follow goes from a key that is trusted to the newest.
func (s *stranger) follow(trusted string) error {
	all, err := s.notes("keys")
	if err != nil {
		return err
	}
	for i, note := range all {
		lines := strings.Split(note, "\n")
		from, err := strconv.Atoi(lines[2])
		if lines[0] != "samdok ledger key" || err != nil || i == 0 && lines[1] != trusted {
			return errors.New("not the key that is trusted: " + lines[1])
		}
		if err := s.addKey(lines[1], from); err != nil {
			return err
		}
		if _, by := s.signedBy(note); len(by) != min(i+1, 2) || by[len(by)-1] != i {
			return fmt.Errorf("key %d is signed by %v", i, by)
		}
	}
	return nil
}

func leafHash(b []byte) []byte {
	h := sha256.Sum256(append([]byte{0}, b...))
	return h[:]
}

func nodeHash(a, b []byte) []byte {
	h := sha256.Sum256(append(append([]byte{1}, a...), b...))
	return h[:]
}

func root(leaves [][]byte) []byte {
	if len(leaves) == 1 {
		return leaves[0]
	}
	k := 1
	for k*2 < len(leaves) {
		k *= 2
	}
	return nodeHash(root(leaves[:k]), root(leaves[k:]))
}

// read makes the leaves of all segments.
func (s *stranger) read() error {
	for n := 1; ; n++ {
		b, err := os.ReadFile(filepath.Join(s.dir, fmt.Sprintf("%016x.segment", n)))
		if errors.Is(err, os.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		if len(b) < 64 || string(b[:8]) != "samdokLG" || binary.LittleEndian.Uint64(b[16:]) != uint64(n) || binary.LittleEndian.Uint64(b[40:]) != uint64(len(s.leaves)) {
			return fmt.Errorf("the header of segment %d", n)
		}
		s.leaves = append(s.leaves, leafHash(b[:64]))
		for rest := b[64:]; len(rest) >= 12 && binary.LittleEndian.Uint32(rest[4:]) != 0; {
			size := int(binary.LittleEndian.Uint32(rest[4:])) + 12
			if size > len(rest) || crc32.Checksum(rest[4:size], crc32.MakeTable(crc32.Castagnoli)) != binary.LittleEndian.Uint32(rest) {
				return fmt.Errorf("record %d", len(s.leaves))
			}
			s.leaves = append(s.leaves, leafHash(rest[4:size]))
			rest = rest[min((size+7)/8*8, len(rest)):]
		}
	}
}

// checkpoint returns the size that a note signs, of a root that the leaves have.
func (s *stranger) checkpoint(note string) (int, error) {
	text, by := s.signedBy(note)
	lines := strings.Split(text, "\n")
	size, err := strconv.Atoi(lines[1])
	if err != nil || lines[0] != s.name || len(by) != 1 || by[0]+1 < len(s.from) && size > s.from[by[0]+1] || size > len(s.leaves) {
		return 0, fmt.Errorf("a checkpoint by %v of %d leaves: %q", by, len(s.leaves), text)
	}
	if size > 0 && lines[2] != base64.StdEncoding.EncodeToString(root(s.leaves[:size])) {
		return 0, fmt.Errorf("the first %d leaves are others than were signed", size)
	}
	return size, nil
}

func verifyAsStranger(dir, trusted string) (signed, leaves int, err error) {
	s := &stranger{dir: dir}
	if err := errors.Join(s.follow(trusted), s.read()); err != nil {
		return 0, 0, err
	}
	all, err := s.notes("checkpoints")
	for _, note := range all {
		size, cerr := s.checkpoint(note)
		if cerr == nil && size < signed {
			cerr = errors.New("checkpoints go back")
		}
		signed, err = size, errors.Join(err, cerr)
	}
	return signed, len(s.leaves), err
}

// TestAStrangerVerifies: the page says all that is needed, and what it says holds.
func TestAStrangerVerifies(t *testing.T) {
	dir := t.TempDir()
	l, err := ledger.Open(t.Context(), dir, ledger.Options{SegmentSize: 2000, CheckpointEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	trusted := l.PublicKeys()[0]
	for i := range 60 {
		e := audit.Event{Kind: audit.KindStart, Details: []audit.Detail{{Name: "n", Value: fmt.Sprint(i)}}}
		if _, err := l.Record(context.Background(), &e); err != nil {
			t.Fatal(err)
		}
		if i == 30 {
			if _, err := l.RotateKey(t.Context(), ""); err != nil {
				t.Fatal(err)
			}
		}
	}
	proof, err := l.Prove(7)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	signed, leaves, err := verifyAsStranger(dir, trusted)
	if err != nil || signed != leaves || leaves < 62 {
		t.Fatalf("%d of %d leaves: %v", signed, leaves, err)
	}
	at, size, hash := proof.Index, proof.Checkpoint.Size-1, proof.Leaf[:]
	for _, p := range proof.Path { // RFC 9162, 2.1.3.2
		if at%2 == 1 || at == size {
			hash = nodeHash(p[:], hash)
			for at%2 == 0 && at != 0 {
				at, size = at/2, size/2
			}
		} else {
			hash = nodeHash(hash, p[:])
		}
		at, size = at/2, size/2
	}
	if size != 0 || !bytes.Equal(hash, proof.Checkpoint.Root[:]) {
		t.Error("the proof does not lead to the root")
	}
	path := filepath.Join(dir, "0000000000000002.segment")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[100] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := verifyAsStranger(dir, trusted); err == nil {
		t.Error("an octet that was altered is not found")
	}
}
