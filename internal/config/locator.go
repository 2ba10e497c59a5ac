package config

import "time"

func (t *table) locator() {
	t.group = Text{"Patient information locator (PIL)", "Pasientinformasjonslokalisator (PIL)"}
	set, get := onOff(func(c *Config) *bool { return &c.Locator.On })
	t.add("locator.on", "on|off", "off",
		"Keeps who holds data about a patient: /locator/v1 takes what sources state and answers gateways and citizens. What this server registers is stated by itself.",
		"Holder rede på hvem som har opplysninger om en pasient: /locator/v1 tar imot det kilder melder, og svarer gatewayer og innbyggere. Det denne tjeneren registrerer, meldes av seg selv.", set, get)
	set, get = webAddress(func(c *Config) *string { return &c.Locator.URL })
	t.add("locator.url", "URL", "",
		"Another locator, the national one for instance, that is told what this community holds. It also makes the community count as covered there.",
		"En annen lokalisator, for eksempel den nasjonale, som får vite hva dette fellesskapet har. Den gjør også at fellesskapet regnes som dekket der.", set, get)
	set, get = choice(func(c *Config) *string { return &c.Locator.Level }, "system", "organisation")
	t.add("locator.level", "system|organisation", "system",
		"What locator.url is told: which systems hold what (central mode), or only which organisations hold something (federated mode), so that this server's own locator is asked for the rest.",
		"Hva locator.url får vite: hvilke systemer som har hva (sentral modell), eller bare hvilke virksomheter som har noe (føderert modell), slik at denne tjenerens egen lokalisator blir spurt om resten.", set, get)
	set, get = choice(func(c *Config) *string { return &c.Locator.Gateway }, "off", "own", "remote")
	t.add("locator.gateway", "off|own|remote", "off",
		"Which locator the gateway asks before it asks other communities: none, this server's, or that of locator.url. Communities that the locator is not sure of are asked all the same.",
		"Hvilken lokalisator gatewayen spør før den spør andre fellesskap: ingen, tjenerens egen, eller den i locator.url. Fellesskap som lokalisatoren ikke er sikker på, blir spurt likevel.", set, get)
	set, get = percentOrNone(func(c *Config) *int { return &c.Locator.Probe })
	t.add("locator.probe", "PERCENT", "1",
		"Share of queries for which the gateway asks also those communities that hold nothing according to the locator. What they answer is shown, and counted as a miss.",
		"Andel av spørsmålene der gatewayen også spør de fellesskapene som ifølge lokalisatoren ikke har noe. Det de svarer, vises, og telles som en glipp.", set, get)
	set, get = duration(func(c *Config) *time.Duration { return &c.Locator.Deadline }, 10*time.Millisecond)
	t.add("locator.deadline", "DURATION", "500ms",
		"Time that another locator has to answer; after it the gateway asks all communities.",
		"Tid en annen lokalisator har på seg til å svare; deretter spør gatewayen alle fellesskap.", set, get)
	set, get = duration(func(c *Config) *time.Duration { return &c.Locator.Stale }, time.Second)
	t.add("locator.stale", "DURATION", "5m",
		"Time since a community last reported that everything was told, after which it is asked although it is not named.",
		"Tid siden et fellesskap sist meldte at alt er fortalt, før det blir spurt selv om det ikke er nevnt.", set, get)
	set, get = duration(func(c *Config) *time.Duration { return &c.Locator.Report }, 100*time.Millisecond)
	t.add("locator.report-every", "DURATION", "1m",
		"How often this community reports that everything was told, to its own locator and to locator.url.",
		"Hvor ofte dette fellesskapet melder at alt er fortalt, til sin egen lokalisator og til locator.url.", set, get)
	set, get = duration(func(c *Config) *time.Duration { return &c.Locator.Retry }, time.Minute)
	t.add("locator.retry", "DURATION", "72h",
		"How long it is tried to tell locator.url of a change before the message waits for the operator.",
		"Hvor lenge det forsøkes å melde en endring til locator.url før meldingen blir liggende og vente på en driftsansvarlig.", set, get)
	set, get = duration(func(c *Config) *time.Duration { return &c.Locator.KeepWithdrawn }, time.Hour)
	t.add("locator.keep-withdrawn", "DURATION", "168h",
		"How long the locator remembers that something is no longer held, so that an older message does not bring it back. It should be longer than the locator.retry of those who tell.",
		"Hvor lenge lokalisatoren husker at noe ikke finnes lenger, slik at en eldre melding ikke henter det fram igjen. Den bør være lengre enn locator.retry hos dem som melder.", set, get)
	set, get = text(func(c *Config) *string { return &c.Locator.CA })
	t.add("locator.ca", "FILE", "",
		"Certificates in PEM of the authorities that locator.url's certificate must come from; without it, the system's.",
		"Sertifikater i PEM for utstederne som sertifikatet til locator.url må komme fra; uten den brukes systemets.", set, get)
	set, get = text(func(c *Config) *string { return &c.Locator.Cert })
	t.add("locator.cert", "FILE", "",
		"Certificate chain in PEM that is shown to locator.url (mutual TLS). It needs locator.key.",
		"Sertifikatkjede i PEM som vises til locator.url (gjensidig TLS). Den trenger locator.key.", set, get)
	set, get = text(func(c *Config) *string { return &c.Locator.Key })
	t.add("locator.key", "FILE", "",
		"Private key in PEM that belongs to locator.cert.",
		"Privat nøkkel i PEM som hører til locator.cert.", set, get)
}
