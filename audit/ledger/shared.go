package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// SharedKey is one of the keys that the ledgers of many nodes are signed with, as it
// is kept where all of them can read it.
type SharedKey struct {
	// Note is the public key, signed by the one before and by itself.
	Note string
	// Signer is the private key, sealed by the ring; nil when a setting gives it.
	Signer []byte
}

// NextSharedKey makes the key behind those that are there; given is its private
// key when a setting gives it. before is the private key of the last one.
func NextSharedKey(ctx context.Context, ring Ring, all []SharedKey, before, given string, now time.Time) (k SharedKey, err error) {
	chain, err := sharedChain(all)
	if err != nil {
		return k, err
	}
	private := given
	if given == "" {
		if private, _, err = NewSigningKey(chain.origin()); err != nil {
			return k, err
		}
		if ring == nil {
			ring = unsealed
		}
		if k.Signer, err = sealSigner(ctx, ring, private); err != nil {
			return k, err
		}
	}
	signer, vkey, err := parseSigner(private)
	if err != nil {
		return k, err
	}
	var last note.Signer
	if len(all) > 0 {
		if last, _, err = parseSigner(before); err != nil {
			return k, err
		}
	}
	msg, _, err := chain.introduce(last, vkey, signer, 0, now)
	k.Note = string(msg)
	return k, err
}

// OpenSharedKeys returns the private key to sign with, which is given or the last
// one of all, and the public ones up to it, for Options.Chain.
func OpenSharedKeys(ring Ring, all []SharedKey, given string) (private string, chain [][]byte, err error) {
	keys, err := sharedChain(all)
	if err != nil {
		return "", nil, err
	}
	if len(all) == 0 {
		return "", nil, errors.New("the ledger has no key yet")
	}
	last := len(all) - 1
	if private = given; given == "" {
		if all[last].Signer == nil {
			return "", nil, errors.New("the ledger's key was given by the setting ledger-key-file; give it again")
		}
		if ring == nil {
			ring = unsealed
		}
		if private, err = unsealSigner(all[last].Signer, ring); err != nil {
			return "", nil, fmt.Errorf("the ledger's private key: %w", err)
		}
	}
	_, vkey, err := parseSigner(private)
	if err != nil {
		return "", nil, err
	}
	if last = keys.find(vkey); last < 0 {
		return "", nil, fmt.Errorf("the ledgers of all nodes are signed by %s, and the given key is another one; give the key that belongs to them, or replace the key with samdok ledger rotate-key", keys.newest().vkey)
	}
	return private, notesOf(all[:last+1]), nil
}

func notesOf(all []SharedKey) (notes [][]byte) {
	for i := range all {
		notes = append(notes, []byte(all[i].Note))
	}
	return notes
}

func sharedChain(all []SharedKey) (*keyChain, error) {
	chain, err := parseChain(notesOf(all))
	if err != nil {
		err = fmt.Errorf("the keys of all ledgers: %w; restore them from a copy of the store", err)
	}
	return chain, err
}

// PublicOf are the public keys, the newest last.
func PublicOf(all []SharedKey) (keys []string, err error) {
	chain, err := sharedChain(all)
	for _, k := range chain.keys {
		keys = append(keys, k.vkey)
	}
	return keys, err
}
