package strictfile

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// YAML reads a file into a struct whose fields have tags "yaml" and, where a mistake is
// likely, "example". The error is Problems.
func YAML(b []byte, to any) (*File, error) {
	root, err := Tree(b)
	if err != nil {
		return nil, err
	}
	if err := check(root, to, "yaml"); err != nil {
		return nil, err
	}
	if root == nil {
		return &File{}, nil
	}
	if err := root.Decode(to); err != nil {
		return nil, Problems{{Text: inWords(err.Error())}}
	}
	return &File{root}, nil
}

// Tree reads the one document of a file; nil when there is nothing in it.
func Tree(b []byte) (*yaml.Node, error) {
	d := yaml.NewDecoder(bytes.NewReader(b))
	var doc, more yaml.Node
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, Problems{syntax(b, err)}
	}
	switch err := d.Decode(&more); {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, Problems{syntax(b, err)}
	case err == nil && !isNull(content(&more)):
		return nil, Problems{{Line: more.Line, Text: "a second document begins here (---), and only the first would be read; put everything into one"}}
	}
	return content(&doc), nil
}

func content(doc *yaml.Node) *yaml.Node {
	if doc.Kind == yaml.DocumentNode && len(doc.Content) > 0 {
		return doc.Content[0]
	}
	return doc
}

func isNull(n *yaml.Node) bool {
	return n.Kind == 0 || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

var numbered = regexp.MustCompile(`^line ([0-9]+): `)

// syntax says what the parser could not read.
func syntax(b []byte, err error) Problem {
	said := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1 // the parser leaves out the first
	if m := numbered.FindStringSubmatch(said); m != nil {
		line, _ = strconv.Atoi(m[1]) // the expression only fits digits
		said = said[len(m[0]):]
		if strings.HasPrefix(said, "did not find expected") {
			line++ // these are counted from 0
		}
	}
	lines := bytes.Split(bytes.TrimRight(b, "\n"), []byte("\n"))
	line = max(1, min(line, len(lines)))
	for i, l := range lines {
		indent := l[:len(l)-len(bytes.TrimLeft(l, " \t"))]
		if bytes.ContainsRune(indent, '\t') && i+1 >= line-1 && i+1 <= line+1 {
			return Problem{Line: i + 1, Text: "is indented with a tab; YAML takes only spaces there: put two for each step"}
		}
	}
	return Problem{Line: line, Text: inWords(said)}
}

// inWords is what the messages of the parser mean.
func inWords(said string) string {
	for _, w := range [...]struct{ of, means string }{
		{"found character that cannot start any token", "a value begins with a character that means something else in YAML; put the value in quotes, as in key: \"value\""},
		{"mapping values are not allowed", "there is a colon where none can be; put the line in the same column as the lines that it belongs with, or a value with \": \" in it in quotes, as in key: \"value\""},
		{"did not find expected key", "the line does not belong with those above; put lines that belong together in the same column, each as key: value"},
		{"did not find expected '-'", "the line does not belong with the list above; each element of a list begins with - in the same column"},
		{"did not find expected ','", "what was opened with [ or { is not closed, or a comma lacks; write as in key: [a, b]"},
		{"did not find expected node content", "a value lacks, or what was opened with [ or { is not closed; write as in key: [a, b]"},
		{"found unexpected end of stream", "a quote is opened and not closed; write as in key: \"value\""},
		{"could not find expected ':'", "a key lacks its colon, here or in the line above; write it as key: value"},
		{"unknown anchor", "a value begins with *, which means another value that is named so, and none is; put the value in quotes, as in key: \"*\""},
		{"control characters", "there is a control character; the file must be text in UTF-8"},
		{"UTF-8", "the file must be text in UTF-8; save it anew with that encoding"},
		{"anchor", "a value contains itself by an anchor (&) and a reference (*); write it out"},
		{"document contains excessive aliasing", "too many references (*) to anchors (&); write the values out"},
	} {
		if strings.Contains(said, w.of) {
			return w.means
		}
	}
	return "cannot be read as YAML (" + said + ")"
}
