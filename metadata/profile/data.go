package profile

import (
	"embed"
	"fmt"
	"os"
	"strings"
	"time"
	_ "time/tzdata" // the time zone must not depend on the machine

	"samdok/internal/strictfile"
	"samdok/metadata"
)

//go:embed data/*.json
var embedded embed.FS

// file is the form of a profile's data file.
type file struct {
	Name       string            `json:"name"`
	Version    string            `json:"version"`
	Source     []string          `json:"source"`
	TimeZone   string            `json:"timeZone"`
	Systems    []system          `json:"systems"`
	Attributes map[string][]pick `json:"attributes"`
	MimeTypes  []string          `json:"mimeTypes"` // empty: any
	Defaults   defaults          `json:"defaults"`
	// Numbers are the kinds of identity numbers, by assigning authority.
	Numbers map[string]NumberKind `json:"identityNumbers"`
}

// system is a code system. Closed: only the codes listed exist; otherwise the
// codes listed are only those whose names are known.
type system struct {
	OID    string     `json:"oid"`
	Name   string     `json:"name"`
	Closed bool       `json:"closed"`
	Note   string     `json:"note"`
	Codes  [][]string `json:"codes"` // code, bokmål, English
}

// pick is a code system that an attribute may use, or those of its codes that
// end in suffix. An attribute without picks takes any code.
type pick struct {
	System string `json:"system"`
	Suffix string `json:"suffix"`
}

// defaults complete a document that is put by hand. A code is [code, scheme] or
// [code, scheme, bokmål, English].
type defaults struct {
	Language     string            `json:"language"`
	TypeCode     []string          `json:"typeCode"`
	SummaryType  []string          `json:"summaryTypeCode"` // of a patient summary
	ClassCode    []string          `json:"classCode"`       // empty: taken from the type's letter
	Confidential [][]string        `json:"confidentialityCode"`
	Facility     []string          `json:"healthcareFacilityTypeCode"`
	Practice     []string          `json:"practiceSettingCode"`
	Formats      map[string]string `json:"formats"` // by mime type, in the scheme of format
	Format       []string          `json:"format"`
}

// Load reads an embedded profile ("base", "norway") or, when name ends in
// ".json", a data file of the same form.
func Load(name string) (*Profile, error) {
	var data []byte
	var err error
	if strings.HasSuffix(name, ".json") {
		data, err = os.ReadFile(name)
	} else if data, err = embedded.ReadFile("data/" + name + ".json"); err != nil {
		return nil, fmt.Errorf("profile: no profile %q; use base, norway or the path of a .json file", name)
	}
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	p, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("profile: %w", strictfile.In(name, err))
	}
	return p, nil
}

// Parse reads a profile's data file. Unknown fields are errors, so that a
// misspelt rule is not a missing rule.
func Parse(data []byte) (*Profile, error) {
	var f file
	if err := strictfile.JSON(data, &f); err != nil {
		return nil, err
	}
	if f.Name == "" || f.Version == "" || f.TimeZone == "" {
		return nil, fmt.Errorf("name, version and timeZone are required")
	}
	zone, err := time.LoadLocation(f.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("timeZone: %w", err)
	}
	p := &Profile{
		Name: f.Name, Version: f.Version, Source: f.Source,
		zone: zone, defaults: f.Defaults, names: map[metadata.CodeRef][2]string{}, numbers: f.Numbers,
	}
	for oid := range f.Numbers {
		if !metadata.ValidOID(oid) {
			return nil, fmt.Errorf("identityNumbers: %q is no OID", oid)
		}
	}
	systems, err := p.readSystems(f.Systems)
	if err != nil {
		return nil, err
	}
	if err := p.readAttributes(f.Attributes, systems); err != nil {
		return nil, err
	}
	if len(f.MimeTypes) > 0 {
		p.mimeTypes = make(map[string]bool, len(f.MimeTypes))
		for _, m := range f.MimeTypes {
			p.mimeTypes[m] = true
		}
	}
	return p, p.checkDefaults()
}

func (p *Profile) readSystems(list []system) (map[string]*system, error) {
	systems := make(map[string]*system, len(list))
	for i := range list {
		s := &list[i]
		if s.OID == "" || systems[s.OID] != nil {
			return nil, fmt.Errorf("systems: %q is empty or listed twice", s.OID)
		}
		systems[s.OID] = s
		for _, c := range s.Codes {
			if len(c) != 3 {
				return nil, fmt.Errorf("systems: %s: a code is [code, bokmål, English], not %q", s.OID, c)
			}
			ref := metadata.CodeRef{Value: c[0], Scheme: s.OID}.Canonical()
			p.names[ref] = [2]string{c[1], c[2]}
			p.order = append(p.order, ref)
		}
	}
	return systems, nil
}

func (p *Profile) readAttributes(attributes map[string][]pick, systems map[string]*system) error {
	for name, picks := range attributes {
		a, ok := attributeByName(name)
		if !ok {
			return fmt.Errorf("attributes: %q is not a coded attribute", name)
		}
		set := &valueSet{codes: map[metadata.CodeRef]bool{}, schemes: map[string]string{}}
		for _, pick := range picks {
			s := systems[pick.System]
			if s == nil {
				return fmt.Errorf("attributes: %s: no system %q", name, pick.System)
			}
			set.add(s, pick.Suffix)
		}
		p.sets[a] = set
	}
	return nil
}
