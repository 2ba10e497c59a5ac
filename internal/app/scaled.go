package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"samdok/internal/config"
	"samdok/internal/httpd"
	"samdok/retention"
	"samdok/storage/elastic"
	"samdok/storage/keyring"
	"samdok/storage/s3"
	"samdok/storage/scaled"
)

// scaledEngine is one node's hold on what all nodes share.
type scaledEngine struct {
	*scaled.Log
	*s3.Outbox
	store *s3.Store
	keys  *s3.Keys
	index *elastic.Index

	fingerprint string // of the master key
}

// Dependencies implements engine: each engine by its own name, with what is not
// known of its promises.
func (e *scaledEngine) Dependencies() []httpd.Dependency {
	return []httpd.Dependency{
		{Name: "s3", Check: e.store.Ready, Warn: func(context.Context) string { return strings.Join(e.store.Doubts(), " ") }},
		{Name: "elasticsearch", Check: e.index.Ready},
		{Name: "log", Check: e.Log.Ready},
	}
}

// watch shows how far the index is behind the journal.
func (e *scaledEngine) watch(gauge func(name, help string, value func() float64) error) error {
	return errors.Join(
		gauge("samdok_projection_behind", "Batches of the journal that are known to this node and not searchable yet.", func() float64 { n, _ := e.Behind(); return float64(n) }),
		gauge("samdok_projection_lag_seconds", "Age of the oldest of them.", func() float64 { _, age := e.Behind(); return age.Seconds() }),
	)
}

// Close lets go of everything, the last opened first.
func (e *scaledEngine) Close() error {
	var errs []error
	if e.Log != nil {
		errs = append(errs, e.Log.Close())
	}
	if e.index != nil {
		e.index.Close()
	}
	if e.keys != nil {
		errs = append(errs, e.keys.Close())
	}
	if e.store != nil {
		errs = append(errs, e.store.Close())
	}
	return errors.Join(errs...)
}

// sharedName is what all nodes settle once: whose data it is.
const sharedName = "samdok.json"

// openScaled opens the store, settles whose data it is, and joins the other nodes. Each
// step may be done again, since the engine that it asks may be away.
func (d *data) openScaled(ctx context.Context, c *config.Config, l *slog.Logger, clock func() time.Time, watch watching) error {
	e := &scaledEngine{}
	d.log = e
	store, err := storeOf(c, watch, clock, l)
	if err != nil {
		return err
	}
	index, err := indexOf(c, watch) // its mistakes are told before anything is waited for
	if err != nil {
		return err
	}
	wait := watch.wait
	if err := d.openStore(ctx, c, e, store, wait); err != nil {
		return err
	}
	if err := wait.until(ctx, storeEngine, func() (err error) { index.Secret, err = e.store.Secret(ctx, e.keys); return err }); err != nil {
		return err
	}
	if e.keys != nil {
		index.Keys = e.keys
	}
	if err := wait.until(ctx, indexEngine, func() (err error) { e.index, err = elastic.Open(ctx, index); return err }); err != nil {
		return err
	}
	if err := wait.until(ctx, indexEngine, func() (err error) {
		e.Log, err = scaled.Open(ctx, scaled.Options{S3: e.store, Keys: e.keys, Elastic: e.index, Clock: clock, Log: l, Watch: watch.log})
		return err
	}); err != nil {
		return err
	}
	e.Outbox = e.store.Outbox(e.keys)
	d.documents = e.store.Documents(e.keys)
	if err := wait.until(ctx, storeEngine, func() (err error) { d.ledgers, err = openLedgers(ctx, store, e.keys, c); return err }); err != nil {
		return err
	}
	d.ledgers.watch = watch.book
	return wait.until(ctx, storeEngine, func() (err error) { d.ledger, err = d.ledgers.begin(ctx, c); return err })
}

// openStore opens the bucket and its keys, and settles whose data it is.
func (d *data) openStore(ctx context.Context, c *config.Config, e *scaledEngine, o s3.Options, wait *awaited) error {
	var master keyring.Master
	var others []keyring.Master
	var err error
	if c.Encryption {
		if master, others, err = masterKeys(c); err != nil {
			return err
		}
	}
	if err := wait.until(ctx, storeEngine, func() (err error) {
		if wait != nil { // one call tells that it is away; Open would try for long before it says so
			if err := s3.Reach(ctx, o); away(err) {
				return err
			}
		}
		e.store, err = s3.Open(ctx, o)
		return err
	}); err != nil {
		return err
	}
	if c.Encryption {
		if err := wait.until(ctx, storeEngine, func() (err error) { e.keys, err = e.store.OpenKeys(ctx, master, others...); return err }); err != nil {
			return err
		}
		if e.fingerprint, err = e.keys.Fingerprint(); err != nil {
			return err
		}
		e.keys.Watch(d.destroyed.add)
	}
	return wait.until(ctx, storeEngine, func() error { return d.settle(ctx, c, e.store) })
}

// indexOf are the settings of the index, but for what the store holds.
func indexOf(c *config.Config, watch watching) (elastic.Options, error) {
	secure, err := trusting(c.Elasticsearch.CA, "elasticsearch.ca")
	replicas := c.Elasticsearch.Replicas
	if replicas == 0 {
		replicas = -1
	}
	return elastic.Options{
		URLs: c.Elasticsearch.URLs, Username: c.Elasticsearch.User, Password: string(c.Elasticsearch.Password), APIKey: string(c.Elasticsearch.APIKey),
		TLS: secure, Wrap: watch.to("elasticsearch"), Prefix: c.Elasticsearch.Prefix, Shards: c.Elasticsearch.Shards, Replicas: replicas, Timeout: c.Elasticsearch.Timeout,
	}, err
}

// masterKeys are the one that wraps, and those that may have.
func masterKeys(c *config.Config) (master keyring.Master, others []keyring.Master, err error) {
	if master, err = keyring.ParseMaster(string(c.MasterKey)); err != nil {
		return master, nil, fmt.Errorf("setting master-key (from %s): %w", c.Source("master-key"), err)
	}
	if c.OtherKey == "" {
		return master, nil, nil
	}
	other, err := keyring.ParseMaster(string(c.OtherKey))
	if err != nil {
		return master, nil, fmt.Errorf("setting other-master-key (from %s): %w", c.Source("other-master-key"), err)
	}
	return master, []keyring.Master{other}, nil
}

// settle makes the identity that all nodes share, or checks that the settings fit
// the one there is. The data folder keeps a copy, so that it cannot be used for
// another store by mistake.
func (d *data) settle(ctx context.Context, c *config.Config, store *s3.Store) error {
	where := "bucket " + c.S3.Bucket + " at " + c.S3.Endpoint
	b, err := store.Settled(ctx, sharedName)
	if errors.Is(err, s3.ErrNone) {
		if b, err = json.MarshalIndent(newIdentity(c), "", "  "); err == nil {
			b, d.created, err = store.Settle(ctx, sharedName, append(b, '\n'))
		}
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &d.identity); err != nil {
		return fmt.Errorf("settled/%s in %s is damaged: %w; restore it from a copy of the bucket", sharedName, where, err)
	}
	if err := d.identity.check(where, c); err != nil {
		return err
	}
	copied, err := readIdentity(d.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return d.identity.save(d.dir)
	}
	if err == nil && copied != d.identity {
		err = fmt.Errorf("the folder %s belongs to repository %s, and the data in %s to repository %s; give this node a folder of its own", d.dir, copied.RepositoryUniqueID, where, d.identity.RepositoryUniqueID)
	}
	return err
}

// trusting trusts the authorities of a file, or the system's.
func trusting(ca, setting string) (*tls.Config, error) {
	secure := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca == "" {
		return secure, nil
	}
	b, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("setting %s: %w", setting, err)
	}
	secure.RootCAs = x509.NewCertPool()
	if !secure.RootCAs.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("setting %s: %s holds no certificate in PEM", setting, ca)
	}
	return secure, nil
}

// listJournal keeps the list of erasures in the store, a line in each object.
type listJournal struct {
	ctx     context.Context // of the node: an erasure that has begun goes on
	journal *s3.Journal
}

func (l *listJournal) Read(n int) (lines [][]byte, err error) {
	for seq := uint64(n) + 1; ; seq++ {
		line, err := l.journal.Read(l.ctx, seq)
		if errors.Is(err, s3.ErrNone) {
			return lines, nil
		}
		if err != nil {
			return nil, err
		}
		lines = append(lines, line)
	}
}

func (l *listJournal) Append(n int, line []byte) error {
	err := l.journal.Append(l.ctx, uint64(n)+1, line)
	if errors.Is(err, s3.ErrTaken) {
		return retention.ErrTaken
	}
	return err
}

func (l *listJournal) Close() error { return nil }
