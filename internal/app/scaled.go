package app

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"samdok/internal/config"
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
	idle  []func()
}

// Ready names the engine that is away.
func (e *scaledEngine) Ready(ctx context.Context) error { return e.Log.Ready(ctx) }

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
	for _, f := range e.idle {
		f()
	}
	return errors.Join(errs...)
}

// shared is what is settled once for all nodes of an installation.
type shared struct {
	Identity identity `json:"identity"`
	// IndexKey is the data key that the index's hashes are made with; IndexSecret is
	// the key itself when nothing is encrypted.
	IndexKey    uint64 `json:"indexKey,omitempty"`
	IndexSecret []byte `json:"indexSecret,omitempty"`
}

const sharedName = "samdok.json"

// openScaled opens the store, settles whose data it is, and joins the other nodes.
func (d *data) openScaled(ctx context.Context, c *config.Config, l *slog.Logger, clock func() time.Time, watch watchEngine) error {
	e := &scaledEngine{}
	d.log = e
	transport, err := e.transport(watch("s3"), c.S3.CA, "s3.ca")
	if err != nil {
		return err
	}
	retention := c.S3.LockFor
	if c.S3.Lock == "off" {
		retention = 0
	}
	if e.store, err = s3.Open(ctx, s3.Options{
		Endpoint: c.S3.Endpoint, Region: c.S3.Region, Bucket: c.S3.Bucket, Prefix: c.S3.Prefix, AccessKey: c.S3.AccessKey, SecretKey: string(c.S3.SecretKey),
		SSE: c.S3.Encryption, StorageClass: c.S3.StorageClass, Retention: retention, Governance: c.S3.Lock == "governance",
		Timeout: c.S3.Timeout, Transport: transport, Clock: clock, Log: l,
	}); err != nil {
		return err
	}
	if c.Encryption {
		master, err := keyring.ParseMaster(string(c.MasterKey))
		if err != nil {
			return fmt.Errorf("setting master-key (from %s): %w", c.Source("master-key"), err)
		}
		if e.keys, err = e.store.OpenKeys(ctx, master); err != nil {
			return err
		}
	}
	secret, err := d.settle(ctx, c, e)
	if err != nil {
		return err
	}
	if transport, err = e.transport(watch("elasticsearch"), c.Elasticsearch.CA, "elasticsearch.ca"); err != nil {
		return err
	}
	replicas := c.Elasticsearch.Replicas
	if replicas == 0 {
		replicas = -1
	}
	o := elastic.Options{
		URLs: c.Elasticsearch.URLs, Username: c.Elasticsearch.User, Password: string(c.Elasticsearch.Password), APIKey: string(c.Elasticsearch.APIKey),
		Transport: transport, Prefix: c.Elasticsearch.Prefix, Secret: secret, Shards: c.Elasticsearch.Shards, Replicas: replicas, Timeout: c.Elasticsearch.Timeout,
	}
	if e.keys != nil {
		o.Keys = e.keys
	}
	if e.index, err = elastic.Open(ctx, o); err != nil {
		return err
	}
	if e.Log, err = scaled.Open(ctx, scaled.Options{S3: e.store, Keys: e.keys, Elastic: e.index, Clock: clock, Log: l}); err != nil {
		return err
	}
	e.Outbox = e.store.OpenOutbox(e.keys)
	d.documents = e.store.OpenDocuments(e.keys)
	return nil
}

// settle makes the identity that all nodes share, or checks that the settings fit
// the one there is. The data folder keeps a copy, so that it cannot be used for
// another store by mistake.
func (d *data) settle(ctx context.Context, c *config.Config, e *scaledEngine) (secret [32]byte, err error) {
	where := "bucket " + c.S3.Bucket + " at " + c.S3.Endpoint
	b, err := e.store.Settled(ctx, sharedName)
	if errors.Is(err, s3.ErrNone) {
		b, d.created, err = e.propose(ctx, c)
	}
	if err != nil {
		return secret, err
	}
	var all shared
	if err := json.Unmarshal(b, &all); err != nil {
		return secret, fmt.Errorf("settled/%s in %s is damaged: %w; restore it from a copy of the bucket", sharedName, where, err)
	}
	if err := all.Identity.check(where, c); err != nil {
		return secret, err
	}
	d.identity = all.Identity
	local, _, err := readOrSave(d.dir, all.Identity)
	if err != nil {
		return secret, err
	}
	if local != all.Identity {
		return secret, fmt.Errorf("the folder %s belongs to repository %s, the data in %s to repository %s; give this node a folder of its own", d.dir, local.RepositoryUniqueID, where, all.Identity.RepositoryUniqueID)
	}
	if e.keys == nil {
		copy(secret[:], all.IndexSecret)
		return secret, nil
	}
	return e.keys.Key(ctx, all.IndexKey)
}

// propose settles what no node has settled yet.
func (e *scaledEngine) propose(ctx context.Context, c *config.Config) (settled []byte, first bool, err error) {
	mine := shared{Identity: newIdentity(c)}
	if e.keys != nil {
		mine.IndexKey, _, err = e.keys.New(ctx)
	} else {
		mine.IndexSecret = make([]byte, 32)
		_, err = rand.Read(mine.IndexSecret)
	}
	if err != nil {
		return nil, false, err
	}
	b, err := json.MarshalIndent(mine, "", "  ")
	if err != nil {
		return nil, false, err
	}
	return e.store.Settle(ctx, sharedName, append(b, '\n'))
}

// transport is a pool of connections to one engine.
func (e *scaledEngine) transport(watch func(http.RoundTripper) http.RoundTripper, ca, setting string) (http.RoundTripper, error) {
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout: 5 * time.Second, ExpectContinueTimeout: time.Second, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
		MaxIdleConns: 512, MaxIdleConnsPerHost: 256, IdleConnTimeout: 30 * time.Second, DisableCompression: true,
		WriteBufferSize: 64 << 10, ReadBufferSize: 64 << 10,
	}
	if ca != "" {
		b, err := os.ReadFile(ca)
		if err != nil {
			return nil, fmt.Errorf("setting %s: %w", setting, err)
		}
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(b) {
			return nil, fmt.Errorf("setting %s: %s holds no certificate in PEM", setting, filepath.Base(ca))
		}
	}
	e.idle = append(e.idle, t.CloseIdleConnections)
	return watch(t), nil
}
