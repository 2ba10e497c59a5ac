package config

import (
	"fmt"
	"strings"
)

// Setting is one row of the table.
type Setting struct {
	Name    string // "limits.root-bytes"
	Form    string // what a value looks like: "HOST:PORT", "SIZE", "on|off" ...
	Default string // in the form that a person writes
	Help    Text   // one or more sentences; the first is also the flag's help
	Secret  bool   // never printed, never given as a plain flag
	Group   Text   // heading in docs/config.md and in the help

	set func(*Config, string) error
	get func(*Config) string
}

// Text is the same in English and bokmål, side by side so that neither is
// forgotten.
type Text struct{ English, Bokmal string }

// In chooses the language.
func (t Text) In(bokmal bool) string {
	if bokmal {
		return t.Bokmal
	}
	return t.English
}

// forms are the words of Form that bokmål has its own for.
var forms = strings.NewReplacer("DIR", "MAPPE", "FILE", "FIL", "SIZE", "STØRRELSE", "NUMBER", "TALL", "DURATION", "VARIGHET", "HOST:PORT", "VERT:PORT", "NAME", "NAVN", "KEY", "NØKKEL", "ADDRESS", "ADRESSE", "PERCENT", "PROSENT")

// FormIn is Form in a language. Words that a person must write stay as they are.
func (s *Setting) FormIn(bokmal bool) string {
	if bokmal {
		return forms.Replace(s.Form)
	}
	return s.Form
}

// Flag is the long flag without dashes. A secret has no flag of its own: it
// would stand in the process list. Its flag names a file.
func (s *Setting) Flag() string {
	f := strings.ReplaceAll(s.Name, ".", "-")
	if s.Secret {
		f += "-file"
	}
	return f
}

// Env is the environment variable.
func (s *Setting) Env() string {
	return "SAMDOK_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(s.Name))
}

// EnvFile is the variable that names a file with the value; "" when the setting
// is not secret.
func (s *Setting) EnvFile() string {
	if !s.Secret {
		return ""
	}
	return s.Env() + "_FILE"
}

// Value is the current value as a person writes it; secrets are hidden.
func (s *Setting) Value(c *Config) string {
	v := s.get(c)
	if s.Secret && v != "" {
		return "(secret)"
	}
	return v
}

// Summary is the first sentence of the help.
func (s *Setting) Summary(bokmal bool) string {
	first, _, _ := strings.Cut(s.Help.In(bokmal), ". ")
	return strings.TrimSuffix(first, ".")
}

// Error says which setting is wrong, where it came from and what it should be.
type Error struct {
	Setting string
	Source  Source
	Problem string
}

func (e *Error) Error() string {
	from := e.Source.String()
	if e.Source.Line > 0 {
		from += fmt.Sprintf(", line %d", e.Source.Line)
	}
	return fmt.Sprintf("setting %s (from %s): %s", e.Setting, from, e.Problem)
}
