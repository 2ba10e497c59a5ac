package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/locator/rest"
	"samdok/metadata"
	"samdok/metadata/ebrim"
	"samdok/metadata/metadatatest"
	"samdok/metadata/profile"
	"samdok/soap/xds"
)

// regions is what demo --regions does: two regions and a national gateway, all seen
// from outside.
type regions struct {
	c         *cli
	dir       string
	profile   *profile.Profile
	gen       *metadatatest.Gen
	patient   metadatatest.Patient
	all       []*region
	national  *demoServer
	gateway   *xds.Client
	locator   *rest.Client                     // of the national gateway
	documents map[string]metadatatest.Document // by uniqueId
}

// region is one community with a registry, a repository and a responding gateway.
type region struct {
	name, folder, home string
	server             *demoServer
	client             *xds.Client
}

// Homes of the demo, in the arc of Norwegian test communities.
const (
	westHome     = metadatatest.Root + ".21"
	northHome    = metadatatest.Root + ".22"
	nationalHome = metadatatest.Root + ".20"
)

func (c *cli) demoRegions(ctx context.Context, dir, listen string, once bool) (err error) {
	c.say("samdok demo: two regions and a national gateway, made-up patients, real messages over HTTP.\n",
		"samdok demo: to regioner og en nasjonal gateway, oppdiktede pasienter, ekte meldinger over HTTP.\n")
	dir, remove, err := demoFolder(dir)
	if err != nil {
		return exit(exitFailed, err)
	}
	defer func() { err = errors.Join(err, remove()) }()
	r := &regions{c: c, dir: dir, documents: map[string]metadatatest.Document{}, all: []*region{
		{name: c.tr("Region West", "Region Vest"), folder: "west", home: westHome},
		{name: c.tr("Region North", "Region Nord"), folder: "north", home: northHome},
	}}
	defer func() { err = errors.Join(err, r.stop()) }()
	if err := r.run(ctx, listen); err != nil {
		return c.demoFailed(ctx, err)
	}
	if !once {
		r.goOn()
		<-ctx.Done()
	}
	return nil
}

func (r *regions) run(ctx context.Context, listen string) (err error) {
	if r.profile, err = r.c.loadProfile("norway"); err != nil {
		return err
	}
	seed := metadata.NewUUID()
	r.gen = metadatatest.New(uint64(seed[0])<<24 | uint64(seed[1])<<16 | uint64(seed[2])<<8 | uint64(seed[3]))
	r.gen.Now = r.c.clock()
	r.patient = r.gen.Patient()
	if err := r.start(ctx, listen); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, showAbout)
	defer cancel()
	for _, step := range []func(context.Context) error{r.register, r.find, r.open, r.across, r.oneMore, r.onlyOne, r.oneLess, r.again} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	r.c.say("Everything was right.\n", "Alt stemte.\n")
	return nil
}

// start starts the regions, writes the file that names them and starts the national
// gateway with it.
func (r *regions) start(ctx context.Context, listen string) error {
	var file strings.Builder
	file.WriteString("communities:\n")
	for _, one := range r.all {
		if err := one.start(ctx, r.c, r.dir, "127.0.0.1:0"); err != nil {
			return err
		}
		fmt.Fprintf(&file, "  - {home: %q, name: %q, query: %q, locator: %q, deadline: 3s}\n", "urn:oid:"+one.home, one.name, one.server.Info().XCA, one.server.Info().URL)
	}
	path := filepath.Join(r.dir, "communities.yaml")
	if err := os.WriteFile(path, []byte(file.String()), 0o600); err != nil {
		return err
	}
	var err error
	r.national, err = r.c.startDemo(ctx, map[string]string{"data": filepath.Join(r.dir, "national"), "listen": listen, "home-community-id": nationalHome,
		"gateway-communities": path, "gateway-respond": "on", "gateway-respond-scope": "communities",
		"locator-on": "on", "locator-gateway": "own", "locator-probe": "0"})
	if err != nil {
		return err
	}
	r.locator = rest.NewClient(r.national.Info().URL, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: showAbout})
	if r.gateway, err = r.c.client(&serverFlags{registry: r.national.Info().Gateway, repository: r.national.Info().Gateway, wait: showAbout}, 1); err != nil {
		return err
	}
	for _, one := range r.all {
		r.c.say("   %-17s %s  %s", "   %-17s %s  %s", one.name, one.server.Info().XCA, one.server.Info().HomeCommunityID)
	}
	r.c.say("   %-17s %s  %s\n", "   %-17s %s  %s\n", r.c.tr("National gateway", "Nasjonal gateway"), r.national.Info().Gateway, r.national.Info().HomeCommunityID)
	return nil
}

func (one *region) start(ctx context.Context, c *cli, dir, listen string) (err error) {
	one.server, err = c.startDemo(ctx, map[string]string{"data": filepath.Join(dir, one.folder), "listen": listen, "home-community-id": one.home, "gateway-respond": "on", "locator-on": "on"})
	if err != nil {
		return err
	}
	i := one.server.Info()
	one.client, err = c.client(&serverFlags{registry: i.Registry, repository: i.Repository, wait: showAbout}, 1)
	return err
}

func (r *regions) stop() error {
	var errs []error
	for _, s := range []*demoServer{r.national, r.all[0].server, r.all[1].server} {
		if s != nil { // it was started
			errs = append(errs, s.stop())
		}
	}
	return errors.Join(errs...)
}

// provide registers documents of the patient in one region.
func (r *regions) provide(ctx context.Context, one *region, kinds ...metadatatest.Kind) error {
	var s submission
	for _, k := range kinds {
		d := r.gen.Document(r.patient, k)
		s.documents = append(s.documents, d)
		r.documents[d.Entry.UniqueID] = d
	}
	s.metadata = r.gen.Submission(r.patient, s.documents...)
	_, err := one.client.Provide(ctx, s.metadata, s.parts())
	return err
}

func (r *regions) register(ctx context.Context) error {
	if err := r.provide(ctx, r.all[0], metadatatest.EpikriseCDA, metadatatest.LabXML, metadatatest.XRay); err != nil {
		return err
	}
	if err := r.provide(ctx, r.all[1], metadatatest.EpikrisePDF, metadatatest.Note); err != nil {
		return err
	}
	if err := r.known(ctx, r.patient, r.all...); err != nil {
		return err
	}
	r.c.say("1. Registered documents of %s %s by ITI-41: 3 in %s, 2 in %s.\n   Each region keeps its own; the national gateway has none.\n",
		"1. Registrerte dokumenter for %s %s med ITI-41: 3 i %s, 2 i %s.\n   Hver region beholder sine egne; den nasjonale gatewayen har ingen.\n",
		r.patient.Given, r.patient.Family, r.all[0].name, r.all[1].name)
	return nil
}

func (r *regions) query() metadata.StoredQuery {
	return metadata.StoredQuery{Query: &metadata.FindDocuments{Patient: r.patient.CX(), Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}}
}

// ask asks the national gateway for the patient's documents, as the consumers of its
// community do.
func (r *regions) ask(ctx context.Context) (*ebrim.QueryResponse, []*metadata.DocumentEntry, time.Duration, error) {
	start := r.c.clock()
	answer, err := r.gateway.Find(ctx, r.query())
	if err != nil {
		return nil, nil, 0, err
	}
	return answer, entriesOf(answer.Objects), r.c.clock().Sub(start), nil
}

// whole asks and expects all documents, each from a region.
func (r *regions) whole(ctx context.Context) ([]*metadata.DocumentEntry, time.Duration, error) {
	answer, entries, took, err := r.ask(ctx)
	if err != nil {
		return nil, 0, err
	}
	if answer.Status != ebrim.Success || len(entries) != len(r.documents) {
		return nil, 0, fmt.Errorf("%d of %d documents were found: %s", len(entries), len(r.documents), r.c.problems(answer.Problems))
	}
	for _, e := range entries {
		if _, ok := r.documents[e.UniqueID]; !ok || r.region(e.Home) == nil {
			return nil, 0, fmt.Errorf("%s of %q was never registered", e.ID, e.Home)
		}
	}
	newestFirst(entries)
	return entries, took, nil
}

func (r *regions) region(home string) *region {
	for _, one := range r.all {
		if home == "urn:oid:"+one.home {
			return one
		}
	}
	return nil
}

func (r *regions) find(ctx context.Context) error {
	entries, took, err := r.whole(ctx)
	if err != nil {
		return err
	}
	r.c.say("2. Asked the national gateway by ITI-18, which asked both regions by ITI-38: %d documents in %s.\n",
		"2. Spurte den nasjonale gatewayen med ITI-18, som spurte begge regionene med ITI-38: %d dokumenter på %s.\n", len(entries), showTime(took))
	w := tabwriter.NewWriter(r.c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, r.c.tr("   WRITTEN\tTYPE\tTITLE\tCOMMUNITY", "   SKREVET\tTYPE\tTITTEL\tFELLESSKAP"))
	for _, row := range r.c.rows(entries, r.profile) {
		fmt.Fprintf(w, "   %s\t%s\t%s\t%s\n", clean(row.CreatedLocal), short(row.TypeName, 28), short(row.Title, 40), r.region(row.Home).name)
	}
	fmt.Fprintln(w)
	return w.Flush()
}

func (r *regions) open(ctx context.Context) error {
	n, took, err := r.compare(ctx)
	if err != nil {
		return err
	}
	r.c.say("3. Opened all %d through it by ITI-43 (ITI-39 to the regions) in %s: every byte is as it was registered.\n",
		"3. Åpnet alle %d gjennom den med ITI-43 (ITI-39 til regionene) på %s: hver eneste byte er som den ble registrert.\n", n, showTime(took))
	return nil
}

// compare opens every document through the gateway and compares it.
func (r *regions) compare(ctx context.Context) (n int, took time.Duration, err error) {
	entries, _, err := r.whole(ctx)
	if err != nil {
		return 0, 0, err
	}
	start := r.c.clock()
	s := show{c: r.c, client: r.gateway}
	for _, e := range entries {
		if err := s.compare(ctx, e, r.documents[e.UniqueID].Bytes); err != nil {
			return 0, 0, err
		}
	}
	return len(entries), r.c.clock().Sub(start), nil
}

// across asks as another gateway, such as kjernejournal's, does.
func (r *regions) across(ctx context.Context) error {
	i := r.national.Info()
	other := xds.NewCommunity(xds.CommunityOptions{Client: xds.Options{QueryURL: i.XCA, RetrieveURL: i.XCA}})
	found := 0
	problems, err := other.Find(ctx, access.Caller{}, r.query(), func(metadata.Object) error { found++; return nil })
	if err != nil {
		return err
	}
	if found != len(r.documents) || fault.HasErrors(problems) {
		return fmt.Errorf("%d of %d documents were found by ITI-38: %s", found, len(r.documents), r.c.problems(problems))
	}
	r.c.say("4. Asked it as another gateway does, kjernejournal's for one, by ITI-38: the same %d documents.\n",
		"4. Spurte den slik en annen gateway gjør, for eksempel kjernejournalens, med ITI-38: de samme %d dokumentene.\n", found)
	return nil
}

// oneMore: what a region acknowledges is found nationally at once.
func (r *regions) oneMore(ctx context.Context) error {
	if err := r.provide(ctx, r.all[1], metadatatest.LabText); err != nil {
		return err
	}
	entries, took, err := r.whole(ctx)
	if err != nil {
		return err
	}
	r.c.say("5. Registered one more in %s; the next question finds %d, in %s.\n", "5. Registrerte ett til i %s; neste spørsmål finner %d, på %s.\n", r.all[1].name, len(entries), showTime(took))
	return nil
}

// oneLess stops a region: the others' documents come, and the answer names who is
// missing.
func (r *regions) oneLess(ctx context.Context) error {
	gone := r.all[1]
	before, _, err := r.whole(ctx)
	if err != nil {
		return err
	}
	if err := gone.server.stop(); err != nil {
		return err
	}
	answer, entries, took, err := r.ask(ctx)
	if err != nil {
		return err
	}
	missing := answer.Problems
	if answer.Status != ebrim.PartialSuccess || len(missing) != 1 || missing[0].Code != fault.UnavailableCommunity || missing[0].Location != "urn:oid:"+gone.home {
		return fmt.Errorf("the answer without %s is %v: %s", gone.name, answer.Status, r.c.problems(missing))
	}
	for _, e := range entries {
		if r.region(e.Home) == gone {
			return fmt.Errorf("%s came from a region that is stopped", e.ID)
		}
	}
	r.c.say("7. Stopped %s and asked again: %d documents in %s, status PartialSuccess, and who is missing:\n   %s, location %s\n   %s\n",
		"7. Stoppet %s og spurte igjen: %d dokumenter på %s, status PartialSuccess, og hvem som mangler:\n   %s, location %s\n   %s\n",
		gone.name, len(entries), showTime(took), missing[0].Code, missing[0].Location, clean(missing[0].Context))
	for _, e := range before {
		if r.region(e.Home) != gone {
			continue
		}
		err := (&show{c: r.c, client: r.gateway}).compare(ctx, e, nil)
		var refused *xds.RefusedError
		if !errors.As(err, &refused) || len(refused.Problems) != 1 || refused.Problems[0].Code != fault.UnavailableCommunity {
			return fmt.Errorf("a document of a region that is stopped was not refused as that: %w", err)
		}
		break
	}
	return nil
}

// again starts the region at its old address.
func (r *regions) again(ctx context.Context) error {
	gone := r.all[1]
	u, err := url.Parse(gone.server.Info().URL)
	if err != nil {
		return err
	}
	// Serving goes on after the steps.
	if err := gone.start(context.WithoutCancel(ctx), r.c, r.dir, u.Host); err != nil {
		return err
	}
	n, took, err := r.compare(ctx)
	if err != nil {
		return err
	}
	r.c.say("8. Started %s again: all %d are found and opened, in %s.\n", "8. Startet %s igjen: alle %d finnes og åpnes, på %s.\n", gone.name, n, showTime(took))
	return nil
}

// goOn prints commands that work as they stand while the servers run.
func (r *regions) goOn() {
	self, gateway := selfName(), r.national.Info().Gateway
	r.c.say("Go on in another terminal while these servers run:\n", "Fortsett i et annet terminalvindu mens disse tjenerne kjører:\n")
	fmt.Fprintf(r.c.out, "   export SAMDOK_REGISTRY=%s SAMDOK_REPOSITORY=%s\n", gateway, gateway)
	fmt.Fprintf(r.c.out, "   echo %s | %s find --patient-file -\n", r.patient.FNR, self)
	fmt.Fprintf(r.c.out, "   %s communities --data %s\n\n", self, r.national.Info().Data)
	r.c.say("Ctrl-C ends the servers.", "Ctrl-C stopper tjenerne.")
}
