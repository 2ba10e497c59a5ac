package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"samdok/access"
	"samdok/audit/ledger"
	"samdok/internal/config"
	"samdok/internal/datadir"
	"samdok/internal/httpd"
	"samdok/retention"
	"samdok/storage"
	"samdok/storage/files"
	"samdok/storage/keyring"
	"samdok/storage/scaled"
	"samdok/storage/sqlite"
	"samdok/subscription"
)

// Names in the data folder.
const (
	masterName    = "master.key"
	keysFolder    = "keys"
	logName       = "log.db"
	locatorName   = "locator.db"
	documentsName = "documents"
	incomingName  = "documents/incoming"
	ledgerName    = "ledger"
	spoolName     = "tmp"
)

// data is an open data folder.
type data struct {
	dir       string
	identity  identity
	created   bool
	lock      *datadir.Lock
	ring      *keyring.Ring // of what lies in the folder; nil when encryption is off
	log       engine
	embedded  *sqlite.DB    // log, when that is in the folder
	cards     *sqlite.Cards // of the locator; nil when there never was one
	documents storage.Documents
	packs     *files.Store // documents, when they are in the folder
	ledger    *ledger.Ledger
	ledgers   *ledgers // those of all nodes, ledger among them; nil when embedded
	list      *retention.List
	keeper    *retention.Keeper
	destroyed destroyed
	clock     func() time.Time
	keep      time.Duration // records of use, at least
	// copying is held by a backup, so that the ledger's keys are not replaced
	// meanwhile.
	copying sync.Mutex
}

// engine keeps what happened, and what is owed to others.
type engine interface {
	storage.Log
	storage.Index
	storage.Outbox
	storage.Eraser
	storage.Forgetter
	// Dependencies are what readiness asks about.
	Dependencies() []httpd.Dependency
	// Waiting is how many Appends wait for the engine.
	Waiting() int
	Close() error
}

// watching is told what a node does with its engines.
type watching struct {
	// calls gives the connections to an engine of a name to whoever counts calls.
	calls func(engine string, next http.RoundTripper) http.RoundTripper
	log   scaled.Watch
	book  ledger.Watch
	// wait lets the start wait for engines; nil does not.
	wait *awaited
}

func unwatched() watching {
	return watching{calls: func(_ string, t http.RoundTripper) http.RoundTripper { return t }}
}

// to is calls for one engine.
func (w watching) to(engine string) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper { return w.calls(engine, next) }
}

// openData takes the folder and opens what is in it, in the order in which one
// rests on the other. On an error nothing stays open.
func openData(ctx context.Context, c *config.Config, l *slog.Logger, clock func() time.Time) (*data, error) {
	return openWatched(ctx, c, l, clock, unwatched())
}

func openWatched(ctx context.Context, c *config.Config, l *slog.Logger, clock func() time.Time, watch watching) (_ *data, err error) {
	dir, err := filepath.Abs(c.Data)
	if err != nil {
		return nil, err
	}
	d := &data{dir: dir, clock: clock, keep: c.LedgerKeep}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if d.lock, err = datadir.Acquire(dir); err != nil {
		return nil, err
	}
	if err := freshSpool(filepath.Join(dir, spoolName)); err != nil {
		return nil, err
	}
	if c.Scaled() {
		err = d.openScaled(ctx, c, l, clock, watch)
	} else {
		err = d.openEmbedded(ctx, c, l, clock, watch)
	}
	if err != nil {
		return nil, err
	}
	d.destroyed.start(d, clock, l)
	if err := watch.wait.until(ctx, storeEngine, func() (err error) { d.list, err = d.openList(ctx); return err }); err != nil {
		return nil, err
	}
	d.keeper = retention.New(retention.Options{Log: d.log, Documents: d.documents, List: d.list, Clock: clock,
		Letters: d.log, Text: letterText,
		Subscriptions: subscription.NewBook(subscription.Options{Log: d.log, Tenant: access.Tenant(d.identity.Tenant), Clock: clock}).Forget})
	if err := watch.wait.until(ctx, indexEngine, func() error { return d.resumeErasures(ctx, clock()) }); errors.Is(err, scaled.ErrIndex) {
		// Nothing is answered until samdok reindex has made the index, and that ends them.
		l.Warn("what was erased cannot be looked at before the index is there: samdok reindex", "error", err)
	} else if err != nil {
		return nil, err
	}
	return d, nil
}

// watch shows what only some engines have.
func (d *data) watch(gauge func(name, help string, value func() float64) error) error {
	if e, ok := d.log.(*scaledEngine); ok {
		return e.watch(gauge)
	}
	return nil
}

// openCards opens what the locator knows: also when the locator is off now, so that
// backups have it.
func openCards(ctx context.Context, path string, on bool, ring *keyring.Ring) (*sqlite.Cards, error) {
	if _, err := os.Stat(path); !on && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return sqlite.OpenCards(ctx, path, sqlite.CardsOptions{Ring: ring})
}

// embeddedEngine is the log in the folder, with what it rests on.
type embeddedEngine struct {
	*sqlite.DB
	ring  *keyring.Ring
	packs *files.Store
}

// Dependencies implements engine.
func (e embeddedEngine) Dependencies() []httpd.Dependency {
	return []httpd.Dependency{{Name: "log", Check: e.DB.Ready}, {Name: "keys", Check: e.ring.Ready}, {Name: "documents", Check: e.packs.Ready}}
}

// openEmbedded opens log and documents in the folder.
func (d *data) openEmbedded(ctx context.Context, c *config.Config, l *slog.Logger, clock func() time.Time, watch watching) (err error) {
	if d.identity, d.created, err = loadIdentity(d.dir, c); err != nil {
		return err
	}
	if d.identity.Encryption {
		if d.ring, err = openRing(d.dir, c, l); err != nil {
			return err
		}
	}
	d.ring.Watch(d.destroyed.add)
	if d.embedded, err = sqlite.Open(ctx, filepath.Join(d.dir, logName), sqlite.Options{Ring: d.ring}); err != nil {
		return err
	}
	if d.cards, err = openCards(ctx, filepath.Join(d.dir, locatorName), c.Locator.On, d.ring); err != nil {
		return err
	}
	if d.packs, err = files.Open(filepath.Join(d.dir, documentsName), files.Options{Ring: d.ring, Clock: clock, Log: l}); err != nil {
		return err
	}
	d.documents, d.log = d.packs, embeddedEngine{d.embedded, d.ring, d.packs}
	d.ledger, err = ledger.Open(ctx, filepath.Join(d.dir, ledgerName), ledger.Options{
		Ring: d.ring, SigningKey: string(c.LedgerKey), CheckpointEvery: c.CheckpointInterval, Clock: clock, Log: l, Watch: watch.book,
	})
	return err
}

func (d *data) openList(ctx context.Context) (*retention.List, error) {
	if e, scaled := d.log.(*scaledEngine); scaled {
		return retention.OpenListOn(&listJournal{ctx: context.WithoutCancel(ctx), journal: e.store.Erasures()}, d.identity.RepositoryUniqueID)
	}
	return retention.OpenList(filepath.Join(d.dir, keysFolder), d.identity.RepositoryUniqueID)
}

// freshSpool makes the folder for what is only kept while a request runs, and
// empties it of what a crash left behind.
func freshSpool(dir string) error {
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	return nil
}

// openRing takes the master key from the configuration or from the data folder,
// where the first start puts one.
func openRing(dir string, c *config.Config, l *slog.Logger) (*keyring.Ring, error) {
	var m keyring.Master
	var err error
	if c.MasterKey != "" {
		if m, err = keyring.ParseMaster(string(c.MasterKey)); err != nil {
			return nil, fmt.Errorf("setting master-key (from %s): %w", c.Source("master-key"), err)
		}
	} else {
		if err := masterNotLost(dir); err != nil {
			return nil, err
		}
		var created bool
		if m, created, err = keyring.LoadOrCreateMaster(filepath.Join(dir, masterName)); err != nil {
			return nil, err
		}
		if created {
			l.Warn("a master key was made and lies beside the data it protects; keep a copy apart, and move it out with master-key-file before real patients come in", "file", filepath.Join(dir, masterName))
		}
	}
	ring, err := keyring.Open(filepath.Join(dir, keysFolder), m)
	if c.MasterKey == "" && errors.Is(err, keyring.ErrOtherMaster) {
		if rotated, newErr := openWithNew(dir, l); newErr == nil {
			return rotated, nil
		}
	}
	return ring, err
}

// masterNotLost refuses to make a new master key beside keys that another one
// wrapped.
func masterNotLost(dir string) error {
	master := filepath.Join(dir, masterName)
	if _, err := os.Stat(master); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, keysFolder)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("%s is missing, and the data keys in %s were wrapped with it: put it back from its copy, or give it by master-key-file", master, filepath.Join(dir, keysFolder))
}

// close closes what is open, last opened first.
func (d *data) close() error {
	var errs []error
	errs = append(errs, d.destroyed.stop(d, d.clock))
	if d.list != nil {
		errs = append(errs, d.list.Close())
	}
	if d.ledgers != nil {
		errs = append(errs, d.ledgers.end(context.Background()))
	} else if d.ledger != nil {
		errs = append(errs, d.ledger.Close())
	}
	if d.packs != nil {
		errs = append(errs, d.packs.Close())
	}
	if d.cards != nil {
		errs = append(errs, d.cards.Close())
	}
	switch {
	case d.embedded != nil:
		errs = append(errs, d.embedded.Close())
	case d.log != nil:
		errs = append(errs, d.log.Close())
	}
	if d.ring != nil {
		errs = append(errs, d.ring.Close())
	}
	if d.lock != nil {
		errs = append(errs, d.lock.Release())
	}
	return errors.Join(errs...)
}
