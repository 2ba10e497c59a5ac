package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"samdok/internal/config"
)

// Reindex makes the indexes anew: that of the log and that of the ledger. No server may
// run on an embedded data folder; nodes of a scaled-out installation serve on. progress is called now and then with events done and their total.
func Reindex(ctx context.Context, c *config.Config, l *slog.Logger, clock func() time.Time, progress func(done, total int64)) (err error) {
	if err := hasData(c); err != nil {
		return err
	}
	d, end, err := openBeside(ctx, c, l, clock)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	if err := d.rebuildIndexes(ctx); err != nil {
		return err
	}
	if err := d.log.Rebuild(ctx, progress); err != nil || d.embedded != nil {
		return err
	}
	return d.resumeErasures(ctx, clock()) // of a restored store: without an index they could not be done
}

// openBeside opens the data for a command. Nodes of a scaled-out installation go on
// meanwhile, also the one that has the folder: it gets one of its own, which end
// takes away.
func openBeside(ctx context.Context, c *config.Config, l *slog.Logger, clock func() time.Time) (d *data, end func() error, err error) {
	remove := func() error { return nil }
	if c.Scaled() {
		own := *c
		if own.Data, err = os.MkdirTemp("", "samdok-command-"); err != nil {
			return nil, nil, err
		}
		remove = func() error { return os.RemoveAll(own.Data) }
		c = &own
	}
	if d, err = openData(ctx, c, l, clock); err != nil {
		return nil, nil, errors.Join(err, remove())
	}
	return d, func() error { return errors.Join(d.close(), remove()) }, nil
}

// hasData keeps commands from making an empty data folder where a name was
// mistyped.
func hasData(c *config.Config) error {
	if c.Scaled() {
		return nil // the data is in the store
	}
	if _, err := os.Stat(filepath.Join(c.Data, identityName)); err != nil {
		return fmt.Errorf("there is no samdok data in %s; name the folder with --data: %w", c.Data, err)
	}
	return nil
}
