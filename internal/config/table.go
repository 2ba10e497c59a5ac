package config

import (
	"time"

	"samdok/internal/outward"
)

// Settings is the table, in the order of docs/config.md.
func Settings() []*Setting {
	var t table
	t.general()
	t.identity()
	t.roles()
	t.authorities()
	t.scaled()
	t.access()
	t.protection()
	t.onDemand()
	t.limits()
	t.multiPatient()
	t.updates()
	t.mailbox()
	t.listeners()
	t.mllp()
	t.gateway()
	t.locator()
	t.outward()
	t.async()
	t.subscriptions()
	t.retention()
	t.operation()
	return t.rows
}

type table struct {
	group Text
	rows  []*Setting
}

func (t *table) add(name, form, def, en, nb string, set func(*Config, string) error, get func(*Config) string) *Setting {
	s := &Setting{Name: name, Form: form, Default: def, Help: Text{en, nb}, Group: t.group, set: set, get: get}
	t.rows = append(t.rows, s)
	return s
}

func (t *table) general() {
	t.group = Text{"General", "Generelt"}
	set, get := text(func(c *Config) *string { return &c.Data })
	t.add("data", "DIR", "samdok-data",
		"Folder that holds everything: log, index, documents, keys, records. It is made when missing; only one server at a time may use it.",
		"Mappen som holder alt: logg, indeks, dokumenter, nøkler og registreringer av innsyn. Den lages når den mangler; bare én tjener om gangen kan bruke den.", set, get)
	set, get = address(func(c *Config) *string { return &c.Listen }, false)
	t.add("listen", "HOST:PORT", "127.0.0.1:8080",
		"Public listener: the SOAP endpoints and the landing page. Port 0 picks a free port; the printed address shows it.",
		"Åpen adresse: SOAP-endepunktene og forsiden. Port 0 velger en ledig port; adressen som skrives ut, viser hvilken.", set, get)
	set, get = address(func(c *Config) *string { return &c.InternalListen }, true)
	t.add("internal-listen", "HOST:PORT|off", "127.0.0.1:8081",
		"Internal listener: /healthz, /readyz and /metrics. It has no access control of its own; keep it on a network that only operators reach.",
		"Intern adresse: /healthz, /readyz og /metrics. Den har ingen egen tilgangskontroll; hold den på et nett som bare driftspersonell når.", set, get)
	set, get = webAddress(func(c *Config) *string { return &c.PublicURL })
	t.add("public-url", "URL", "",
		"Address under which clients reach the public listener, when that differs from listen (behind a proxy). It is printed, shown on the landing page, and the addresses of subscriptions (DSUB) begin with it.",
		"Adressen som klientene når tjeneren på, når den er en annen enn listen (bak en proxy). Den blir skrevet ut og vist på forsiden, og adressene til abonnementer (DSUB) begynner med den.", set, get)
	set, get = text(func(c *Config) *string { return &c.TLSCert })
	t.add("tls.cert", "FILE", "",
		"Certificate chain in PEM for the public listener. With tls.key it turns TLS 1.2 or later on; without both the listener speaks plain HTTP.",
		"Sertifikatkjede i PEM for den åpne adressen. Sammen med tls.key slår den på TLS 1.2 eller nyere; uten begge brukes vanlig HTTP.", set, get)
	set, get = text(func(c *Config) *string { return &c.TLSKey })
	t.add("tls.key", "FILE", "",
		"Private key in PEM that belongs to tls.cert.",
		"Privat nøkkel i PEM som hører til tls.cert.", set, get)
	set, get = text(func(c *Config) *string { return &c.TLSClientCA })
	t.add("tls.client-ca", "FILE", "",
		"Certificates in PEM of the authorities that client certificates must come from. When it is given no client is let in without such a certificate (mutual TLS); it needs tls.cert and tls.key.",
		"Sertifikater i PEM for utstederne som klientsertifikater må komme fra. Når den er satt, slipper ingen klient inn uten et slikt sertifikat (gjensidig TLS); det krever tls.cert og tls.key.", set, get)
}

func (t *table) identity() {
	t.group = Text{"Identity and profile", "Identitet og profil"}
	set, get := text(func(c *Config) *string { return &c.Tenant })
	t.add("tenant", "NAME", "default",
		"Name of the affinity domain whose documents this server holds. Choose it before the first submission and never change it.",
		"Navnet på dokumentdelingsfellesskapet (affinity domain) som tjeneren holder dokumenter for. Velg det før første innsending, og endre det aldri.", set, get)
	set, get = oid(func(c *Config) *string { return &c.HomeCommunityID }, true)
	t.add("home-community-id", "OID", "",
		"homeCommunityId of this community. Without one, an OID under 2.25 is made once and kept in the data folder, so that no two installations share it.",
		"homeCommunityId for fellesskapet. Uten den lages én OID under 2.25 som beholdes i datamappen, slik at ingen to installasjoner deler den.", set, get)
	set, get = oid(func(c *Config) *string { return &c.RepositoryUniqueID }, false)
	t.add("repository-unique-id", "OID", "",
		"repositoryUniqueId of the Document Repository. Without one, an OID under 2.25 is made once and kept in the data folder.",
		"repositoryUniqueId for dokumentarkivet. Uten den lages én OID under 2.25 som beholdes i datamappen.", set, get)
	set, get = choiceOrFile(func(c *Config) *string { return &c.Profile }, ".json", "base", "norway")
	t.add("profile", "base|norway|FILE.json", "base",
		"Rules and value sets that submissions must keep. base accepts any code; norway asks for the Norwegian code lists (9602, 9603, 8655 and more); a file of one's own has the form of metadata/profile/data/norway.json.",
		"Regler og kodeverk som innsendinger må følge. base godtar alle koder; norway krever de norske kodeverkene (9602, 9603, 8655 og flere); en egen fil har samme form som metadata/profile/data/norway.json.", set, get)
	set, get = choice(func(c *Config) *string { return &c.Patients }, "open", "known")
	t.add("patients", "open|known", "open",
		"Which patients may have documents. open accepts every well-formed patient id; known only those that a patient identity feed (ITI-8, ITI-44) has told of. Ids that were merged into others are refused by both.",
		"Hvilke pasienter som kan ha dokumenter. open godtar enhver gyldig pasient-id; known bare dem som et pasientregister har meldt (ITI-8, ITI-44). Id-er som er slått sammen med andre, avvises av begge.", set, get)
	set, get = choice(func(c *Config) *string { return &c.IdentityNumbers }, "checked", "checked-2032", "unchecked")
	t.add("identity-numbers", "checked|checked-2032|unchecked", "checked",
		"How the numbers of patients are looked at where the profile knows their form (norway: fødselsnummer, D-nummer, H-nummer, DUF-nummer). checked: length, date and control digits; checked-2032 also takes the control digits of numbers that are given out from 2032 on; unchecked takes any.",
		"Hvordan pasienters nummer kontrolleres der profilen kjenner formen (norway: fødselsnummer, D-nummer, H-nummer, DUF-nummer). checked: lengde, dato og kontrollsifre; checked-2032 godtar også kontrollsifrene til nummer som tildeles fra 2032; unchecked godtar alt.", set, get)
}

func (t *table) authorities() {
	set, get := authorities(func(c *Config) *[]Authority { return &c.PatientAuthorities })
	t.add("patient-authorities", "[NAME=]OID,...", "",
		"Assigning authorities whose patient ids an identity feed (ITI-8, ITI-44) may tell of, as OIDs; ids of others in a message are passed over. A name before the OID is the namespace that HL7 v2 senders write instead of it: FNR=2.16.578.1.12.4.1.4.1,DNR=2.16.578.1.12.4.1.4.2. Without any, every id is taken in whose authority is given by its OID.",
		"Utstederne som en identitetsstrøm (ITI-8, ITI-44) kan melde pasient-id-er fra, som OID-er; id-er fra andre i en melding blir forbigått. Et navn foran OID-en er navnerommet som HL7 v2-avsendere skriver i stedet: FNR=2.16.578.1.12.4.1.4.1,DNR=2.16.578.1.12.4.1.4.2. Uten noen tas alle id-er inn når utstederen er oppgitt med OID.", set, get)
}

func (t *table) roles() {
	t.group = Text{"Roles", "Roller"}
	set, get := choice(func(c *Config) *string { return &c.Roles }, RolesBoth, RoleRegistry, RoleRepository)
	t.add("roles", "registry,repository|registry|repository", RolesBoth,
		"What this server is: a Document Registry and a Document Repository, a registry for others' repositories, or a repository that registers with the registry of registry.url. Choose before the first submission.",
		"Hva tjeneren er: dokumentregister og dokumentlager, register for andres dokumentlagre, eller dokumentlager som registrerer i registeret i registry.url. Velg før første innsending.", set, get)
	set, get = choice(func(c *Config) *string { return &c.Unheld }, "refuse", "accept")
	t.add("submissions.unheld-documents", "refuse|accept", "refuse",
		"What becomes of metadata sent by others (ITI-42, ITI-57) that names this server's own repository for a document it does not hold. Refused, it is XDSRegistryMetadataError: nobody could open the document. Holds for a server with both roles.",
		"Hva som skjer med metadata fra andre (ITI-42, ITI-57) som oppgir tjenerens eget dokumentlager for et dokument det ikke har. Avvist gir XDSRegistryMetadataError: ingen kunne åpnet dokumentet. Gjelder en tjener med begge roller.", set, get)
	set, get = webAddress(func(c *Config) *string { return &c.Registry.URL })
	t.add("registry.url", "URL", "",
		"Somebody else's Document Registry (ITI-42), for roles repository.",
		"Andres dokumentregister (ITI-42), når roles er repository.", set, get)
	set, get = webAddress(func(c *Config) *string { return &c.Registry.QueryURL })
	t.add("registry.query-url", "URL", "",
		"Where that registry answers stored queries (ITI-18), when that is another address. It is asked what became of a submission whose answer was lost.",
		"Adressen der registeret svarer på søk (ITI-18), når den er en annen. Det spørres hva det ble av en innsending når svaret gikk tapt.", set, get)
	set, get = text(func(c *Config) *string { return &c.Registry.CA })
	t.add("registry.ca", "FILE", "",
		"Certificates in PEM of the authorities that the registry's certificate must come from; without it those that this machine trusts.",
		"Sertifikater i PEM for utstederne som registerets sertifikat må komme fra; uten den de som maskinen stoler på.", set, get)
	set, get = text(func(c *Config) *string { return &c.Registry.Cert })
	t.add("registry.cert", "FILE", "",
		"Own certificate in PEM that is shown to the registry (mutual TLS); with registry.key.",
		"Eget sertifikat i PEM som vises til registeret (gjensidig TLS); sammen med registry.key.", set, get)
	set, get = text(func(c *Config) *string { return &c.Registry.Key })
	t.add("registry.key", "FILE", "",
		"Private key in PEM that belongs to registry.cert.",
		"Privat nøkkel i PEM som hører til registry.cert.", set, get)
	set, get = duration(func(c *Config) *time.Duration { return &c.Registry.Timeout }, time.Second)
	t.add("registry.timeout", "DURATION", "30s",
		"How long the registry may take to answer. After that the outcome is unknown: the documents are kept and the registry is asked until it is known.",
		"Hvor lenge registeret kan bruke på å svare. Etter det er utfallet ukjent: dokumentene beholdes, og registeret spørres til det er kjent.", set, get)
}

func (t *table) access() {
	t.group = Text{"Access", "Tilgang"}
	set, get := choice(func(c *Config) *string { return &c.Decider }, "open", "deny")
	t.add("access.decider", "open|deny", "open",
		"Who decides about access. open allows everything that comes from this machine; deny refuses everything.",
		"Hvem som avgjør tilgang. open tillater alt som kommer fra denne maskinen; deny avslår alt.", set, get)
	set, get = onOff(func(c *Config) *bool { return &c.AllowRemoteOpen })
	t.add("access.allow-remote-open", "on|off", "off",
		"Lets the open decider answer other machines too. Only for closed test networks: everybody who reaches the listener can read and write everything.",
		"Lar open svare andre maskiner også. Bare for lukkede testnett: alle som når adressen, kan lese og skrive alt.", set, get)
}

func (t *table) protection() {
	t.group = Text{"Encryption and malware", "Kryptering og skadevare"}
	set, get := onOff(func(c *Config) *bool { return &c.Encryption })
	t.add("encryption", "on|off", "on",
		"Encrypts events and documents at rest (AES-256-GCM, one data key each). Settled when the data folder is made; off is for comparison only.",
		"Krypterer hendelser og dokumenter i lagringen (AES-256-GCM, en datanøkkel til hver). Avgjøres når datamappen lages; off er bare til sammenligning.", set, get)
	set, get = secret(func(c *Config) *Secret { return &c.MasterKey })
	t.add("master-key", "KEY", "",
		"Master key that wraps all data keys: 32 bytes in base64 (head -c 32 /dev/urandom | base64). Without one, a key is made once and kept in the data folder as master.key; keep it elsewhere when the folder leaves your hands. Losing it loses every document.",
		"Hovednøkkelen som pakker inn alle datanøkler: 32 byte i base64 (head -c 32 /dev/urandom | base64). Uten den lages én nøkkel som beholdes i datamappen som master.key; oppbevar den et annet sted når mappen forlater deg. Mistes den, er alle dokumenter tapt.", set, get).Secret = true
	set, get = secret(func(c *Config) *Secret { return &c.OtherKey })
	t.add("other-master-key", "KEY", "",
		"A second master key that may wrap data keys too, while the master key of many nodes is replaced: first the new one on every node, then the old one, until samdok keys rotate-master has ended. Only with storage scaled.",
		"Enda en hovednøkkel som også kan pakke inn datanøkler mens hovednøkkelen til mange noder byttes: først den nye på hver node, så den gamle, til samdok keys rotate-master er ferdig. Bare med storage scaled.", set, get).Secret = true
	set, get = secret(func(c *Config) *Secret { return &c.LedgerKey })
	t.add("ledger-key", "KEY", "",
		"Private key that signs the ledger's checkpoints, as samdok ledger new-key makes it. Without one, a key is made once and kept in the data folder, sealed by the master key. Keep it elsewhere when whoever can change the folder must not be able to sign what was changed.",
		"Privat nøkkel som signerer loggens sjekkpunkter, slik samdok ledger new-key lager den. Uten den lages en nøkkel én gang og beholdes i datamappen, forseglet med hovednøkkelen. Hold den et annet sted når den som kan endre mappen, ikke skal kunne signere endringen.", set, get).Secret = true
	set, get = duration(func(c *Config) *time.Duration { return &c.CheckpointInterval }, 100*time.Millisecond)
	t.add("ledger.checkpoint-interval", "DURATION", "10s",
		"How often the ledger's newest records are covered by a signed checkpoint. Records are durable before each answer at any interval.",
		"Hvor ofte de nyeste oppføringene i loggen dekkes av et signert sjekkpunkt. Oppføringer er trygt lagret før hvert svar uansett.", set, get)
	set, get = choice(func(c *Config) *string { return &c.Malware.Kind }, "off", "clamd", "icap")
	t.add("malware.scanner", "off|clamd|icap", "off",
		"Scanner that sees each document before it is stored. A document that it refuses is not stored.",
		"Skanneren som ser hvert dokument før det lagres. Et dokument som den avviser, blir ikke lagret.", set, get)
	set, get = text(func(c *Config) *string { return &c.Malware.Address })
	t.add("malware.address", "ADDRESS", "",
		"Where the scanner is: /run/clamav/clamd.ctl or HOST:PORT for clamd, icap://HOST:PORT/SERVICE for ICAP.",
		"Hvor skanneren er: /run/clamav/clamd.ctl eller HOST:PORT for clamd, icap://HOST:PORT/SERVICE for ICAP.", set, get)
	set, get = duration(func(c *Config) *time.Duration { return &c.Malware.Timeout }, time.Second)
	t.add("malware.timeout", "DURATION", "30s",
		"How long the scanner may take for each step of a document.",
		"Hvor lenge skanneren kan bruke på hvert trinn for et dokument.", set, get)
	set, get = onOff(func(c *Config) *bool { return &c.Malware.AdmitUnscanned })
	t.add("malware.admit-unscanned", "on|off", "off",
		"Stores documents that the scanner had no verdict on, because it was away or gave up. off refuses them: the sender is told to try again.",
		"Lagrer dokumenter som skanneren ikke uttalte seg om, fordi den var borte eller ga opp. off avviser dem: avsenderen får beskjed om å prøve igjen.", set, get)
}

func (t *table) onDemand() {
	t.group = Text{"On-demand documents", "Dokumenter som lages når de åpnes"}
	set, get := codes(func(c *Config) *Codes { return &c.OnDemand.SummaryCDA })
	t.add("on-demand.summary-cda", "any|off|CODE^^SCHEME,...", "any",
		"On-demand entries of this repository with the mime type text/xml that are answered with a patient summary as HL7 CDA: all of them, none, or those with one of these codes as typeCode or classCode.",
		"Oppføringer av typen on-demand i dette arkivet med mimetype text/xml som besvares med et pasientsammendrag som HL7 CDA: alle, ingen, eller de som har en av disse kodene som typeCode eller classCode.", set, get)
	set, get = codes(func(c *Config) *Codes { return &c.OnDemand.SummaryPDF })
	t.add("on-demand.summary-pdf", "any|off|CODE^^SCHEME,...", "any",
		"The same for entries with the mime type application/pdf: a patient summary as PDF.",
		"Det samme for oppføringer med mimetype application/pdf: et pasientsammendrag som PDF.", set, get)
	set, get = choice(func(c *Config) *string { return &c.OnDemand.Register }, "off", "pdf", "cda", "both")
	t.add("on-demand.register", "off|pdf|cda|both", "off",
		"Registers a patient summary for each patient of whom a document is registered from now on, once. off leaves it to samdok ondemand register and ITI-61.",
		"Registrerer et pasientsammendrag for hver pasient som det fra nå av registreres et dokument om, én gang. off overlater det til samdok ondemand register og ITI-61.", set, get)
	set, get = onOff(func(c *Config) *bool { return &c.OnDemand.Snapshots })
	t.add("on-demand.snapshots", "on|off", "off",
		"Keeps each on-demand document that was shown as a stable document, a snapshot, as confidential as everything in it. Unchanged content is kept once; a new snapshot replaces the one before.",
		"Beholder hvert on-demand-dokument som er vist, som et stabilt dokument, et øyeblikksbilde, like konfidensielt som alt det inneholder. Uendret innhold beholdes én gang; et nytt øyeblikksbilde erstatter det forrige.", set, get)
	set, get = count(func(c *Config) *int { return &c.OnDemand.Documents })
	t.add("on-demand.documents", "NUMBER", "5000",
		"Documents that one on-demand document is made of at most; more is XDSRepositoryOutOfResources.",
		"Antall dokumenter som ett on-demand-dokument lages av; flere gir XDSRepositoryOutOfResources.", set, get)
	set, get = count(func(c *Config) *int { return &c.OnDemand.Concurrent })
	t.add("on-demand.concurrent", "NUMBER", "4",
		"Retrievals that make documents at the same time; others wait for their turn.",
		"Antall hentinger som lager dokumenter samtidig; andre venter på tur.", set, get)
}

func (t *table) limits() {
	t.group = Text{"Limits of one request", "Grenser for én forespørsel"}
	set, get := size(func(c *Config) *int64 { return &c.Limits.RootBytes })
	t.add("limits.root-bytes", "SIZE", "16MiB",
		"Largest SOAP envelope, documents not counted.",
		"Største SOAP-konvolutt, dokumentene ikke medregnet.", set, get)
	set, get = smallSize(func(c *Config) *int { return &c.Limits.PartHeaderBytes })
	t.add("limits.part-header-bytes", "SIZE", "16KiB",
		"Header lines of one part of a package (MTOM), with what stands before its boundary.",
		"Hodet til én del av en pakke (MTOM), medregnet det som står foran skillet.", set, get)
	set, get = size(func(c *Config) *int64 { return &c.Limits.DocumentBytes })
	t.add("limits.document-bytes", "SIZE", "5GiB",
		"Largest document.",
		"Største dokument.", set, get)
	set, get = size(func(c *Config) *int64 { return &c.Limits.SubmissionBytes })
	t.add("limits.submission-bytes", "SIZE", "20GiB",
		"All documents of one submission together.",
		"Alle dokumentene i én innsending til sammen.", set, get)
	set, get = count(func(c *Config) *int { return &c.Limits.Documents })
	t.add("limits.documents", "NUMBER", "500",
		"Documents in one submission.",
		"Antall dokumenter i én innsending.", set, get)
	set, get = count(func(c *Config) *int { return &c.Limits.Objects })
	t.add("limits.objects", "NUMBER", "20000",
		"Entries, folders and associations in one submission.",
		"Antall oppføringer, mapper og assosiasjoner i én innsending.", set, get)
	set, get = count(func(c *Config) *int { return &c.Limits.Depth })
	t.add("limits.depth", "NUMBER", "256",
		"XML elements inside one another.",
		"Antall XML-elementer inni hverandre.", set, get)
	set, get = count(func(c *Config) *int { return &c.Limits.Attributes })
	t.add("limits.attributes", "NUMBER", "64",
		"XML attributes of one element, namespace declarations among them.",
		"Antall XML-attributter på ett element, navneromsdeklarasjoner medregnet.", set, get)
	set, get = count(func(c *Config) *int { return &c.Limits.Slots })
	t.add("limits.slots", "NUMBER", "10000",
		"Slots of one object.",
		"Antall slots i ett objekt.", set, get)
	set, get = count(func(c *Config) *int { return &c.Limits.Values })
	t.add("limits.values", "NUMBER", "100000",
		"Values of one slot, such as ids in a query.",
		"Antall verdier i én slot, som id-er i et søk.", set, get)
	set, get = smallSize(func(c *Config) *int { return &c.Limits.ValueBytes })
	t.add("limits.value-bytes", "SIZE", "1MiB",
		"Largest single XML attribute or text.",
		"Største enkelte XML-attributt eller tekst.", set, get)
	set, get = count(func(c *Config) *int { return &c.Limits.QueryLeafClass })
	t.add("limits.query-leafclass", "NUMBER", "10000",
		"Objects in one answer with returnType LeafClass; more is XDSTooManyResults.",
		"Antall objekter i ett svar med returnType LeafClass; flere gir XDSTooManyResults.", set, get)
	set, get = count(func(c *Config) *int { return &c.Limits.QueryObjectRefs })
	t.add("limits.query-objectrefs", "NUMBER", "100000",
		"References in one answer with returnType ObjectRef; more is XDSTooManyResults.",
		"Antall referanser i ett svar med returnType ObjectRef; flere gir XDSTooManyResults.", set, get)
	set, get = count(func(c *Config) *int { return &c.Limits.RetrieveDocuments })
	t.add("limits.retrieve-documents", "NUMBER", "500",
		"Documents in one retrieval.",
		"Antall dokumenter i én henting.", set, get)
	set, get = size(func(c *Config) *int64 { return &c.Limits.DrainBytes })
	t.add("limits.drain-bytes", "SIZE", "16MiB",
		"How much is still read of a submission that is already refused, to report what else is wrong with it.",
		"Hvor mye som fortsatt leses av en innsending som alt er avvist, for å melde hva mer som er galt med den.", set, get)
	set, get = count(func(c *Config) *int { return &c.Limits.ConcurrentRequests })
	t.add("limits.concurrent-requests", "NUMBER", "256",
		"Requests in work at the same time; one more is answered 503 with Retry-After.",
		"Antall forespørsler i arbeid samtidig; én til får svaret 503 med Retry-After.", set, get)
}

func (t *table) multiPatient() {
	t.group = Text{"Queries about several patients", "Søk på tvers av pasienter"}
	set, get := onOff(func(c *Config) *bool { return &c.Across.On })
	t.add("multi-patient.queries", "on|off", "off",
		"Answers queries about several patients (ITI-51). The decider sees them as an action of their own. A query that names no patient reads the metadata of all patients.",
		"Svarer på søk på tvers av pasienter (ITI-51). Tilgangsstyringen ser dem som en egen handling. Et søk som ikke nevner noen pasient, leser metadata for alle pasienter.", set, get)
	set, get = count(func(c *Config) *int { return &c.Across.Patients })
	t.add("multi-patient.patients", "NUMBER", "1000",
		"Patients that one such query may name.",
		"Antall pasienter som ett slikt søk kan nevne.", set, get)
	set, get = duration(func(c *Config) *time.Duration { return &c.Across.Range }, time.Second)
	t.add("multi-patient.range", "DURATION", "744h",
		"Longest time that a query without a patient may span: creation time of documents, last update of folders. Such a query must give both ends.",
		"Lengste tidsrom et søk uten pasient kan gjelde: dokumentenes opprettelse, mappenes siste endring. Et slikt søk må angi begge endene.", set, get)
	set, get = count(func(c *Config) *int { return &c.Across.Objects })
	t.add("multi-patient.objects", "NUMBER", "1000",
		"Objects in one answer to a query without a patient; more is XDSTooManyResults.",
		"Antall objekter i ett svar på et søk uten pasient; flere gir XDSTooManyResults.", set, get)
}

func (t *table) mailbox() {
	t.group = Text{"Mailboxes", "Postkasser"}
	set, get := mailboxes(func(c *Config) *Mailbox { return &c.Mailbox })
	t.add("recipient.mailboxes", "off|any|ID,...", "off",
		"Organisations that documents can be sent to (ITI-41 to a Document Recipient, XDR), by the id in intendedRecipient. They come in at /services/recipient and are registered nowhere; samdok mailbox reads them.",
		"Virksomheter som dokumenter kan sendes til (ITI-41 til en dokumentmottaker, XDR), med id-en i intendedRecipient. De kommer inn på /services/recipient og registreres ikke noe sted; samdok mailbox leser dem.", set, get)
	set, get = text(func(c *Config) *string { return &c.Mailbox.Default })
	t.add("recipient.default", "ID", "",
		"Organisation whose mailbox takes messages that name no intendedRecipient; without it they are refused with UnknownRecipient.",
		"Virksomheten som får meldinger uten intendedRecipient i postkassen sin; uten den blir de avvist med UnknownRecipient.", set, get)
}

func (t *table) updates() {
	t.group = Text{"Updates", "Endringer"}
	set, get := choice(func(c *Config) *string { return &c.UnknownLogicalID }, "unresolved", "version")
	t.add("updates.unknown-logical-id", "unresolved|version", "unresolved",
		"Error of an update (ITI-57) under a logical id that nothing is registered for: UnresolvedReferenceException, or XDSMetadataVersionError, which ITI-92 always has.",
		"Feilen for en endring (ITI-57) under en logisk id som ingenting er registrert for: UnresolvedReferenceException, eller XDSMetadataVersionError, som ITI-92 alltid har.", set, get)
	set, get = choice(func(c *Config) *string { return &c.ChangedObjectType }, "unmodifiable", "object-type")
	t.add("updates.changed-object-type", "unmodifiable|object-type", "unmodifiable",
		"Error of a restricted update (ITI-92) that changes the objectType: UnmodifiableMetadataError, as the published tests want, or XDSObjectTypeError, which is defined for it too.",
		"Feilen for en begrenset endring (ITI-92) som endrer objectType: UnmodifiableMetadataError, som de publiserte testene vil ha, eller XDSObjectTypeError, som også er definert for det.", set, get)
}

func (t *table) listeners() {
	t.group = Text{"Listeners", "Nettforbindelser"}
	set, get := duration(func(c *Config) *time.Duration { return &c.HTTP.HeaderTimeout }, time.Second)
	t.add("http.header-timeout", "DURATION", "10s",
		"Time for a client to send the header of a request.",
		"Tid en klient har til å sende hodet i en forespørsel.", set, get)
	set, get = duration(func(c *Config) *time.Duration { return &c.HTTP.IdleTimeout }, time.Second)
	t.add("http.idle-timeout", "DURATION", "2m",
		"Time that a connection may rest between two requests.",
		"Tid en forbindelse kan hvile mellom to forespørsler.", set, get)
	set, get = duration(func(c *Config) *time.Duration { return &c.HTTP.StallTimeout }, time.Second)
	t.add("http.stall-timeout", "DURATION", "1m",
		"Time without a single byte, in or out, after which a request is given up. A slow upload that still moves is never cut.",
		"Tid uten en eneste byte, inn eller ut, før en forespørsel gis opp. En langsom opplasting som fortsatt beveger seg, avbrytes aldri.", set, get)
	set, get = duration(func(c *Config) *time.Duration { return &c.HTTP.DrainTimeout }, 0)
	t.add("http.drain-timeout", "DURATION", "30s",
		"Time for requests in work to end after SIGTERM or Ctrl-C. A second signal ends at once.",
		"Tid forespørsler i arbeid får til å bli ferdige etter SIGTERM eller Ctrl-C. Et signal til avslutter straks.", set, get)
	set, get = smallSize(func(c *Config) *int { return &c.HTTP.HeaderBytes })
	t.add("http.header-bytes", "SIZE", "64KiB",
		"Largest header of a request.",
		"Største hode i en forespørsel.", set, get)
	set, get = rate(func(c *Config) *float64 { return &c.HTTP.Rate })
	t.add("http.rate", "NUMBER", "1000",
		"Requests per second from one client address (one IPv6 /64), 0 for no limit; one more is answered 429 with Retry-After. This machine itself is not limited.",
		"Forespørsler i sekundet fra én klientadresse (ett /64-nett i IPv6), 0 for ingen grense; én til får svaret 429 med Retry-After. Maskinen selv har ingen grense.", set, get)
	set, get = count(func(c *Config) *int { return &c.HTTP.Burst })
	t.add("http.burst", "NUMBER", "2000",
		"Requests that a client may send at once before http.rate counts.",
		"Forespørsler som en klient kan sende på én gang før http.rate gjelder.", set, get)
	set, get = count(func(c *Config) *int { return &c.HTTP.Clients })
	t.add("http.clients", "NUMBER", "10000",
		"Client addresses whose rate is remembered.",
		"Antall klientadresser som takten huskes for.", set, get)
	set, get = percent(func(c *Config) *int { return &c.HTTP.Share })
	t.add("http.client-share", "PERCENT", "50",
		"How much of limits.concurrent-requests one client address (one IPv6 /64) may have in work, this machine itself too; one more is answered 503 with Retry-After. 100 for no such limit, as behind a proxy that all requests come from.",
		"Hvor mye av limits.concurrent-requests én klientadresse (ett /64-nett i IPv6) kan ha i arbeid, også maskinen selv; én til får svaret 503 med Retry-After. 100 for ingen slik grense, som bak en proxy som alle forespørsler kommer fra.", set, get)
}

func (t *table) mllp() {
	t.group = Text{"Patient administration (HL7 v2)", "Pasientadministrasjon (HL7 v2)"}
	set, get := address(func(c *Config) *string { return &c.MLLP.Listen }, true)
	t.add("mllp.listen", "HOST:PORT|off", "off",
		"Listener for a patient identity feed by HL7 v2 over MLLP (ITI-8): ADT messages A01, A04, A05, A08, A28, A31 and A40. Port 0 picks a free port. ITI-44 needs no listener of its own; its address is /services/patient-identity on the public one.",
		"Adresse for meldinger om pasientidentiteter med HL7 v2 over MLLP (ITI-8): ADT-meldingene A01, A04, A05, A08, A28, A31 og A40. Port 0 velger en ledig port. ITI-44 trenger ingen egen adresse; den tas imot på /services/patient-identity på den åpne.", set, get)
	set, get = text(func(c *Config) *string { return &c.MLLP.Cert })
	t.add("mllp.cert", "FILE", "",
		"Certificate chain in PEM for mllp.listen. With mllp.key it turns TLS 1.2 or later on (MLLPS); without both the listener speaks plain TCP.",
		"Sertifikatkjede i PEM for mllp.listen. Sammen med mllp.key slår den på TLS 1.2 eller nyere (MLLPS); uten begge brukes vanlig TCP.", set, get)
	set, get = text(func(c *Config) *string { return &c.MLLP.Key })
	t.add("mllp.key", "FILE", "",
		"Private key in PEM that belongs to mllp.cert.",
		"Privat nøkkel i PEM som hører til mllp.cert.", set, get)
	set, get = text(func(c *Config) *string { return &c.MLLP.ClientCA })
	t.add("mllp.client-ca", "FILE", "",
		"Certificates in PEM of the authorities that the senders' certificates must come from. When it is given no sender is let in without such a certificate, and its subject is recorded as the caller; it needs mllp.cert and mllp.key.",
		"Sertifikater i PEM for utstederne som avsendernes sertifikater må komme fra. Når den er satt, slipper ingen avsender inn uten et slikt sertifikat, og navnet i det registreres som den som sendte; det krever mllp.cert og mllp.key.", set, get)
	set, get = smallSize(func(c *Config) *int { return &c.MLLP.MessageBytes })
	t.add("mllp.message-bytes", "SIZE", "1MiB",
		"Largest HL7 v2 message; a longer one is answered AR and the connection is closed.",
		"Største HL7 v2-melding; en lengre får svaret AR, og forbindelsen lukkes.", set, get)
	set, get = count(func(c *Config) *int { return &c.MLLP.Connections })
	t.add("mllp.connections", "NUMBER", "100",
		"Connections to mllp.listen at the same time. One more takes the place of the one that has been silent longest; when all have a message in work it is closed.",
		"Antall forbindelser til mllp.listen samtidig. Én til tar plassen til den som har vært taus lengst; er alle i arbeid med en melding, lukkes den.", set, get)
	set, get = duration(func(c *Config) *time.Duration { return &c.MLLP.IdleTimeout }, time.Second)
	t.add("mllp.idle-timeout", "DURATION", "1h",
		"Time that a connection may be silent between two messages.",
		"Tid en forbindelse kan være taus mellom to meldinger.", set, get)
	set, get = duration(func(c *Config) *time.Duration { return &c.MLLP.StallTimeout }, time.Second)
	t.add("mllp.stall-timeout", "DURATION", "1m",
		"Time without a single byte inside a message, or while its answer is sent, after which the connection is closed. A whole message may take ten times as long.",
		"Tid uten en eneste byte inne i en melding, eller mens svaret sendes, før forbindelsen lukkes. En hel melding kan bruke ti ganger så lang tid.", set, get)
}

func (t *table) gateway() {
	t.group = Text{"Other communities", "Andre fellesskap"}
	set, get := text(func(c *Config) *string { return &c.Gateway.Communities })
	t.add("gateway.communities", "FILE", "",
		"YAML file of the communities that documents are fetched from. It turns the initiating gateway on: /services/gateway answers ITI-18 and ITI-43 for this community and all of them. The file is read again when it changes.",
		"YAML-fil med fellesskapene som dokumenter hentes fra. Den slår på den spørrende gatewayen: /services/gateway svarer på ITI-18 og ITI-43 for dette fellesskapet og alle de andre. Filen leses på nytt når den endres.", set, get)
	set, get = onOff(func(c *Config) *bool { return &c.Gateway.Respond })
	t.add("gateway.respond", "on|off", "off",
		"Lets other communities' gateways ask this one: /services/xca answers ITI-38 and ITI-39.",
		"Lar andre fellesskaps gatewayer spørre dette: /services/xca svarer på ITI-38 og ITI-39.", set, get)
	set, get = choice(func(c *Config) *string { return &c.Gateway.Scope }, "local", "communities")
	t.add("gateway.respond-scope", "local|communities", "local",
		"Whose documents other gateways get: this community's only, or also those of gateway.communities, as a national gateway does. Communities that ask each other in a circle are stopped after 3 gateways.",
		"Hvem sine dokumenter andre gatewayer får: bare dette fellesskapets, eller også dem fra gateway.communities, slik en nasjonal gateway gjør. Fellesskap som spør hverandre i ring, stoppes etter 3 gatewayer.", set, get)
	set, get = choice(func(c *Config) *string { return &c.Gateway.Kinds }, "all", "documents")
	t.add("gateway.respond-kinds", "all|documents", "all",
		"What other gateways get: everything, or documents only, so that questions about submission sets, folders and associations find nothing, as the Norwegian profile allows.",
		"Hva andre gatewayer får: alt, eller bare dokumenter, slik at spørsmål om innsendinger, mapper og koblinger ikke finner noe, som den norske profilen tillater.", set, get)
	set, get = choice(func(c *Config) *string { return &c.Gateway.Discovery }, "off", "ids", "names")
	t.add("gateway.discovery", "off|ids|names", "off",
		"Lets other communities ask who a patient is (XCPD): /services/xcpd answers ITI-55 and ITI-56. ids: of patient ids only; names: also by name and day of birth, which keeps an index of all patients in memory (about 200 octets each).",
		"Lar andre fellesskap spørre hvem en pasient er (XCPD): /services/xcpd svarer på ITI-55 og ITI-56. ids: bare for pasient-id-er; names: også på navn og fødselsdato, som holder en indeks over alle pasienter i minnet (om lag 200 byte hver).", set, get)
	set, get = duration(func(c *Config) *time.Duration { return &c.Gateway.DiscoveryKeep }, 0)
	t.add("gateway.discovery-keep", "DURATION", "24h",
		"How long other communities may remember which id a patient has here (CorrelationTimeToLive of ITI-55). 0s lets them remember nothing.",
		"Hvor lenge andre fellesskap kan huske hvilken id en pasient har her (CorrelationTimeToLive i ITI-55). 0s lar dem ikke huske noe.", set, get)
}

func (t *table) outward() {
	t.group = Text{"Messages to addresses that others name", "Meldinger til adresser som andre oppgir"}
	set, get := receivers(func(c *Config) *Outward { return &c.Outward })
	t.add("outward.allow", "ADDRESS,...", "",
		"Where notifications (DSUB) and asynchronous answers (wsa:ReplyTo) may be sent: addresses such as https://host.example.no:8443/path, each for everything at or below it, or loopback for this machine. Empty lets nothing out.",
		"Hvor varsler (DSUB) og asynkrone svar (wsa:ReplyTo) kan sendes: adresser som https://vert.example.no:8443/sti, hver for alt på eller under den, eller loopback for denne maskinen. Tom verdi slipper ingenting ut.", set, get)
	set, get = networks(func(c *Config) *outward.Networks { return &c.Outward.Networks })
	t.add("outward.networks", "NETWORK,...", "",
		"Networks that are not public and that host names in outward.allow may lead to, such as 10.20.0.0/16. Needed inside a closed health network; what is not named here keeps a changed name from leading to machines behind the firewall. Addresses written as numbers in outward.allow are allowed as they are.",
		"Nett som ikke er offentlige, men som vertsnavn i outward.allow kan føre til, som 10.20.0.0/16. Trengs i et lukket helsenett; det som ikke er nevnt her, hindrer at et endret navn fører til maskiner bak brannmuren. Adresser skrevet med tall i outward.allow er tillatt som de er.", set, get)
	set, get = text(func(c *Config) *string { return &c.Outward.CA })
	t.add("outward.ca", "FILE", "",
		"Certificates in PEM of the authorities that receivers' certificates must come from. Without it the system's count.",
		"Sertifikater i PEM for utstederne som mottakernes sertifikater må komme fra. Uten den gjelder systemets.", set, get)
	set, get = text(func(c *Config) *string { return &c.Outward.Cert })
	t.add("outward.cert", "FILE", "",
		"Certificate chain in PEM that is shown to receivers (mutual TLS). It needs outward.key.",
		"Sertifikatkjede i PEM som vises til mottakere (gjensidig TLS). Den trenger outward.key.", set, get)
	set, get = text(func(c *Config) *string { return &c.Outward.Key })
	t.add("outward.key", "FILE", "",
		"Private key in PEM that belongs to outward.cert.",
		"Privat nøkkel i PEM som hører til outward.cert.", set, get)
	set, get = duration(func(c *Config) *time.Duration { return &c.Outward.Timeout }, time.Second)
	t.add("outward.timeout", "DURATION", "15m",
		"How long the delivery of one message may take, documents in it included; then it is tried again later. A receiver that has it all must answer within a minute.",
		"Hvor lenge leveringen av én melding kan ta, medregnet dokumentene i den; deretter prøves den igjen senere. En mottaker som har fått alt, må svare innen et minutt.", set, get)
}

func (t *table) subscriptions() {
	t.group = Text{"Subscriptions (DSUB)", "Abonnement (DSUB)"}
	set, get := onOff(func(c *Config) *bool { return &c.DSUB.On })
	t.add("dsub.broker", "on|off", "off",
		"Takes subscriptions (ITI-52) and published metadata (ITI-54) at /services/subscription and notifies subscribers (ITI-53) at addresses that outward.allow names.",
		"Tar imot abonnement (ITI-52) og publiserte metadata (ITI-54) på /services/subscription og varsler abonnenter (ITI-53) på adresser som outward.allow nevner.", set, get)
	set, get = duration(func(c *Config) *time.Duration { return &c.DSUB.Longest }, time.Minute)
	t.add("dsub.longest", "DURATION", "8760h",
		"How long a subscription may last; one that asks for more gets this.",
		"Hvor lenge et abonnement kan vare; ber noen om mer, får de dette.", set, get)
	set, get = duration(func(c *Config) *time.Duration { return &c.DSUB.Usual }, time.Minute)
	t.add("dsub.usual", "DURATION", "720h",
		"How long a subscription lasts that says nothing of its end.",
		"Hvor lenge et abonnement varer når det ikke sier noe om slutten.", set, get)
	set, get = count(func(c *Config) *int { return &c.DSUB.PerPatient })
	t.add("dsub.per-patient", "NUMBER", "1000",
		"Live subscriptions to one patient.",
		"Antall levende abonnement på én pasient.", set, get)
	set, get = countOrNone(func(c *Config) *int { return &c.DSUB.AnyPatient })
	t.add("dsub.any-patient", "NUMBER", "0",
		"Live subscriptions that are independent of the patient, such as to everything of one kind; each is compared with every document. 0 allows none.",
		"Antall levende abonnement som er uavhengige av pasienten, som på alt av ett slag; hvert sammenlignes med hvert dokument. 0 tillater ingen.", set, get)
	set, get = duration(func(c *Config) *time.Duration { return &c.DSUB.Retry }, time.Minute)
	t.add("dsub.retry", "DURATION", "24h",
		"How long a notification is tried again when its receiver does not take it; then it is kept as dead until the operator revives or drops it.",
		"Hvor lenge et varsel prøves på nytt når mottakeren ikke tar imot; deretter blir det liggende som dødt til driften vekker eller fjerner det.", set, get)
}

func (t *table) operation() {
	t.group = Text{"Operation", "Drift"}
	set, get := duration(func(c *Config) *time.Duration { return &c.Sweep.Interval }, time.Minute)
	t.add("sweep.interval", "DURATION", "1h",
		"Time between two sweeps. A sweep removes stored bytes that no submission registered within sweep.age: leftovers of crashes and broken uploads.",
		"Tid mellom to oppryddinger. En opprydding fjerner lagrede byte som ingen innsending registrerte innen sweep.age: rester etter krasj og avbrutte opplastinger.", set, get)
	set, get = duration(func(c *Config) *time.Duration { return &c.Sweep.Age }, time.Hour)
	t.add("sweep.age", "DURATION", "24h",
		"How old unregistered bytes must be before a sweep removes them. A submission must arrive within half of it, so a short age means short uploads.",
		"Hvor gamle uregistrerte byte må være før oppryddingen fjerner dem. En innsending må komme fram på halve denne tiden, så kort tid betyr korte opplastinger.", set, get)
	set, get = choice(func(c *Config) *string { return &c.Log.Level }, "debug", "info", "warn", "error")
	t.add("log.level", "debug|info|warn|error", "info",
		"Least severity that is logged to stderr.",
		"Laveste alvorlighet som logges til standard feil.", set, get)
	set, get = choice(func(c *Config) *string { return &c.Log.Format }, "json", "text")
	t.add("log.format", "json|text", "json",
		"Form of the log. It never holds a document, a token or an identity number.",
		"Loggens form. Den inneholder aldri et dokument, et token eller et fødselsnummer.", set, get)
	set, get = onOff(func(c *Config) *bool { return &c.Profiling })
	t.add("profiling", "on|off", "off",
		"Offers /debug/profile?seconds=N on the internal listener: a CPU profile for go tool pprof. It names functions, never data.",
		"Tilbyr /debug/profile?seconds=N på den interne adressen: en prosessorprofil for go tool pprof. Den nevner funksjoner, aldri data.", set, get)
	set, get = webAddress(func(c *Config) *string { return &c.Tracing.Endpoint })
	t.add("tracing.endpoint", "URL", "",
		"OpenTelemetry collector that is sent spans of requests and of the calls to other systems that they cause, by OTLP over HTTP: http://127.0.0.1:4318. Spans name endpoints, statuses and times, never data. Without one nothing is traced.",
		"OpenTelemetry-mottaker som får spor av forespørsler og kallene de fører til, med OTLP over HTTP: http://127.0.0.1:4318. Spor nevner endepunkter, statuser og tider, aldri data. Uten den spores ingenting.", set, get)
	set, get = percentOrNone(func(c *Config) *int { return &c.Tracing.Sample })
	t.add("tracing.sample", "PERCENT", "10",
		"How many of the traces that begin here are sent, in percent. Requests whose caller sends a traceparent follow the caller's choice.",
		"Hvor mange av sporene som begynner her, som sendes, i prosent. Forespørsler der avsenderen sender traceparent, følger avsenderens valg.", set, get)
}

func (t *table) async() {
	t.group = Text{"Asynchronous answers", "Asynkrone svar"}
	set, get := onOff(func(c *Config) *bool { return &c.Async.On })
	t.add("async.answers", "on|off", "off",
		"Sends answers where a request asks for it (wsa:ReplyTo, wsa:FaultTo), at addresses that outward.allow names. Off refuses such requests.",
		"Sender svar dit en forespørsel ber om det (wsa:ReplyTo, wsa:FaultTo), på adresser som outward.allow nevner. Av avviser slike forespørsler.", set, get)
	set, get = duration(func(c *Config) *time.Duration { return &c.Async.Expire }, time.Minute)
	t.add("async.expire", "DURATION", "24h",
		"How long an answer is sent again when it does not arrive. After that it is given up and shown by samdok outbox.",
		"Hvor lenge et svar som ikke kommer fram, sendes på nytt. Deretter gis det opp og vises av samdok outbox.", set, get)
}
