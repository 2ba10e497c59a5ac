package sqlite_test

import (
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"samdok/storage/sqlite"
	"samdok/storage/storagetest"
)

const (
	// noSync makes a child forget its fsyncs, to prove that the tests see it.
	noSync = "SAMDOK_TEST_NO_SYNC"
	// shortLog makes a child move its write-ahead log into the file all the time.
	shortLog = "SAMDOK_TEST_SHORT_LOG"
)

func TestMain(m *testing.M) {
	storagetest.LogChild(func(dir string) (storagetest.LogIndex, func() error, error) { return openChild(dir) })
	storagetest.OutboxChild(func(dir string) (storagetest.Mailroom, func() error, error) { return openChild(dir) })
	storagetest.EraseChild(func(dir string, step func(string)) (storagetest.ErasingLog, error) {
		db, _, err := openIn(dir, true)
		if err == nil {
			sqlite.WithSteps(db, step)
		}
		return db, err
	})
	storagetest.CardsChild(cards(true, 0))
	goleak.VerifyTestMain(m)
}

func openChild(dir string) (*sqlite.DB, func() error, error) {
	db, done, err := openIn(dir, true)
	if err == nil && os.Getenv(noSync) != "" {
		err = sqlite.WithoutSync(db)
	}
	if err == nil && os.Getenv(shortLog) != "" {
		sqlite.WithShortLog(db)
	}
	return db, done, err
}

func TestKill(t *testing.T) {
	rounds := 20
	if storagetest.Long() {
		rounds = 200
	}
	t.Run("usual", func(t *testing.T) { storagetest.RunLogKill(t, engine(true), rounds/2) })
	t.Run("checkpoints", func(t *testing.T) {
		t.Setenv(shortLog, "1")
		storagetest.RunLogKill(t, engine(true), rounds/2)
	})
}

func TestPowerCuts(t *testing.T) {
	submissions := 60
	if storagetest.Long() {
		submissions = 600
	}
	t.Run("usual", func(t *testing.T) {
		if err := storagetest.PowerCuts(t, engine(true), submissions); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("checkpoints", func(t *testing.T) {
		t.Setenv(shortLog, "1")
		if err := storagetest.PowerCuts(t, engine(true), submissions); err != nil {
			t.Fatal(err)
		}
	})
}

// TestPowerCutsSeeMissingSync: without fsync the same test fails.
func TestPowerCutsSeeMissingSync(t *testing.T) {
	t.Setenv(noSync, "1")
	err := storagetest.PowerCuts(t, engine(true), 20)
	if err == nil || !strings.Contains(err.Error(), "acknowledged objects are there") {
		t.Fatalf("an engine that does not sync passes: %v", err)
	}
}

func TestFaults(t *testing.T) {
	storagetest.RunLogFaults(t, engine(true), "log.db", "log.db-wal")
}

func TestOutboxKill(t *testing.T) {
	rounds := 16
	if storagetest.Long() {
		rounds = 160
	}
	t.Run("usual", func(t *testing.T) { storagetest.RunOutboxKill(t, outbox(true), rounds/2) })
	t.Run("checkpoints", func(t *testing.T) {
		t.Setenv(shortLog, "1")
		storagetest.RunOutboxKill(t, outbox(true), rounds/2)
	})
}

func TestOutboxPowerCuts(t *testing.T) {
	letters := 40
	if storagetest.Long() {
		letters = 400
	}
	if err := storagetest.OutboxPowerCuts(t, outbox(true), letters); err != nil {
		t.Fatal(err)
	}
}

// TestOutboxPowerCutsSeeMissingSync: without fsync the same test fails.
func TestOutboxPowerCutsSeeMissingSync(t *testing.T) {
	t.Setenv(noSync, "1")
	if err := storagetest.OutboxPowerCuts(t, outbox(true), 20); err == nil || !strings.Contains(err.Error(), "letter is") {
		t.Fatalf("an engine that does not sync passes: %v", err)
	}
}
