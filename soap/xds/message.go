package xds

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"

	"samdok/internal/spool"
	"samdok/internal/xmlscan"
	"samdok/soap"
	"samdok/soap/mtom"
)

var (
	rootBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 16<<10); return &b }}
	copyBuffers = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

	// Scanners keep their buffers, and what they know of how tags are written: of the
	// requests that a server reads, and of the answers that a client reads.
	requestScanners = sync.Pool{New: func() any { return new(xmlscan.Scanner) }}
	answerScanners  = sync.Pool{New: func() any { return new(xmlscan.Scanner) }}
)

// keepRoot is the largest envelope buffer that is kept for the next request.
const keepRoot = 1 << 20

// message is an envelope, packed or plain, with its root part in memory and its
// attachments still in the stream.
type message struct {
	limits mtom.Limits
	tmp    spool.Options
	memory *spool.Budget // nil: no common bound

	// whole is how much of the root part is read at once. A longer one is too large,
	// or, with feed, read while it is scanned, and documents inside it go to spools.
	whole int64
	feed  bool

	packed bool // MTOM; an answer has the same format
	root   []byte
	rest   io.Reader // of a root part longer than whole
	buf    *[]byte
	taken  int64
	held   int64        // octets of documents that wait in memory
	parts  *mtom.Reader // nil when not packed

	scan     *xmlscan.Scanner // of the root part; nil before start and after close
	scanners *sync.Pool       // where it is from
}

// open reads the root part. length is the Content-Length, -1 when not known.
func (m *message) open(r io.Reader, contentType string, length int64) error {
	c := soap.ParseContent(contentType)
	m.packed = c.Media == mtom.MediaType
	if !m.packed {
		if f := soap.CheckPlain(c); f != nil {
			return f
		}
	}
	if length > m.limits.TotalBytes {
		return (&mtom.LimitError{Name: mtom.LimitTotalBytes, Max: m.limits.TotalBytes, What: "the message"}).Fault()
	}
	if !m.packed {
		return m.read(&plainBody{r, m.limits.TotalBytes, m.limits.TotalBytes})
	}
	parts, err := mtom.NewReader(r, c.Params, m.limits, m.tmp)
	if err != nil {
		return err
	}
	m.parts = parts
	root, err := parts.Root()
	if err != nil {
		return asFault(err)
	}
	return m.read(root)
}

// plainBody bounds a message without a package.
type plainBody struct {
	r         io.Reader
	left, max int64
}

func (b *plainBody) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, &mtom.LimitError{Name: mtom.LimitTotalBytes, Max: b.max, What: "the message"}
	}
	return n, err
}

// read takes the root part, or its beginning, into a pooled buffer that grows as
// bytes come.
func (m *message) read(r io.Reader) error {
	m.buf = rootBuffers.Get().(*[]byte)
	b := (*m.buf)[:0]
	if !m.take(int64(cap(b))) {
		return tooBusy()
	}
	for {
		if len(b) == cap(b) {
			grown := 2 * cap(b)
			if !m.take(int64(grown - cap(b))) {
				return tooBusy()
			}
			b = append(make([]byte, 0, grown), b...)
			*m.buf = b
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		m.root = b
		switch {
		case err != nil && err != io.EOF:
			return asFault(err)
		case int64(len(b)) > m.whole:
			return m.readOn(r)
		case err == io.EOF:
			return nil
		}
	}
}

// readOn leaves the rest of a long root part in the stream.
func (m *message) readOn(r io.Reader) error {
	if !m.feed {
		return rootTooLarge(m.limits.RootBytes)
	}
	if !m.take(m.limits.RootBytes) {
		return tooBusy()
	}
	m.rest = r
	return nil
}

// start sets a scanner at the beginning of the root part. It is the message's until close.
func (m *message) start(from *sync.Pool, l xmlscan.Limits) *xmlscan.Scanner {
	m.scan, m.scanners = from.Get().(*xmlscan.Scanner), from
	if m.rest == nil {
		m.scan.Reset(m.root, l)
	} else {
		m.scan.ResetReader(io.MultiReader(bytes.NewReader(m.root), m.rest), l, xmlscan.Divert{NS: xmlscan.XDS, Local: "Document"})
	}
	return m.scan
}

func (m *message) take(n int64) bool {
	if m.memory == nil {
		return true
	}
	if !m.memory.Take(n) {
		return false
	}
	m.taken += n
	return true
}

// close gives back what the message holds. What was read from it stays.
func (m *message) close() {
	if m.scan != nil && m.rest == nil { // otherwise it holds a large buffer
		m.scan.Reset(nil, xmlscan.Limits{})
		m.scanners.Put(m.scan)
	}
	m.scan = nil
	if m.parts != nil {
		m.parts.Close()
		m.parts = nil
	}
	if m.buf != nil && cap(*m.buf) <= keepRoot {
		rootBuffers.Put(m.buf)
	}
	m.buf, m.root, m.rest = nil, nil, nil
	if m.memory != nil {
		m.memory.Give(m.taken)
		m.taken = 0
	}
}

func rootTooLarge(limit int64) error {
	return (&mtom.LimitError{Name: mtom.LimitRootBytes, Max: limit, What: "the envelope"}).Fault()
}

func tooBusy() error {
	return soap.Fail("The server works on as many large messages as it may at the same time. Try again in a moment.",
		"Tjeneren behandler så mange store meldinger den kan. Prøv igjen om litt.").WithStatus(http.StatusServiceUnavailable)
}

// asFault turns what reading a message gave into a fault. A connection that broke
// gets one too, although nobody may be there to read it.
func asFault(err error) *soap.Fault {
	var limit *mtom.LimitError
	if errors.As(err, &limit) {
		return limit.Fault()
	}
	var f *soap.Fault
	if errors.As(err, &f) {
		return f
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return soap.Refuse("The message ended before it was complete.", "Meldingen sluttet før den var komplett.").Because(err)
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return soap.Refuse("The message is larger than this server takes.", "Meldingen er større enn tjeneren tar imot.").WithStatus(http.StatusRequestEntityTooLarge).Because(err)
	}
	return soap.Unreadable(err)
}
