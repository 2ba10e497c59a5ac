package async

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"samdok/access"
	"samdok/metadata"
)

// Postponed is an answer that goes to another address: made already, or to be made
// when it is delivered.
type Postponed struct {
	// ID becomes the answer's MessageID, at each attempt the same.
	ID metadata.UUID
	// Door names the door that took the request.
	Door string
	// To and FaultTo are the addresses; FaultTo "" means To.
	To, FaultTo string
	// One of these is set.
	Answer  *Answer  `json:",omitempty"`
	Request *Request `json:",omitempty"`
}

// Answer is one that was made: what was asked for is done.
type Answer struct {
	ContentType string
	Body        []byte
}

// Request is one that only reads: it is answered when the answer can leave, so that
// access is decided and recorded then, and no answer is stored.
type Request struct {
	Envelope []byte
	Packed   bool // the answer is packed like the request
	Caller   access.Caller
}

const format = 1

// Encode gives the form that is stored: its version, then JSON.
func (p *Postponed) Encode() ([]byte, error) {
	b, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	return append([]byte{format}, b...), nil
}

// Decode reads what Encode gave.
func Decode(b []byte) (*Postponed, error) {
	if len(b) == 0 || b[0] != format {
		return nil, errors.New("async: a stored answer is of a form that this program does not know")
	}
	p := new(Postponed)
	d := json.NewDecoder(bytes.NewReader(b[1:]))
	d.DisallowUnknownFields()
	if err := d.Decode(p); err != nil {
		return nil, fmt.Errorf("async: a stored answer cannot be read: %w", err)
	}
	if (p.Answer == nil) == (p.Request == nil) {
		return nil, errors.New("async: a stored answer holds neither answer nor request, or both")
	}
	return p, nil
}

// Capture is a response that is kept.
type Capture struct {
	Status int
	header http.Header
	body   bytes.Buffer
}

// NewCapture makes one.
func NewCapture() *Capture { return &Capture{header: http.Header{}} }

// Header implements http.ResponseWriter.
func (c *Capture) Header() http.Header { return c.header }

// WriteHeader implements http.ResponseWriter.
func (c *Capture) WriteHeader(status int) {
	if c.Status == 0 {
		c.Status = status
	}
}

// Write implements http.ResponseWriter.
func (c *Capture) Write(b []byte) (int, error) {
	c.WriteHeader(http.StatusOK)
	return c.body.Write(b)
}

// Answer is what was written; an error when it is not whole.
func (c *Capture) Answer() (*Answer, error) {
	if want := c.header.Get("Content-Length"); want != strconv.Itoa(c.body.Len()) {
		return nil, fmt.Errorf("async: an answer has %d bytes of %s: %w", c.body.Len(), want, io.ErrUnexpectedEOF)
	}
	return &Answer{c.header.Get("Content-Type"), c.body.Bytes()}, nil
}
