package config

import (
	"time"

	"samdok/internal/outward"
	"samdok/metadata"
)

// Config is the whole configuration, checked. Make one with Load.
type Config struct {
	Data           string
	Listen         string
	InternalListen string // "" when the internal listener is off
	PublicURL      string // "" means: made from Listen
	TLSCert        string
	TLSKey         string
	TLSClientCA    string // "" means: clients need no certificate

	Tenant             string
	HomeCommunityID    string // "" means: generated once per data folder
	RepositoryUniqueID string // "" means: generated once per data folder
	Profile            string
	Patients           string
	UnknownLogicalID   string // error of an ITI-57: unresolved or version
	ChangedObjectType  string // error of an ITI-92: unmodifiable or object-type
	IdentityNumbers    string
	PatientAuthorities []Authority // none: any that is given by its OID

	Decider         string
	AllowRemoteOpen bool

	Encryption bool
	MasterKey  Secret // "" means: kept in the data folder
	OtherKey   Secret // that may wrap data keys too, while a rotation lasts

	LedgerKey          Secret // "" means: kept in the data folder
	CheckpointInterval time.Duration

	RetentionRules string        // "" means: none
	LedgerKeep     time.Duration // records of use, at least

	Storage       string // embedded or scaled
	Node          string // "" means: the machine's name
	S3            S3
	Elasticsearch Elasticsearch

	Roles    string // "registry,repository", "registry" or "repository"
	Unheld   string // refuse, accept
	Registry Registry
	OnDemand OnDemand

	Limits  Limits
	Across  Across
	Mailbox Mailbox
	Async   Async
	HTTP    HTTP
	MLLP    MLLP
	Outward Outward
	DSUB    DSUB
	Locator Locator
	Malware Malware
	Gateway Gateway
	Sweep   Sweep
	Log     Log

	Profiling bool // CPU profiles on the internal listener
	Tracing   Tracing

	// from tells where each value came from, by setting name.
	from map[string]Source
}

// Secret is a value that never shows itself when printed.
type Secret string

// String hides the value.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "(secret)"
}

// GoString hides the value from %#v.
func (s Secret) GoString() string { return s.String() }

// Limits bound what one request may hold.
type Limits struct {
	RootBytes          int64 // SOAP envelope
	PartHeaderBytes    int   // header lines of one part of a package
	DocumentBytes      int64
	SubmissionBytes    int64 // all documents of one submission
	Documents          int   // documents in one submission
	Objects            int   // objects in one submission
	Depth              int   // nested XML elements
	Attributes         int   // XML attributes of one element
	Slots              int   // slots of one object
	Values             int   // values of one slot
	ValueBytes         int   // one XML attribute or text
	QueryLeafClass     int   // objects in one LeafClass answer
	QueryObjectRefs    int   // references in one ObjectRef answer
	RetrieveDocuments  int   // documents in one retrieval
	DrainBytes         int64 // still read of a submission that is refused
	ConcurrentRequests int
}

// HasRegistry tells whether the server is a Document Registry.
func (c *Config) HasRegistry() bool { return c.Roles != RoleRepository }

// HasRepository tells whether the server is a Document Repository.
func (c *Config) HasRepository() bool { return c.Roles != RoleRegistry }

// RefusesUnheld tells whether metadata of documents that the own repository does not
// have is refused: only a server that is both actors knows.
func (c *Config) RefusesUnheld() bool { return c.Unheld == "refuse" && c.Roles == RolesBoth }

// Values of Config.Roles.
const (
	RolesBoth      = "registry,repository"
	RoleRegistry   = "registry"
	RoleRepository = "repository"
)

// Registry is somebody else's, for a repository without one of its own.
type Registry struct {
	URL, QueryURL string
	CA, Cert, Key string // files
	Timeout       time.Duration
}

// Mailbox is about documents that are sent to somebody (XDR).
type Mailbox struct {
	On, Any       bool
	Organisations []string
	Default       string // takes what names no recipient; "": nobody
}

// Across is about queries for several patients (ITI-51).
type Across struct {
	On       bool
	Patients int           // that one query may name
	Range    time.Duration // that a query without patients may span
	Objects  int           // in an answer to a query without patients
}

// Async is about answers that go to another address (wsa:ReplyTo).
type Async struct {
	On     bool
	Expire time.Duration // of one answer
}

// HTTP are the manners of the listeners.
type HTTP struct {
	HeaderTimeout time.Duration
	IdleTimeout   time.Duration // a connection between two requests
	StallTimeout  time.Duration // no byte moved inside one request
	DrainTimeout  time.Duration
	HeaderBytes   int
	Rate          float64 // requests per second and client; 0 is unlimited
	Burst         int
	Clients       int // clients whose rate is remembered
	Share         int // percent of Limits.ConcurrentRequests that one client may have
}

// OnDemand says which documents are made when they are retrieved.
type OnDemand struct {
	SummaryCDA, SummaryPDF Codes
	Register               string // off, pdf, cda, both
	Snapshots              bool
	Documents              int
	Concurrent             int
}

// Codes are codes that something holds for. The zero value is none.
type Codes struct {
	Any  bool
	List []metadata.CodeRef
}

// Authority is an assigning authority of patient ids.
type Authority struct {
	Name string // namespace in HL7 v2, or ""
	OID  string
}

// MLLP is the listener for HL7 v2 messages.
type MLLP struct {
	Listen       string // "" when it is off
	Cert, Key    string // "" means: plain TCP
	ClientCA     string // "" means: clients need no certificate
	MessageBytes int
	Connections  int
	IdleTimeout  time.Duration // between two messages
	StallTimeout time.Duration // no octet moved inside a message
}

// Outward is about messages to addresses that others name.
type Outward struct {
	Allow         outward.Allowed
	AllowText     string           // as given
	Networks      outward.Networks // not public, and names may lead there
	CA, Cert, Key string           // "" means: the system's authorities; no certificate
	Timeout       time.Duration    // of one message
}

// DSUB is about subscriptions and notifications (ITI-52, 53, 54).
type DSUB struct {
	On         bool
	Longest    time.Duration // of a subscription
	Usual      time.Duration // when nobody says
	PerPatient int
	AnyPatient int           // 0: none
	Retry      time.Duration // of one notification
}

// Malware is the scanner that looks at documents before they are stored.
type Malware struct {
	Kind    string // off, clamd, icap
	Address string
	Timeout time.Duration // of each step
	// AdmitUnscanned stores documents that the scanner had no verdict on.
	AdmitUnscanned bool
}

// Gateway says how this community meets others.
type Gateway struct {
	Communities string // file of the other communities; "": there are none
	Respond     bool   // answer other communities' gateways
	Scope       string // of their questions: local, communities
	Kinds       string // of objects answered: all, documents
	Discovery   string // whether others may ask who a patient is: off, ids, names
	// DiscoveryKeep is how long others may remember an answer; 0: not at all.
	DiscoveryKeep time.Duration
}

// Locator is about who holds what about a patient (PIL).
type Locator struct {
	On            bool   // serve one
	URL           string // of another one, which is told; "": none
	CA, Cert, Key string // towards it
	Level         string // of what it is told: organisation, system
	Gateway       string // which one the gateway asks: off, own, remote
	Probe         int    // percent of queries that ask all nevertheless
	Deadline      time.Duration
	Stale         time.Duration // a community's report counts that long
	Report        time.Duration // between two reports of the own community
	Retry         time.Duration // of what is told
	KeepWithdrawn time.Duration
}

// Sweep removes documents that no submission ever registered.
type Sweep struct {
	Interval time.Duration
	Age      time.Duration // of what is removed
}

// Log is the operator's log on stderr.
type Log struct {
	Level  string
	Format string
}

// Tracing is where spans go.
type Tracing struct {
	Endpoint string // "" means: nowhere
	Sample   int    // percent of the traces that begin here
}

// Source is where a value came from.
type Source struct {
	Kind SourceKind
	Name string // flag, variable or file
	Line int    // in the file; 0 elsewhere
}

// SourceKind orders sources: a later one wins.
type SourceKind uint8

const (
	FromDefault SourceKind = iota
	FromFile
	FromEnvironment
	FromFlag
)

// String is for people.
func (s Source) String() string { return s.In(false) }

// In is String in a language.
func (s Source) In(bokmal bool) string {
	switch s.Kind {
	case FromFile:
		return Text{"file ", "filen "}.In(bokmal) + s.Name
	case FromEnvironment:
		return Text{"environment ", "miljøvariabelen "}.In(bokmal) + s.Name
	case FromFlag:
		return Text{"flag ", "flagget "}.In(bokmal) + s.Name
	}
	return Text{"default", "standard"}.In(bokmal)
}

// Source tells where the value of a setting came from.
func (c *Config) Source(name string) Source { return c.from[name] }
