package profile

import (
	"fmt"
	"strings"
	"time"

	"samdok/metadata"
)

// Defaults completes a document that somebody puts by hand: every attribute that
// is still empty and that the standard requires gets the profile's value, except
// those that only the sender can know (patientId, uniqueId, ids, hash, size).
// The class follows the type, the format the mime type.
func (p *Profile) Defaults(e *metadata.DocumentEntry, now time.Time) {
	if e.Kind == metadata.KindUnknown {
		e.Kind = metadata.Stable
	}
	if e.Language == "" {
		e.Language = p.defaults.Language
	}
	if e.CreationTime == "" && e.Kind == metadata.Stable {
		e.CreationTime = metadata.FormatDTM(now)
	}
	if e.SourcePatientID == "" {
		e.SourcePatientID = e.PatientID
	}
	p.fill(&e.TypeCode, p.defaults.TypeCode)
	if e.ClassCode.Value == "" {
		e.ClassCode = p.classOf(e.TypeCode)
	}
	p.fill(&e.Facility, p.defaults.Facility)
	p.fill(&e.Practice, p.defaults.Practice)
	if len(e.Confidential) == 0 {
		for _, c := range p.defaults.Confidential {
			e.Confidential = append(e.Confidential, p.code(c))
		}
	}
	if e.FormatCode.Value == "" {
		e.FormatCode = p.formatOf(e.MimeType)
	}
}

// Summary makes an on-demand entry one of a patient summary: its type, if it has
// none, and its title in the entry's language. Defaults does the rest.
func (p *Profile) Summary(e *metadata.DocumentEntry) {
	e.Kind = metadata.OnDemand
	p.fill(&e.TypeCode, p.defaults.SummaryType)
	if e.Title.String() == "" {
		e.Title = metadata.Text{{Value: "Pasientsammendrag", Lang: "nb-NO"}}
		if strings.HasPrefix(e.Language, "en") {
			e.Title = metadata.Text{{Value: "Patient summary", Lang: e.Language}}
		}
	}
}

// SetDefaults completes a submission set for the entry that it submits.
func (p *Profile) SetDefaults(s *metadata.SubmissionSet, e *metadata.DocumentEntry, now time.Time) {
	if s.SubmissionTime == "" {
		s.SubmissionTime = metadata.FormatDTM(now)
	}
	if s.PatientID == "" {
		s.PatientID = e.PatientID
	}
	if s.ContentType.Value == "" {
		s.ContentType = e.TypeCode
		s.ContentType.ID = metadata.UUID{}
	}
}

func (p *Profile) fill(c *metadata.Code, def []string) {
	if c.Value == "" {
		*c = p.code(def)
	}
}

// code makes a Code of [code, scheme] or [code, scheme, bokmål, English].
func (p *Profile) code(def []string) metadata.Code {
	if len(def) < 2 {
		return metadata.Code{}
	}
	c := metadata.Code{Value: def[0], Scheme: def[1]}
	name := p.Display(c.Ref(), "nb")
	if name == "" && len(def) > 2 {
		name = def[2]
	}
	if name == "" {
		name = c.Value
	}
	c.Display = metadata.Text{{Value: name, Lang: "nb-NO"}}
	return c
}

// classOf: in 9602 a class X00-1 holds the types Xnn-2.
func (p *Profile) classOf(kind metadata.Code) metadata.Code {
	if len(p.defaults.ClassCode) > 0 || kind.Value == "" {
		return p.code(p.defaults.ClassCode)
	}
	return p.code([]string{kind.Value[:1] + "00-1", kind.Scheme})
}

func (p *Profile) formatOf(mime string) metadata.Code {
	def := p.defaults.Format
	if len(def) < 2 {
		return metadata.Code{}
	}
	if code := p.defaults.Formats[mime]; code != "" {
		return p.code([]string{code, def[1]})
	}
	return p.code(def)
}

// checkDefaults proves that what Defaults fills in is valid in the profile.
func (p *Profile) checkDefaults() error {
	e, summary := &metadata.DocumentEntry{MimeType: "application/pdf"}, &metadata.DocumentEntry{MimeType: "text/xml"}
	p.Summary(summary)
	p.Defaults(e, time.Unix(0, 0))
	p.Defaults(summary, time.Unix(0, 0))
	sub := &metadata.Submission{Entries: []*metadata.DocumentEntry{e, summary}}
	p.SetDefaults(&sub.Set, e, time.Unix(0, 0))
	if problems := p.Validate(sub); len(problems) > 0 {
		return fmt.Errorf("defaults: %s", problems[0].Context)
	}
	return nil
}
