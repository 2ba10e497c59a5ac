package sqlite

import (
	"context"
	"errors"
	"fmt"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// backupStep is how many pages are copied between two looks at the context.
const backupStep = 1024

// Backup copies the whole database, as it is when Backup begins, to a new file.
// Submissions go on meanwhile. The copy is durable when Backup returns nil; on an
// error the file may be left behind.
func (db *DB) Backup(ctx context.Context, path string) error { return copyFile(ctx, db.path, path) }

func copyFile(ctx context.Context, source, path string) (err error) {
	from, err := openConn(source, false)
	if err != nil {
		return fmt.Errorf("backup of %s: %w", source, err)
	}
	defer func() { err = errors.Join(err, from.close()) }()
	to, err := openConn(path, true)
	if err != nil {
		return fmt.Errorf("backup to %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, to.close()) }()
	// A read transaction over all steps keeps them on one snapshot.
	if err := from.exec("BEGIN"); err != nil {
		return fmt.Errorf("backup of %s: %w", source, err)
	}
	if _, err := from.number("SELECT count(*) FROM sqlite_schema"); err != nil {
		return fmt.Errorf("backup of %s: %w", source, err)
	}
	if err := copyPages(ctx, from, to); err != nil {
		return fmt.Errorf("backup of %s to %s: %w", source, path, err)
	}
	return from.exec("ROLLBACK")
}

func copyPages(ctx context.Context, from, to *conn) error {
	name, err := libc.CString("main")
	if err != nil {
		return errMemory
	}
	defer libc.Xfree(to.tls, name)
	b := sqlite3.Xsqlite3_backup_init(to.tls, to.db, name, from.db, name)
	if b == 0 {
		return to.err(sqlite3.Xsqlite3_errcode(to.tls, to.db))
	}
	rc := int32(sqlite3.SQLITE_OK)
	for rc == sqlite3.SQLITE_OK && ctx.Err() == nil {
		rc = sqlite3.Xsqlite3_backup_step(to.tls, b, backupStep)
	}
	// finish reports the error of a step; it says OK for one that did not end.
	if end := sqlite3.Xsqlite3_backup_finish(to.tls, b); end != sqlite3.SQLITE_OK {
		return to.err(end)
	}
	if rc != sqlite3.SQLITE_DONE {
		return context.Cause(ctx)
	}
	return nil
}
