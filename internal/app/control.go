package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"samdok/gateway"
	"samdok/internal/httpd"
	"samdok/sharing"
)

// controlName is a Unix socket in the data folder, through which commands of the
// operator reach the server that holds the folder's lock. Whoever can open it can
// read the folder, the master key with it; so it needs no other access control,
// and no network reaches it.
const controlName = "control.sock"

// longestSocket is what the kernel takes as a socket's path, with its end.
const longestSocket = 100

func listenControl(d *data, svc sharing.Service, keep http.HandlerFunc, communities func() []gateway.Status, locating *locating, clock func() time.Time, l *slog.Logger) (*httpd.Listener, error) {
	path := filepath.Join(d.dir, controlName)
	// One that is there belongs to a server that was killed: we hold the lock.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	var ln net.Listener
	err := withShortPath(path, func(short string) (err error) {
		ln, err = net.Listen("unix", short)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	if u, ok := ln.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // its path may be a short one that is gone
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /backup", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-tar")
		if err := d.backup(r.Context(), w, clock, r.URL.Query().Get("master-key") == "with", nil); err != nil {
			l.Error("a backup failed", "error", err)
			panic(http.ErrAbortHandler) // the stream must not look whole
		}
		l.Info("a backup was made")
	})
	serveMail(mux, svc, l)
	mux.Handle("POST /communities", serveOperation(l, func(context.Context, struct{}) ([]gateway.Status, error) { return communities(), nil }))
	mux.Handle("POST /locator/restate", serveOperation(l, func(ctx context.Context, _ struct{}) (struct{}, error) { return struct{}{}, locating.restate(ctx) }))
	mux.Handle("POST /keep", keep)
	mux.Handle("POST /log", serveOperation(l, func(ctx context.Context, q LogRequest) (LogAnswer, error) { return d.readLog(ctx, q, clock) }))
	mux.Handle("POST /outbox", serveOperation(l, func(ctx context.Context, q OutboxCommand) ([]OutboxLetter, error) { return d.outbox(ctx, q, clock) }))
	mux.Handle("POST /ledger", serveOperation(l, func(ctx context.Context, q LedgerCommand) (LedgerState, error) { return d.ledgerState(ctx, q, clock) }))
	mux.Handle("POST /ledger/drop", serveOperation(l, func(ctx context.Context, q DropRequest) (DropAnswer, error) { return d.drop(ctx, q) }))
	mux.Handle("POST /ledger/prove", serveOperation(l, d.prove))
	mux.Handle("POST /ledger/testify", serveOperation(l, d.testimony))
	return httpd.ListenOn(ln, nil, mux, httpd.Manners{HeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, HeaderBytes: 8 << 10}, l), nil
}

// dialControl connects to the server that holds the folder; fs.ErrNotExist or
// ECONNREFUSED in the error: there is none.
func dialControl(ctx context.Context, dir string) (conn net.Conn, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	err = withShortPath(filepath.Join(dir, controlName), func(short string) (err error) {
		var d net.Dialer
		conn, err = d.DialContext(ctx, "unix", short)
		return err
	})
	return conn, err
}

// withShortPath gives a socket's path in a form that the kernel takes.
func withShortPath(path string, use func(string) error) error {
	if len(path) <= longestSocket {
		return use(path)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return use("/proc/self/fd/" + strconv.Itoa(int(dir.Fd())) + "/" + filepath.Base(path))
}
