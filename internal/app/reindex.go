package app

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"samdok/internal/config"
)

// Reindex makes the index of a data folder anew from its log. No server may run
// on the folder. progress is called now and then with events done and their total.
func Reindex(ctx context.Context, c *config.Config, l *slog.Logger, clock func() time.Time, progress func(done, total int64)) (err error) {
	if _, err := os.Stat(filepath.Join(c.Data, identityName)); err != nil {
		return errors.Join(errors.New("there is no samdok data in "+c.Data+"; name the folder with --data"), err)
	}
	d, err := openData(ctx, c, l, clock)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	return d.log.Rebuild(ctx, progress)
}
