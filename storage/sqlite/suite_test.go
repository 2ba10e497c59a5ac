package sqlite_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"samdok/storage/keyring"
	"samdok/storage/sqlite"
	"samdok/storage/storagetest"
)

func engine(encrypted bool) storagetest.LogEngine {
	return storagetest.LogEngine{Open: func(tb testing.TB, dir string) (storagetest.LogIndex, func() error) {
		tb.Helper()
		db, done, err := openIn(dir, encrypted)
		if err != nil {
			tb.Fatal(err)
		}
		return db, done
	}}
}

func openIn(dir string, encrypted bool) (*sqlite.DB, func() error, error) {
	var o sqlite.Options
	if encrypted {
		m, err := keyring.NewMaster([]byte(strings.Repeat("k", keyring.MasterSize)))
		if err != nil {
			return nil, nil, err
		}
		if o.Ring, err = keyring.Open(filepath.Join(dir, "keys"), m); err != nil {
			return nil, nil, err
		}
	}
	db, err := sqlite.Open(context.Background(), filepath.Join(dir, "log.db"), o)
	if err != nil {
		return nil, nil, err
	}
	return db, func() error {
		err := db.Close()
		if o.Ring != nil {
			o.Ring.Close()
		}
		return err
	}, nil
}

func TestLogIndex(t *testing.T) {
	t.Run("encrypted", func(t *testing.T) { storagetest.RunLogIndex(t, engine(true)) })
	t.Run("plain", func(t *testing.T) { storagetest.RunLogIndex(t, engine(false)) })
}

func outbox(encrypted bool) storagetest.OutboxEngine {
	return storagetest.OutboxEngine{Open: func(tb testing.TB, dir string) (storagetest.Mailroom, func() error) {
		tb.Helper()
		db, done, err := openIn(dir, encrypted)
		if err != nil {
			tb.Fatal(err)
		}
		return db, done
	}}
}

func TestOutbox(t *testing.T) {
	t.Run("encrypted", func(t *testing.T) { storagetest.RunOutbox(t, outbox(true)) })
	t.Run("plain", func(t *testing.T) { storagetest.RunOutbox(t, outbox(false)) })
}
