package profile

import (
	"samdok/fault"
	"samdok/metadata"
)

// Profile is one affinity domain's rules. It is safe for concurrent use.
type Profile struct {
	Name string
}

// Load reads one of the embedded profiles: "base" or "norway".
func Load(name string) (*Profile, error) { return &Profile{Name: name}, nil }

// Validate reports every coded value and mime type outside the value sets, as
// XDSRegistryMetadataError. Display names are never checked.
func (p *Profile) Validate(sub *metadata.Submission) []fault.Problem { return nil }

// Display is the name of a code in a language ("nb", "en"); "" when unknown.
func (p *Profile) Display(ref metadata.CodeRef, lang string) string { return "" }
