package interop

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"samdok/internal/servertest"
	"samdok/metadata"
	"samdok/metadata/ebrim"
	"samdok/metadata/metadatatest"
	"samdok/soap/mtom"
	"samdok/soap/xds"
)

// A foreign consumer asks an initiating gateway, which has nothing itself: it finds and opens
// what it gave to another region's repository.
func TestIPFAsksGateway(t *testing.T) {
	west := servertest.Start(t, t.TempDir(), "--gateway-respond", "on", "--home-community-id", "2.25.9002")
	file := filepath.Join(t.TempDir(), "communities.yaml")
	if err := os.WriteFile(file, []byte(fmt.Sprintf("communities:\n  - {home: %s, name: West, query: '%s'}\n", west.HomeCommunityID, west.XCA)), 0o600); err != nil {
		t.Fatal(err)
	}
	national := servertest.Start(t, t.TempDir(), "--gateway-communities", file, "--gateway-respond", "on", "--gateway-respond-scope", "communities", "--home-community-id", "2.25.9003")
	// Two gateways in front of what the client gives to the west, as a consumer and as a gateway.
	ipf(t, west, "n=3", "folder", "gateway", "home="+west.HomeCommunityID, "iti18="+national.Gateway, "iti43="+national.Gateway, "iti38="+national.XCA, "iti39="+national.XCA)
}

// A foreign gateway asks the responding gateway by ITI-38 and ITI-39 and wants the answers at
// an address of its own (wsa:ReplyTo).
func TestIPFAsksLater(t *testing.T) {
	s := servertest.Start(t, t.TempDir(), "--gateway-respond", "on", "--async-answers", "on", "--outward-allow", "loopback")
	g := metadatatest.New(rand.Uint64())
	patient := g.Patient()
	d := g.Document(patient, metadatatest.Kinds()[0])
	if _, err := xds.NewClient(xds.Options{RepositoryURL: s.Repository}).Provide(t.Context(), g.Submission(patient, d), []xds.Attachment{xds.BytesAttachment(d.Entry.ID, d.Entry.MimeType, d.Bytes)}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	sum := sha1.Sum(d.Bytes)
	out, err := exec.CommandContext(ctx, "ipf/run", "async", "iti38="+s.XCA, "iti39="+s.XCA, "home="+s.HomeCommunityID,
		"pid="+patient.ID().ID, "aa="+patient.ID().Authority, "sha1="+hex.EncodeToString(sum[:])).CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("the IPF gateway failed: %v", err)
	}
}

// We ask a foreign registry and repository and want the answers at an address of our own.
func TestIPFAnswersLater(t *testing.T) {
	base, _ := peer(t)
	var inbox *xds.Inbox
	var came atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		came.Add(1)
		inbox.ServeHTTP(w, r)
	}))
	defer srv.Close()
	inbox = xds.NewInbox(srv.URL+"/answers", mtom.Limits{}, t.TempDir())
	g := metadatatest.New(rand.Uint64())
	patient := g.Patient()
	d := g.Document(patient, metadatatest.Kinds()[0])
	if _, err := xds.NewClient(xds.Options{ProvideURL: base + "/iti41"}).Provide(t.Context(), g.Submission(patient, d), []xds.Attachment{xds.BytesAttachment(d.Entry.ID, d.Entry.MimeType, d.Bytes)}); err != nil {
		t.Fatal(err)
	}
	c := xds.NewClient(xds.Options{RegistryURL: base + "/iti18", RepositoryURL: base + "/iti43", Inbox: inbox, Patience: 2 * time.Minute})
	found, err := c.Find(t.Context(), metadata.StoredQuery{Query: &metadata.FindDocuments{Patient: patient.ID().CX(), Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}})
	if err != nil || found.Status != ebrim.Success || len(found.Objects) != 1 {
		t.Fatalf("%+v %v", found, err)
	}
	var got []byte
	if _, err := c.Retrieve(t.Context(), []metadata.DocumentRequest{{RepositoryID: "1.2.3.4", UniqueID: d.Entry.UniqueID}}, func(d xds.Document) (err error) {
		got, err = io.ReadAll(d.Body)
		return err
	}); err != nil || string(got) != string(d.Bytes) {
		t.Errorf("%d octets, %v", len(got), err)
	}
	if came.Load() != 2 {
		t.Errorf("%d answers came to the address, expected 2", came.Load())
	}
}

// IPF is one community behind our initiating gateway, beside the own one: a document that was
// provided to each is found and opened through it, whether IPF is a plain registry and
// repository or a responding gateway.
func TestIPFBehindGateway(t *testing.T) {
	t.Run("registry and repository", func(t *testing.T) { ipfBehindGateway(t, "urn:oid:2.25.9001", "xds", "iti18", "iti43") })
	t.Run("responding gateway", func(t *testing.T) { ipfBehindGateway(t, "urn:oid:1.2.3.4.5.6.2333.23", "xca", "iti38", "iti39") })
}

func ipfBehindGateway(t *testing.T, far, kind, queries, documents string) {
	base, end := peer(t)
	file := filepath.Join(t.TempDir(), "communities.yaml")
	if err := os.WriteFile(file, []byte(fmt.Sprintf("communities:\n  - {home: %s, name: IPF, kind: %s, query: '%s/%s', retrieve: '%s/%s'}\n", far, kind, base, queries, base, documents)), 0o600); err != nil {
		t.Fatal(err)
	}
	s := servertest.Start(t, t.TempDir(), "--gateway-communities", file)
	g := metadatatest.New(rand.Uint64())
	patient := g.Patient()
	provide := func(c *xds.Client, n int) metadatatest.Document {
		t.Helper()
		d := g.Document(patient, metadatatest.Kinds()[n])
		if _, err := c.Provide(t.Context(), g.Submission(patient, d), []xds.Attachment{xds.BytesAttachment(d.Entry.ID, d.Entry.MimeType, d.Bytes)}); err != nil {
			t.Fatal(err)
		}
		return d
	}
	there := provide(xds.NewClient(xds.Options{ProvideURL: base + "/iti41"}), 0)
	here := provide(xds.NewClient(xds.Options{RepositoryURL: s.Repository}), 1)

	c := xds.NewClient(xds.Options{RegistryURL: s.Gateway, RepositoryURL: s.Gateway})
	query := metadata.StoredQuery{Query: &metadata.FindDocuments{Patient: patient.ID().CX(), Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}}
	found, err := c.Find(t.Context(), query)
	if err != nil || found.Status != ebrim.Success || len(found.Objects) != 2 {
		t.Fatalf("%+v %v", found, err)
	}
	wanted := map[string]metadatatest.Document{there.Entry.UniqueID + far: there, here.Entry.UniqueID + s.HomeCommunityID: here}
	var requests []metadata.DocumentRequest
	for _, o := range found.Objects {
		e := o.(*metadata.DocumentEntry)
		if e.Home == far && e.RepositoryID == "" {
			e.RepositoryID = "1.2.3.4" // the peer does not say which it is, and takes any
		}
		requests = append(requests, metadata.DocumentRequest{Home: e.Home, RepositoryID: e.RepositoryID, UniqueID: e.UniqueID})
	}
	opened := 0
	if _, err := c.Retrieve(t.Context(), requests, func(d xds.Document) error {
		b, err := io.ReadAll(d.Body)
		if want := wanted[d.Request.UniqueID+d.Request.Home]; string(b) != string(want.Bytes) {
			t.Errorf("%+v came with %d octets, expected %d", d.Request, len(b), len(want.Bytes))
		}
		opened++
		return err
	}); err != nil || opened != 2 {
		t.Errorf("%d documents, %v", opened, err)
	}
	byID := metadata.StoredQuery{Home: far, Query: &metadata.GetDocuments{Documents: metadata.Target{UniqueIDs: []string{there.Entry.UniqueID}}}}
	if got, err := c.Find(t.Context(), byID); err != nil || len(got.Objects) != 1 {
		t.Errorf("by id: %+v %v", got, err)
	}

	// The peer ends: the own document comes, and who is missing is named.
	end()
	if found, err = c.Find(t.Context(), query); err != nil || found.Status != ebrim.PartialSuccess || len(found.Objects) != 1 || len(found.Problems) != 1 || found.Problems[0].Location != far {
		t.Errorf("%+v %v", found, err)
	}
}
