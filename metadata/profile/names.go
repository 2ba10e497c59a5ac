package profile

import (
	"strings"
	"time"

	"samdok/metadata"
)

// Display is the name of a code in bokmål ("nb") or English ("en"), for
// screens; "" when the profile does not know the code.
func (p *Profile) Display(ref metadata.CodeRef, lang string) string {
	names, ok := p.names[ref.Canonical()]
	switch {
	case !ok:
		return ""
	case strings.HasPrefix(lang, "en"):
		return names[1]
	}
	return names[0]
}

// Label is what to show for a code: the profile's name for it, else the sender's,
// else the bare code.
func (p *Profile) Label(c metadata.Code, lang string) string {
	if name := p.Display(c.Ref(), lang); name != "" {
		return name
	}
	if name := c.Display.String(); name != "" {
		return name
	}
	return c.Value
}

// Codes are the codes known by name that the attribute may hold, in the order of
// the data file; for help texts and completion.
func (p *Profile) Codes(a Attribute) []metadata.Code {
	var list []metadata.Code
	for _, ref := range p.order {
		c := metadata.Code{Value: ref.Value, Scheme: ref.Scheme, Display: metadata.Text{{Value: p.names[ref][0], Lang: "nb-NO"}}}
		if p.sets[a] != nil && p.Allows(a, c) {
			list = append(list, c)
		}
	}
	return list
}

// Find reads what a person types for a code: "code^^scheme", a code, or its name
// in bokmål or English in any letter case. ok is false when nothing fits.
func (p *Profile) Find(a Attribute, text string) (c metadata.Code, ok bool) {
	if value, scheme, both := strings.Cut(text, "^^"); both && value != "" && scheme != "" {
		c = metadata.Code{Value: value, Scheme: scheme}
		c.Display = metadata.NewText(p.Label(c, "nb"))
		return c, p.Allows(a, c)
	}
	for _, c := range p.Codes(a) {
		names := p.names[c.Ref()]
		if strings.EqualFold(text, c.Value) || strings.EqualFold(text, names[0]) || strings.EqualFold(text, names[1]) {
			return c, true
		}
	}
	return metadata.Code{}, false
}

// Zone is where the people are who read the times.
func (p *Profile) Zone() *time.Location { return p.zone }

// ShowTime is a DTM for people, in the profile's time zone and the Norwegian
// order: 02.01.2026 04:05. A date without a time stays what it is; a value that
// is no DTM is shown as it is.
func (p *Profile) ShowTime(d metadata.DTM) string {
	t, err := d.Time()
	if err != nil {
		return string(d)
	}
	switch len(d) {
	case 4:
		return t.Format("2006")
	case 6:
		return t.Format("01.2006")
	case 8:
		return t.Format("02.01.2006")
	case 14:
		return t.In(p.zone).Format("02.01.2006 15:04:05")
	}
	return t.In(p.zone).Format("02.01.2006 15:04")
}
