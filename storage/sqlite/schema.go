package sqlite

import (
	"embed"
	"errors"
	"fmt"
)

//go:embed migrations/*.sql
var migrations embed.FS

// schemaVersion is the number of the newest file in migrations. It is kept in
// the file's user_version.
const schemaVersion = 1

// projection lists the tables that Rebuild makes again.
var projection = [...]string{"stream", "ids", "touch"}

// ErrNewer: a newer samdok wrote the file.
var ErrNewer = errors.New("sqlite: the data was written by a newer samdok; use that version, or restore a backup made by this one")

// migrate brings the file's tables to schemaVersion, each step in a transaction
// of its own.
func migrate(c *conn) error {
	at, err := c.number("PRAGMA user_version")
	if err != nil {
		return err
	}
	if at > schemaVersion {
		return fmt.Errorf("%w (its data has version %d, this program knows %d)", ErrNewer, at, schemaVersion)
	}
	for n := at + 1; n <= schemaVersion; n++ {
		script, err := migrations.ReadFile(fmt.Sprintf("migrations/%04d.sql", n))
		if err != nil {
			return err
		}
		if err := c.transaction(func() error {
			if err := c.exec(string(script)); err != nil {
				return err
			}
			return c.exec(fmt.Sprintf("PRAGMA user_version = %d", n))
		}); err != nil {
			return fmt.Errorf("sqlite: migration to version %d: %w", n, err)
		}
	}
	return nil
}

// transaction runs body in a write transaction and rolls back when it fails.
func (c *conn) transaction(body func() error) error {
	if err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := body()
	if err == nil {
		err = c.exec("COMMIT")
	}
	if err != nil && c.inTransaction() {
		err = errors.Join(err, c.exec("ROLLBACK"))
	}
	return err
}

// missing tells whether a table of the projection is not there, or a rebuild did
// not end.
func missing(c *conn) (bool, error) {
	for _, table := range projection {
		n, err := c.number("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = '" + table + "'")
		if err != nil || n == 0 {
			return true, err
		}
	}
	return false, nil
}
