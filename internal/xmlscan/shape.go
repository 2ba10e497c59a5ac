package xmlscan

import "bytes"

// A message repeats few kinds of start tags: each Classification has the attributes of the
// one before, written in the same order. So the scanner remembers how a tag was written,
// and looks whether the next one with a similar name is written like it, which is to
// compare a few strings and to find the ends of the values. Whatever differs is left to
// attributes. What is remembered says nothing about namespaces but that of "xml:", which
// no message can change, so that it serves input after input.

// shape is how a start tag was written.
type shape struct {
	text  []byte // "<Slot", and all of its attributes
	local int    // where the local name begins in text
	name  int    // where it ends; 0: nothing is remembered
	attrs []written
}

// written is how an attribute was written in text: ` name="`.
type written struct {
	from, local, to int
	ns              NS
}

const (
	shapesKept = 32 // a power of two
	largestTag = 256
	mostAttrs  = 12
)

// shapeAt is where the shape of the tag at p is remembered; from is its local name, of
// which from+3 lies in the input.
func (s *Scanner) shapeAt(from int) *shape {
	if s.shapes == nil {
		s.shapes = new([shapesKept]shape)
	}
	return &s.shapes[(5*s.b[from]+s.b[from+3])%shapesKept]
}

// foreseen reads the start tag at s.p and all of its attributes, if it is written like one
// before, or with fewer attributes. Otherwise it moves nowhere and name is zero. The caller
// counts the element and pushes it.
func (s *Scanner) foreseen() (name qname, p int) {
	b, at := s.b, s.p
	from := at + 1 + s.prefixSize()
	end := min(s.lt, s.checked)
	if from+3 >= end {
		return qname{}, 0
	}
	sh := s.shapeAt(from)
	p = at + sh.name
	if sh.name == 0 || at+sh.local != from || p >= end || string(b[at:p]) != string(sh.text[:sh.name]) {
		return qname{}, 0
	}
	name = qname{int32(at + 1), int32(from), int32(p)}
	s.attrs = s.attrs[:0]
	for i := range sh.attrs {
		w := &sh.attrs[i]
		value := p + w.to - w.from
		if value > end || string(b[p:value]) != string(sh.text[w.from:w.to]) {
			continue
		}
		n := bytes.IndexByte(b[value:end], '"')
		if n < 0 || len(s.attrs) >= s.lim.Attributes {
			return qname{}, 0
		}
		plain, err := s.checkValue(value, value+n)
		if err != nil {
			return qname{}, 0 // attributes says it again
		}
		s.attrs = append(s.attrs, Attr{})
		a := &s.attrs[len(s.attrs)-1]
		a.NS, a.name, a.nameEnd, a.value, a.valueEnd, a.plain = w.ns, int32(p+w.local-w.from), int32(value-2), int32(value), int32(value+n), plain
		p = value + n + 1
	}
	switch {
	case p < end && b[p] == '>':
		return name, p + 1
	case p+1 < end && b[p] == '/' && b[p+1] == '>':
		s.isEmpty = true
		return name, p + 2
	}
	return qname{}, 0
}

// prefixSize is how long the prefix of the innermost open element is, with its colon: that
// of its children, nearly always.
func (s *Scanner) prefixSize() int {
	if len(s.stack) == 0 {
		return 0
	}
	f := &s.stack[len(s.stack)-1]
	return int(f.name.local - f.name.from)
}

// learn remembers how the start tag at s.p is written, whose attributes have been read, if
// the next one may be written like it.
func (s *Scanner) learn(name qname) {
	from := s.p + 1 + s.prefixSize()
	if int(name.local) != from || from+3 >= len(s.b) || len(s.attrs) == 0 || len(s.attrs) > mostAttrs {
		return
	}
	sh := s.shapeAt(from)
	sh.text, sh.attrs, sh.name = append(sh.text[:0], s.b[s.p:name.to]...), sh.attrs[:0], 0
	behind := name.to // the attribute before
	for i := range s.attrs {
		a := &s.attrs[i]
		prefix := int32(0)
		if a.NS == XML {
			prefix = int32(len("xml:"))
		} else if a.NS != NoNS {
			return
		}
		start := a.name - prefix - 1
		if start != behind || a.nameEnd+2 != a.value || s.b[start] != ' ' || s.b[a.value-1] != '"' || len(sh.text) > largestTag {
			return
		}
		at := len(sh.text)
		sh.text = append(sh.text, s.b[start:a.value]...)
		sh.attrs = append(sh.attrs, written{at, at + 1 + int(prefix), len(sh.text), a.NS})
		behind = a.valueEnd + 1
	}
	if len(sh.text) <= largestTag {
		sh.local, sh.name = from-s.p, int(name.to)-s.p
	}
}
