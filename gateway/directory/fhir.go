package directory

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Connection types of Endpoints (http://terminology.hl7.org/CodeSystem/endpoint-connection-type).
const (
	connectXCA  = "ihe-xca"
	connectXCPD = "ihe-xcpd"
)

// bundle is a FHIR R4 Bundle of Organizations and Endpoints, as mCSD answers it (ITI-90).
type bundle struct {
	ResourceType string `json:"resourceType"`
	Entry        []struct {
		FullURL  string   `json:"fullUrl"`
		Resource resource `json:"resource"`
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

// codings is one Coding, as R4 has it, or a list of concepts, as R5 does.
type codings []string

func (c *codings) UnmarshalJSON(b []byte) error {
	var one coding
	if json.Unmarshal(b, &one) == nil {
		*c = codings{one.Code}
		return nil
	}
	var many []struct {
		Coding []coding `json:"coding"`
	}
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

// resource is what is read of an Organization or an Endpoint.
type resource struct {
	ResourceType string `json:"resourceType"`
	ID           string `json:"id"`
	Active       *bool  `json:"active"`
	Name         string `json:"name"`
	Identifier   []struct {
		System string `json:"system"`
		Value  string `json:"value"`
	} `json:"identifier"`
	Endpoint             []reference `json:"endpoint"`
	Status               string      `json:"status"`
	ConnectionType       codings     `json:"connectionType"`
	Address              string      `json:"address"`
	ManagingOrganization *reference  `json:"managingOrganization"`
}

// FromFHIR reads communities from a Bundle of Organizations and Endpoints (mCSD, ITI
// TF-2 3.90): each active Organization with a homeCommunityId (an identifier that is an
// OID) and an active Endpoint of the type ihe-xca is one; its Endpoint of the type
// ihe-xcpd, if any, becomes Discover. next is the address of the Bundle's next page, ""
// for the last. What cannot be used is told in notes.
func FromFHIR(r io.Reader) (list []Community, notes []string, next string, err error) {
	b, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, nil, "", err
	}
	if len(b) > maxFile {
		return nil, nil, "", fmt.Errorf("the Bundle is larger than %d octets", maxFile)
	}
	var all bundle
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, nil, "", fmt.Errorf("not a FHIR Bundle in JSON: %w", err)
	}
	if all.ResourceType != "Bundle" {
		return nil, nil, "", fmt.Errorf("the resource is %q, not a Bundle", all.ResourceType)
	}
	endpoints := map[string]*resource{}
	for i := range all.Entry {
		if e := &all.Entry[i]; e.Resource.ResourceType == "Endpoint" {
			endpoints["Endpoint/"+e.Resource.ID] = &e.Resource
			endpoints[e.FullURL] = &e.Resource
		}
	}
	for i := range all.Entry {
		o := &all.Entry[i].Resource
		if o.ResourceType != "Organization" || o.Active != nil && !*o.Active {
			continue
		}
		c, note := community(o, all.Entry[i].FullURL, endpoints)
		if note != "" {
			notes = append(notes, note)
			continue
		}
		list = append(list, c)
	}
	for _, l := range all.Link {
		if l.Relation == "next" {
			next = l.URL
		}
	}
	return list, notes, next, nil
}

func community(o *resource, fullURL string, endpoints map[string]*resource) (c Community, note string) {
	c = Community{Name: o.Name, Home: homeOf(o)}
	label := o.Name
	if label == "" {
		label = "Organization/" + o.ID
	}
	if c.Home == "" {
		return c, label + ": no identifier that is an OID (homeCommunityId)"
	}
	found := map[string][]string{}
	seen := map[*resource]bool{}
	add := func(e *resource) {
		if e == nil || seen[e] || e.Status != "active" {
			return
		}
		seen[e] = true
		for _, kind := range []string{connectXCA, connectXCPD} {
			if e.ConnectionType.has(kind) {
				found[kind] = append(found[kind], e.Address)
			}
		}
	}
	for _, r := range o.Endpoint {
		add(endpoints[r.Reference])
	}
	for _, e := range endpoints {
		if m := e.ManagingOrganization; m != nil && (m.Reference == "Organization/"+o.ID || m.Reference == fullURL) {
			add(e)
		}
	}
	switch {
	case len(found[connectXCA]) == 0:
		return c, label + ": no active Endpoint of the type ihe-xca"
	case len(found[connectXCA]) > 1:
		return c, fmt.Sprintf("%s: %d active Endpoints of the type ihe-xca; which one counts is not clear", label, len(found[connectXCA]))
	}
	c.Query = found[connectXCA][0]
	if d := found[connectXCPD]; len(d) > 0 {
		c.Discover = d[0]
	}
	if err := c.check(); err != nil {
		return c, label + ": " + err.Error()
	}
	return c, ""
}

// homeOf is the first identifier that is an OID, written as such or as urn:oid:.
func homeOf(o *resource) string {
	for _, id := range o.Identifier {
		if oid.MatchString(id.Value) && strings.Contains(id.Value, ".") && (strings.HasPrefix(id.Value, "urn:oid:") || id.System == "" || id.System == "urn:ietf:rfc:3986") {
			return id.Value
		}
	}
	return ""
}

// entry is what a person would write of a community.
type entry struct {
	Home     string `yaml:"home"`
	Name     string `yaml:"name,omitempty"`
	Query    string `yaml:"query"`
	Discover string `yaml:"discover,omitempty"`
}

// Write writes a file of communities: what FromFHIR found, in the form that Load reads.
// One home twice is an error.
func Write(w io.Writer, list []Community) error {
	var file struct {
		Communities []entry `yaml:"communities"`
	}
	var errs []error
	seen := map[string]bool{}
	for _, c := range list {
		if seen[c.Home] {
			errs = append(errs, fmt.Errorf("the homeCommunityId %s stands twice", c.Home))
		}
		seen[c.Home] = true
		file.Communities = append(file.Communities, entry{c.Home, c.Name, c.Query, c.Discover})
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	e := yaml.NewEncoder(w)
	e.SetIndent(2)
	return errors.Join(e.Encode(file), e.Close())
}
