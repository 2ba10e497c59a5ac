package xds

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strings"

	"samdok/internal/spool"
	"samdok/internal/xmlscan"
	"samdok/soap"
	"samdok/soap/mtom"
)

// inline is a document that stood in the envelope as base64, decoded into a spool.
type inline struct {
	sp  *spool.Spool
	dec unbase64
}

func (m *message) newInline() *inline {
	tmp := m.spool()
	tmp.Max, tmp.MaxName = m.limits.PartBytes, mtom.LimitPartBytes
	d := &inline{sp: spool.New(tmp)}
	d.dec.w = d.sp
	return d
}

// spool is how the next document waits: the documents of one message share what
// one spool may keep in memory.
func (m *message) spool() spool.Options { return m.tmp.After(m.held) }

func (d *inline) open() io.ReadCloser {
	return struct {
		io.Reader
		io.Closer
	}{d.sp.Reader(), d.sp}
}

func (d *inline) close() { d.sp.Close() }

// Write takes base64 text in pieces.
func (d *inline) Write(p []byte) (int, error) {
	if err := d.dec.write(p); err != nil {
		var limit *spool.LimitError
		if errors.As(err, &limit) {
			err = (&mtom.LimitError{Name: limit.Name, Max: limit.Max, What: "a document"}).Fault()
		}
		return 0, err
	}
	return len(p), nil
}

// end checks that the base64 text was complete.
func (d *inline) end() error {
	if d.dec.n != 0 {
		return errBase64
	}
	return nil
}

var errBase64 = soap.Refuse("A document inside the envelope is not valid base64.", "Et dokument i konvolutten er ikke gyldig base64.")

// unbase64 decodes base64 that comes in pieces, cut anywhere, with blanks anywhere.
type unbase64 struct {
	w    io.Writer
	in   [1 << 10]byte
	out  [768]byte
	n    int
	done bool // padding has been seen
}

func (u *unbase64) write(p []byte) error {
	for _, c := range p {
		if c == ' ' || c == '\n' || c == '\r' || c == '\t' {
			continue
		}
		if u.done {
			return errBase64
		}
		u.in[u.n] = c
		if u.n++; u.n == len(u.in) {
			if err := u.flush(); err != nil {
				return err
			}
		}
	}
	if u.n >= 4 {
		return u.flush()
	}
	return nil
}

func (u *unbase64) flush() error {
	whole := u.n &^ 3
	n, err := base64.StdEncoding.Decode(u.out[:], u.in[:whole])
	if err != nil {
		return errBase64
	}
	u.done = n < whole/4*3
	if u.done && u.n > whole {
		return errBase64
	}
	u.n = copy(u.in[:], u.in[whole:u.n])
	_, err = u.w.Write(u.out[:n])
	return err
}

// content reads an element that holds binary content: base64 text, or an
// xop:Include whose href is reported. The scanner stands on its start tag. nil:
// there was an Include and no text.
func (m *message) content(sc *xmlscan.Scanner, include func(href string)) (d *inline, err error) {
	defer func() {
		if err != nil && d != nil {
			d.close()
			d = nil
		}
	}()
	included := false
	for depth := sc.Depth(); ; {
		k, err := sc.Next()
		switch {
		case err != nil:
			return d, soap.Malformed(err)
		case k == xmlscan.End && sc.Depth() < depth:
			if d == nil && !included { // a document of no bytes
				d = m.newInline()
			}
			if d == nil {
				return nil, nil
			}
			m.held += min(d.sp.Size(), int64(m.spool().Memory))
			return d, d.end()
		case k == xmlscan.Text:
			text := sc.Text()
			if d == nil && len(bytes.TrimLeft(text, " \t\r\n")) == 0 {
				continue
			}
			if d == nil {
				d = m.newInline()
			}
			if _, err := d.Write(text); err != nil {
				return d, err
			}
		case k == xmlscan.Start && sc.Is(xmlscan.XOP, "Include"):
			href, _ := sc.Attr("href")
			included = true
			include(href)
		case k == xmlscan.Start:
			return d, soap.Refuse("A document inside the envelope must be base64 text or an xop:Include, not an element "+string(sc.Local())+".", "Et dokument i konvolutten må være base64 eller xop:Include.")
		}
	}
}

// finish checks that no attachment follows that nobody refers to, and that the
// package is whole.
func (m *message) finish() error {
	if m.parts == nil {
		return nil
	}
	part, err := m.parts.Next()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return asFault(err)
	}
	return soap.Refuse("The message has an attachment with the Content-ID "+show(part.ID)+" that nothing refers to.", "Meldingen har et vedlegg som ingenting viser til.")
}

func trimmedText(sc *xmlscan.Scanner) (string, error) {
	s, err := sc.ElementText()
	return strings.Trim(s, " \t\r\n"), err // XML's blanks; an id may end with another
}
