package mtom

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"

	"samdok/soap"
)

const rootID = "root@samdok"

// Attachment describes one part to be written.
type Attachment struct {
	ID        string // Content-ID without angle brackets; letters, digits, '.', '-', '@'
	MediaType string
	Size      int64 // in octets; -1 when it is not known
}

// Writer writes one package: the root, then attachments. Whoever
// stops in the middle must close the connection; nothing here writes a closing
// boundary that was not reached.
type Writer struct {
	boundary string
	head     []byte // up to and including the root
	parts    []Attachment
}

// NewWriter prepares a package with a random boundary. The root is kept until it
// is written.
func NewWriter(root []byte, parts []Attachment) *Writer {
	w := &Writer{boundary: NewBoundary(), parts: parts}
	w.head = make([]byte, 0, len(root)+256)
	w.head = append(w.head, "--"...)
	w.head = append(w.head, w.boundary...)
	w.head = append(w.head, "\r\nContent-Type: application/xop+xml; charset=UTF-8; type=\"application/soap+xml\"\r\n"+
		"Content-Transfer-Encoding: binary\r\nContent-ID: <"+rootID+">\r\n\r\n"...)
	w.head = append(w.head, root...)
	return w
}

// NewBoundary is a boundary that no content holds but by a chance of 2^-128.
func NewBoundary() string {
	var id [16]byte
	rand.Read(id[:]) // never fails
	return "samdok-" + hex.EncodeToString(id[:])
}

// ContentType is that of the package (ITI TF-2 V.8).
func (w *Writer) ContentType() string {
	return `multipart/related; type="` + RootMediaType + `"; boundary="` + w.boundary +
		`"; start="<` + rootID + `>"; start-info="` + soap.MediaType + `"`
}

// Length is the size of the whole package in bytes; -1 when an attachment's is not
// known.
func (w *Writer) Length() int64 {
	n := int64(len(w.head)) + int64(len(w.boundary)) + int64(len("\r\n----\r\n"))
	var b []byte
	for i := range w.parts {
		if w.parts[i].Size < 0 {
			return -1
		}
		b = w.appendHead(b[:0], i)
		n += int64(len(b)) + w.parts[i].Size
	}
	return n
}

func (w *Writer) appendHead(b []byte, i int) []byte {
	b = append(b, "\r\n--"...)
	b = append(b, w.boundary...)
	b = append(b, "\r\nContent-Type: "...)
	b = append(b, safeType(w.parts[i].MediaType)...)
	b = append(b, "\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <"...)
	b = append(b, w.parts[i].ID...)
	return append(b, ">\r\n\r\n"...)
}

// Head is the package up to and including the root.
func (w *Writer) Head() []byte { return w.head }

// PartHead is what stands before the content of part i.
func (w *Writer) PartHead(i int) []byte { return w.appendHead(nil, i) }

// Tail closes the package.
func (w *Writer) Tail() []byte { return []byte("\r\n--" + w.boundary + "--\r\n") }

// SizeError says that an attachment did not have the size that was announced.
type SizeError struct {
	Part      int
	Want, Got int64
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("mtom: attachment %d has %d bytes where %d were announced", e.Part, e.Got, e.Want)
}

// Write writes the package to dst. open gives the content of part i; what it
// gives is read to its end and not closed. After an error the package is not
// complete and must not look complete: close the connection.
func (w *Writer) Write(dst io.Writer, open func(i int) (io.Reader, error)) error {
	if len(w.parts) == 0 {
		_, err := dst.Write(append(w.head, w.Tail()...))
		return err
	}
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	head := w.head
	for i := range w.parts {
		if _, err := dst.Write(w.appendHead(head, i)); err != nil {
			return err
		}
		head = nil
		r, err := open(i)
		if err != nil {
			return err
		}
		if w.parts[i].Size >= 0 { // one byte more than announced is enough to see a lie
			r = io.LimitReader(r, w.parts[i].Size+1)
		}
		n, err := io.CopyBuffer(struct{ io.Writer }{dst}, r, *buf)
		if err != nil {
			return err
		}
		if w.parts[i].Size >= 0 && n != w.parts[i].Size {
			return &SizeError{i, w.parts[i].Size, n}
		}
	}
	_, err := dst.Write(w.Tail())
	return err
}
