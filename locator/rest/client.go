package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"samdok/locator"
	"samdok/metadata"
)

// Client speaks to a locator.
type Client struct {
	base string
	http *http.Client
}

// NewClient makes a Client of the server at a base URL, with or without Root.
func NewClient(base string, h *http.Client) *Client {
	base = strings.TrimRight(base, "/")
	if !strings.HasSuffix(base, Root) {
		base += Root
	}
	return &Client{base, h}
}

// maxAnswer bounds an answer.
const maxAnswer = 16 << 20

// ask sends a value and reads the answer into another; nil: it is not read. An error
// is a *Problem when the locator answered one.
func (c *Client) ask(ctx context.Context, method, path, kind string, body io.Reader, to any) error {
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return err
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	a, err := c.http.Do(r)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	b, err := io.ReadAll(io.LimitReader(a.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("the locator's answer broke off: %w", err)
	case len(b) > maxAnswer:
		return fmt.Errorf("the locator's answer is larger than %d bytes", maxAnswer)
	case a.StatusCode >= 300:
		return refusal(a, b)
	case to == nil:
		return nil
	}
	if err := json.Unmarshal(b, to); err != nil {
		return fmt.Errorf("the locator's answer cannot be read (%T)", err)
	}
	return nil
}

// refusal is the Problem of an answer, or says that it has none.
func refusal(a *http.Response, b []byte) error {
	p := &Problem{}
	if strings.HasPrefix(a.Header.Get("Content-Type"), "application/problem+json") && json.Unmarshal(b, p) == nil && p.Status == a.StatusCode {
		return p
	}
	return fmt.Errorf("the locator answered HTTP %d", a.StatusCode)
}

func (c *Client) post(ctx context.Context, path string, v, to any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return c.ask(ctx, http.MethodPost, path, "application/json", bytes.NewReader(b), to)
}

// State sends a statement. The answer is taken, known or outdated.
func (c *Client) State(ctx context.Context, s locator.Statement) (string, error) {
	var r Result
	err := c.post(ctx, "/holdings", StatementOf(s), &r)
	return r.Result, err
}

// StateAll sends many statements at once.
func (c *Client) StateAll(ctx context.Context, all []locator.Statement) (Loaded, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	for _, s := range all {
		if err := e.Encode(StatementOf(s)); err != nil {
			return Loaded{}, err
		}
	}
	return c.Load(ctx, &b)
}

// Load sends statements, one a line. A *Problem says in Loaded how far it came.
func (c *Client) Load(ctx context.Context, lines io.Reader) (l Loaded, err error) {
	err = c.ask(ctx, http.MethodPost, "/holdings/load", "application/x-ndjson", lines, &l)
	return l, err
}

// Locate asks who holds something about a patient.
func (c *Client) Locate(ctx context.Context, p metadata.PatientID, detail, alone bool) (locator.Answer, error) {
	var a Answer
	if err := c.post(ctx, "/search", Question{Patient: patientOf(p), Detail: detail, Alone: alone}, &a); err != nil {
		return locator.Answer{}, err
	}
	return a.answer()
}

// Where asks in a citizen's words; language is nb or en.
func (c *Client) Where(ctx context.Context, p metadata.PatientID, language string) (out Places, err error) {
	err = c.post(ctx, "/where", Where{Patient: patientOf(p), Language: language}, &out)
	return out, err
}

// Cover reports that the locator was told everything of a community.
func (c *Client) Cover(ctx context.Context, report locator.Coverage) error {
	report.Heard, report.Current = time.Time{}, false
	return c.post(ctx, "/coverage", Coverage{Community: report.Community, Level: report.Level.String(), AsOf: report.AsOf, Ended: report.Ended}, nil)
}

// Status asks how much the locator knows.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	err = c.ask(ctx, http.MethodGet, "/status", "", nil, &s)
	return s, err
}
