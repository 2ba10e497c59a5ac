package gateway

import (
	"context"
	"io"
	"time"

	"samdok/access"
	"samdok/discovery"
	"samdok/fault"
	"samdok/metadata"
)

// Community is one community that can be asked. Implementations are safe for
// concurrent use and return soon after ctx has ended.
//
// An error that carries problems of the standard (fault.Error) is the community's
// refusal; any other error means that there is no answer.
type Community interface {
	// Find answers a stored query (ITI-38). It calls show for each object, in the
	// goroutine of the caller; an error of show ends it. The problems came with the
	// answer.
	Find(ctx context.Context, c access.Caller, q metadata.StoredQuery, show func(metadata.Object) error) ([]fault.Problem, error)
	// Retrieve opens documents (ITI-39). It returns when it is known which of them
	// come; ctx holds until Close.
	Retrieve(ctx context.Context, c access.Caller, r []metadata.DocumentRequest) (*Retrieved, error)
}

// Retrieved are documents that stream in and the problems of the others. Bodies are
// read in their order: those that are here already come first. The caller must Close it.
type Retrieved struct {
	Documents []Document
	Problems  []fault.Problem
	close     func() error
	lost      error // why documents did not come that had begun to
	streaming bool  // a document is still on its way from another community
}

// OnClose sets what Close does.
func (r *Retrieved) OnClose(f func() error) { r.close = f }

// Close releases the documents.
func (r *Retrieved) Close() error {
	if r.close == nil {
		return nil
	}
	f := r.close
	r.close = nil
	return f()
}

// Document is one document on its way. Body fails, and never ends early with
// io.EOF, when bytes are missing.
type Document struct {
	Request  metadata.DocumentRequest
	NewID    metadata.DocumentRequest // of an on-demand document; "" when none
	MimeType string
	Size     int64 // in octets; -1 when the community did not say
	Body     io.Reader
}

// Member is a community of the directory.
type Member struct {
	// Home is its homeCommunityId ("urn:oid:..."), Name is for people.
	Home, Name string
	// Others are further homeCommunityIds that it answers for. Bridge: it answers
	// also for those that no other member has, as a national gateway does.
	Others []string
	Bridge bool
	// Repositories are those that stand there ("1.2.3"). Several members that name theirs
	// may have one home, also the own one: all are asked, and a document is fetched where
	// its repository is. nil: all of the home's.
	Repositories []string
	// Authority replaces the assigning authority of patient ids in requests to this
	// community; "" leaves them as they are.
	Authority string
	// Discover asks the community who a patient is (ITI-55), and how long the answer
	// may be kept. nil: the patient's id is the same everywhere.
	Discover func(ctx context.Context, c access.Caller, q discovery.Query) (discovery.Answer, time.Duration, error)
	// Where asks the community, a Health Data Locator, where a patient has data (ITI-56);
	// nil: it is none. Communities of Knows that it does not name have nothing; of others
	// its silence says nothing.
	Where     func(ctx context.Context, c access.Caller, patient metadata.PatientID) ([]discovery.Location, error)
	Knows     []string
	Limits    Limits
	Community Community
}

// Limits of one community. Zero fields get their default.
type Limits struct {
	// Deadline is for a whole answer to a query, and for the beginning of an answer
	// with documents. Default 10 s.
	Deadline time.Duration
	// Stall is how long may be waited for 64 KiB of a document, or for its end. Default 30 s.
	Stall time.Duration
	// Concurrent is how many requests it gets at a time; others wait within their
	// deadline. Default 32.
	Concurrent int
	// Retries is how often a query is sent again after its connection failed.
	// Default 1; -1: never.
	Retries int
	// Quota is how many octets of an answer to a query are kept. Default
	// DefaultQuota.
	Quota int64
	// Failures in a row after which it is not asked for Pause. Default 5, 10 s.
	Failures int
	Pause    time.Duration
}

// DefaultQuota is how many octets of an answer to a query are kept.
const DefaultQuota = 64 << 20

func (l Limits) withDefaults() Limits {
	setDefault(&l.Deadline, 10*time.Second)
	setDefault(&l.Stall, 30*time.Second)
	setDefault(&l.Concurrent, 32)
	setDefault(&l.Quota, DefaultQuota)
	setDefault(&l.Failures, 5)
	setDefault(&l.Pause, 10*time.Second)
	switch {
	case l.Retries == 0:
		l.Retries = 1
	case l.Retries < 0:
		l.Retries = 0
	}
	return l
}

func setDefault[T int | int64 | time.Duration](to *T, value T) {
	if *to <= 0 {
		*to = value
	}
}

// Leg is the own community, when it is asked together with the others.
type Leg struct {
	Homes     []string
	Community Community
	// Alone: nobody else is asked but members that share its home.
	Alone bool
}
