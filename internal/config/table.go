package config

import "time"

// Settings is the table, in the order of docs/config.md.
func Settings() []*Setting {
	var t table
	t.general()
	t.identity()
	t.access()
	t.protection()
	t.limits()
	t.listeners()
	t.operation()
	return t.rows
}

type table struct {
	group string
	rows  []*Setting
}

func (t *table) add(name, form, def, help string, set func(*Config, string) error, get func(*Config) string) *Setting {
	s := &Setting{Name: name, Form: form, Default: def, Help: help, Group: t.group, set: set, get: get}
	t.rows = append(t.rows, s)
	return s
}

func (t *table) general() {
	t.group = "General"
	set, get := text(func(c *Config) *string { return &c.Data })
	t.add("data", "DIR", "samdok-data", "Folder that holds everything: log, index, documents, keys, records. It is made when missing; only one server at a time may use it.", set, get)
	set, get = address(func(c *Config) *string { return &c.Listen }, false)
	t.add("listen", "HOST:PORT", "127.0.0.1:8080", "Public listener: the SOAP endpoints and the landing page. Port 0 picks a free port; the printed address shows it.", set, get)
	set, get = address(func(c *Config) *string { return &c.InternalListen }, true)
	t.add("internal-listen", "HOST:PORT|off", "127.0.0.1:8081", "Internal listener: /healthz, /readyz, /metrics and the backup stream. It has no access control of its own; keep it on a network that only operators reach.", set, get)
	set, get = webAddress(func(c *Config) *string { return &c.PublicURL })
	t.add("public-url", "URL", "", "Address under which clients reach the public listener, when that differs from listen (behind a proxy). It is only printed and shown on the landing page.", set, get)
	set, get = text(func(c *Config) *string { return &c.TLSCert })
	t.add("tls.cert", "FILE", "", "Certificate chain in PEM for the public listener. With tls.key it turns TLS 1.2 or later on; without both the listener speaks plain HTTP.", set, get)
	set, get = text(func(c *Config) *string { return &c.TLSKey })
	t.add("tls.key", "FILE", "", "Private key in PEM that belongs to tls.cert.", set, get)
}

func (t *table) identity() {
	t.group = "Identity and profile"
	set, get := text(func(c *Config) *string { return &c.Tenant })
	t.add("tenant", "NAME", "default", "Name of the affinity domain whose documents this server holds. Choose it before the first submission and never change it.", set, get)
	set, get = oid(func(c *Config) *string { return &c.HomeCommunityID }, true)
	t.add("home-community-id", "OID", "", "homeCommunityId of this community. Without one, an OID under 2.25 is made once and kept in the data folder, so that no two installations share it.", set, get)
	set, get = oid(func(c *Config) *string { return &c.RepositoryUniqueID }, false)
	t.add("repository-unique-id", "OID", "", "repositoryUniqueId of the Document Repository. Without one, an OID under 2.25 is made once and kept in the data folder.", set, get)
	set, get = choice(func(c *Config) *string { return &c.Profile }, "base", "norway")
	t.add("profile", "base|norway", "base", "Rules and value sets that submissions must keep. base accepts any code; norway asks for the Norwegian code lists (9602, 9603, 8655 and more).", set, get)
	set, get = choice(func(c *Config) *string { return &c.Patients }, "open")
	t.add("patients", "open", "open", "Which patients may have documents. open accepts every well-formed patient id.", set, get)
}

func (t *table) access() {
	t.group = "Access"
	set, get := choice(func(c *Config) *string { return &c.Decider }, "open", "deny")
	t.add("access.decider", "open|deny", "open", "Who decides about access. open allows everything that comes from this machine; deny refuses everything.", set, get)
	set, get = onOff(func(c *Config) *bool { return &c.AllowRemoteOpen })
	t.add("access.allow-remote-open", "on|off", "off", "Lets the open decider answer other machines too. Only for closed test networks: everybody who reaches the listener can read and write everything.", set, get)
}

func (t *table) protection() {
	t.group = "Encryption and malware"
	set, get := onOff(func(c *Config) *bool { return &c.Encryption })
	t.add("encryption", "on|off", "on", "Encrypts events and documents at rest (AES-256-GCM, one data key each). Settled when the data folder is made; off is for comparison only.", set, get)
	set, get = secret(func(c *Config) *Secret { return &c.MasterKey })
	t.add("master-key", "KEY", "", "Master key that wraps all data keys: 32 bytes in base64 (head -c 32 /dev/urandom | base64). Without one, a key is made once and kept in the data folder as master.key; keep it elsewhere when the folder leaves your hands. Losing it loses every document.", set, get).Secret = true
	set, get = secret(func(c *Config) *Secret { return &c.LedgerKey })
	t.add("ledger-key", "KEY", "", "Private key that signs the ledger's checkpoints, as samdok ledger new-key makes it. Without one, a key is made once and kept in the data folder, sealed by the master key. Keep it elsewhere when whoever can change the folder must not be able to sign what was changed.", set, get).Secret = true
	set, get = duration(func(c *Config) *time.Duration { return &c.CheckpointInterval }, 100*time.Millisecond)
	t.add("ledger.checkpoint-interval", "DURATION", "10s", "How often the ledger's newest records are covered by a signed checkpoint. Records are durable before each answer at any interval.", set, get)
	set, get = choice(func(c *Config) *string { return &c.Malware.Kind }, "off", "clamd", "icap")
	t.add("malware.scanner", "off|clamd|icap", "off", "Scanner that sees each document before it is stored. A document that it refuses is not stored.", set, get)
	set, get = text(func(c *Config) *string { return &c.Malware.Address })
	t.add("malware.address", "ADDRESS", "", "Where the scanner is: /run/clamav/clamd.ctl or HOST:PORT for clamd, icap://HOST:PORT/SERVICE for ICAP.", set, get)
	set, get = duration(func(c *Config) *time.Duration { return &c.Malware.Timeout }, time.Second)
	t.add("malware.timeout", "DURATION", "30s", "How long the scanner may take for each step of a document.", set, get)
	set, get = onOff(func(c *Config) *bool { return &c.Malware.AdmitUnscanned })
	t.add("malware.admit-unscanned", "on|off", "off", "Stores documents that the scanner had no verdict on, because it was away or gave up. off refuses them: the sender is told to try again.", set, get)
}

func (t *table) limits() {
	t.group = "Limits of one request"
	set, get := size(func(c *Config) *int64 { return &c.Limits.RootBytes })
	t.add("limits.root-bytes", "SIZE", "16MiB", "Largest SOAP envelope, documents not counted.", set, get)
	set, get = size(func(c *Config) *int64 { return &c.Limits.DocumentBytes })
	t.add("limits.document-bytes", "SIZE", "5GiB", "Largest document.", set, get)
	set, get = size(func(c *Config) *int64 { return &c.Limits.SubmissionBytes })
	t.add("limits.submission-bytes", "SIZE", "20GiB", "All documents of one submission together.", set, get)
	set, get = count(func(c *Config) *int { return &c.Limits.Documents })
	t.add("limits.documents", "NUMBER", "500", "Documents in one submission.", set, get)
	set, get = count(func(c *Config) *int { return &c.Limits.Objects })
	t.add("limits.objects", "NUMBER", "20000", "Entries, folders and associations in one submission.", set, get)
	set, get = count(func(c *Config) *int { return &c.Limits.Depth })
	t.add("limits.depth", "NUMBER", "256", "XML elements inside one another.", set, get)
	set, get = count(func(c *Config) *int { return &c.Limits.Attributes })
	t.add("limits.attributes", "NUMBER", "64", "XML attributes of one element, namespace declarations among them.", set, get)
	set, get = count(func(c *Config) *int { return &c.Limits.Slots })
	t.add("limits.slots", "NUMBER", "10000", "Slots of one object.", set, get)
	set, get = count(func(c *Config) *int { return &c.Limits.Values })
	t.add("limits.values", "NUMBER", "100000", "Values of one slot, such as ids in a query.", set, get)
	set, get = smallSize(func(c *Config) *int { return &c.Limits.ValueBytes })
	t.add("limits.value-bytes", "SIZE", "1MiB", "Largest single XML attribute or text.", set, get)
	set, get = count(func(c *Config) *int { return &c.Limits.QueryLeafClass })
	t.add("limits.query-leafclass", "NUMBER", "10000", "Objects in one answer with returnType LeafClass; more is XDSTooManyResults.", set, get)
	set, get = count(func(c *Config) *int { return &c.Limits.QueryObjectRefs })
	t.add("limits.query-objectrefs", "NUMBER", "100000", "References in one answer with returnType ObjectRef; more is XDSTooManyResults.", set, get)
	set, get = count(func(c *Config) *int { return &c.Limits.RetrieveDocuments })
	t.add("limits.retrieve-documents", "NUMBER", "500", "Documents in one retrieval.", set, get)
	set, get = count(func(c *Config) *int { return &c.Limits.ConcurrentRequests })
	t.add("limits.concurrent-requests", "NUMBER", "256", "Requests in work at the same time; one more is answered 503 with Retry-After.", set, get)
}

func (t *table) listeners() {
	t.group = "Listeners"
	set, get := duration(func(c *Config) *time.Duration { return &c.HTTP.HeaderTimeout }, time.Second)
	t.add("http.header-timeout", "DURATION", "10s", "Time for a client to send the header of a request.", set, get)
	set, get = duration(func(c *Config) *time.Duration { return &c.HTTP.IdleTimeout }, time.Second)
	t.add("http.idle-timeout", "DURATION", "2m", "Time that a connection may rest between two requests.", set, get)
	set, get = duration(func(c *Config) *time.Duration { return &c.HTTP.StallTimeout }, time.Second)
	t.add("http.stall-timeout", "DURATION", "1m", "Time without a single byte, in or out, after which a request is given up. A slow upload that still moves is never cut.", set, get)
	set, get = duration(func(c *Config) *time.Duration { return &c.HTTP.DrainTimeout }, 0)
	t.add("http.drain-timeout", "DURATION", "30s", "Time for requests in work to end after SIGTERM or Ctrl-C. A second signal ends at once.", set, get)
	set, get = smallSize(func(c *Config) *int { return &c.HTTP.HeaderBytes })
	t.add("http.header-bytes", "SIZE", "64KiB", "Largest header of a request.", set, get)
	set, get = rate(func(c *Config) *float64 { return &c.HTTP.Rate })
	t.add("http.rate", "NUMBER", "1000", "Requests per second from one client address (one IPv6 /64), 0 for no limit; one more is answered 429 with Retry-After. This machine itself is not limited.", set, get)
	set, get = count(func(c *Config) *int { return &c.HTTP.Burst })
	t.add("http.burst", "NUMBER", "2000", "Requests that a client may send at once before http.rate counts.", set, get)
	set, get = count(func(c *Config) *int { return &c.HTTP.Clients })
	t.add("http.clients", "NUMBER", "10000", "Client addresses whose rate is remembered.", set, get)
}

func (t *table) operation() {
	t.group = "Operation"
	set, get := duration(func(c *Config) *time.Duration { return &c.Sweep.Interval }, time.Minute)
	t.add("sweep.interval", "DURATION", "1h", "Time between two sweeps. A sweep removes stored bytes that no submission registered within 24 hours: leftovers of crashes and broken uploads.", set, get)
	set, get = choice(func(c *Config) *string { return &c.Log.Level }, "debug", "info", "warn", "error")
	t.add("log.level", "debug|info|warn|error", "info", "Least severity that is logged to stderr.", set, get)
	set, get = choice(func(c *Config) *string { return &c.Log.Format }, "json", "text")
	t.add("log.format", "json|text", "json", "Form of the log. It never holds a document, a token or an identity number.", set, get)
	set, get = onOff(func(c *Config) *bool { return &c.Profiling })
	t.add("profiling", "on|off", "off", "Offers /debug/profile?seconds=N on the internal listener: a CPU profile for go tool pprof. It names functions, never data.", set, get)
}
