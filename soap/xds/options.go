package xds

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"samdok/access"
	"samdok/hl7/identity"
	"samdok/internal/xmlscan"
	"samdok/metadata/ebrim"
	"samdok/sharing"
	"samdok/soap"
	"samdok/soap/mtom"
)

// DoorOptions of RegistryHandler and RepositoryHandler. The zero value works.
type DoorOptions struct {
	// Caller says who asks; nil means an unauthenticated caller with address,
	// MessageID and trace (AnonymousCaller).
	Caller func(*http.Request, soap.Header) access.Caller
	// Refused records a request of a known transaction that is refused before its use
	// case begins; nil: nobody does.
	Refused func(context.Context, access.Caller, sharing.Refused) error
	// Log gets what callers must not see; nil means slog.Default().
	Log    *slog.Logger
	Limits Limits
	// Authorities are those whose patients an identity feed may tell of.
	Authorities identity.Authorities
	// TempDir holds encrypted spools; "" means the system's.
	TempDir string
	// Across answers queries about several patients (ITI-51).
	Across bool
	// Later keeps answers that go to another address; nil: requests for them are
	// refused.
	Later Later
}

// Limits of a door. A zero field means its default.
type Limits struct {
	// Message bounds the package and its parts.
	Message mtom.Limits
	// XML and Metadata bound what is inside the root part.
	XML      xmlscan.Limits
	Metadata ebrim.Limits
	// Retrieve is the number of documents in one ITI-43 request. Default 500.
	Retrieve int
	// EnvelopeMemory bounds the envelopes of all requests in work together.
	// Default 256 MiB.
	EnvelopeMemory int64
	// SpoolMemory is how much of one answer stays in memory. Default 1 MiB.
	SpoolMemory int
	// AnswerMemory is how much more of all answers to queries together stays in memory,
	// before they go to temporary files. Default 64 MiB.
	AnswerMemory int64
	// Drain is how many bytes of a refused upload are read after the answer, so
	// that clients that write everything first see it. Default 64 MiB.
	Drain int64
}

func (l Limits) withDefaults() Limits {
	l.Message = l.Message.WithDefaults()
	if l.XML.Size <= 0 {
		l.XML.Size = int(l.Message.RootBytes)
	}
	if l.XML.Text <= 0 {
		l.XML.Text = 1 << 20
	}
	if l.Retrieve <= 0 {
		l.Retrieve = 500
	}
	if l.EnvelopeMemory <= 0 {
		l.EnvelopeMemory = 256 << 20
	}
	if l.AnswerMemory <= 0 {
		l.AnswerMemory = 64 << 20
	}
	if l.Drain <= 0 {
		l.Drain = 64 << 20
	}
	return l
}

// AnonymousCaller is a caller about whom only the connection is known.
func AnonymousCaller(r *http.Request, h soap.Header) access.Caller {
	c := access.Caller{Door: "soap", MessageID: correlation(h.MessageID), Hops: hops(r),
		TraceParent: correlation(r.Header.Get("Traceparent")), EventID: correlation(r.Header.Get("Nhn-Event-Id"))}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	c.Remote = host
	c.Loopback = isLoopback(host)
	return c
}

// maxCorrelation bounds what a caller may add to its record by an id of its own
// choice, octets.
const maxCorrelation = 256

func correlation(id string) string {
	if len(id) <= maxCorrelation {
		return id
	}
	return strings.ToValidUTF8(id[:maxCorrelation], "")
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
