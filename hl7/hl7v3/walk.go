package hl7v3

import (
	"strings"

	"samdok/internal/xmlscan"
)

// walker keeps the path from the message's element down.
type walker struct {
	sc    *xmlscan.Scanner
	depth int
	path  []string // local names; "" for those of other namespaces
}

// newWalker stands on the message's start tag.
func newWalker(sc *xmlscan.Scanner) walker {
	return walker{sc, sc.Depth(), make([]string, 0, 16)}
}

// walk visits each element below, up to the message's end tag.
func (d *walker) walk(visit func(name string) error) error {
	for {
		k, err := d.sc.Next()
		if err != nil {
			return err
		}
		switch {
		case k == xmlscan.End && d.sc.Depth() < d.depth, k == xmlscan.EOF:
			return nil
		case k == xmlscan.End:
			d.path = d.path[:len(d.path)-1]
		case k == xmlscan.Start:
			name := ""
			if d.sc.NS() == xmlscan.HL7V3 {
				name = string(d.sc.Local())
			}
			d.path = append(d.path, name)
			if err := visit(name); err != nil {
				return err
			}
		}
	}
}

// at tells whether the path is exactly this one.
func (d *walker) at(want string) bool {
	for i, name := range d.path {
		first, rest, more := strings.Cut(want, "/")
		if name != first || more != (i < len(d.path)-1) {
			return false
		}
		want = rest
	}
	return true
}

// text reads the element's text to its end tag.
func (d *walker) text() (string, error) {
	s, err := d.sc.ElementText()
	d.path = d.path[:len(d.path)-1]
	return strings.TrimSpace(s), err
}

func (d *walker) attr(name string) string {
	v, _ := d.sc.Attr(name)
	return strings.TrimSpace(v)
}

func (d *walker) ii() II { return II{d.attr("root"), d.attr("extension")} }
