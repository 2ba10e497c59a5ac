package config

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Print writes the configuration as a YAML file with an explanation, the source
// and the default of every setting, in English or bokmål. What it prints can be
// used as a file; secrets are left out.
func Print(w io.Writer, c *Config, bokmal bool) error {
	facts := Text{"%s; default %s; now from %s", "%s; standard %s; nå fra %s"}.In(bokmal)
	var b strings.Builder
	section := ""
	for _, s := range Settings() {
		group, key, nested := strings.Cut(s.Name, ".")
		if !nested {
			group, key = "", s.Name
		}
		indent := ""
		if nested {
			indent = "  "
		}
		b.WriteByte('\n')
		if group != section && nested {
			fmt.Fprintf(&b, "%s:\n", group)
		}
		section = group
		for _, line := range wrap(s.Help.In(bokmal), 96) {
			fmt.Fprintf(&b, "%s# %s\n", indent, line)
		}
		fmt.Fprintf(&b, "%s# "+facts+"\n", indent, s.FormIn(bokmal), orNone(s.Default, bokmal), c.Source(s.Name).In(bokmal))
		if s.Secret {
			fmt.Fprintf(&b, "%s# %s-file: /run/secrets/samdok-%s\n", indent, key, key)
			continue
		}
		fmt.Fprintf(&b, "%s%s: %s\n", indent, key, quote(s.Value(c)))
	}
	_, err := io.WriteString(w, strings.TrimPrefix(b.String(), "\n"))
	return err
}

func orNone(s string, bokmal bool) string {
	if s == "" {
		return Text{"none", "ingen"}.In(bokmal)
	}
	return s
}

// quote writes a YAML scalar that is always read back as the same text.
func quote(v string) string {
	return "'" + strings.ReplaceAll(v, "'", "''") + "'"
}

func wrap(s string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// Markdown writes docs/config.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString(`# Settings

This page is made from the table in internal/config; do not edit it by hand (` + "`go test ./internal/config -update`" + ` writes it anew).

Every setting can be given in four ways. The first one found wins:

1. a flag of ` + "`samdok serve`" + `, ` + "`--limits-root-bytes 8MiB`" + `
2. an environment variable, ` + "`SAMDOK_LIMITS_ROOT_BYTES=8MiB`" + `
3. the file named by ` + "`--config FILE`" + ` or ` + "`SAMDOK_CONFIG`" + `, in YAML: ` + "`limits: {root-bytes: 8MiB}`" + `
4. the default

Secrets are never given as a flag's value, which everybody on the machine could read in the process list: ` + "`master-key`" + ` is
` + "`--master-key-file FILE`, `SAMDOK_MASTER_KEY`, `SAMDOK_MASTER_KEY_FILE`" + ` or, in the file, ` + "`master-key-file`" + `.
A name that is not in this table is an error that suggests the nearest one. ` + "`samdok config print`" + ` shows what is in force and where it came
from, ` + "`samdok config check`" + ` says what is wrong.
`)
	group := ""
	for _, s := range Settings() {
		if s.Group.English != group {
			group = s.Group.English
			fmt.Fprintf(&b, "\n## %s\n\n| setting | form | default | meaning |\n| --- | --- | --- | --- |\n", group)
		}
		def := "(none)"
		if s.Default != "" {
			def = "`" + s.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", s.Name, strings.ReplaceAll(s.Form, "|", "\\|"), def, s.Help.English)
	}
	b.WriteString(`
## Variables of the client commands

| variable | flag | meaning |
| --- | --- | --- |
| ` + "`SAMDOK_CONFIG`" + ` | ` + "`--config`" + ` | configuration file of the server |
| ` + "`SAMDOK_URL`" + ` | ` + "`--url`" + ` | server that put, find, get and import talk to |
| ` + "`SAMDOK_REGISTRY`" + ` | ` + "`--registry`" + ` | registry endpoint, when it is not URL/services/registry |
| ` + "`SAMDOK_REPOSITORY`" + ` | ` + "`--repository`" + ` | repository endpoint, when it is not URL/services/repository |
| ` + "`SAMDOK_IDENTITY`" + ` | ` + "`--identity`" + ` | ITI-44 endpoint, when it is not URL/services/patient-identity |
| ` + "`SAMDOK_CA`" + ` | ` + "`--ca`" + ` | certificates in PEM that the server's certificate must come from |
| ` + "`SAMDOK_CERT`" + `, ` + "`SAMDOK_KEY`" + ` | ` + "`--cert`, `--key`" + ` | own certificate and private key in PEM, for servers that ask for one (mutual TLS) |
| ` + "`SAMDOK_LANG`" + ` | ` + "`--lang`" + ` | language of messages: en or nb |
`)
	return b.String()
}
