package fleet

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	samdok "samdok/fault"
	"samdok/internal/enginetest"
	"samdok/internal/servertest"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/repository"
	"samdok/soap/xds"
	"samdok/storage/elastic"
	"samdok/storage/keyring"
	"samdok/storage/s3"
	"samdok/storage/scaled"
)

func long() bool { return os.Getenv("SAMDOK_LONG") != "" }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fleet is two nodes, and the ways to what they rest on.
type fleet struct {
	t            testing.TB
	bucket       enginetest.Bucket
	index        enginetest.Index
	s3, elastic  *meddler
	args         []string
	nodes        [2]atomic.Pointer[servertest.Server]
	folders      [2]string
	http         *http.Client
	mu           sync.Mutex
	documents    []*document
	acknowledged atomic.Int64
	retried      atomic.Int64
}

// document was sent, and perhaps acknowledged.
type document struct {
	patient      metadatatest.Patient
	id           metadata.ID
	uniqueID     string
	bytes        []byte
	acknowledged bool
}

func newFleet(t testing.TB, secure bool) *fleet {
	return fleetOn(t, enginetest.S3(t), enginetest.Elasticsearch(t), secure)
}

func fleetOn(t testing.TB, bucket enginetest.Bucket, index enginetest.Index, secure bool) *fleet {
	f := prepare(t, bucket, index, secure)
	for i := range f.nodes {
		f.start(i)
	}
	return f
}

// prepare is a fleet whose nodes are not started.
func prepare(t testing.TB, bucket enginetest.Bucket, index enginetest.Index, secure bool) *fleet {
	f := &fleet{t: t, bucket: bucket, index: index}
	f.s3, f.elastic = meddle(t, f.bucket.Endpoint, secure), meddle(t, f.index.URL, secure)
	key := make([]byte, 32)
	_, err := rand.Read(key)
	must(t, err)
	t.Setenv("SAMDOK_MASTER_KEY", base64.StdEncoding.EncodeToString(key))
	t.Setenv("SAMDOK_S3_SECRET_KEY", f.bucket.SecretKey)
	f.args = []string{"--storage", "scaled", "--profile", "norway", "--s3-endpoint", f.s3.url, "--s3-bucket", f.bucket.Name, "--s3-access-key", f.bucket.AccessKey,
		"--elasticsearch-url", f.elastic.url, "--elasticsearch-prefix", f.index.Prefix, "--elasticsearch-replicas", "0", "--http-rate", "0", "--http-client-share", "100"}
	if secure {
		f.args = append(f.args, "--s3-ca", f.s3.ca, "--elasticsearch-ca", f.elastic.ca)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 32, IdleConnTimeout: time.Second}
	f.http = &http.Client{Transport: transport, Timeout: 50 * time.Second}
	t.Cleanup(transport.CloseIdleConnections)
	for i := range f.nodes {
		f.folders[i] = t.TempDir()
	}
	return f
}

func (f *fleet) start(i int, more ...string) {
	f.nodes[i].Store(servertest.Start(f.t, f.folders[i], append(f.args, more...)...))
}

func (f *fleet) client(i int) *xds.Client {
	n := f.nodes[i].Load()
	return xds.NewClient(xds.Options{RegistryURL: n.Registry, RepositoryURL: n.Repository, HTTP: f.http})
}

// load sends documents from some clients until stop is called, which waits for
// them.
func (f *fleet) load(clients int) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for range clients {
		g := metadatatest.New(mathrand.Uint64())
		g.Now = time.Now()
		all.Go(func() {
			p := g.Patient()
			for n := 0; ctx.Err() == nil; n++ {
				if n%8 == 7 {
					p = g.Patient()
				}
				d := g.Document(p, metadatatest.Kinds()[n%3])
				sent := &document{patient: p, id: d.Entry.ID, uniqueID: d.Entry.UniqueID, bytes: d.Bytes}
				f.mu.Lock()
				f.documents = append(f.documents, sent)
				f.mu.Unlock()
				f.provide(ctx, g.Submission(p, d), sent)
			}
		})
	}
	return func() { cancel(); all.Wait() }
}

// provide sends a document to one node after the other until it is acknowledged or
// the load ends. An error must say that it may be sent again.
func (f *fleet) provide(ctx context.Context, sub *metadata.Submission, d *document) {
	for n := mathrand.IntN(2); ; n++ {
		calling, cancel := context.WithTimeout(context.Background(), time.Minute)
		_, err := f.client(n%2).Provide(calling, sub, []xds.Attachment{xds.BytesAttachment(d.id, sub.Entries[0].MimeType, d.bytes)})
		cancel()
		var refused *xds.RefusedError
		switch {
		case err == nil, errors.As(err, &refused) && refused.Problems[0].Code == samdok.DuplicateUniqueID:
			d.acknowledged = true
			f.acknowledged.Add(1)
			return
		case errors.As(err, &refused) && !again(refused.Problems):
			f.t.Errorf("a sender is not told that it may send again: %v", err)
			return
		}
		f.retried.Add(1)
		select {
		case <-ctx.Done():
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// again tells whether every problem is one of the moment.
func again(problems []samdok.Problem) bool {
	for _, p := range problems {
		switch p.Code {
		case samdok.RegistryBusy, samdok.RepositoryBusy, samdok.RegistryNotAvailable, samdok.RegistryError, samdok.RepositoryError, samdok.RegistryOutOfResources, samdok.RepositoryOutOfResources:
		default:
			return false
		}
	}
	return true
}

// settled waits until some more documents are acknowledged: the fault is over.
func (f *fleet) settled(more int64) {
	f.t.Helper()
	from := f.acknowledged.Load()
	for begun := time.Now(); f.acknowledged.Load() < from+more; time.Sleep(20 * time.Millisecond) {
		if time.Since(begun) > 2*time.Minute {
			f.t.Fatalf("only %d documents were acknowledged in the two minutes after a fault", f.acknowledged.Load()-from)
		}
	}
}

// check asks each node about every patient, and counts the documents that are
// registered.
func (f *fleet) check() int64 {
	f.t.Helper()
	var registered [len(f.nodes)]atomic.Int64
	patients := map[metadatatest.Patient][]*document{}
	for _, d := range f.documents {
		patients[d.patient] = append(patients[d.patient], d)
	}
	var all sync.WaitGroup
	limit := make(chan struct{}, 4)
	for p, sent := range patients {
		for i := range f.nodes {
			limit <- struct{}{}
			all.Go(func() {
				n, err := f.patient(f.client(i), p, sent)
				if err != nil {
					f.t.Errorf("node %d: %v", i+1, err)
				}
				registered[i].Add(n)
				<-limit
			})
		}
	}
	all.Wait()
	if a, b := registered[0].Load(), registered[1].Load(); a != b {
		f.t.Errorf("one node finds %d documents, the other %d", a, b)
	}
	return registered[0].Load()
}

// patient is right when everything acknowledged is there, and all that is there is
// whole: entry, submission set, membership and bytes.
func (f *fleet) patient(c *xds.Client, p metadatatest.Patient, sent []*document) (n int64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	approved := []metadata.Status{metadata.Approved}
	a, err := c.Find(ctx, metadata.StoredQuery{Query: &metadata.GetAll{Patient: p.CX(), DocumentStatus: approved, SetStatus: approved, FolderStatus: approved, AssociationStatus: approved}})
	if err != nil {
		return 0, err
	}
	entries, sets, links := map[string]*metadata.DocumentEntry{}, 0, 0
	for _, o := range a.Objects {
		switch o := o.(type) {
		case *metadata.DocumentEntry:
			entries[o.UniqueID] = o
		case *metadata.SubmissionSet:
			sets++
		case *metadata.Association:
			links++
		}
	}
	if len(entries) != sets || len(entries) != links {
		return 0, errors.New("something is there by half")
	}
	n = int64(len(entries))
	for _, d := range sent {
		e := entries[d.uniqueID]
		if e == nil && d.acknowledged {
			return 0, errors.New("a document that was acknowledged is not found")
		}
		if e == nil {
			continue
		}
		var got []byte
		if _, err := c.Retrieve(ctx, []metadata.DocumentRequest{{Home: e.Home, RepositoryID: e.RepositoryID, UniqueID: e.UniqueID}}, func(d xds.Document) (err error) {
			got, err = io.ReadAll(d.Body)
			return err
		}); err != nil {
			return 0, err
		}
		if !bytes.Equal(got, d.bytes) {
			return 0, errors.New("a document has other bytes")
		}
		delete(entries, d.uniqueID)
	}
	if len(entries) > 0 {
		return 0, errors.New("there is a document that nobody has sent")
	}
	return n, nil
}

// fits runs `samdok verify storage`.
func (f *fleet) fits() {
	f.t.Helper()
	binary, err := servertest.Build()
	must(f.t, err)
	cmd := exec.Command(binary, append([]string{"verify", "storage", "--read-documents", "--data", filepath.Join(f.t.TempDir(), "none")}, f.args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		f.t.Errorf("samdok verify storage: %v\n%s", err, out)
	}
}

// swept deletes what belongs to nothing, as the sweep of a day later does, and
// compares what is left.
func (f *fleet) swept(bound int64) {
	f.t.Helper()
	ctx := f.t.Context()
	tomorrow := func() time.Time { return time.Now().Add(25 * time.Hour) }
	store, err := s3.Open(ctx, s3.Options{Endpoint: f.bucket.Endpoint, Bucket: f.bucket.Name, AccessKey: f.bucket.AccessKey, SecretKey: f.bucket.SecretKey, Proven: true, Clock: tomorrow})
	must(f.t, err)
	defer store.Close()
	master, err := keyring.ParseMaster(os.Getenv("SAMDOK_MASTER_KEY"))
	must(f.t, err)
	keys, err := store.OpenKeys(ctx, master)
	must(f.t, err)
	defer keys.Close()
	secret, err := store.Secret(ctx, keys)
	must(f.t, err)
	index, err := elastic.Open(ctx, elastic.Options{URLs: []string{f.index.URL}, Prefix: f.index.Prefix, Secret: secret, Keys: keys})
	must(f.t, err)
	defer index.Close()
	log, err := scaled.Open(ctx, scaled.Options{S3: store, Keys: keys, Elastic: index})
	must(f.t, err)
	defer log.Close()
	before := f.stored()
	swept, err := repository.New(repository.Options{Documents: store.Documents(keys), Log: log, ID: "1.2.3", Clock: tomorrow}).Sweep(ctx, true)
	must(f.t, err)
	f.t.Logf("%d documents stored, %d registered, %d swept", before, bound, swept.Deleted)
	if n := f.stored(); n != bound {
		f.t.Errorf("%d documents are stored after the sweep, and %d registered", n, bound)
	}
}

func (f *fleet) stored() (n int64) {
	u, err := url.Parse(f.bucket.Endpoint)
	must(f.t, err)
	transport := &http.Transport{DisableKeepAlives: true}
	c, err := minio.New(u.Host, &minio.Options{Creds: credentials.NewStaticV4(f.bucket.AccessKey, f.bucket.SecretKey, ""), Transport: transport})
	must(f.t, err)
	for o := range c.ListObjects(f.t.Context(), f.bucket.Name, minio.ListObjectsOptions{Prefix: "documents/", Recursive: true}) {
		must(f.t, o.Err)
		if !strings.HasSuffix(o.Key, "/") {
			n++
		}
	}
	return n
}
