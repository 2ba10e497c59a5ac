package sqlite

import (
	"embed"
	"errors"
	"fmt"
	"strings"
)

//go:embed migrations/*.sql
var migrations embed.FS

// schemaVersion is the number of the newest file in migrations. It is kept in
// the file's user_version.
const schemaVersion = 2

//go:embed projection.sql
var projectionTables string

// projectionVersion is kept in meta when the projection is whole.
const projectionVersion = 2

// projection lists the tables that Rebuild makes again.
var projection = [...]string{"stream", "ids", "touch", "known", "merged"}

// projection1 are those of version 1. A log of that time tells of no patients, so
// that the others were empty.
const projection1 = 3

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

// createProjection makes the tables that are missing, empty.
func createProjection(c *conn, prefix string) error {
	return c.exec(strings.ReplaceAll(projectionTables, "{}", prefix))
}

// checkProjection tells whether the projection is whole. In a new file it makes
// it; in one that lost it, it makes empty tables that wait for Rebuild.
func checkProjection(c *conn) (whole bool, err error) {
	have, err := c.number("SELECT n FROM meta WHERE name = '" + metaProjection + "'")
	if err != nil {
		return false, err
	}
	tables, err := c.number("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('" + strings.Join(projection[:], "', '") + "')")
	if err != nil {
		return false, err
	}
	if have == projectionVersion && tables == int64(len(projection)) {
		return true, nil
	}
	if have == 1 && tables == projection1 {
		return true, c.transaction(func() error {
			if err := createProjection(c, ""); err != nil {
				return err
			}
			return markProjection(c, true)
		})
	}
	used, err := c.number("SELECT EXISTS (SELECT 1 FROM log)")
	if err != nil {
		return false, err
	}
	whole = used == 0
	return whole, c.transaction(func() error {
		for _, table := range projection {
			if err := c.exec("DROP TABLE IF EXISTS " + table); err != nil {
				return err
			}
		}
		if err := createProjection(c, ""); err != nil {
			return err
		}
		return markProjection(c, whole)
	})
}

func markProjection(c *conn, whole bool) error {
	n := 0
	if whole {
		n = projectionVersion
	}
	return c.exec(fmt.Sprintf("INSERT INTO meta (name, n) VALUES ('"+metaProjection+"', %d) ON CONFLICT DO UPDATE SET n = excluded.n", n))
}
