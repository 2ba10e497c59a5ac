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

// Narrow takes bits from the ids of cards.
func Narrow(o CardsOptions, bits uint) CardsOptions {
	o.narrow = bits
	return o
}

// AlterCards changes the last byte of every card.
func AlterCards(c *Cards) error {
	return c.submit(context.Background(), &revision{done: make(chan error, 1), work: func(w *cardSession) (bool, error) {
		return true, w.exec("UPDATE card SET data = CAST(substr(data, 1, length(data) - 1) || x'00' AS BLOB)")
	}})
}
