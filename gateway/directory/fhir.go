package directory

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"samdok/internal/strictfile"
)

// Connection types of Endpoints (http://terminology.hl7.org/CodeSystem/endpoint-connection-type).
const (
	connectXCA  = "ihe-xca"
	connectXCPD = "ihe-xcpd"
)

// What an Endpoint is for, when it says so (https://profiles.ihe.net/ITI/mCSD/CodeSystem/MCSDEndpointTypes):
// mCSD has two for a responding gateway, and says which is which in an extension.
const (
	roleQuery    = "XCA-RespGateway-Query"
	roleRetrieve = "XCA-RespGateway-Retrieve"
	roleDiscover = "XCPD-RespGateway-PatientDiscovery"
)

// bundle is a FHIR R4 Bundle of Organizations and Endpoints, as mCSD answers it (ITI-90).
type bundle struct {
	ResourceType string `json:"resourceType"`
	Entry        []struct {
		FullURL  string          `json:"fullUrl"`
		Resource json.RawMessage `json:"resource"`
	} `json:"entry"`
	Link []struct {
		Relation string `json:"relation"`
		URL      string `json:"url"`
	} `json:"link"`
}

type reference struct {
	Reference string `json:"reference"`
}

type coding struct {
	Code string `json:"code"`
}

type concept struct {
	Coding []coding `json:"coding"`
}

// codings is one Coding, as R4 has it, or a list of concepts, as R5 does.
type codings []string

func (c *codings) UnmarshalJSON(b []byte) error {
	var one coding
	if json.Unmarshal(b, &one) == nil {
		*c = codings{one.Code}
		return nil
	}
	var many []concept
	if err := json.Unmarshal(b, &many); err != nil {
		return err
	}
	for _, m := range many {
		for _, k := range m.Coding {
			*c = append(*c, k.Code)
		}
	}
	return nil
}

func (c codings) has(code string) bool {
	for _, k := range c {
		if k == code {
			return true
		}
	}
	return false
}

// period is when something is in use.
type period struct {
	End string `json:"end"`
}

// over tells whether a period ended before a day, both written as FHIR does.
func (p *period) over(day string) bool {
	return p != nil && p.End != "" && len(p.End) <= len(day) && p.End < day[:len(p.End)] || p != nil && len(p.End) > len(day) && p.End[:len(day)] < day
}

// resource is what is read of an Organization or an Endpoint.
type resource struct {
	ResourceType string `json:"resourceType"`
	ID           string `json:"id"`
	Active       *bool  `json:"active"`
	Name         string `json:"name"`
	Identifier   []struct {
		Use    string  `json:"use"`
		Type   concept `json:"type"`
		System string  `json:"system"`
		Value  string  `json:"value"`
		Period *period `json:"period"`
	} `json:"identifier"`
	Extension []struct {
		Value concept `json:"valueCodeableConcept"`
	} `json:"extension"`
	Endpoint             []reference `json:"endpoint"`
	Contained            []resource  `json:"contained"`
	Status               string      `json:"status"`
	ConnectionType       codings     `json:"connectionType"`
	Address              string      `json:"address"`
	Period               *period     `json:"period"`
	ManagingOrganization *reference  `json:"managingOrganization"`

	fullURL string
}

// Import gathers communities from the pages of a directory in FHIR (mCSD, ITI TF-2 3.90):
// what belongs together may stand on different pages.
type Import struct {
	today         string // as 2026-11-22
	organizations []*resource
	endpoints     []*resource
	named         map[string]*resource // Endpoints by what refers to them
	notes         []string
}

// NewImport makes an empty Import. What is no longer in use on the day of now is left out.
func NewImport(now time.Time) *Import {
	return &Import{today: now.Format(time.DateOnly), named: map[string]*resource{}}
}

// Add reads one page, a Bundle in JSON. next is the address of the next one, "" after the
// last.
func (x *Import) Add(r io.Reader) (next string, err error) {
	b, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxFile {
		return "", fmt.Errorf("the Bundle is larger than %d octets", maxFile)
	}
	var page bundle
	if err := strictfile.LooseJSON(b, &page); err != nil {
		return "", fmt.Errorf("not a FHIR Bundle in JSON: %w", err)
	}
	if page.ResourceType == "" {
		return "", errors.New("it has no resourceType; a FHIR Bundle in JSON begins as {\"resourceType\": \"Bundle\"")
	}
	if page.ResourceType != "Bundle" {
		return "", fmt.Errorf("the resource is %q, not a Bundle", page.ResourceType)
	}
	for i := range page.Entry {
		e := &page.Entry[i]
		if len(e.Resource) > 0 {
			x.take(e.FullURL, e.Resource)
		}
	}
	for _, l := range page.Link {
		if l.Relation == "next" {
			next = l.URL
		}
	}
	return next, nil
}

// take keeps an Organization or an Endpoint; one that came before is that one still.
func (x *Import) take(fullURL string, raw json.RawMessage) {
	var kind struct {
		ResourceType string `json:"resourceType"`
	}
	if json.Unmarshal(raw, &kind) != nil || kind.ResourceType != "Organization" && kind.ResourceType != "Endpoint" {
		return
	}
	r := &resource{fullURL: fullURL}
	if err := strictfile.LooseJSON(raw, r); err != nil {
		x.notes = append(x.notes, fmt.Sprintf("%s %s cannot be read: in its %v", kind.ResourceType, fullURL, err))
		return
	}
	name := r.ResourceType + "/" + r.ID
	if r.ID == "" {
		name = fullURL
	}
	if x.named[name] != nil {
		return
	}
	x.named[name] = r
	if fullURL != "" {
		x.named[fullURL] = r
	}
	if r.ResourceType == "Organization" {
		x.organizations = append(x.organizations, r)
	} else {
		x.endpoints = append(x.endpoints, r)
	}
}

// Communities are what the pages hold: each active Organization with a homeCommunityId (an
// identifier that is an OID) and one active Endpoint of the type ihe-xca; its Endpoint of
// the type ihe-xcpd, if any, becomes Discover. What cannot be used is told in notes.
func (x *Import) Communities() (list []Community, notes []string) {
	notes = x.notes
	for _, o := range x.organizations {
		if o.Active != nil && !*o.Active {
			continue
		}
		c, note := x.community(o)
		if note != "" {
			notes = append(notes, note)
			continue
		}
		list = append(list, c)
	}
	return list, notes
}

func (x *Import) community(o *resource) (c Community, note string) {
	c = Community{Name: o.Name, Home: x.homeOf(o)}
	label := o.Name
	if label == "" {
		label = "Organization/" + o.ID
	}
	endpoints := x.endpointsOf(o)
	for i := 0; i < len(endpoints) && c.Home == ""; i++ {
		if endpoints[i].ConnectionType.has(connectXCA) {
			c.Home = x.homeOf(endpoints[i])
		}
	}
	if c.Home == "" {
		return c, label + ": no identifier that is an OID (homeCommunityId)"
	}
	for _, of := range []struct {
		to         *string
		kind, role string
	}{{&c.Query, connectXCA, roleQuery}, {&c.Retrieve, connectXCA, roleRetrieve}, {&c.Discover, connectXCPD, roleDiscover}} {
		found := addresses(endpoints, of.kind, of.role)
		if len(found) > 1 {
			return c, fmt.Sprintf("%s: %d active Endpoints of the type %s; which one counts is not clear", label, len(found), of.kind)
		}
		if len(found) == 1 {
			*of.to = found[0]
		}
	}
	if c.Query == "" {
		return c, label + ": no active Endpoint of the type ihe-xca"
	}
	var wrong []string
	c.check(func(_, format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) })
	if len(wrong) > 0 {
		return c, label + ": " + strings.Join(wrong, "; ")
	}
	return c, ""
}

// addresses are those of the Endpoints of a type that serve a role.
func addresses(endpoints []*resource, kind, role string) (all []string) {
	for _, e := range endpoints {
		if e.ConnectionType.has(kind) && e.serves(role) && !slices.Contains(all, e.Address) {
			all = append(all, e.Address)
		}
	}
	return all
}

// serves tells whether an Endpoint is for a role: it says so, or says nothing of roles in
// the profile.
func (r *resource) serves(role string) bool {
	profile, _, _ := strings.Cut(role, "-")
	said := slices.Clone(r.ConnectionType)
	for _, x := range r.Extension {
		for _, k := range x.Value.Coding {
			said = append(said, k.Code)
		}
	}
	return said.has(role) || !slices.ContainsFunc(said, func(code string) bool { return strings.HasPrefix(code, profile+"-") })
}

// endpointsOf are the Endpoints in use of an Organization: those that it refers to, also
// within itself, and those that name it as their manager.
func (x *Import) endpointsOf(o *resource) (all []*resource) {
	add := func(e *resource) {
		if e != nil && e.ResourceType == "Endpoint" && e.Status == "active" && !e.Period.over(x.today) && !slices.Contains(all, e) {
			all = append(all, e)
		}
	}
	for _, r := range o.Endpoint {
		if id, inside := strings.CutPrefix(r.Reference, "#"); inside {
			for i := range o.Contained {
				if strings.TrimPrefix(o.Contained[i].ID, "#") == id {
					add(&o.Contained[i])
				}
			}
			continue
		}
		add(x.named[unversioned(r.Reference)])
	}
	for _, e := range x.endpoints {
		if m := e.ManagingOrganization; m != nil && x.named[unversioned(m.Reference)] == o {
			add(e)
		}
	}
	return all
}

// unversioned is a reference to a resource, whatever its version.
func unversioned(reference string) string {
	reference, _, _ = strings.Cut(reference, "/_history/")
	return reference
}

// homeOf is the identifier in use whose type says homeCommunityId (HCID in mCSD), else the
// first one that is an OID, written as such or as urn:oid:.
func (x *Import) homeOf(o *resource) (home string) {
	for _, id := range o.Identifier {
		value := strings.TrimSpace(id.Value)
		if id.Use == "old" || id.Period.over(x.today) || !oid.MatchString(value) || !strings.Contains(value, ".") {
			continue
		}
		if slices.ContainsFunc(id.Type.Coding, func(k coding) bool { return k.Code == "HCID" || k.Code == "homeCommunityId" }) {
			return value
		}
		if home == "" && (strings.HasPrefix(value, "urn:oid:") || id.System == "" || id.System == "urn:ietf:rfc:3986") {
			home = value
		}
	}
	return home
}

// entry is what a person would write of a community.
type entry struct {
	Home     string `yaml:"home"`
	Name     string `yaml:"name,omitempty"`
	Query    string `yaml:"query"`
	Retrieve string `yaml:"retrieve,omitempty"`
	Discover string `yaml:"discover,omitempty"`
}

// Write writes a file of communities: what an Import found, in the form that Load reads.
// One home twice, under different addresses, is an error.
func Write(w io.Writer, list []Community) error {
	var file struct {
		Communities []entry `yaml:"communities"`
	}
	var errs []error
	seen := map[string]Community{}
	for _, c := range list {
		first, twice := seen[c.Home]
		if twice && first.Query == c.Query && first.Retrieve == c.Retrieve && first.Discover == c.Discover {
			continue
		}
		if twice {
			errs = append(errs, fmt.Errorf("the homeCommunityId %s stands twice: %q at %s and %q at %s", c.Home, first.Name, first.Query, c.Name, c.Query))
		}
		seen[c.Home] = c
		is := entry{c.Home, c.Name, c.Query, c.Retrieve, c.Discover}
		if is.Retrieve == is.Query { // as it is without saying
			is.Retrieve = ""
		}
		file.Communities = append(file.Communities, is)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	e := yaml.NewEncoder(w)
	e.SetIndent(2)
	return errors.Join(e.Encode(file), e.Close())
}
