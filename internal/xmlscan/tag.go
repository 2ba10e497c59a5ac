package xmlscan

import "bytes"

// readName reads a qualified name at p. ok is false when there is none; to is then the
// place that is wrong.
func readName(b []byte, p int) (name qname, ok bool) {
	from, local := p, p
	if p >= len(b) || class[b[p]]&nameFirst == 0 {
		return qname{to: int32(p)}, false
	}
	for p++; p < len(b) && class[b[p]]&nameByte != 0; p++ {
	}
	if p < len(b) && b[p] == ':' {
		p++
		local = p
		if p >= len(b) || class[b[p]]&nameFirst == 0 {
			return qname{to: int32(p)}, false
		}
		for p++; p < len(b) && class[b[p]]&nameByte != 0; p++ {
		}
	}
	return qname{int32(from), int32(local), int32(p)}, true
}

const badName = "a malformed name (names are ASCII, with at most one colon)"

// startTag reads a start tag or an empty-element tag at s.p.
func (s *Scanner) startTag() (Kind, *Error) {
	b, at := s.b, s.p
	if s.rootDone {
		return EOF, s.fail(at, "a second root element")
	}
	if len(s.stack) >= s.lim.Depth {
		return EOF, s.failLimit(at, "depth", s.lim.Depth)
	}
	if s.elements++; s.elements > s.lim.Elements {
		return EOF, s.failLimit(at, "elements", s.lim.Elements)
	}
	around := len(s.binds)
	s.lt = find(b, '<', at+1)
	name, p := s.foreseen()
	if p == 0 {
		var err *Error
		if name, p, err = s.unforeseen(); err != nil {
			if err == errMore { // this tag will be read again
				s.elements--
				s.binds = s.binds[:around]
			}
			return EOF, err
		}
	}
	ns, ok := s.elementNS(name, around)
	if !ok {
		return EOF, s.fail(at, "a prefix without a namespace declaration: "+shown(b[name.from:name.to]))
	}
	s.p = p
	s.push(name, at, ns, around)
	return Start, nil
}

// unforeseen reads the start tag at s.p without its namespace.
func (s *Scanner) unforeseen() (name qname, p int, err *Error) {
	name, ok := readName(s.b, s.p+1)
	p = int(name.to)
	if !ok {
		return name, p, s.nameError(p)
	}
	s.attrs = s.attrs[:0]
	if p < len(s.b) && s.b[p] == '>' {
		return name, p + 1, nil
	}
	around := len(s.binds)
	if p, err = s.attributes(p, around); err == nil && len(s.binds) == around {
		s.learn(name)
	}
	return name, p, err
}

// push opens an element. Its frame is written field by field, as the processor is
// slow at copying what it has only just written.
func (s *Scanner) push(name qname, start int, ns NS, binds int) {
	s.stack = append(s.stack, frame{})
	f := &s.stack[len(s.stack)-1]
	f.name, f.start, f.ns, f.binds = name, int32(start), ns, int32(binds)
	s.name, s.start, s.ns = name, int32(start), ns
}

// elementNS resolves an element's prefix. Most elements have their parent's.
func (s *Scanner) elementNS(name qname, around int) (NS, bool) {
	if n := len(s.stack); n > 0 && len(s.binds) == around {
		f := &s.stack[n-1]
		if size := name.local - name.from; size == f.name.local-f.name.from &&
			string(s.b[name.from:name.local]) == string(s.b[f.name.from:f.name.local]) {
			return f.ns, true
		}
	}
	s.foreign++
	return s.resolve(int(name.from), int(max(name.from, name.local-1)))
}

func (s *Scanner) nameError(p int) *Error {
	if p >= len(s.b) {
		return s.failEnd("a tag")
	}
	return s.fail(p, badName)
}

// attributes reads from behind the element's name to behind the tag.
func (s *Scanner) attributes(p, around int) (int, *Error) {
	b := s.b
	prefixed := false
	for {
		before := p
		for p < len(b) && class[b[p]]&blank != 0 {
			p++
		}
		if p >= len(b) {
			return 0, s.failEnd("a tag")
		}
		switch b[p] {
		case '>':
			return p + 1, s.finishAttributes(prefixed)
		case '/':
			if p+1 >= len(b) {
				return 0, s.failEnd("a tag")
			}
			if b[p+1] != '>' {
				return 0, s.fail(p, "a malformed tag")
			}
			if err := s.finishAttributes(prefixed); err != nil {
				return 0, err
			}
			s.isEmpty = true
			return p + 2, nil
		}
		if p == before {
			return 0, s.fail(p, "a blank is missing in a tag, or "+badName)
		}
		name, ok := readName(b, p)
		if !ok {
			return 0, s.nameError(int(name.to))
		}
		from, to, err := s.quoted(int(name.to))
		if err != nil {
			return 0, err
		}
		if len(s.attrs)+len(s.binds)-around >= s.lim.Attributes {
			return 0, s.failLimit(p, "attributes", s.lim.Attributes)
		}
		hasPrefix := name.local != name.from
		switch {
		case !hasPrefix && string(b[name.from:name.to]) == "xmlns":
			err = s.declare(p, int(name.to), int(name.to), from, to, around)
		case hasPrefix && string(b[name.from:name.local]) == "xmlns:":
			err = s.declare(p, int(name.local), int(name.to), from, to, around)
		default:
			var plain bool
			plain, err = s.checkValue(from, to)
			ns := NoNS
			if hasPrefix {
				prefixed = true
				// Resolved when all of the tag's declarations are known; until then
				// the number is the place of the prefix, below zero.
				ns = -NS(name.from)
			}
			s.attrs = append(s.attrs, Attr{})
			a := &s.attrs[len(s.attrs)-1]
			a.NS, a.name, a.nameEnd, a.value, a.valueEnd, a.plain = ns, name.local, name.to, int32(from), int32(to), plain
		}
		if err != nil {
			return 0, err
		}
		p = to + 1
	}
}

// quoted reads '= "value"' at p and gives the value's place.
func (s *Scanner) quoted(p int) (from, to int, err *Error) {
	b := s.b
	if p+1 < len(b) && b[p] == '=' && b[p+1] == '"' { // nearly always
		return s.closing(p + 1)
	}
	for p < len(b) && class[b[p]]&blank != 0 {
		p++
	}
	if p < len(b) && b[p] != '=' {
		return 0, 0, s.fail(p, "an attribute without a value")
	}
	for p++; p < len(b) && class[b[p]]&blank != 0; p++ {
	}
	if p >= len(b) {
		return 0, 0, s.failEnd("a tag")
	}
	if b[p] != '"' && b[p] != '\'' {
		return 0, 0, s.fail(p, "an attribute value without quotes")
	}
	return s.closing(p)
}

// closing finds the end of the value whose opening quote is at p.
func (s *Scanner) closing(p int) (from, to int, err *Error) {
	b := s.b
	from = p + 1
	n := bytes.IndexByte(b[from:], b[p])
	if n < 0 {
		if s.lt < len(b) {
			return 0, 0, s.fail(s.lt, "< in an attribute value (write &lt;)")
		}
		return 0, 0, s.failEnd("an attribute value")
	}
	if s.lt < from+n {
		return 0, 0, s.fail(s.lt, "< in an attribute value (write &lt;)")
	}
	return from, from + n, nil
}

// finishAttributes resolves prefixes and refuses two attributes of one name.
func (s *Scanner) finishAttributes(prefixed bool) *Error {
	if prefixed {
		for i := range s.attrs {
			if err := s.resolveAttr(&s.attrs[i]); err != nil {
				return err
			}
		}
	}
	for i := 1; i < len(s.attrs); i++ {
		a := &s.attrs[i]
		for j := range s.attrs[:i] {
			if c := &s.attrs[j]; a.nameEnd-a.name == c.nameEnd-c.name && a.NS == c.NS && string(s.AttrName(a)) == string(s.AttrName(c)) {
				return s.fail(int(a.name), "the same attribute stands twice in one tag: "+shown(s.AttrName(a)))
			}
		}
	}
	return nil
}

func (s *Scanner) resolveAttr(a *Attr) *Error {
	if a.NS >= 0 {
		return nil
	}
	ns, ok := s.resolve(int(-a.NS), int(a.name)-1)
	if !ok {
		return s.fail(int(-a.NS), "a prefix without a namespace declaration: "+shown(s.b[-a.NS:a.name-1]))
	}
	a.NS = ns
	if ns != XML {
		s.foreign++
	}
	return nil
}

// endTag reads "</name>" at s.p; it must be the name of the innermost element.
func (s *Scanner) endTag() (Kind, *Error) {
	b, p := s.b, s.p+2
	if len(s.stack) == 0 {
		return EOF, s.fail(s.p, "an end tag without its start tag")
	}
	f := &s.stack[len(s.stack)-1]
	name := b[f.name.from:f.name.to]
	if len(b)-p <= len(name) {
		return EOF, s.failEnd("a tag")
	}
	if string(b[p:p+len(name)]) != string(name) {
		return EOF, s.fail(s.p, "the end tag of "+shown(name)+" is expected here")
	}
	p += len(name)
	for p < len(b) && class[b[p]]&blank != 0 {
		p++
	}
	if p >= len(b) {
		return EOF, s.failEnd("a tag")
	}
	if b[p] != '>' {
		return EOF, s.fail(s.p, "the end tag of "+shown(name)+" is expected here")
	}
	s.p = p + 1
	return s.pop(), nil
}

func (s *Scanner) pop() Kind {
	f := &s.stack[len(s.stack)-1]
	s.ns, s.name, s.start = f.ns, f.name, f.start
	s.binds = s.binds[:f.binds]
	s.stack = s.stack[:len(s.stack)-1]
	s.rootDone = len(s.stack) == 0
	s.attrs = s.attrs[:0]
	s.kind = End
	return End
}
