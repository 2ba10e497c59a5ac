package strictfile

import (
	"fmt"
	"strings"
)

// Problem is one mistake in a file.
type Problem struct {
	File string // "" until In names it
	Line int    // from 1; 0: the whole file
	Key  string // such as communities[2].deadline, counted from 1; may be ""
	Text string // what is expected, with an example where there is one
}

func (p *Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "line %d", p.Line)
	}
	for _, s := range []string{p.Key, p.Text} {
		if s != "" && b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(s)
	}
	return b.String()
}

// Problems are all mistakes that were found, one a line.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].String()
	}
	return strings.Join(lines, "\n")
}

// Err is nil when there are none.
func (p Problems) Err() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// In names the file in each of the mistakes; another error gets it in front.
func In(file string, err error) error {
	p, ok := err.(Problems)
	if !ok {
		return fmt.Errorf("%s: %w", file, err)
	}
	named := make(Problems, len(p))
	for i := range p {
		named[i] = p[i]
		named[i].File = file
	}
	return named
}
