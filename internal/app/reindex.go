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

// Reindex makes the indexes of a data folder anew: that of the log and that of the
// ledger. No server may run
// on the folder. progress is called now and then with events done and their total.
func Reindex(ctx context.Context, c *config.Config, l *slog.Logger, clock func() time.Time, progress func(done, total int64)) (err error) {
	if err := hasData(c.Data); err != nil {
		return err
	}
	d, err := openData(ctx, c, l, clock)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.ledger.RebuildIndex(ctx, func(int64, int64) {}); err != nil {
		return err
	}
	return d.log.Rebuild(ctx, progress)
}

// hasData keeps commands from making an empty data folder where a name was
// mistyped.
func hasData(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, identityName)); err != nil {
		return fmt.Errorf("there is no samdok data in %s; name the folder with --data: %w", dir, err)
	}
	return nil
}
