package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"samdok/internal/strictfile"
)

// record is one document to import: where its file is and what is known of it.
type record struct {
	facts
	File string // relative to the folder
	line int    // in the table, for messages; 0 without a table
}

// setter maps column names to fields: those of put's flags, and file and patient.
func setters() map[string]func(*record) *string {
	m := map[string]func(*record) *string{
		"file":    func(r *record) *string { return &r.File },
		"patient": func(r *record) *string { return &r.Patient },
	}
	for _, row := range factTable() {
		m[row.name] = func(r *record) *string { return row.field(&r.facts) }
	}
	return m
}

func columnNames() []string {
	names := []string{"file", "patient"}
	for _, row := range factTable() {
		names = append(names, row.name)
	}
	return names
}

// tableNames are looked for in the folder, in this order.
var tableNames = [...]string{"metadata.csv", "metadata.json"}

// readRecords finds out what to import: from a table, or from the files' names.
func (c *cli) readRecords(dir, table, pattern string) ([]record, error) {
	if pattern != "" {
		return c.fromNames(dir, pattern)
	}
	if table == "" {
		for _, name := range tableNames {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				table = filepath.Join(dir, name)
				break
			}
		}
	}
	if table == "" {
		return nil, c.usage("%s has neither metadata.csv nor metadata.json; make one, name one with --table, or say with --pattern how the files are named",
			"%s har verken metadata.csv eller metadata.json; lag en, oppgi en med --table, eller si med --pattern hvordan filene heter", dir)
	}
	b, err := os.ReadFile(table)
	if err != nil {
		return nil, exit(exitUsage, err)
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")) // spreadsheets put it there
	if strings.HasSuffix(strings.ToLower(table), ".json") {
		return c.fromJSON(table, b)
	}
	return c.fromCSV(table, b)
}

func (c *cli) fromCSV(name string, b []byte) ([]record, error) {
	r := csv.NewReader(bytes.NewReader(b))
	r.Comma = delimiter(b)
	r.TrimLeadingSpace = true
	head, err := r.Read()
	if err != nil {
		return nil, c.usage("%s: the first line must name the columns: %v", "%s: første linje må navngi kolonnene: %v", name, err)
	}
	known := setters()
	columns := make([]func(*record) *string, len(head))
	for i, column := range head {
		if columns[i] = known[strings.ToLower(strings.TrimSpace(column))]; columns[i] == nil {
			return nil, c.unknownColumn(name, column)
		}
	}
	var out []record
	for {
		cells, err := r.Read()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, c.usage("%s: %v", "%s: %v", name, err)
		}
		line, _ := r.FieldPos(0)
		rec := record{line: line}
		for i, cell := range cells {
			*columns[i](&rec) = strings.TrimSpace(cell)
		}
		out = append(out, rec)
	}
}

// delimiter is what the first line has most of: Norwegian spreadsheets write
// semicolons.
func delimiter(b []byte) rune {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	best, most := ',', bytes.Count(line, []byte(","))
	for _, d := range []rune{';', '\t'} {
		if n := bytes.Count(line, []byte(string(d))); n > most {
			best, most = d, n
		}
	}
	return best
}

func (c *cli) fromJSON(name string, b []byte) ([]record, error) {
	var list []map[string]string
	if err := strictfile.JSON(b, &list); err != nil {
		return nil, c.usage("the table must be a list of objects whose values are texts, such as [{\"file\": \"a.pdf\"}]:\n%v",
			"tabellen må være en liste av objekter med tekstverdier, som [{\"file\": \"a.pdf\"}]:\n%v", strictfile.In(name, err))
	}
	known := setters()
	var out []record
	for i, object := range list {
		rec := record{line: i + 1}
		for column, value := range object {
			field := known[column]
			if field == nil {
				return nil, c.unknownColumn(name, column)
			}
			*field(&rec) = value
		}
		out = append(out, rec)
	}
	return out, nil
}

func (c *cli) unknownColumn(name, column string) error {
	near := strictfile.Nearest(column, columnNames())
	if near != "" {
		return c.usage("%s: there is no column %q; did you mean %s?", "%s: det finnes ingen kolonne %q; mente du %s?", name, column, near)
	}
	return c.usage("%s: there is no column %q; there are %s", "%s: det finnes ingen kolonne %q; det finnes %s", name, column, strings.Join(columnNames(), ", "))
}

// fromNames reads facts from file names: "{patient}/{type}_{created}_{title}.*".
func (c *cli) fromNames(dir, pattern string) ([]record, error) {
	expression, err := c.compile(pattern)
	if err != nil {
		return nil, err
	}
	known := setters()
	var out []record
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if strings.HasPrefix(d.Name(), ".") && path != dir {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		match := expression.FindStringSubmatch(filepath.ToSlash(name))
		if match == nil {
			c.note("Left out, since its name does not fit the pattern: %s", "Hoppet over, navnet passer ikke mønsteret: %s", shown(name))
			return nil
		}
		rec := record{File: name}
		for i, group := range expression.SubexpNames() {
			if group != "" {
				*known[strings.ReplaceAll(group, "_", "-")](&rec) = match[i]
			}
		}
		out = append(out, rec)
		return nil
	})
	return out, err
}

var placeholder = regexp.MustCompile(`\{([a-z-]*)\}|\*`)

// compile makes a regular expression: {name} is a fact up to the next sign of the
// pattern, {} and * are anything.
func (c *cli) compile(pattern string) (*regexp.Regexp, error) {
	var b strings.Builder
	b.WriteString("^")
	at := 0
	for _, m := range placeholder.FindAllStringSubmatchIndex(pattern, -1) {
		b.WriteString(regexp.QuoteMeta(pattern[at:m[0]]))
		at = m[1]
		name := ""
		if m[2] >= 0 {
			name = pattern[m[2]:m[3]]
		}
		switch {
		case name == "":
			b.WriteString("[^/]*")
		case name == "file" || !slices.Contains(columnNames(), name):
			return nil, c.unknownColumn("--pattern", name)
		default:
			fmt.Fprintf(&b, "(?P<%s>[^/]+?)", strings.ReplaceAll(name, "-", "_"))
		}
	}
	b.WriteString(regexp.QuoteMeta(pattern[at:]) + "$")
	e, err := regexp.Compile(b.String())
	if err != nil {
		return nil, c.usage("--pattern: %v", "--pattern: %v", err)
	}
	return e, nil
}
