package config

import (
	"os"
	"strings"
	"time"
)

// Values of Config.Storage.
const (
	StorageEmbedded = "embedded"
	StorageScaled   = "scaled"
)

// S3 is the store that holds the truth of a scaled-out installation.
type S3 struct {
	Endpoint, Region, Bucket, Prefix string
	CreateBucket                     bool
	AccessKey                        string
	SecretKey                        Secret
	CA                               string // "" means: the system's authorities
	Encryption                       string // by the store, on top of ours: "", AES256, aws:kms:KEY
	StorageClass                     string
	Lock                             string // off, governance, compliance
	LockFor                          time.Duration
	Timeout, Patience                time.Duration
}

// Elasticsearch is the cluster that holds the indexes of a scaled-out installation.
type Elasticsearch struct {
	URLs             []string
	User             string
	Password, APIKey Secret
	CA               string
	Prefix           string
	Shards           int
	Replicas         int
	Timeout          time.Duration
}

// Scaled tells whether this is one of many nodes.
func (c *Config) Scaled() bool { return c.Storage == StorageScaled }

// NodeName is the setting node, or this machine's name.
func (c *Config) NodeName() (string, error) {
	if c.Node != "" {
		return c.Node, nil
	}
	return os.Hostname()
}

func (t *table) scaled() {
	t.group = Text{"Scaled out: S3 and Elasticsearch", "Skalert ut: S3 og Elasticsearch"}
	set, get := choice(func(c *Config) *string { return &c.Storage }, StorageEmbedded, StorageScaled)
	t.add("storage", "embedded|scaled", StorageEmbedded,
		"Where everything is kept. embedded: in the data folder, for one server. scaled: in an S3-compatible store, indexed in Elasticsearch, for any number of identical nodes; the data folder then holds only work in progress.",
		"Hvor alt lagres. embedded: i datamappen, for én tjener. scaled: i et S3-kompatibelt lager, indeksert i Elasticsearch, for så mange like noder som ønsket; datamappen har da bare arbeid som pågår.", set, get)
	set, get = text(func(c *Config) *string { return &c.Node })
	t.add("node", "NAME", "",
		"Name of this node in traces and in the names of what it writes; each node has its own. Without one, the machine's name.",
		"Nodens navn i spor og i navnene på det den skriver; hver node har sitt eget. Uten det brukes maskinens navn.", set, get)
	t.s3()
	t.elasticsearch()
}

func (t *table) s3() {
	set, get := webAddress(func(c *Config) *string { return &c.S3.Endpoint })
	t.add("s3.endpoint", "URL", "",
		"Address of the S3-compatible store: https://s3.example.no. Its conditional writes are tried at every start; a store that does not keep them is refused.",
		"Adressen til det S3-kompatible lageret: https://s3.example.no. Betinget skriving prøves ved hver start; et lager som ikke holder det, avvises.", set, get)
	set, get = text(func(c *Config) *string { return &c.S3.Region })
	t.add("s3.region", "NAME", "us-east-1",
		"Region that requests to the store are signed for.",
		"Regionen som forespørsler til lageret signeres for.", set, get)
	set, get = text(func(c *Config) *string { return &c.S3.Bucket })
	t.add("s3.bucket", "NAME", "samdok",
		"Bucket that holds everything. It must exist; with s3.lock it must have been made with object lock.",
		"Bøtta som holder alt. Den må finnes; med s3.lock må den være laget med objektlås.", set, get)
	set, get = onOff(func(c *Config) *bool { return &c.S3.CreateBucket })
	t.add("s3.create-bucket", "on|off", "off",
		"Makes the bucket at the start when it is missing, with object lock when s3.lock is on. Off keeps a mistyped name from beginning an empty installation.",
		"Lager bøtta ved start når den mangler, med objektlås når s3.lock er på. Av hindrer at et feilskrevet navn begynner en tom installasjon.", set, get)
	set, get = text(func(c *Config) *string { return &c.S3.Prefix })
	t.add("s3.prefix", "NAME/", "",
		"Put before the names of all objects, so that several installations can share a bucket. Choose it before the first submission.",
		"Settes foran navnene på alle objekter, så flere installasjoner kan dele en bøtte. Velg det før første innsending.", set, get)
	set, get = text(func(c *Config) *string { return &c.S3.AccessKey })
	t.add("s3.access-key", "NAME", "",
		"Access key of the store.",
		"Lagerets tilgangsnøkkel.", set, get)
	set, get = secret(func(c *Config) *Secret { return &c.S3.SecretKey })
	t.add("s3.secret-key", "KEY", "",
		"Secret key that belongs to s3.access-key.",
		"Hemmelig nøkkel som hører til s3.access-key.", set, get).Secret = true
	set, get = text(func(c *Config) *string { return &c.S3.CA })
	t.add("s3.ca", "FILE", "",
		"Certificates in PEM of the authorities that the store's certificate must come from; without it those that this machine trusts.",
		"Sertifikater i PEM for utstederne som lagerets sertifikat må komme fra; uten den de som maskinen stoler på.", set, get)
	set, get = text(func(c *Config) *string { return &c.S3.Encryption })
	t.add("s3.encryption", "AES256|aws:kms:KEY", "",
		"Encryption that the store is asked for, on top of samdok's own. A store that does not confirm it is refused.",
		"Kryptering som lageret blir bedt om, i tillegg til samdoks egen. Et lager som ikke bekrefter den, avvises.", set, get)
	set, get = text(func(c *Config) *string { return &c.S3.StorageClass })
	t.add("s3.storage-class", "NAME", "",
		"Storage class of documents, such as STANDARD_IA. Without one, the bucket's own.",
		"Lagringsklassen for dokumenter, som STANDARD_IA. Uten den brukes bøttas egen.", set, get)
	set, get = choice(func(c *Config) *string { return &c.S3.Lock }, "off", "governance", "compliance")
	t.add("s3.lock", "off|governance|compliance", "off",
		"Locks batches of the log, documents, full segments of the ledger, its checkpoints and lists against deletion by anybody for s3.lock-for (object lock). compliance cannot be lifted by anyone; erasure by law then rests on destroyed data keys alone.",
		"Låser loggen, dokumenter, fulle segmenter av hendelsesloggen, dens sjekkpunkter og lister mot sletting av noen som helst i s3.lock-for (objektlås). compliance kan ingen oppheve; lovpålagt sletting hviler da bare på ødelagte datanøkler.", set, get)
	set, get = duration(func(c *Config) *time.Duration { return &c.S3.LockFor }, time.Minute)
	t.add("s3.lock-for", "DURATION", "43830h",
		"How long s3.lock locks; 43830h are five years.",
		"Hvor lenge s3.lock låser; 43830h er fem år.", set, get)
	set, get = duration(func(c *Config) *time.Duration { return &c.S3.Timeout }, 100*time.Millisecond)
	t.add("s3.timeout", "DURATION", "5s",
		"How long the store may be silent during a call. A call takes as long as it takes while bytes move, however large the document. A store that was silent to all callers for so long is left alone for a moment: requests are refused at once, and /readyz names it.",
		"Hvor lenge lageret kan være stille under et kall. Et kall varer så lenge det varer mens byte flyttes, uansett hvor stort dokumentet er. Et lager som har vært stille for alle så lenge, får være i fred et øyeblikk: forespørsler avvises straks, og /readyz sier hvorfor.", set, get)
	set, get = duration(func(c *Config) *time.Duration { return &c.S3.Patience }, 100*time.Millisecond)
	t.add("s3.patience", "DURATION", "10s",
		"How long a request waits for a store that refuses connections, breaks them or is busy, while it is asked again and again, before it is refused as busy itself. Commands wait for 20s at least.",
		"Hvor lenge en forespørsel venter på et lager som avviser eller bryter forbindelser eller er opptatt, mens det spørres om igjen, før den selv avvises som opptatt. Kommandoer venter i minst 20s.", set, get)
}

func (t *table) elasticsearch() {
	set, get := webAddresses(func(c *Config) *[]string { return &c.Elasticsearch.URLs })
	t.add("elasticsearch.url", "URL,...", "",
		"Addresses of the nodes of the Elasticsearch cluster.",
		"Adressene til nodene i Elasticsearch-klyngen.", set, get)
	set, get = text(func(c *Config) *string { return &c.Elasticsearch.User })
	t.add("elasticsearch.user", "NAME", "",
		"User that Elasticsearch is asked as, with elasticsearch.password.",
		"Brukeren Elasticsearch spørres som, sammen med elasticsearch.password.", set, get)
	set, get = secret(func(c *Config) *Secret { return &c.Elasticsearch.Password })
	t.add("elasticsearch.password", "KEY", "",
		"Password of elasticsearch.user.",
		"Passordet til elasticsearch.user.", set, get).Secret = true
	set, get = secret(func(c *Config) *Secret { return &c.Elasticsearch.APIKey })
	t.add("elasticsearch.api-key", "KEY", "",
		"API key instead of user and password.",
		"API-nøkkel i stedet for bruker og passord.", set, get).Secret = true
	set, get = text(func(c *Config) *string { return &c.Elasticsearch.CA })
	t.add("elasticsearch.ca", "FILE", "",
		"Certificates in PEM of the authorities that the cluster's certificates must come from; without it those that this machine trusts.",
		"Sertifikater i PEM for utstederne som klyngens sertifikater må komme fra; uten den de som maskinen stoler på.", set, get)
	set, get = text(func(c *Config) *string { return &c.Elasticsearch.Prefix })
	t.add("elasticsearch.prefix", "NAME", "samdok-",
		"Put before the names of all indexes, so that several installations can share a cluster.",
		"Settes foran navnene på alle indekser, så flere installasjoner kan dele en klynge.", set, get)
	set, get = count(func(c *Config) *int { return &c.Elasticsearch.Shards })
	t.add("elasticsearch.shards", "NUMBER", "1",
		"Shards of each index made from now on; a search for one patient asks one of them. samdok reindex makes the indexes anew.",
		"Skår i hver indeks som lages fra nå av; et søk på én pasient spør ett av dem. samdok reindex lager indeksene på nytt.", set, get)
	set, get = countOrNone(func(c *Config) *int { return &c.Elasticsearch.Replicas })
	t.add("elasticsearch.replicas", "NUMBER", "1",
		"Copies of each shard on other nodes of the cluster. With 0 a lost node of the cluster stops searches until samdok reindex; nothing is lost, since S3 holds the truth.",
		"Kopier av hvert skår på andre noder i klyngen. Med 0 stopper søk når en node i klyngen går tapt, til samdok reindex; ingenting går tapt, for S3 holder sannheten.", set, get)
	set, get = duration(func(c *Config) *time.Duration { return &c.Elasticsearch.Timeout }, 100*time.Millisecond)
	t.add("elasticsearch.timeout", "DURATION", "10s",
		"How long one call to Elasticsearch may take.",
		"Hvor lenge ett kall til Elasticsearch kan ta.", set, get)
}

// webAddresses reads web addresses with commas between them.
func webAddresses(field func(*Config) *[]string) (func(*Config, string) error, func(*Config) string) {
	return func(c *Config, v string) error {
			*field(c) = nil
			for one := range strings.SplitSeq(v, ",") {
				var u string
				set, _ := webAddress(func(*Config) *string { return &u })
				if err := set(c, strings.TrimSpace(one)); err != nil {
					return err
				}
				if u != "" {
					*field(c) = append(*field(c), u)
				}
			}
			return nil
		},
		func(c *Config) string { return strings.Join(*field(c), ",") }
}

func (l *loader) checkScaled() {
	c := l.config
	if !c.Scaled() {
		for name, value := range map[string]string{"s3.endpoint": c.S3.Endpoint, "elasticsearch.url": strings.Join(c.Elasticsearch.URLs, ",")} {
			// Variables may be there for another command of the same shell.
			if from := c.from[name]; value != "" && (from.Kind == FromFile || from.Kind == FromFlag) {
				l.fail(name, from, "is for storage scaled; set that, or remove it")
			}
		}
		return
	}
	required := func(name, value string) {
		if value == "" {
			l.fail(name, c.from[name], "storage is scaled: it must be given")
		}
	}
	required("s3.endpoint", c.S3.Endpoint)
	required("s3.bucket", c.S3.Bucket)
	if rule := bucketRule(c.S3.Bucket); c.S3.Bucket != "" && rule != "" {
		l.fail("s3.bucket", c.from["s3.bucket"], "%q cannot be the name of a bucket: such a name %s; give the name that the bucket has in the store", c.S3.Bucket, rule)
	}
	required("s3.access-key", c.S3.AccessKey)
	required("s3.secret-key", string(c.S3.SecretKey))
	if l.storeOnly {
		return
	}
	required("elasticsearch.url", strings.Join(c.Elasticsearch.URLs, ","))
	if c.Encryption && c.MasterKey == "" {
		l.fail("master-key", c.from["master-key"], "storage is scaled: all nodes need the same master key; make one with head -c 32 /dev/urandom | base64")
	}
	if c.Elasticsearch.User != "" && c.Elasticsearch.APIKey != "" {
		l.fail("elasticsearch.api-key", c.from["elasticsearch.api-key"], "give either it or elasticsearch.user, not both")
	}
	if (c.Elasticsearch.User == "") != (c.Elasticsearch.Password == "") {
		l.fail("elasticsearch.user", c.from["elasticsearch.user"], "elasticsearch.user and elasticsearch.password belong together; give both or none")
	}
	if c.DSUB.On && c.PublicURL == "" {
		l.fail("public-url", c.from["public-url"], "storage is scaled and dsub.broker is on: subscriptions have one address, whichever node is asked or notifies; give the address of the load balancer")
	}
	if !c.HasRegistry() {
		l.fail("roles", c.from["roles"], "a registry elsewhere needs storage embedded")
	}
}
