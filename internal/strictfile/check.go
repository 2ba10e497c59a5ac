package strictfile

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxDepth bounds how deep a file may be nested; the structs are a few levels deep.
const maxDepth = 64

// checker holds a tree against the struct that it is for.
type checker struct {
	tag      string // "yaml" or "json"
	problems Problems
	done     map[visit]bool // an anchor that is referred to a thousand times is checked once
}

type visit struct {
	n *yaml.Node
	t reflect.Type
}

// place is where in the file the checker is.
type place struct {
	key, example string
	depth        int
}

func check(root *yaml.Node, to any, tag string) error {
	if root == nil {
		return nil
	}
	c := checker{tag: tag, done: map[visit]bool{}}
	c.value(root, reflect.TypeOf(to).Elem(), place{})
	return c.problems.Err()
}

func (c *checker) fail(n *yaml.Node, p place, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if p.example != "" {
		text += "; write for example " + p.example
	}
	c.problems = append(c.problems, Problem{Line: n.Line, Key: p.key, Text: text})
}

var textual = reflect.TypeFor[encoding.TextUnmarshaler]()

func (c *checker) value(n *yaml.Node, t reflect.Type, p place) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if p.depth++; p.depth > maxDepth {
		c.fail(n, place{key: p.key}, "is nested deeper than %d levels", maxDepth)
		return
	}
	if c.again(n, t) {
		return
	}
	switch {
	case reflect.PointerTo(t).Implements(textual):
		c.text(n, t, p)
	case t.Kind() == reflect.Struct:
		c.group(n, t, p)
	case t.Kind() == reflect.Map:
		c.table(n, t, p)
	case t.Kind() == reflect.Slice:
		c.list(n, t, p)
	default:
		c.scalar(n, t, p)
	}
}

// again tells whether something that others refer to was checked already: without it
// a few lines of references to references would take for ever.
func (c *checker) again(n *yaml.Node, t reflect.Type) bool {
	v := visit{n, t}
	seen := c.done[v]
	if n.Anchor != "" {
		c.done[v] = true
	}
	return seen
}

// group is a struct: its keys are known.
func (c *checker) group(n *yaml.Node, t reflect.Type, p place) {
	if isNull(n) {
		return // nothing is set in it
	}
	fields, names := map[string]reflect.StructField{}, []string{}
	for f := range t.Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get(c.tag), ","); name != "" && name != "-" {
			fields[name] = f
			names = append(names, name)
		}
	}
	c.pairs(n, t, p, "keys such as "+strings.Join(names[:min(3, len(names))], ", "), func(key, value *yaml.Node) {
		in := place{key: within(p.key, key.Value), depth: p.depth}
		f, known := fields[key.Value]
		if !known {
			c.fail(key, in, "there is no such key; %s", perhaps(key.Value, names))
			return
		}
		if e := f.Tag.Get("example"); e != "" {
			in.example = key.Value + ": " + e
			if c.tag == "json" {
				in.example = strconv.Quote(key.Value) + ": " + e
			}
		}
		c.value(value, f.Type, in)
	})
}

func perhaps(wrong string, names []string) string {
	if near := Nearest(wrong, names); near != "" {
		return "did you mean " + near + "?"
	}
	return "there are " + strings.Join(names, ", ")
}

// table is a map: its keys are anything.
func (c *checker) table(n *yaml.Node, t reflect.Type, p place) {
	if isNull(n) {
		return
	}
	c.pairs(n, t, p, "keys with values", func(key, value *yaml.Node) {
		c.value(value, t.Elem(), place{key: within(p.key, key.Value), depth: p.depth})
	})
}

// pairs goes through the keys of a group, each of which may stand once.
func (c *checker) pairs(n *yaml.Node, t reflect.Type, p place, expected string, each func(key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		c.fail(n, p, "expected %s, and there is %s", expected, Found(n))
		return
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch first := lines[key.Value]; {
		case key.ShortTag() == "!!merge":
			c.merged(value, t, p, expected, each)
		case key.Kind != yaml.ScalarNode:
			c.fail(key, place{key: p.key}, "expected a key, and there is %s", Found(key))
		case first > 0:
			c.fail(key, place{key: within(p.key, key.Value)}, "stands in line %d already; leave one of them out", first)
		default:
			lines[key.Value] = key.Line
			each(key, value)
		}
	}
}

// merged is what << takes in: a group, or a list of them.
func (c *checker) merged(n *yaml.Node, t reflect.Type, p place, expected string, each func(key, value *yaml.Node)) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if c.again(n, t) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		c.pairs(n, t, p, expected, each)
		return
	}
	for _, one := range n.Content {
		c.merged(one, t, p, expected, each)
	}
}

func (c *checker) list(n *yaml.Node, t reflect.Type, p place) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		hint := p
		if p.example == "" && c.tag == "yaml" {
			hint.example = "- in front of each element"
		}
		c.fail(n, hint, "expected a list, and there is %s", Found(n))
		return
	}
	for i, one := range n.Content {
		in := place{key: fmt.Sprintf("%s[%d]", p.key, i+1), example: p.example, depth: p.depth}
		if isNull(one) {
			c.fail(one, in, "is an element without a value")
			continue
		}
		c.value(one, t.Elem(), in)
	}
}

// text is a value with a form of its own, which says itself what it should be.
func (c *checker) text(n *yaml.Node, t reflect.Type, p place) {
	if n.Kind != yaml.ScalarNode || isNull(n) {
		c.fail(n, p, "expected one value, and there is %s", Found(n))
		return
	}
	if err := reflect.New(t).Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.Value)); err != nil {
		c.fail(n, p, "%v", err)
	}
}

func (c *checker) scalar(n *yaml.Node, t reflect.Type, p place) {
	expected, fits := "text", true
	switch tag := n.ShortTag(); t.Kind() {
	case reflect.Bool:
		var v bool
		expected, fits = "true or false", n.Kind == yaml.ScalarNode && tag != "!!null" && n.Decode(&v) == nil
	case reflect.Int, reflect.Int64:
		expected = "a whole number"
		_, err := strconv.ParseInt(strings.ReplaceAll(n.Value, "_", ""), 0, t.Bits())
		fits = n.Kind == yaml.ScalarNode && tag == "!!int" && err == nil
	default:
		fits = n.Kind == yaml.ScalarNode && (c.tag == "yaml" || tag == "!!str" || tag == "!!null")
	}
	if !fits {
		c.fail(n, p, "expected %s, and there is %s", expected, Found(n))
	}
}

// Found says what stands in a file, for people.
func Found(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a group of keys"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.AliasNode:
		return "a reference (*)"
	case isNull(n):
		return "nothing"
	}
	const most = 60
	v := []rune(n.Value)
	if len(v) > most {
		v = append(v[:most:most], '…')
	}
	return strconv.Quote(string(v))
}

func within(group, key string) string {
	if group == "" {
		return key
	}
	return group + "." + key
}
