package xmlscan

import (
	"bytes"
	"math"
)

// Kind is the kind of an event.
type Kind uint8

const (
	// EOF: the root element is closed and nothing but blanks and comments follow.
	EOF Kind = iota
	// Start of an element; an empty-element tag gives Start and End.
	Start
	// End of an element: NS, Local and Prefix are those of its start tag, Depth is
	// that of its parent.
	End
	// Text is one piece of character data inside the root element. A text may come
	// in pieces, around comments and CDATA sections.
	Text
)

// Scanner gives the events of one XML document. Everything it returns as []byte
// lies in the input or in a scratch buffer and is valid until the next call of
// Next. Use one Scanner in one goroutine only.
type Scanner struct {
	b   []byte
	lim Limits
	err error

	p        int // next octet
	at       int // first octet of the event
	kind     Kind
	ns       NS
	name     qname
	start    int32 // '<' of the element's start tag
	attrs    []Attr
	text     []byte
	textKind valueKind
	plain    bool // text means what it says

	stack    []frame
	binds    []binding
	uris     []string
	elements int
	foreign  int  // declarations, prefixes other than the parent's, and diverted elements so far
	isEmpty  bool // an empty-element tag was read, its End is due
	rootDone bool
	begun    bool
	feeding  bool
	checked  int // octets known to be valid characters
	met      traits

	lt                        int // the next '<' from a place up to p on; before p: not known
	amp, cr, nl, tab, bracket finder

	shapes  *[shapesKept]shape
	wrapped wrapped
	gaps    []found // of the form that fitted last

	src   *source // nil when the whole input is in b
	texts texts
	buf   []byte
}

type frame struct {
	name  qname
	start int32
	ns    NS
	binds int32 // declarations around the element
}

// qname is where a qualified name stands: its prefix with the colon, its local name,
// and what follows.
type qname struct{ from, local, to int32 }

type binding struct {
	prefix, prefixEnd int32
	ns                NS
}

// Attr is one attribute; namespace declarations are not among them. Scanner.AttrName
// and Scanner.Value tell what it says, as long as its element is the current event.
type Attr struct {
	NS              NS // NoNS without a prefix
	name, nameEnd   int32
	value, valueEnd int32 // as written, between the quotes
	plain           bool
}

// New makes a scanner over b, which must not change while strings or events of
// the scanner are being read. Strings that it returns do not share b's memory.
func New(b []byte, l Limits) *Scanner {
	s := &Scanner{}
	s.Reset(b, l)
	return s
}

// Reset begins anew with another input and keeps the buffers.
func (s *Scanner) Reset(b []byte, l Limits) {
	*s = Scanner{b: b[:len(b):len(b)], lim: l.withDefaults(),
		shapes: s.shapes, wrapped: s.wrapped, gaps: s.gaps[:0], attrs: s.attrs[:0], stack: s.stack[:0], binds: s.binds[:0], uris: s.uris[:0], buf: s.buf[:0]}
	s.forget()
}

// forget drops what is known of places not yet reached.
func (s *Scanner) forget() {
	unknown := finder{at: -1}
	s.lt, s.amp, s.cr, s.nl, s.tab, s.bracket = -1, unknown, unknown, unknown, unknown, unknown
}

// Next moves to the next event. After an error it returns the same error for
// ever; the error is an *Error. After EOF it returns EOF.
func (s *Scanner) Next() (Kind, error) {
	if s.src != nil {
		return s.nextFed()
	}
	return s.next()
}

func (s *Scanner) next() (Kind, error) {
	if s.err != nil {
		return EOF, s.err
	}
	if s.isEmpty {
		s.isEmpty = false
		s.at = s.p
		return s.pop(), nil
	}
	if !s.begun || s.checked < len(s.b) {
		if err := s.prepare(); err != nil {
			return EOF, err
		}
	}
	for {
		s.at = s.p
		var k Kind
		var err *Error
		switch b := s.b; {
		case s.p >= len(b):
			k, err = s.end()
			if err == nil {
				return k, nil
			}
		case b[s.p] != '<':
			k, err = s.characters()
		case s.p+1 >= len(b):
			err = s.failEnd("a tag")
		case b[s.p+1] == '/':
			k, err = s.endTag()
		case b[s.p+1] == '!':
			k, err = s.exclamation()
		case b[s.p+1] == '?':
			err = s.fail(s.p, "processing instructions are not allowed")
		default:
			k, err = s.startTag()
		}
		if err != nil {
			return EOF, err
		}
		if k != EOF { // EOF: a comment or blanks outside the root element
			s.kind = k
			return k, nil
		}
	}
}

// end is called when all octets are used.
func (s *Scanner) end() (Kind, *Error) {
	switch {
	case s.feeding:
		return EOF, errMore
	case len(s.stack) > 0:
		f := &s.stack[len(s.stack)-1]
		return EOF, s.failEnd("the element " + shown(s.b[f.name.from:f.name.to]))
	case !s.rootDone:
		return EOF, s.failEnd("the prolog: there is no root element")
	}
	s.kind = EOF
	return EOF, nil
}

// prepare checks characters and reads what may stand before the first tag.
func (s *Scanner) prepare() *Error {
	if !s.begun && (len(s.b) > s.lim.Size || len(s.b) > math.MaxInt32) {
		return s.failLimit(0, "size", min(s.lim.Size, math.MaxInt32))
	}
	end, met, partial := validChars(s.b, s.checked)
	if end < len(s.b) && !(partial && s.feeding) {
		return s.fail(end, "an octet that is not UTF-8, or a character that XML does not allow")
	}
	s.checked = end
	s.met |= met
	if s.met&hasControls == 0 {
		none := finder{at: len(s.b)}
		s.nl, s.tab, s.cr = none, none, none
	}
	if s.begun {
		return nil
	}
	if s.feeding && len(s.b) < len("\xEF\xBB\xBF<?xml ") {
		return errMore
	}
	p := 0
	if bytes.HasPrefix(s.b, []byte("\xEF\xBB\xBF")) {
		p = 3
	}
	if bytes.HasPrefix(s.b[p:], []byte("<?xml")) && len(s.b) > p+5 && class[s.b[p+5]]&blank != 0 {
		n := bytes.Index(s.b[p:], []byte("?>"))
		if n < 0 {
			return s.failEnd("the XML declaration")
		}
		if reason := declaration(s.b[p+5:p+n], s.met&hasWide == 0); reason != "" {
			return s.fail(p, reason)
		}
		p += n + 2
	}
	s.p, s.begun = p, true
	return nil
}

// declaration checks the inside of <?xml ...?>; "" means that all is well.
func declaration(d []byte, ascii bool) string {
	const malformed = "a malformed XML declaration"
	for i, name := range [...]string{"version", "encoding", "standalone"} {
		rest := bytes.TrimLeft(d, " \t\r\n")
		if !bytes.HasPrefix(rest, []byte(name)) {
			if i == 0 {
				return malformed
			}
			continue
		}
		if len(rest) == len(d) {
			return malformed
		}
		d = bytes.TrimLeft(rest[len(name):], " \t\r\n")
		if len(d) == 0 || d[0] != '=' {
			return malformed
		}
		d = bytes.TrimLeft(d[1:], " \t\r\n")
		if len(d) == 0 || (d[0] != '"' && d[0] != '\'') {
			return malformed
		}
		n := bytes.IndexByte(d[1:], d[0])
		if n < 0 {
			return malformed
		}
		value := d[1 : 1+n]
		d = d[n+2:]
		switch {
		case i == 0 && string(value) != "1.0":
			return "a version of XML other than 1.0"
		case i == 1 && !isUTF8(value, ascii):
			return "an encoding other than UTF-8"
		case i == 2 && string(value) != "yes" && string(value) != "no":
			return malformed
		}
	}
	if len(bytes.TrimLeft(d, " \t\r\n")) != 0 {
		return malformed
	}
	return ""
}

func isUTF8(encoding []byte, ascii bool) bool {
	return bytes.EqualFold(encoding, []byte("utf-8")) ||
		ascii && (bytes.EqualFold(encoding, []byte("us-ascii")) || bytes.EqualFold(encoding, []byte("ascii")))
}

// characters reads text up to the next '<'.
func (s *Scanner) characters() (Kind, *Error) {
	b, p := s.b, s.p
	if s.lt < p {
		s.lt = find(b, '<', p)
	}
	end := s.lt
	if end == len(b) && s.feeding {
		if s.src.inside > 0 {
			if end = s.piece(p, end); end > p {
				return s.characterData(p, end)
			}
			return EOF, errMore
		}
		if end-p > s.lim.Text {
			return EOF, s.failLimit(p, "text", s.lim.Text)
		}
		return EOF, errMore
	}
	if len(s.stack) == 0 {
		for ; p < end; p++ {
			if class[b[p]]&blank == 0 {
				return EOF, s.fail(p, "text outside the root element")
			}
		}
		s.p = end
		return EOF, nil
	}
	if end-p > s.lim.Text && (s.src == nil || s.src.inside == 0) {
		return EOF, s.failLimit(p, "text", s.lim.Text)
	}
	return s.characterData(p, end)
}

// characterData checks the text from p to end and makes it the event.
func (s *Scanner) characterData(p, end int) (Kind, *Error) {
	plain, err := s.checkText(p, end)
	if err != nil {
		return EOF, err
	}
	s.plain, s.textKind = plain, charData
	s.text = s.b[p:end]
	s.p = end
	return Text, nil
}

// checkText checks the text from p to end; plain tells that it means what it says.
func (s *Scanner) checkText(p, end int) (plain bool, err *Error) {
	plain = true
	if s.amp.within(s.b, '&', p, end) {
		plain = false
		if err := s.checkReferences(p, end); err != nil {
			return false, err
		}
	}
	if s.cr.within(s.b, '\r', p, end) {
		plain = false
	}
	if s.bracket.within(s.b, ']', p, end) {
		if i := bytes.Index(s.b[p:end], []byte("]]>")); i >= 0 {
			return false, s.fail(p+i, "]]> in text (write ]]&gt;)")
		}
	}
	return plain, nil
}

// exclamation reads what begins with "<!": a comment (EOF: nothing to tell) or a
// CDATA section.
func (s *Scanner) exclamation() (Kind, *Error) {
	const open, section = "<!--", "<![CDATA["
	b, p := s.b, s.p
	rest := b[p:]
	switch {
	case bytes.HasPrefix(rest, []byte(open)):
		n := bytes.Index(rest[len(open):], []byte("--"))
		if n < 0 || len(open)+n+2 >= len(rest) {
			return EOF, s.failEnd("a comment")
		}
		n += len(open) + 2
		if rest[n] != '>' {
			return EOF, s.fail(p+n-2, "-- inside a comment")
		}
		s.p = p + n + 1
		return EOF, nil
	case bytes.HasPrefix(rest, []byte(section)):
		n := bytes.Index(rest[len(section):], []byte("]]>"))
		if n < 0 {
			if len(rest) > s.lim.Text+len(section)+2 {
				return EOF, s.failLimit(p, "text", s.lim.Text)
			}
			return EOF, s.failEnd("a CDATA section")
		}
		if len(s.stack) == 0 {
			return EOF, s.fail(p, "text outside the root element")
		}
		if n > s.lim.Text {
			return EOF, s.failLimit(p, "text", s.lim.Text)
		}
		s.text = rest[len(section) : len(section)+n]
		s.textKind = cdata
		s.plain = bytes.IndexByte(s.text, '\r') < 0
		s.p = p + len(section) + n + 3
		return Text, nil
	case bytes.HasPrefix([]byte(open), rest) || bytes.HasPrefix([]byte(section), rest):
		return EOF, s.failEnd("a tag")
	}
	return EOF, s.fail(p, "document type declarations are not allowed")
}
