package mtom

import (
	"fmt"
	"net/http"

	"samdok/soap"
)

// Limits of one package. A zero field means its default.
type Limits struct {
	// Parts is the highest number of parts, the root included.
	Parts int
	// HeaderBytes is the size of the header lines of one part, including what
	// stands before its boundary.
	HeaderBytes int
	// RootBytes is the size of the root part without inlined documents; its reader
	// enforces it.
	RootBytes int64
	// PartBytes is the decoded size of one attachment.
	PartBytes int64
	// TotalBytes is the size of the whole package as sent.
	TotalBytes int64
}

// Names of the limits in messages; those of the configuration where it has them.
const (
	LimitParts       = "limits.documents"
	LimitHeaderBytes = "limits.part-header-bytes"
	LimitRootBytes   = "limits.root-bytes"
	LimitPartBytes   = "limits.document-bytes"
	LimitTotalBytes  = "limits.submission-bytes"
)

// Defaults are the limits used when nothing is configured.
var defaults = Limits{
	Parts:       501,
	HeaderBytes: 16 << 10,
	RootBytes:   16 << 20,
	PartBytes:   5 << 30,
	TotalBytes:  20 << 30,
}

// WithDefaults fills in the zero fields.
func (l Limits) WithDefaults() Limits {
	if l.Parts <= 0 {
		l.Parts = defaults.Parts
	}
	if l.HeaderBytes <= 0 {
		l.HeaderBytes = defaults.HeaderBytes
	}
	if l.RootBytes <= 0 {
		l.RootBytes = defaults.RootBytes
	}
	if l.PartBytes <= 0 {
		l.PartBytes = defaults.PartBytes
	}
	if l.TotalBytes <= 0 {
		l.TotalBytes = defaults.TotalBytes
	}
	return l
}

// LimitError says which limit a package passed.
type LimitError struct {
	Name string
	Max  int64
	What string // "an attachment", "the envelope" ...
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("mtom: %s is larger than %d, which is the limit %s", e.What, e.Max, e.Name)
}

// Fault is the limit as an answer of HTTP status 413.
func (e *LimitError) Fault() *soap.Fault {
	return soap.Refuse(
		fmt.Sprintf("The message is too large: %s passes %d, the limit %s of this server. Send less at a time, or ask the operator to raise the limit.", e.What, e.Max, e.Name),
		fmt.Sprintf("Meldingen er for stor: grensen %s (%d) på denne tjeneren er overskredet. Send mindre om gangen, eller be driften heve grensen.", e.Name, e.Max),
	).WithStatus(http.StatusRequestEntityTooLarge).Because(e)
}

// broken is a fault for a package that breaks the rules of its format.
func broken(format string, args ...any) *soap.Fault {
	what := fmt.Sprintf(format, args...)
	return soap.Refuse(
		"The MTOM package cannot be read: "+what+".",
		"MTOM-pakken kan ikke leses ("+what+").")
}
