package app

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"samdok/access"
	"samdok/discovery"
	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/ebrim"
	"samdok/metadata/metadatatest"
	"samdok/sharing"
	"samdok/soap/xds"
)

// region is a server with documents of one patient.
type region struct {
	app    *App
	stop   func()
	client *xds.Client
	entry  *metadata.DocumentEntry
	bytes  []byte
}

const regionHome = "2.16.578.1.12.4.5.100."

func newRegion(t *testing.T, n int, patient metadatatest.Patient, more ...string) *region {
	t.Helper()
	a, stop := serve(t, settings(t, t.TempDir(), append([]string{"gateway-respond", "on", "home-community-id", fmt.Sprint(regionHome, n)}, more...)...), io.Discard)
	r := &region{app: a, stop: stop, client: xds.NewClient(xds.Options{RegistryURL: a.Info().Registry, RepositoryURL: a.Info().Repository})}
	g := metadatatest.New(uint64(n))
	d := g.Document(patient, metadatatest.Kinds()[n%len(metadatatest.Kinds())])
	sub := g.Submission(patient, d)
	if _, err := r.client.Provide(context.Background(), sub, []xds.Attachment{xds.BytesAttachment(d.Entry.ID, d.Entry.MimeType, d.Bytes)}); err != nil {
		t.Fatal(err)
	}
	r.entry, r.bytes = d.Entry, d.Bytes
	return r
}

func communitiesFile(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "communities.yaml")
	if err := os.WriteFile(path, []byte("communities:\n"+strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (r *region) line(more string) string {
	return fmt.Sprintf("  - {home: %s, name: R, query: '%s', deadline: 2s%s}", r.app.Info().HomeCommunityID, r.app.Info().XCA, more)
}

func gatewayClient(a *App) *xds.Client {
	return xds.NewClient(xds.Options{RegistryURL: a.Info().Gateway, RepositoryURL: a.Info().Gateway})
}

func findAll(t *testing.T, c *xds.Client, patient metadatatest.Patient, back metadata.ReturnType) *ebrim.QueryResponse {
	t.Helper()
	q := metadata.StoredQuery{Return: back, Query: &metadata.FindDocuments{Patient: patient.ID().CX(), Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}}
	found, err := c.Find(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func codes(problems []fault.Problem) string {
	var all []string
	for _, p := range problems {
		all = append(all, string(p.Code)+"@"+strings.TrimPrefix(p.Location, "urn:oid:"+regionHome))
	}
	return strings.Join(all, " ")
}

// Two regions, one of them without a gateway, behind a national gateway that has a
// document of its own; a consumer of its and kjernejournal, over ITI-38, see all.
func TestRegions(t *testing.T) {
	patient := metadatatest.New(1).Patient()
	one, two := newRegion(t, 1, patient), newRegion(t, 2, patient)
	file := communitiesFile(t, one.line(""),
		fmt.Sprintf("  - {home: %s, kind: xds, query: '%s', retrieve: '%s'}", two.app.Info().HomeCommunityID, two.app.Info().Registry, two.app.Info().Repository))
	national := newRegion(t, 3, patient, "gateway-communities", file, "gateway-respond-scope", "communities")
	gate := gatewayClient(national.app)

	found := findAll(t, gate, patient, metadata.LeafClass)
	if len(found.Objects) != 3 || found.Status != ebrim.Success || len(found.Problems) != 0 {
		t.Fatalf("%+v", found)
	}
	regions := []*region{national, one, two}
	var requests []metadata.DocumentRequest
	at := func(home string) int { // communities come as they answered
		return slices.IndexFunc(regions, func(r *region) bool { return r.app.Info().HomeCommunityID == home })
	}
	slices.SortFunc(found.Objects, func(a, b metadata.Object) int { return at(metadata.HomeOf(a)) - at(metadata.HomeOf(b)) })
	for i, o := range found.Objects {
		e := o.(*metadata.DocumentEntry)
		if e.Home != regions[i].app.Info().HomeCommunityID || e.UniqueID != regions[i].entry.UniqueID {
			t.Errorf("document %d is %s of %s", i, e.UniqueID, e.Home)
		}
		requests = append(requests, metadata.DocumentRequest{Home: e.Home, RepositoryID: e.RepositoryID, UniqueID: e.UniqueID})
	}
	if refs := findAll(t, gate, patient, metadata.ObjectRef); len(refs.Refs) != 3 || !slices.ContainsFunc(refs.Refs, func(r ebrim.Ref) bool { return r.Home == requests[1].Home }) {
		t.Errorf("references: %+v", refs.Refs)
	}
	open := func(c *xds.Client) {
		t.Helper()
		i := 0
		if _, err := c.Retrieve(context.Background(), requests, func(d xds.Document) error {
			b, err := io.ReadAll(d.Body)
			if !bytes.Equal(b, regions[i].bytes) || d.Request != requests[i] {
				t.Errorf("document %d: %d bytes of %+v", i, len(b), d.Request)
			}
			i++
			return err
		}); err != nil || i != 3 {
			t.Errorf("%d documents, %v", i, err)
		}
	}
	open(gate)
	byID, err := gate.Find(context.Background(), metadata.StoredQuery{Home: requests[2].Home, Query: &metadata.GetDocuments{Documents: metadata.Target{UniqueIDs: []string{requests[2].UniqueID}}}})
	if err != nil || len(byID.Objects) != 1 {
		t.Errorf("by id: %+v, %v", byID, err)
	}

	// One region stops: the others' documents come, and who is missing is named.
	one.stop()
	found = findAll(t, gate, patient, metadata.LeafClass)
	if found.Status != ebrim.PartialSuccess || len(found.Objects) != 2 || codes(found.Problems) != "XDSUnavailableCommunity@1" {
		t.Errorf("%v with %d objects: %s", found.Status, len(found.Objects), codes(found.Problems))
	}
	answer, err := gate.Retrieve(context.Background(), requests, func(xds.Document) error { return nil })
	if err != nil || answer.Status != ebrim.PartialSuccess || codes(answer.Problems) != "XDSUnavailableCommunity@"+requests[1].UniqueID {
		t.Errorf("%+v, %v", answer, err)
	}
	if s := national.app.Communities(); len(s) != 2 || s[0].Failed+s[0].Slow == 0 || s[1].Answered == 0 {
		t.Errorf("%+v", s)
	}
}

// A gateway that is asked through others, and gateways that ask each other.
func TestCircles(t *testing.T) {
	patient := metadatatest.New(2).Patient()
	file := communitiesFile(t)
	a := newRegion(t, 1, patient, "gateway-communities", file, "gateway-respond-scope", "communities")
	b := newRegion(t, 2, patient, "gateway-communities", communitiesFile(t, a.line(", bridge: true")), "gateway-respond-scope", "communities")
	// a learns of b while it runs.
	if err := os.WriteFile(file, []byte("communities:\n"+b.line(", bridge: true")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var seen stamp
	if err := a.app.reloadCommunities(&seen); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	found := findAll(t, gatewayClient(b.app), patient, metadata.LeafClass)
	homes := map[string]bool{}
	for _, o := range found.Objects {
		homes[o.(*metadata.DocumentEntry).Home] = true
	}
	if took := time.Since(start); took > 9*time.Second || len(homes) != 2 {
		t.Errorf("%d objects of %v after %v: %s", len(found.Objects), homes, took, codes(found.Problems))
	}
	// A file that is wrong changes nothing.
	for _, wrong := range []string{"communities: [{home: x}]", "communities:\n" + a.line("")} {
		if err := os.WriteFile(file, []byte(wrong), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := a.app.reloadCommunities(&seen); err == nil {
			t.Errorf("%q was taken", wrong)
		}
		if len(a.app.Communities()) != 1 {
			t.Errorf("%+v", a.app.Communities())
		}
	}
}

// The file changes while a query is under way: that query gets its answer, later ones do not
// ask who is gone. A broken file leaves the communities as they are and is told of once.
func TestFileChangesUnderQueries(t *testing.T) {
	patient := metadatatest.New(15).Patient()
	came, answer := make(chan struct{}), make(chan struct{})
	told := sync.OnceFunc(func() { close(came) }) // who is told "later" asks again
	good := newRegion(t, 1, patient)
	slow := misbehaved(t, func(w http.ResponseWriter, r *http.Request) {
		told()
		<-answer
		http.Error(w, "later", http.StatusServiceUnavailable)
	})
	file := communitiesFile(t, good.line(""), fmt.Sprintf("  - {home: %s9, query: '%s', deadline: 20s}", regionHome, slow))
	national := newRegion(t, 3, patient, "gateway-communities", file)
	found := make(chan *ebrim.QueryResponse)
	go func() { found <- findAll(t, gatewayClient(national.app), patient, metadata.LeafClass) }()
	<-came
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var seen stamp
	write("communities:\n" + good.line("") + "\n")
	if err := national.app.reloadCommunities(&seen); err != nil {
		t.Fatal(err)
	}
	close(answer)
	if f := <-found; len(f.Objects) != 2 || codes(f.Problems) != "XDSUnavailableCommunity@9" {
		t.Errorf("%d objects, %s", len(f.Objects), codes(f.Problems))
	}
	for _, broken := range []string{"communities: [", "communities: [{home: x}]", "\x00", strings.Repeat("a: &a [*a]\n", 3)} {
		write(broken)
		if err := national.app.reloadCommunities(&seen); err == nil || !strings.Contains(err.Error(), "is not used") {
			t.Errorf("%q: %v", broken, err)
		}
		if err := national.app.reloadCommunities(&seen); err != nil {
			t.Errorf("%q was told of twice", broken)
		}
		if f := findAll(t, gatewayClient(national.app), patient, metadata.LeafClass); len(f.Objects) != 2 || f.Status != ebrim.Success {
			t.Errorf("%q: %d objects, %s", broken, len(f.Objects), codes(f.Problems))
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := national.app.reloadCommunities(&seen); err == nil {
		t.Error("a file that is gone was not told of")
	}
	if f := findAll(t, gatewayClient(national.app), patient, metadata.LeafClass); len(f.Objects) != 2 {
		t.Errorf("without the file: %d objects", len(f.Objects))
	}
}

// What a responding gateway owes its askers (ITI TF-2 3.38.4.1.3, 3.39.4.1.3).
func TestRespondingGateway(t *testing.T) {
	patient := metadatatest.New(3).Patient()
	r := newRegion(t, 1, patient, "gateway-respond-kinds", "documents")
	home := r.app.Info().HomeCommunityID
	ask := func(q metadata.StoredQuery) (int, string) {
		n := 0
		k := xds.NewCommunity(xds.CommunityOptions{Client: xds.Options{QueryURL: r.app.Info().XCA, RetrieveURL: r.app.Info().XCA}})
		problems, err := k.Find(context.Background(), access.Caller{}, q, func(o metadata.Object) error {
			if e, ok := o.(*metadata.DocumentEntry); !ok || e.Home != home {
				t.Errorf("%T of %q", o, e.Home)
			}
			n++
			return nil
		})
		if err != nil {
			problems = fault.ProblemsOf(err)
		}
		return n, codes(problems)
	}
	unique := metadata.Target{UniqueIDs: []string{r.entry.UniqueID}}
	for name, c := range map[string]struct {
		q     metadata.StoredQuery
		n     int
		codes string
	}{
		"documents":         {metadata.StoredQuery{Query: &metadata.FindDocuments{Patient: patient.ID().CX(), Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}}, 1, ""},
		"by id":             {metadata.StoredQuery{Home: home, Query: &metadata.GetDocuments{Documents: unique}}, 1, ""},
		"without home":      {metadata.StoredQuery{Query: &metadata.GetDocuments{Documents: unique}}, 0, "XDSMissingHomeCommunityId@1"},
		"another home":      {metadata.StoredQuery{Home: "urn:oid:1.9", Query: &metadata.GetDocuments{Documents: unique}}, 0, "XDSUnknownCommunity@1"},
		"unknown patient":   {metadata.StoredQuery{Query: &metadata.FindDocuments{Patient: metadatatest.New(99).Patient().ID().CX(), Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}}, 0, ""},
		"sets":              {metadata.StoredQuery{Query: &metadata.FindSubmissionSets{Patient: patient.ID().CX(), Filter: metadata.SubmissionSetFilter{Status: []metadata.Status{metadata.Approved}}}}, 0, ""},
		"with associations": {metadata.StoredQuery{Home: home, Query: &metadata.GetDocumentsAndAssociations{Documents: unique}}, 1, ""},
	} {
		if n, codes := ask(c.q); n != c.n || codes != c.codes {
			t.Errorf("%s: %d objects, %q", name, n, codes)
		}
	}
	k := xds.NewCommunity(xds.CommunityOptions{Client: xds.Options{QueryURL: r.app.Info().XCA, RetrieveURL: r.app.Info().XCA}})
	_, err := k.Retrieve(context.Background(), access.Caller{}, []metadata.DocumentRequest{{Home: home, RepositoryID: r.app.Info().RepositoryUniqueID, UniqueID: "1.2.3.4"}})
	if p := fault.ProblemsOf(err); len(p) != 1 || p[0].Location != "1.2.3.4 "+home {
		t.Errorf("%+v, %v", p, err)
	}
	// ITI-39 is multipart/related, also for those who ask in plain SOAP.
	plain := `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing"><s:Header>` +
		`<a:Action s:mustUnderstand="1">urn:ihe:iti:2007:CrossGatewayRetrieve</a:Action><a:MessageID>urn:uuid:7a6cf2f6-2d6e-4a4a-8d1a-0d3f3f1e2a10</a:MessageID></s:Header><s:Body>` +
		`<x:RetrieveDocumentSetRequest xmlns:x="urn:ihe:iti:xds-b:2007"><x:DocumentRequest><x:HomeCommunityId>` + home + `</x:HomeCommunityId><x:RepositoryUniqueId>` +
		r.app.Info().RepositoryUniqueID + `</x:RepositoryUniqueId><x:DocumentUniqueId>` + r.entry.UniqueID + `</x:DocumentUniqueId></x:DocumentRequest></x:RetrieveDocumentSetRequest></s:Body></s:Envelope>`
	for _, body := range []string{plain, strings.Replace(plain, r.entry.UniqueID, "1.2.3.4", 1)} {
		resp, err := http.Post(r.app.Info().XCA, "application/soap+xml; charset=UTF-8", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "multipart/related;") || body == plain != bytes.Contains(got, r.bytes) {
			t.Errorf("HTTP %d %s: %.200s, %v", resp.StatusCode, resp.Header.Get("Content-Type"), got, err)
		}
	}
}

// Registries of several organisations stand behind one gateway under its one home.
func TestRegistriesUnderOneHome(t *testing.T) {
	patient := metadatatest.New(12).Patient()
	beside := newRegion(t, 2, patient)
	info := beside.app.Info()
	line := fmt.Sprintf("  - {home: %s1, name: hospital, kind: xds, repositories: [%s], query: '%s', retrieve: '%s'}", regionHome, info.RepositoryUniqueID, info.Registry, info.Repository)
	shared := newRegion(t, 1, patient, "gateway-communities", communitiesFile(t, line))
	home := shared.app.Info().HomeCommunityID
	far := newRegion(t, 3, patient, "gateway-communities", communitiesFile(t, shared.line("")))
	for name, c := range map[string]*xds.Client{"its own consumers": gatewayClient(shared.app), "another gateway's": gatewayClient(far.app)} {
		found := findAll(t, c, patient, metadata.LeafClass)
		var requests []metadata.DocumentRequest
		for _, o := range found.Objects {
			if e := o.(*metadata.DocumentEntry); e.Home == home {
				requests = append(requests, metadata.DocumentRequest{Home: e.Home, RepositoryID: e.RepositoryID, UniqueID: e.UniqueID})
			}
		}
		if len(requests) != 2 || len(found.Problems) != 0 {
			t.Fatalf("%s: %+v, %s", name, found, codes(found.Problems))
		}
		got := 0
		answer, err := c.Retrieve(t.Context(), requests, func(d xds.Document) error {
			b, err := io.ReadAll(d.Body)
			if d.Request.Home != home || !bytes.Equal(b, shared.bytes) && !bytes.Equal(b, beside.bytes) {
				t.Errorf("%s: %d octets of %+v", name, len(b), d.Request)
			}
			got++
			return err
		})
		if err != nil || got != 2 {
			t.Errorf("%s: %d documents, %+v, %v", name, got, answer, err)
		}
	}
}

// misbehaved is a community whose every answer is wrong in its own way.
func misbehaved(t *testing.T, answer http.HandlerFunc) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// A community that sends a byte a second, without end, too deep or nothing at all
// costs its own documents and no time beyond its deadline.
func TestCommunitiesThatMisbehave(t *testing.T) {
	patient := metadatatest.New(4).Patient()
	soapType := "application/soap+xml; charset=UTF-8"
	open := `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>`
	for name, answer := range map[string]http.HandlerFunc{
		"a byte a second": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", soapType)
			for _, c := range open {
				fmt.Fprintf(w, "%c", c)
				w.(http.Flusher).Flush()
				select {
				case <-r.Context().Done():
					return
				case <-time.After(time.Second):
				}
			}
		},
		"without end": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", soapType)
			io.WriteString(w, open)
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, strings.Repeat("<a>x</a>", 1<<12)); err != nil {
					return
				}
			}
		},
		"too deep": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", soapType)
			io.WriteString(w, open+strings.Repeat("<a>", 100_000))
		},
		"silence":    func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"a web page": func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>") },
		"somewhere else": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		},
		"a reset": func(w http.ResponseWriter, r *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				c.(*net.TCPConn).SetLinger(0)
				c.Close()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			good := newRegion(t, 1, patient)
			file := communitiesFile(t, good.line(""), fmt.Sprintf("  - {home: %s9, query: '%s', deadline: 700ms}", regionHome, misbehaved(t, answer)))
			national := newRegion(t, 3, patient, "gateway-communities", file)
			start := time.Now()
			found := findAll(t, gatewayClient(national.app), patient, metadata.LeafClass)
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
			if len(found.Objects) != 2 || codes(found.Problems) != "XDSUnavailableCommunity@9" {
				t.Errorf("%d objects, %s", len(found.Objects), codes(found.Problems))
			}
		})
	}
}

// A document streams through two gateways: its first bytes arrive while its last
// ones are not there yet, and a community that breaks off is never taken for a whole
// document.
func TestDocumentsStreamThrough(t *testing.T) {
	patient := metadatatest.New(5).Patient()
	far := newRegion(t, 1, patient)
	middle := newRegion(t, 2, patient, "gateway-communities", communitiesFile(t, far.line("")), "gateway-respond-scope", "communities")
	near := newRegion(t, 3, patient, "gateway-communities", communitiesFile(t, middle.line(", bridge: true")))

	large := make([]byte, 40<<20)
	rand.Read(large)
	g := metadatatest.New(77)
	d := g.Document(patient, metadatatest.Kinds()[0])
	d.Entry.Hash, d.Entry.Size = "", metadata.Size{}
	if _, err := far.client.Provide(context.Background(), g.Submission(patient, d), []xds.Attachment{xds.BytesAttachment(d.Entry.ID, d.Entry.MimeType, large)}); err != nil {
		t.Fatal(err)
	}
	request := []metadata.DocumentRequest{{Home: far.app.Info().HomeCommunityID, RepositoryID: far.app.Info().RepositoryUniqueID, UniqueID: d.Entry.UniqueID}}
	if !strings.HasPrefix(request[0].Home, "urn:oid:") {
		t.Fatal(request[0].Home)
	}
	sum := sha256.New()
	_, err := gatewayClient(near.app).Retrieve(context.Background(), request, func(d xds.Document) error {
		_, err := io.Copy(sum, d.Body)
		return err
	})
	if want := sha256.Sum256(large); err != nil || !bytes.Equal(sum.Sum(nil), want[:]) {
		t.Errorf("it arrived altered: %v", err)
	}
}

// A community with patient ids of its own is asked by ITI-55 who the patient is; a merge
// there and here is followed.
func TestDiscoveryBetweenCommunities(t *testing.T) {
	patient, other := metadatatest.New(8).Patient(), metadatatest.New(9).Patient()
	far := newRegion(t, 1, patient, "gateway-discovery", "names")
	stranger := newRegion(t, 2, other, "gateway-discovery", "ids")
	line := func(r *region) string { return r.line(", discover: '" + r.app.Info().XCPD + "'") }
	near := newRegion(t, 3, patient, "gateway-communities", communitiesFile(t, line(far), line(stranger)), "gateway-discovery", "ids")

	found := findAll(t, gatewayClient(near.app), patient, metadata.LeafClass)
	if len(found.Objects) != 2 || len(found.Problems) != 0 {
		t.Fatalf("%d objects, %s", len(found.Objects), codes(found.Problems))
	}
	// Who has the patient is known now, to those who ask where there is something.
	client := xds.NewClient(xds.Options{DiscoverURL: near.app.Info().XCPD})
	all, err := client.Locate(t.Context(), patient.ID())
	if err != nil || len(all) != 2 || all[1].Home != far.app.Info().HomeCommunityID || all[1].ID != patient.ID() {
		t.Errorf("%+v %v", all, err)
	}
	if _, err := client.Locate(t.Context(), other.ID()); err == nil {
		t.Error("a patient of nobody is located")
	}
	// The number changes here: what others said of the old one is forgotten.
	now := metadatatest.New(10).Patient().ID()
	for _, f := range []sharing.PatientFeed{{Kind: sharing.PatientAdded, Patient: patient.ID()}, {Kind: sharing.PatientAdded, Patient: now},
		{Kind: sharing.PatientsMerged, Patient: now, Subsumed: []metadata.PatientID{patient.ID()}}} {
		if err := near.app.sharing.Feed(t.Context(), access.Caller{Loopback: true}, f); err != nil {
			t.Fatal(err)
		}
	}
	if e := near.app.gateways.others.Elsewhere(patient.ID()); len(e) != 0 {
		t.Errorf("remembered after a merge: %+v", e)
	}
	answer, _, err := client.Discover(t.Context(), "urn:oid:1.2", discovery.Query{IDs: []metadata.PatientID{patient.ID()}})
	if err != nil || len(answer.Candidates) != 1 || answer.Candidates[0].ID != now || !answer.Candidates[0].Locator {
		t.Errorf("%+v %v", answer, err)
	}
}
