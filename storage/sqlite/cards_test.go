package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"samdok/storage"
	"samdok/storage/keyring"
	"samdok/storage/sqlite"
	"samdok/storage/storagetest"
)

// cards is an engine; narrow takes bits from ids, so that keys share rows.
func cards(encrypted bool, narrow uint) storagetest.CardsEngine {
	return storagetest.CardsEngine{Open: func(dir string) (storage.Cards, func() error, error) {
		return openCards(dir, encrypted, narrow)
	}}
}

func openCards(dir string, encrypted bool, narrow uint) (*sqlite.Cards, func() error, error) {
	var ring *keyring.Ring
	if encrypted {
		m, err := keyring.NewMaster([]byte(strings.Repeat("k", keyring.MasterSize)))
		if err != nil {
			return nil, nil, err
		}
		if ring, err = keyring.Open(filepath.Join(dir, "keys"), m); err != nil {
			return nil, nil, err
		}
	}
	c, err := sqlite.OpenCards(context.Background(), filepath.Join(dir, "cards.db"), sqlite.Narrow(sqlite.CardsOptions{Ring: ring}, narrow))
	if err != nil {
		return nil, nil, errors.Join(err, ring.Close())
	}
	return c, func() error { return errors.Join(c.Close(), ring.Close()) }, nil
}

// The three wait for the disk most of the time.
func TestCards(t *testing.T) {
	for name, e := range map[string]storagetest.CardsEngine{
		"encrypted": cards(true, 0), "plain": cards(false, 0), "many in a row": cards(true, 61),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storagetest.RunCards(t, e)
		})
	}
}

func TestCardsKill(t *testing.T) {
	rounds := 10
	if storagetest.Long() {
		rounds = 100
	}
	storagetest.RunCardsKill(t, cards(true, 0), rounds)
}

// Neither keys nor cards can be read in the file or its log, and a card that was
// altered or moved is not given.
func TestCardsAreSealed(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	c, done, err := openCards(dir, true, 0)
	if err != nil {
		t.Fatal(err)
	}
	const key, text = "13858599169^2.16.578.1.12.4.1.4.1", "a text that is looked for"
	if err := c.Revise(ctx, "t", []string{key}, func(int, []byte) ([]byte, bool, error) { return []byte(text), false, nil }); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy.db")
	if err := c.Backup(ctx, copied); err != nil {
		t.Fatal(err)
	}
	if err := done(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "cards.db"), copied} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) == 0 || bytes.Contains(b, []byte(text)) || bytes.Contains(b, []byte("13858599169")) {
			t.Errorf("%s tells what it holds", filepath.Base(path))
		}
	}
	if err := os.Rename(copied, filepath.Join(dir, "cards.db")); err != nil {
		t.Fatal(err)
	}
	if c, done, err = openCards(dir, true, 0); err != nil {
		t.Fatal(err)
	}
	if card, err := c.Card(ctx, "t", key); err != nil || string(card) != text {
		t.Errorf("the copy says %q, %v", card, err)
	}
	if err := sqlite.AlterCards(c); err != nil {
		t.Fatal(err)
	}
	if card, err := c.Card(ctx, "t", key); err == nil {
		t.Errorf("an altered card is given: %q", card)
	}
	if err := done(); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkCard(b *testing.B) {
	c, done, err := openCards(b.TempDir(), true, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer done()
	if err := c.Revise(b.Context(), "t", []string{"k"}, func(int, []byte) ([]byte, bool, error) { return make([]byte, 200), false, nil }); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := c.Card(b.Context(), "t", "k"); err != nil {
			b.Fatal(err)
		}
	}
}
