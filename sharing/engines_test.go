package sharing_test

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"

	"samdok/audit/ledger"
	"samdok/storage/files"
	"samdok/storage/keyring"
	"samdok/storage/sqlite"
)

// engines are the embedded engines, encrypted, in a folder of the test.
type engines struct {
	db      *sqlite.DB
	files   *files.Store
	records *ledger.Ledger
}

func openEngines(t testing.TB, now func() time.Time) engines {
	t.Helper()
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	closing := func(f func() error) {
		t.Cleanup(func() {
			if err := f(); err != nil {
				t.Error(err)
			}
		})
	}
	master, err := keyring.NewMaster(bytes.Repeat([]byte{7}, keyring.MasterSize))
	must(err)
	ring, err := keyring.Open(filepath.Join(dir, "keys"), master)
	must(err)
	closing(ring.Close)
	var e engines
	e.db, err = sqlite.Open(t.Context(), filepath.Join(dir, "samdok.db"), sqlite.Options{Ring: ring})
	must(err)
	closing(e.db.Close)
	e.files, err = files.Open(filepath.Join(dir, "documents"), files.Options{Ring: ring, Clock: now})
	must(err)
	closing(e.files.Close)
	e.records, err = ledger.Open(t.Context(), filepath.Join(dir, "ledger"), ledger.Options{Ring: ring, Clock: now})
	must(err)
	closing(e.records.Close)
	return e
}
