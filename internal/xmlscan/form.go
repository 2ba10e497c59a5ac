package xmlscan

import "bytes"

// Form is how an element was written, with what differs from one such element to the next
// left open, so that another that is written alike need not be read: what was left open is
// all that it says. The zero value fits nothing. A Form may serve several scanners, one at
// a time.
type Form struct {
	prefix   []byte // of all names in it, with the colon
	ns       NS     // of the same
	octets   []byte // from the end of what stood before, without what is left open
	gaps     []gap
	elements int
	depth    int // of the elements in it, 1 when there is but one
	lim      Limits
}

// gap is what a Form leaves open.
type gap struct {
	at   int // place in octets
	kind valueKind
}

const (
	largestForm = 2 << 10 // octets of an element that is worth comparing
	largestGap  = 1 << 10
	mostGaps    = 24
)

// Mark is a place between the children of an element, or behind its start tag.
type Mark struct{ at, elements, foreign int }

// Mark is called before NextChild, for Learn.
func (s *Scanner) Mark() Mark { return Mark{s.p, s.elements, s.foreign} }

// Learn makes f the form of the child that came behind the mark and has just ended, if it
// means the same wherever it is written so inside an element of its namespace and prefix: the
// namespace is a constant, and all names have that prefix, or none but "xml:". open tells
// whether the value of an attribute, or with attribute nil the text, of an element is to be
// left open; other text is part of the form. It returns how many elements the child is, and
// Gap tells what stands in its gaps. Otherwise it returns 0, and f fits nothing. Forget must
// not have been called since the mark.
func (s *Scanner) Learn(f *Form, m Mark, open func(element, attribute []byte) bool) (elements int) {
	*f = Form{}
	if len(s.stack) == 0 || s.isEmpty || s.foreign != m.foreign || s.p-m.at > largestForm || s.src != nil && s.src.inside > 0 {
		return 0
	}
	around := &s.stack[len(s.stack)-1]
	written := Form{ns: around.ns, elements: s.elements - m.elements, lim: s.lim}
	if around.ns >= firstUnknown || !written.write(s.b[m.at:s.p], open) {
		return 0
	}
	written.prefix = bytes.Clone(s.b[around.name.from:around.name.local])
	end := s.p
	s.p, s.elements = m.at, m.elements
	if !s.Fits(&written) || s.p != end {
		s.p, s.elements = end, m.elements+written.elements
		return 0
	}
	*f = written
	return f.elements
}

// write takes over how b is written, which is well-formed.
func (f *Form) write(b []byte, open func(element, attribute []byte) bool) bool {
	copied, depth := 0, 0
	leave := func(from, to int, kind valueKind) bool {
		f.octets = append(f.octets, b[copied:from]...)
		f.gaps = append(f.gaps, gap{len(f.octets), kind})
		copied = to
		return len(f.gaps) <= mostGaps && to-from <= largestGap
	}
	for p := bytes.IndexByte(b, '<'); p >= 0; {
		if b[p+1] == '!' {
			return false // a comment, or CDATA
		}
		end, empty := p+1, true
		if b[p+1] == '/' {
			end += bytes.IndexByte(b[end:], '>')
			depth--
		} else {
			var ok bool
			if end, ok = f.tag(b, p, open, leave); !ok {
				return false
			}
			empty = b[end-1] == '/'
			f.depth = max(f.depth, depth+1)
			if !empty {
				depth++
			}
		}
		text := end + 1
		n := bytes.IndexByte(b[text:], '<')
		if n >= 0 && !empty && b[text+n+1] == '/' && open(localOf(b[p+1:]), nil) && !leave(text, text+n, charData) {
			return false
		}
		if n < 0 {
			break
		}
		p = text + n
	}
	f.octets = append(f.octets, b[copied:]...)
	return true
}

// tag goes through the attributes of the start tag at p, to its '>'.
func (f *Form) tag(b []byte, p int, open func(element, attribute []byte) bool, leave func(from, to int, kind valueKind) bool) (end int, ok bool) {
	element := localOf(b[p+1:])
	for p++; ; {
		n := bytes.IndexAny(b[p:], `>="'`)
		at := p + n
		if b[at] == '>' {
			return at, true
		}
		if b[at] != '=' || b[at+1] != '"' { // written with blanks, or the other quotes
			return 0, false
		}
		name := b[p:at]
		if i := bytes.LastIndexAny(name, " \t\r\n:"); i >= 0 {
			name = name[i+1:]
		}
		value := at + 2
		to := value + bytes.IndexByte(b[value:], '"')
		if open(element, name) && !leave(value, to, attrValue) {
			return 0, false
		}
		p = to + 1
	}
}

// localOf is the local name that b begins with.
func localOf(b []byte) []byte {
	b = b[:bytes.IndexAny(b, " \t\r\n/>")]
	return b[bytes.IndexByte(b, ':')+1:]
}

// Fits moves from a place between the children of an element behind the next child, if
// that is written in the form: Gap tells what stands where it is open. Name, place and
// attributes of the event mean nothing then. Otherwise it moves nowhere and returns false.
func (s *Scanner) Fits(f *Form) bool {
	if len(f.octets) == 0 || len(s.stack) == 0 || !s.ready() || s.elements+f.elements > s.lim.Elements {
		return false
	}
	around := &s.stack[len(s.stack)-1]
	if around.ns != f.ns || string(s.b[around.name.from:around.name.local]) != string(f.prefix) {
		return false
	}
	if len(s.stack)+f.depth > s.lim.Depth || s.lim.Text < f.lim.Text || s.lim.Attributes < f.lim.Attributes || s.src != nil && s.src.divert.NS == f.ns {
		return false
	}
	b, p, from := s.b[:s.checked], s.p, 0
	s.gaps = s.gaps[:0]
	for _, g := range f.gaps {
		to := p + g.at - from
		if to >= len(b) || string(b[p:to]) != string(f.octets[from:g.at]) {
			return false
		}
		if p, from = s.gapAt(to, g.kind), g.at; p < 0 {
			return false
		}
	}
	to := p + len(f.octets) - from
	if to >= len(b) || string(b[p:to]) != string(f.octets[from:]) {
		return false
	}
	s.elements += f.elements
	s.at, s.p, s.kind = s.p, to, End
	s.attrs = s.attrs[:0]
	return true
}

// found is what stands in a gap.
type found struct {
	from, to int32
	kind     valueKind
	plain    bool
}

// gapAt reads what stands in a gap and returns its end; -1 when it may not stand there,
// which whoever reads it otherwise says.
func (s *Scanner) gapAt(from int, kind valueKind) int {
	rest := s.b[from:min(from+largestGap, s.checked)]
	var plain bool
	var err *Error
	n := 0
	if kind == charData {
		if n = bytes.IndexByte(rest, '<'); n < 0 {
			return -1
		}
		plain, err = s.checkText(from, from+n)
	} else {
		if n = bytes.IndexByte(rest, '"'); n < 0 || bytes.IndexByte(rest[:n], '<') >= 0 {
			return -1
		}
		plain, err = s.checkValue(from, from+n)
	}
	if err != nil {
		return -1
	}
	s.gaps = append(s.gaps, found{int32(from), int32(from + n), kind, plain})
	return from + n
}

// Gap is what stands in the n-th gap of the form that fitted, decoded.
func (s *Scanner) Gap(n int) string { return s.StringOf(s.GapBytes(n)) }

// GapBytes is Gap without making a string, valid until the next call.
func (s *Scanner) GapBytes(n int) []byte {
	g := &s.gaps[n]
	raw := s.b[g.from:g.to]
	if g.plain {
		return raw
	}
	s.buf = appendDecoded(s.buf[:0], raw, g.kind)
	return s.buf
}
