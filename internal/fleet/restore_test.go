package fleet

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"samdok/internal/enginetest"
	"samdok/internal/servertest"
	"samdok/metadata"
	"samdok/soap/xds"
)

// TestRestore copies the bucket while nodes write, as docs/operations.md tells, and
// makes an installation of the copy, with an Elasticsearch that knows nothing: it has
// everything that was acknowledged before the copy was begun, answers the same, and
// its ledgers are whole.
func TestRestore(t *testing.T) {
	f := newFleet(t, false)
	stop := f.load(4)
	f.settled(30)
	stop()
	before := f.documents
	answers := f.answers(before)

	f.documents = nil
	stop = f.load(4) // of other patients
	f.settled(5)
	bucket := enginetest.S3(t)
	f.copyTo(bucket)
	stop()
	meanwhile := f.documents
	for i := range f.nodes {
		f.nodes[i].Load().Stop()
	}

	f.moveTo(bucket)
	f.start(0)
	f.reindex()
	f.start(1)
	if diff := gocmp.Diff(answers, f.answers(before)); diff != "" {
		t.Errorf("other answers than those of the original:\n%s", diff)
	}
	f.acknowledged.Store(int64(len(before)))
	for _, d := range meanwhile { // perhaps copied; then whole
		d.acknowledged = false
	}
	f.documents = append(before, meanwhile...)
	stop = f.load(2) // and it goes on
	f.settled(5)
	stop()
	f.whole()
}

// TestRestoredErasures: what was erased, or removed by its source, after the bucket was
// copied is erased again where the copy is put, before it answers anybody, when it
// has the newest list of erasures; what was not stays.
func TestRestoredErasures(t *testing.T) {
	f := newFleet(t, false)
	stop := f.load(2)
	f.settled(4)
	stop()
	f.documents = slices.DeleteFunc(f.documents, func(d *document) bool { return !d.acknowledged })
	bucket := enginetest.S3(t)
	f.copyTo(bucket)
	erased, removed := f.documents[0], f.documents[1]
	f.command("erase", "--document", erased.uniqueID, "--reason", "after the copy")
	must(t, f.removeBytes(removed))
	f.copyFrom(f.objects(), bucket, func(name string) bool { return strings.HasPrefix(name, "erasures/") })
	for i := range f.nodes {
		f.nodes[i].Load().Stop()
	}
	f.moveTo(bucket)
	for i := range f.nodes {
		f.start(i)
		for _, d := range []*document{erased, removed} {
			if n, err := f.bytesOf(i, d); err != nil || n != 0 {
				t.Errorf("node %d: %d documents that are gone, %v", i+1, n, err)
			}
		}
		if n, err := f.bytesOf(i, f.documents[2]); err != nil || n != 1 {
			t.Errorf("node %d: %d documents that were kept, %v", i+1, n, err)
		}
	}
	f.fits()
}

// removeBytes removes a document as its source may (ITI-86).
func (f *fleet) removeBytes(d *document) error {
	e, err := f.entry(0, d)
	if err != nil {
		return err
	}
	_, err = f.client(0).RemoveDocuments(f.t.Context(), []metadata.DocumentRequest{{Home: e.Home, RepositoryID: e.RepositoryID, UniqueID: e.UniqueID}})
	return err
}

// entry is what a node says of a document; nil: nothing.
func (f *fleet) entry(node int, d *document) (entry *metadata.DocumentEntry, err error) {
	a, err := f.client(node).Find(f.t.Context(), metadata.StoredQuery{Query: &metadata.GetDocuments{Documents: metadata.Target{UniqueIDs: []string{d.uniqueID}}}})
	if err == nil && len(a.Objects) > 0 {
		entry, _ = a.Objects[0].(*metadata.DocumentEntry)
	}
	return entry, err
}

// bytesOf opens a document, if there is one, at one of the nodes.
func (f *fleet) bytesOf(node int, d *document) (n int, err error) {
	e, err := f.entry(node, d)
	if err != nil || e == nil {
		return 0, err
	}
	_, err = f.client(node).Retrieve(f.t.Context(), []metadata.DocumentRequest{{Home: e.Home, RepositoryID: e.RepositoryID, UniqueID: e.UniqueID}}, func(xds.Document) error { n++; return nil })
	if err != nil && strings.Contains(err.Error(), "XDSDocumentUniqueIdError") { // the entry stays when its source removes the bytes
		err = nil
	}
	return n, err
}

// moveTo gives the nodes that start from here on another bucket, and an Elasticsearch
// that knows nothing.
func (f *fleet) moveTo(bucket enginetest.Bucket) {
	f.t.Helper()
	f.bucket, f.index = bucket, enginetest.Elasticsearch(f.t)
	f.s3, f.elastic = meddle(f.t, f.bucket.Endpoint, false), meddle(f.t, f.index.URL, false)
	for i, arg := range f.args {
		switch arg {
		case "--s3-endpoint":
			f.args[i+1] = f.s3.url
		case "--s3-bucket":
			f.args[i+1] = bucket.Name
		case "--elasticsearch-url":
			f.args[i+1] = f.elastic.url
		case "--elasticsearch-prefix":
			f.args[i+1] = f.index.Prefix
		}
	}
	f.folders[0], f.folders[1] = f.t.TempDir(), f.t.TempDir()
}

// answers are what the first node says about the patients of some documents.
func (f *fleet) answers(sent []*document) map[string][]metadata.Object {
	f.t.Helper()
	all := map[string][]metadata.Object{}
	approved := []metadata.Status{metadata.Approved}
	for _, d := range sent {
		id := string(d.patient.CX())
		if all[id] != nil {
			continue
		}
		a, err := f.client(0).Find(context.Background(), metadata.StoredQuery{Query: &metadata.GetAll{Patient: d.patient.CX(),
			DocumentStatus: approved, SetStatus: approved, FolderStatus: approved, AssociationStatus: approved}})
		must(f.t, err)
		slices.SortFunc(a.Objects, func(a, b metadata.Object) int { return cmp.Compare(a.ObjectID(), b.ObjectID()) })
		all[id] = a.Objects
	}
	return all
}

// reindex runs `samdok reindex`.
func (f *fleet) reindex() {
	f.t.Helper()
	f.command("reindex")
}

// command runs a command of samdok on the installation.
func (f *fleet) command(args ...string) {
	f.t.Helper()
	binary, err := servertest.Build()
	must(f.t, err)
	args = append(append(args, "--data", filepath.Join(f.t.TempDir(), "none")), f.args...)
	if out, err := exec.Command(binary, args...).CombinedOutput(); err != nil {
		f.t.Fatalf("samdok %s: %v\n%s", args[0], err, out)
	}
}

// copyTo copies the bucket in the order in which nothing that is copied leads to
// something that is not: what refers goes before what it refers to.
func (f *fleet) copyTo(to enginetest.Bucket) {
	f.t.Helper()
	c := f.objects()
	first, last := []string{"ledger-lists/", "ledger-told/", "journal/"}, []string{"keys/", "ledger-keys/"}
	in := func(prefixes []string) func(string) bool {
		return func(name string) bool {
			return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
		}
	}
	steps := []func(string) bool{}
	for _, p := range first {
		steps = append(steps, in([]string{p}))
	}
	others := in(slices.Concat(first, last))
	steps = append(steps, func(name string) bool { return !others(name) }, in(last))
	n := 0
	for _, step := range steps {
		n += f.copyFrom(c, to, step)
	}
	f.t.Logf("%d objects were copied while %d documents had been acknowledged", n, f.acknowledged.Load())
}

// objects reaches the bucket past samdok.
func (f *fleet) objects() *minio.Client {
	f.t.Helper()
	u, err := url.Parse(f.bucket.Endpoint)
	must(f.t, err)
	c, err := minio.New(u.Host, &minio.Options{Creds: credentials.NewStaticV4(f.bucket.AccessKey, f.bucket.SecretKey, ""), Transport: &http.Transport{DisableKeepAlives: true}})
	must(f.t, err)
	return c
}

// copyFrom copies the objects of some names.
func (f *fleet) copyFrom(c *minio.Client, to enginetest.Bucket, step func(string) bool) (n int) {
	f.t.Helper()
	for again := true; again; { // what went away meanwhile may have another name now
		again = false
		for o := range c.ListObjects(f.t.Context(), f.bucket.Name, minio.ListObjectsOptions{Recursive: true}) {
			must(f.t, o.Err)
			if !step(o.Key) || strings.HasSuffix(o.Key, "/") {
				continue
			}
			_, err := c.CopyObject(f.t.Context(), minio.CopyDestOptions{Bucket: to.Name, Object: o.Key}, minio.CopySrcOptions{Bucket: f.bucket.Name, Object: o.Key})
			if minio.ToErrorResponse(err).Code == "NoSuchKey" {
				again = true
				continue
			}
			must(f.t, err)
			n++
		}
	}
	return n
}
