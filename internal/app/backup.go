package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"syscall"
	"time"

	"samdok/audit"
	"samdok/internal/backup"
	"samdok/internal/config"
)

// Backup writes a copy of a data folder as one tar stream, through the server
// that runs on it or, when none does, by itself. withKey puts the master key in
// when it lies in the folder. The stream is whole only when Backup returns nil.
func Backup(ctx context.Context, c *config.Config, l *slog.Logger, clock func() time.Time, to io.Writer, withKey bool, progress func(done int64)) (err error) {
	if c.Scaled() {
		return errScaledBackup // also of a folder whose node runs, which could only break the stream off
	}
	if err := hasData(c); err != nil {
		return err
	}
	conn, err := dialControl(ctx, c.Data)
	if err == nil {
		return fromServer(ctx, conn, to, withKey, progress)
	}
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("the server on %s cannot be asked: %w", c.Data, err)
	}
	d, err := openData(ctx, c, l, clock)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	return d.backup(ctx, to, clock, withKey, func(done, _ int64) { progress(done) })
}

// oldRecordsName holds the records that were made before there was a ledger. They
// are kept as they are.
const oldRecordsName = "audit"

// errScaledBackup: what is to be copied is not in the folder.
var errScaledBackup = errors.New("the data is in S3, which is all that a backup needs: copy the bucket (docs/operations.md says how), and keep the master key apart; samdok reindex makes the indexes again")

func (d *data) backup(ctx context.Context, to io.Writer, clock func() time.Time, withKey bool, progress backup.Progress) error {
	if d.embedded == nil {
		return errScaledBackup
	}
	d.copying.Lock()
	defer d.copying.Unlock()
	e := d.event(audit.KindExport, clock())
	e.Details = []audit.Detail{{Name: "what", Value: "backup"}, {Name: "master key", Value: map[bool]string{true: "with", false: "without"}[withKey]}}
	if err := d.record(ctx, e); err != nil {
		return err
	}
	last := []string{keysFolder, identityName}
	if withKey {
		last = append(last, masterName)
	}
	var more []backup.Database
	if d.cards != nil {
		more = append(more, backup.Database{Name: locatorName, From: d.cards})
	}
	_, err := backup.Write(ctx, backup.Source{
		Dir: d.dir, Log: d.embedded, LogName: logName, Databases: more, Trees: []string{ledgerName + "/checkpoints", ledgerName + "/tree", documentsName, ledgerName, oldRecordsName}, Leave: []string{incomingName},
		Last: last, Temp: filepath.Join(d.dir, spoolName), Clock: clock,
	}, to, progress)
	if err != nil { // the record of what left is there; this one says that it was not all
		broken := *e
		broken.Time, broken.Outcome = clock(), audit.Aborted
		err = errors.Join(err, d.record(context.WithoutCancel(ctx), &broken))
	}
	return err
}

// fromServer copies the stream that the server makes.
func fromServer(ctx context.Context, conn net.Conn, to io.Writer, withKey bool, progress func(int64)) (err error) {
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
	defer transport.CloseIdleConnections()
	query := ""
	if withKey {
		query = "?master-key=with"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://control/backup"+query, nil)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return fmt.Errorf("the server could not make a backup; its log tells why: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the server could not make a backup: HTTP %d", answer.StatusCode)
	}
	if _, err := io.Copy(&counter{to, 0, progress}, answer.Body); err != nil {
		return fmt.Errorf("the backup broke off; the server's log tells why: %w", err)
	}
	return nil
}

type counter struct {
	io.Writer
	done     int64
	progress func(int64)
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.Writer.Write(b)
	c.done += int64(n)
	c.progress(c.done)
	return n, err
}
