package ledger

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// keyChain are a ledger's public keys in their order. The first signs itself, each
// later one is signed by the one before and itself, so that whoever trusts one key
// can follow to the newest.
type keyChain struct{ keys []chainKey }

type chainKey struct {
	vkey     string
	verifier note.Verifier
	from     int64 // size of the tree when it began to sign
	made     time.Time
}

const keyHeadline = "samdok ledger key"

func (k *chainKey) text() string {
	return fmt.Sprintf("%s\n%s\n%d\n%s\n", keyHeadline, k.vkey, k.from, k.made.UTC().Format(time.RFC3339Nano))
}

func (c *keyChain) origin() string {
	if len(c.keys) == 0 {
		return ""
	}
	return c.keys[0].verifier.Name()
}

func (c *keyChain) newest() *chainKey { return &c.keys[len(c.keys)-1] }

func (c *keyChain) verifiers() note.Verifiers {
	var all []note.Verifier
	for i := range c.keys {
		all = append(all, c.keys[i].verifier)
	}
	return note.VerifierList(all...)
}

func (c *keyChain) find(vkey string) int {
	return slices.IndexFunc(c.keys, func(k chainKey) bool { return k.vkey == vkey })
}

// follow adds the key of a note when those signed it who must.
func (c *keyChain) follow(msg []byte) error {
	k, err := parseKey(msg)
	if err != nil {
		return err
	}
	must := []note.Verifier{k.verifier}
	if len(c.keys) > 0 {
		last := c.newest()
		must = append(must, last.verifier)
		if k.verifier.Name() != c.origin() || k.from < last.from || c.find(k.vkey) >= 0 {
			return errors.New("a key does not follow the one before it")
		}
	}
	n, err := note.Open(msg, note.VerifierList(must...))
	if err != nil || len(n.Sigs) != len(must) || n.Text != k.text() {
		return fmt.Errorf("key %d is not signed by the key before it", len(c.keys)+1)
	}
	c.keys = append(c.keys, k)
	return nil
}

// introduce makes the note of a new key, which the one before signs too, and the
// chain with it.
func (c *keyChain) introduce(before note.Signer, vkey string, signer note.Signer, from int64, now time.Time) ([]byte, *keyChain, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, nil, err
	}
	k := chainKey{vkey, verifier, from, now}
	signers := []note.Signer{signer}
	if len(c.keys) > 0 {
		if verifier.Name() != c.origin() {
			return nil, nil, fmt.Errorf("the new key is named %s, this ledger %s; make one with samdok ledger new-key --origin %s", verifier.Name(), c.origin(), c.origin())
		}
		signers = []note.Signer{before, signer}
	}
	msg, err := note.Sign(&note.Note{Text: k.text()}, signers...)
	if err != nil {
		return nil, nil, err
	}
	after := &keyChain{append([]chainKey(nil), c.keys...)}
	return msg, after, after.follow(msg)
}

// parseKey reads a key's note without trusting it.
func parseKey(msg []byte) (k chainKey, err error) {
	lines := strings.SplitN(string(msg), "\n", 5)
	if len(lines) < 5 || lines[0] != keyHeadline {
		return k, errors.New("not a key of a samdok ledger")
	}
	k.vkey = lines[1]
	if k.verifier, err = note.NewVerifier(k.vkey); err != nil {
		return k, fmt.Errorf("public key: %w", err)
	}
	if k.from, err = strconv.ParseInt(lines[2], 10, 64); err != nil || k.from < 0 {
		return k, errors.New("not a key of a samdok ledger")
	}
	k.made, err = time.Parse(time.RFC3339Nano, lines[3])
	return k, err
}

func parseChain(all [][]byte) (*keyChain, error) {
	c := &keyChain{}
	for _, msg := range all {
		if err := c.follow(msg); err != nil {
			return c, err
		}
	}
	return c, nil
}

// parseVerifier makes a chain's key of a public key that somebody trusts.
func parseVerifier(vkey string) (chainKey, error) {
	vkey = strings.TrimSpace(vkey)
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return chainKey{}, errors.New("a public key of a ledger looks like name+hash+key; samdok ledger keys prints it")
	}
	return chainKey{vkey: vkey, verifier: v}, nil
}

// CheckPublicKey tells whether a text is a public key of a ledger.
func CheckPublicKey(vkey string) error {
	_, err := parseVerifier(vkey)
	return err
}
