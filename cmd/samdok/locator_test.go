package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"samdok/locator"
	"samdok/locator/rest"
	"samdok/metadata"
	"samdok/metadata/ebrim"
	"samdok/metadata/metadatatest"
	"samdok/soap/xds"
)

// quick makes locators learn fast, and doubt fast.
var quick = []string{"--locator-report-every", "200ms", "--locator-stale", "2s", "--locator-probe", "0"}

func (p *process) locatorClient(t *testing.T) *rest.Client {
	t.Helper()
	return rest.NewClient(p.URL, &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}})
}

// until waits for something to become true.
func until(t *testing.T, what string, is func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err = is(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}

// registers puts one document of a patient into a region.
func registers(t *testing.T, region *process, g *metadatatest.Gen, p metadatatest.Patient) {
	t.Helper()
	d := g.Document(p, metadatatest.Note)
	s := submission{metadata: g.Submission(p, d), documents: []metadatatest.Document{d}}
	if _, err := region.client(t).Provide(t.Context(), s.metadata, s.parts()); err != nil {
		t.Fatal(err)
	}
}

// asked is how often the national gateway has asked each region.
func asked(t *testing.T, dir string) (n [2]int64) {
	t.Helper()
	var all []struct {
		Home  string `json:"home"`
		Asked int64  `json:"asked"`
	}
	out, err := exec.Command("samdok", "communities", "--data", dir, "--json").Output()
	if err == nil {
		err = json.Unmarshal(out, &all)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		switch s.Home {
		case "urn:oid:" + westHome:
			n[0] = s.Asked
		case "urn:oid:" + northHome:
			n[1] = s.Asked
		}
	}
	return n
}

// TestLocatorOfTwoRegions runs two regions and a national gateway as processes, in
// central and in federated mode: only the region that holds something is asked, a
// citizen is told of it, and who stops telling is asked again.
func TestLocatorOfTwoRegions(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"system", "organisation"} {
		t.Run(level, func(t *testing.T) { locatorOfTwoRegions(t, level) })
	}
}

func locatorOfTwoRegions(t *testing.T, level string) {
	dir := t.TempDir()
	file := filepath.Join(dir, "communities.yaml")
	if err := os.WriteFile(file, []byte("communities: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	nationalDir := filepath.Join(dir, "national")
	national := startProcess(t, nationalDir, append(quick, "--home-community-id", nationalHome, "--locator-on", "on", "--locator-gateway", "own", "--gateway-communities", file)...)
	region := func(name, home string) *process {
		return startProcess(t, filepath.Join(dir, name), append(quick, "--home-community-id", home, "--gateway-respond", "on",
			"--locator-on", "on", "--locator-url", national.URL, "--locator-level", level)...)
	}
	west, north := region("west", westHome), region("north", northHome)
	list := "communities:\n"
	for i, p := range []*process{west, north} {
		list += fmt.Sprintf("  - {home: %q, name: %q, query: %q, locator: %q, deadline: 3s}\n", p.HomeCommunityID, []string{"Region West", "Region North"}[i], p.XCA, p.URL)
	}
	if err := os.WriteFile(file, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	g := metadatatest.New(rand.Uint64())
	patient := g.Patient()
	registers(t, west, g, patient)
	pil := national.locatorClient(t)
	ctx := t.Context()
	until(t, "the national locator knows the region's document, and covers both", func() error {
		a, err := pil.Locate(ctx, patient.ID(), false, true)
		if err == nil && (!a.Names(west.HomeCommunityID) || a.Names(north.HomeCommunityID) || len(a.Covered) != 3) {
			err = fmt.Errorf("%+v", a)
		}
		return err
	})
	gateway := xds.NewClient(xds.Options{RegistryURL: national.Gateway, RepositoryURL: national.Gateway, HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
	find := func(want int) error {
		answer, err := gateway.Find(ctx, metadata.StoredQuery{Query: &metadata.FindDocuments{Patient: patient.CX(), Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}})
		if err == nil && (answer.Status != ebrim.Success || len(answer.Objects) != want) {
			err = fmt.Errorf("%v, %d objects, %+v", answer.Status, len(answer.Objects), answer.Problems)
		}
		return err
	}
	until(t, "the gateway reads its file again", func() error { return find(1) })
	before := asked(t, nationalDir)
	if err := find(1); err != nil {
		t.Error(err)
	}
	if now := asked(t, nationalDir); now[0] != before[0]+1 || now[1] != before[1] {
		t.Errorf("asked %v, then %v: only the region that holds something is to be asked", before, now)
	}

	// A citizen is told where; details come from the region itself in federated mode.
	until(t, "the citizen's answer has details", func() error {
		places, err := pil.Where(ctx, patient.ID(), "en")
		if err == nil && (len(places.Places) != 1 || places.Places[0].Name != "Region West" || places.Places[0].What != "documents") {
			err = fmt.Errorf("%+v", places)
		}
		return err
	})
	if a, err := pil.Locate(ctx, patient.ID(), false, true); err != nil || len(a.Holdings) != 1 || (a.Holdings[0].Kind == locator.KindAny) != (level == "organisation") {
		t.Errorf("the national locator itself knows %+v, %v", a.Holdings, err)
	}

	// A region that is killed stops telling. Its silence means nothing then.
	north.signal(t, syscall.SIGKILL)
	north.wait(t)
	until(t, "a region that stopped telling is asked, and missed", func() error {
		answer, err := gateway.Find(ctx, metadata.StoredQuery{Query: &metadata.FindDocuments{Patient: patient.CX(), Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}})
		if err == nil && (answer.Status != ebrim.PartialSuccess || len(answer.Objects) != 1) {
			err = fmt.Errorf("%v, %d objects", answer.Status, len(answer.Objects))
		}
		return err
	})
}

// TestKilledRegionTellsAll kills a region again and again while it registers, and the
// national locator now and then: in the end the locator knows every patient who was
// acknowledged.
func TestKilledRegionTellsAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	nationalDir, westDir := filepath.Join(dir, "national"), filepath.Join(dir, "west")
	national := startProcess(t, nationalDir, append(quick, "--home-community-id", nationalHome, "--locator-on", "on")...)
	address := strings.TrimPrefix(national.URL, "http://")
	var mu sync.Mutex
	var all []metadatatest.Patient
	for round := range 4 {
		west := startProcess(t, westDir, append(quick, "--home-community-id", westHome, "--locator-url", national.URL)...)
		client := west.client(t)
		var senders sync.WaitGroup
		var acknowledged atomic.Int64
		for i := range 4 {
			g := metadatatest.New(uint64(round*4+i) + rand.Uint64()<<8)
			senders.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
				defer cancel()
				for {
					p := g.Patient()
					d := g.Document(p, metadatatest.Note)
					s := submission{metadata: g.Submission(p, d), documents: []metadatatest.Document{d}}
					if _, err := client.Provide(ctx, s.metadata, s.parts()); err != nil {
						return
					}
					mu.Lock()
					all = append(all, p)
					mu.Unlock()
					acknowledged.Add(1)
				}
			})
		}
		inTheMiddle(t, &acknowledged, 4)
		if round%2 == 1 {
			national.signal(t, syscall.SIGKILL)
			national.wait(t)
			time.Sleep(100 * time.Millisecond)
			national = startProcess(t, nationalDir, append(quick, "--listen", address, "--locator-on", "on")...)
		}
		west.signal(t, syscall.SIGKILL)
		west.wait(t)
		senders.Wait()
	}
	if len(all) < 10 {
		t.Fatalf("only %d submissions were acknowledged: the test proves too little", len(all))
	}
	startProcess(t, westDir, append(quick, "--locator-url", national.URL)...)
	pil := national.locatorClient(t)
	until(t, "the locator knows everybody, and is told that it does", func() error {
		for _, p := range all {
			a, err := pil.Locate(t.Context(), p.ID(), false, true)
			if err != nil {
				return err
			}
			if !a.Names("urn:oid:" + westHome) {
				return errors.New("a patient who was acknowledged is not known")
			}
			if _, ok := a.Covers("urn:oid:" + westHome); !ok {
				return errors.New("the region is not covered")
			}
		}
		return nil
	})
	t.Logf("%d patients", len(all))
}

// TestLoadIsResumed kills the locator in the middle of a bulk load, and then the one who
// loads: the first goes on by itself, the second where it says, and loading all of it again
// changes nothing.
func TestLoadIsResumed(t *testing.T) {
	t.Parallel()
	const lines = 12_000
	dir := t.TempDir()
	file := filepath.Join(dir, "holdings.ndjson")
	var b strings.Builder
	for i := range lines {
		fmt.Fprintf(&b, `{"patient":{"id":"%d","system":"1.2.3"},"community":"urn:oid:%s","system":"EPJ","asOf":"2026-11-22T10:00:00Z","holdings":[{"kind":"documents"}]}`+"\n", i, westHome)
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "national")
	national := startProcess(t, data, append(quick, "--locator-on", "on")...)
	address := strings.TrimPrefix(national.URL, "http://")
	known := func() int64 {
		s, err := national.locatorClient(t).Status(t.Context())
		if err != nil {
			return 0
		}
		return s.Patients
	}
	load := func(more ...string) (*exec.Cmd, *bytes.Buffer) {
		var out bytes.Buffer
		cmd := exec.Command("samdok", append([]string{"locator", "load", file, "--url", national.URL, "--json"}, more...)...)
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd, &out
	}
	begun := func() error {
		if known() == 0 {
			return errors.New("nothing is loaded")
		}
		return nil
	}
	loader, out := load()
	until(t, "the load begins", begun)
	national.signal(t, syscall.SIGKILL)
	national.wait(t)
	national = startProcess(t, data, append(quick, "--locator-on", "on", "--listen", address)...)
	// It tries for some seconds; on a slow machine it gives up and says where to go on.
	if err := loader.Wait(); err != nil {
		_, at, ok := strings.Cut(out.String(), "--from-line ")
		from, _, _ := strings.Cut(at, ".")
		if !ok {
			t.Fatalf("%v: %s", err, out)
		}
		again, out := load("--from-line", from)
		if err := again.Wait(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if n := known(); n != lines {
		t.Errorf("%d patients are known, %d were loaded", n, lines)
	}
	loader, _ = load()
	if err := loader.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = loader.Wait() // it was killed
	loader, out = load()
	if err := loader.Wait(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var sum rest.Loaded
	if err := json.Unmarshal([]byte(out.String()[strings.Index(out.String(), "{"):]), &sum); err != nil || sum.Lines != lines || sum.Known != lines || known() != lines {
		t.Errorf("%+v %v, %d patients", sum, err, known())
	}
}
