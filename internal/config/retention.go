package config

func (t *table) retention() {
	t.group = Text{"Retention", "Oppbevaring"}
	set, get := text(func(c *Config) *string { return &c.RetentionRules })
	t.add("retention.rules", "FILE", "",
		"Rules that say when documents are due for erasure, in YAML; samdok retention explain shows what they mean. They are checked at start, and every change of them is recorded. Nothing is erased by itself: samdok retention run does it.",
		"Regler for når dokumenter skal slettes, i YAML; samdok retention explain viser hva de betyr. De kontrolleres ved start, og hver endring blir loggført. Ingenting slettes av seg selv: det gjør samdok retention run.", set, get)
}
