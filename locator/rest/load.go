package rest

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"samdok/fault"
	"samdok/locator"
)

const (
	// maxLine bounds one statement of a bulk load, loadStep how many of them are made
	// durable, and recorded, together.
	maxLine  = 256 << 10
	loadStep = 500
	// maxProblems is how many refused lines are told of.
	maxProblems = 100
)

var errDenied = &fault.Error{Op: "rest", Kind: fault.Denied}

// load takes statements, one a line. Lines that are refused do not stop the others;
// an error stops it, and tells how many lines are durable.
func (h *handler) load(_ http.ResponseWriter, r *http.Request) (answer, *Problem) {
	if p := wantType(r, "application/x-ndjson"); p != nil {
		return answer{}, p
	}
	done := &Loaded{}
	stop := func(p *Problem) (answer, *Problem) {
		p.Line, p.Loaded = done.Lines+1, done
		p.used = p.used || done.Lines > 0 // each step has its record
		return answer{}, p
	}
	lines := bufio.NewReaderSize(r.Body, maxLine)
	for {
		s, end := readStep(lines, done.Lines)
		if p := h.loadStep(r, done, s); p != nil {
			return stop(p)
		}
		switch {
		case errors.Is(end, io.EOF):
			return answer{http.StatusOK, done}, nil
		case errors.Is(end, bufio.ErrBufferFull):
			return stop(tooLarge(fmt.Sprintf("A line may have at most %d bytes.", maxLine)))
		case end != nil:
			return stop(malformed("", "The request broke off. Send the rest again, from the line after those that are durable."))
		}
	}
}

// step is some lines of a bulk load.
type step struct {
	statements []locator.Statement
	at         []int // the line of each statement
	problems   []Problem
	read       int // lines
}

// readStep reads up to loadStep statements; before it, so many lines were read.
func readStep(from *bufio.Reader, before int) (s step, end error) {
	for len(s.statements)+len(s.problems) < loadStep {
		line, err := from.ReadSlice('\n')
		if err != nil && !(errors.Is(err, io.EOF) && len(bytes.TrimSpace(line)) > 0) {
			return s, err
		}
		s.read++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		statement, p := readLine(line)
		if p != nil {
			p.Line = before + s.read
			s.problems = append(s.problems, *p)
			continue
		}
		s.statements, s.at = append(s.statements, statement), append(s.at, before+s.read)
	}
	return s, nil
}

func readLine(line []byte) (locator.Statement, *Problem) {
	var in Statement
	if p := decode(line, &in); p != nil {
		return locator.Statement{}, p
	}
	if in.Holdings == nil {
		return locator.Statement{}, malformed("/holdings", "holdings is missing.")
	}
	s, p := in.statement(locator.ToldByLoad)
	if p == nil {
		p = s.Check()
	}
	if p != nil {
		return locator.Statement{}, wrong(p)
	}
	return s, nil
}

// loadStep has the statements of some lines taken, and counts.
func (h *handler) loadStep(r *http.Request, done *Loaded, s step) *Problem {
	if len(s.statements) > 0 {
		outcomes, err := h.o.Use.State(r.Context(), h.o.Caller(r), s.statements)
		if err != nil {
			return h.failed(r, err)
		}
		for i, o := range outcomes {
			if o.Problem != nil {
				p := wrong(o.Problem)
				p.Line = s.at[i]
				s.problems = append(s.problems, *p)
				continue
			}
			done.count(o.Result)
		}
	}
	slices.SortFunc(s.problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	done.Refused += len(s.problems)
	done.Problems = append(done.Problems, s.problems[:min(len(s.problems), maxProblems-len(done.Problems))]...)
	done.Lines += s.read
	return nil
}
