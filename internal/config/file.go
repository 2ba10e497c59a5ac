package config

import (
	"fmt"
	"os"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"

	"samdok/internal/strictfile"
)

func (l *loader) file(path string) {
	if path == "" {
		return
	}
	b, err := os.ReadFile(path)
	if err != nil {
		l.problems = append(l.problems, fmt.Errorf("configuration file: %w; it must exist and be readable by this user", err))
		return
	}
	root, err := strictfile.Tree(b)
	if err != nil {
		l.problems = append(l.problems, fmt.Errorf("configuration file %w; `samdok config print` shows one that is right", strictfile.In(path, err)))
		return
	}
	if root == nil {
		return
	}
	f := settingsFile{loader: l, path: path, known: map[string]*Setting{}, groups: map[string]bool{}, seen: map[string]int{}}
	for _, s := range l.settings {
		f.name(s.Name, s)
		if s.Secret {
			f.name(s.Name+"-file", s)
		}
	}
	sort.Strings(f.names)
	f.group("", root, 0)
}

// settingsFile reads the tree of a file. A setting stands in the group of its name, or
// by its whole name.
type settingsFile struct {
	*loader
	path   string
	known  map[string]*Setting
	groups map[string]bool // what settings stand below
	names  []string
	seen   map[string]int // lines
}

func (f *settingsFile) name(name string, s *Setting) {
	f.known[name] = s
	f.names = append(f.names, name)
	for i, c := range name {
		if c == '.' {
			f.groups[name[:i]] = true
		}
	}
}

// deepest is more than any name has parts: an anchor that contains itself ends there.
const deepest = 8

func (f *settingsFile) group(name string, n *yaml.Node, depth int) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	from := Source{FromFile, f.path, n.Line}
	switch {
	case depth > deepest:
		f.fail(name, from, "is nested deeper than any setting")
	case n.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			switch {
			case key.ShortTag() == "!!merge":
				f.group(name, value, depth+1)
			case name == "":
				f.entry(key.Value, key, value, depth)
			default:
				f.entry(name+"."+key.Value, key, value, depth)
			}
		}
	case n.ShortTag() == "!!null": // a heading with nothing below
	case name == "":
		f.problems = append(f.problems, fmt.Errorf("configuration file %s, line %d: expected settings, and there is %s; write for example listen: 127.0.0.1:8080", f.path, n.Line, strictfile.Found(n)))
	default:
		f.fail(name, from, "expected settings below it, and there is %s; write for example %s", kind(n), f.below(name))
	}
}

// below is how the first setting of a group is written.
func (f *settingsFile) below(group string) string {
	for _, n := range f.names {
		if inner, ok := strings.CutPrefix(n, group+"."); ok {
			return group + ": {" + inner + ": " + f.example(f.known[n]) + "}"
		}
	}
	return group + ": {}"
}

func (f *settingsFile) entry(name string, key, value *yaml.Node, depth int) {
	if value.Kind == yaml.AliasNode {
		value = value.Alias
	}
	s, from := f.known[name], Source{FromFile, f.path, key.Line}
	if first := f.seen[name]; first > 0 && s != nil {
		f.fail(name, from, "stands in line %d already; leave one of them out", first)
		return
	}
	f.seen[name] = key.Line
	switch {
	case s == nil && (f.groups[name] || value.Kind == yaml.MappingNode && len(value.Content) > 0):
		f.group(name, value, depth+1)
	case s == nil:
		f.unknown(name, from, f.names)
	case value.Kind != yaml.ScalarNode:
		f.fail(name, from, "expected one value, and there is %s; write for example %s: %s", kind(value), key.Value, f.example(s))
	case value.ShortTag() == "!!null" && s.Default != "":
		f.fail(name, from, "has no value; write for example %s: %s, or leave the line out", key.Value, f.example(s))
	case s.Secret && name != s.Name:
		f.secretFile(s, scalar(value), from)
	default:
		f.set(s, scalar(value), from)
	}
}

// kind is what stands there, but not its text, which may be a secret in a wrong place.
func kind(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode {
		return "one value"
	}
	return strictfile.Found(n)
}

func (f *settingsFile) example(s *Setting) string {
	if s.Default != "" {
		return s.Default
	}
	return s.Form
}

// scalar is a value as it was written: 1.10 is an OID, and not a number. true and false
// are on and off here.
func scalar(n *yaml.Node) string {
	switch n.ShortTag() {
	case "!!null":
		return ""
	case "!!bool":
		if strings.EqualFold(n.Value, "true") {
			return "on"
		}
		return "off"
	case "!!int":
		var i int64 // 0x10 and 1_000 are numbers too
		if n.Decode(&i) == nil {
			return fmt.Sprint(i)
		}
	}
	return n.Value
}
