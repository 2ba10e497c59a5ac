package sqlite

import "context"

// WithoutSync makes commits skip their fsync.
func WithoutSync(db *DB) error {
	return db.writer.between(context.Background(), "test", func() error {
		db.writer.wal.noSync = true
		return nil
	})
}

// WithSteps calls f between the steps of Redact.
func WithSteps(db *DB, f func(string)) { db.step = f }

// WithShortLog makes the write-ahead log go into the file after a few pages.
func WithShortLog(db *DB) { db.walLimit.Store(20) }
