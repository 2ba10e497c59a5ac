package strictfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// JSON reads a file into a struct whose fields have tags "json" and, where a mistake is
// likely, "example". The error is Problems.
func JSON(b []byte, to any) error {
	var whole json.RawMessage
	if err := LooseJSON(b, &whole); err != nil {
		return err
	}
	r := jsonReader{b: b, line: 1, d: json.NewDecoder(bytes.NewReader(b))}
	r.d.UseNumber()
	root, err := r.value()
	if err != nil {
		return Problems{{Text: "cannot be read as JSON (" + err.Error() + ")"}}
	}
	if err := check(root, to, "json"); err != nil {
		return err
	}
	return LooseJSON(b, to)
}

// LooseJSON is json.Unmarshal, which skips what it does not know: for files that others'
// programs made. The error is Problems.
func LooseJSON(b []byte, to any) error {
	err := json.Unmarshal(b, to)
	if err == nil {
		return nil
	}
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return Problems{{Line: lineAt(b, syntax.Offset), Text: "cannot be read as JSON (" + err.Error() + ")"}}
	case errors.As(err, &kind):
		found, _, _ := strings.Cut(kind.Value, " ") // a number comes with its digits
		return Problems{{Line: lineAt(b, kind.Offset), Key: kind.Field, Text: "is of another kind than expected; there is JSON of the kind " + found}}
	}
	return Problems{{Text: "cannot be read as JSON (" + err.Error() + ")"}}
}

func lineAt(b []byte, offset int64) int {
	offset = min(max(offset, 0), int64(len(b)))
	return 1 + bytes.Count(b[:offset], []byte("\n"))
}

// jsonReader makes the tree that YAML has as well: one check serves both.
type jsonReader struct {
	b    []byte
	d    *json.Decoder
	line int   // of the octet at
	at   int64 // lines are counted once, not for each token from the start
}

func (r *jsonReader) here() int {
	to := r.d.InputOffset()
	r.line += bytes.Count(r.b[r.at:to], []byte("\n"))
	r.at = to
	return r.line
}

func (r *jsonReader) value() (*yaml.Node, error) {
	t, err := r.d.Token()
	if err != nil {
		return nil, err
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: r.here()}
	switch t := t.(type) {
	case json.Delim:
		n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
		if t == '{' {
			n.Kind, n.Tag = yaml.MappingNode, "!!map"
		}
		for r.d.More() {
			inner, err := r.value() // a key is a value too
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, inner)
		}
		_, err = r.d.Token()
		return n, err
	case nil:
		n.Tag = "!!null"
	case bool:
		n.Tag, n.Value = "!!bool", strconv.FormatBool(t)
	case json.Number:
		n.Tag, n.Value = "!!float", t.String()
		if _, err := t.Int64(); err == nil {
			n.Tag = "!!int"
		}
	case string:
		n.Tag, n.Value, n.Style = "!!str", t, yaml.DoubleQuotedStyle
	}
	return n, nil
}
