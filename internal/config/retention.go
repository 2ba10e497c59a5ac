package config

import "time"

func (t *table) retention() {
	t.group = Text{"Retention", "Oppbevaring"}
	set, get := text(func(c *Config) *string { return &c.RetentionRules })
	t.add("retention.rules", "FILE", "",
		"Rules that say when documents are due for erasure, in YAML; samdok retention explain shows what they mean. They are checked at start, and every change of them is recorded. Nothing is erased by itself: samdok retention run does it.",
		"Regler for når dokumenter skal slettes, i YAML; samdok retention explain viser hva de betyr. De kontrolleres ved start, og hver endring blir loggført. Ingenting slettes av seg selv: det gjør samdok retention run.", set, get)
	set, get = duration(func(c *Config) *time.Duration { return &c.LedgerKeep }, 0)
	t.add("retention.records", "DURATION", "43830h",
		"How long records of use are kept at least; samdok ledger drop refuses younger ones. 43830h are five years, what Norwegian rules ask for.",
		"Hvor lenge loggen over all bruk minst beholdes; samdok ledger drop nekter å slette yngre. 43830h er fem år, som norske regler krever.", set, get)
}
