package conformance

import (
	_ "embed"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html/template"
	"io"
	"time"
)

// WriteJSON writes the report for machines.
func (r Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Stamp    string      `xml:"timestamp,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitMessage `xml:"failure,omitempty"`
	Error   *junitMessage `xml:"error,omitempty"`
	Skipped *junitMessage `xml:"skipped,omitempty"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
}

// WriteJUnit writes the report as JUnit XML, which CI systems read.
func (r Report) WriteJUnit(w io.Writer) error {
	s := junitSuite{Name: "IHE XDS.b conformance", Tests: len(r.Results), Failures: r.Count[Fail], Errors: r.Count[Error],
		Skipped: r.Count[Skip] + r.Count[Disabled], Stamp: r.Started.Format(time.RFC3339)}
	var total time.Duration
	for _, x := range r.Results {
		total += x.Time
		c := junitCase{Name: x.ID, Class: x.Section, Time: fmt.Sprintf("%.3f", x.Time.Seconds())}
		m := &junitMessage{Message: x.Title + ": " + x.Detail}
		switch x.Outcome {
		case Fail:
			c.Failure = m
		case Error:
			c.Error = m
		case Skip, Disabled:
			c.Skipped = m
		}
		s.Cases = append(s.Cases, c)
	}
	s.Time = fmt.Sprintf("%.3f", total.Seconds())
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(s); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

//go:embed report.html
var page string

// WriteHTML writes the report as one page for people.
func (r Report) WriteHTML(w io.Writer) error {
	t, err := template.New("report").Parse(page)
	if err != nil {
		return err
	}
	return t.Execute(w, r)
}
