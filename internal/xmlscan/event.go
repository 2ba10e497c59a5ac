package xmlscan

// NS is the namespace of the element at Start and End.
func (s *Scanner) NS() NS { return s.ns }

// Local is the local name of the element at Start and End.
func (s *Scanner) Local() []byte { return s.b[s.name.local:s.name.to] }

// Is compares the name of the element at Start and End.
func (s *Scanner) Is(ns NS, local string) bool {
	return s.ns == ns && string(s.b[s.name.local:s.name.to]) == local
}

// Depth is the number of open elements: 1 at the Start of the root element, 0 at
// its End.
func (s *Scanner) Depth() int { return len(s.stack) }

// Offset is the place of the first octet of the event.
func (s *Scanner) Offset() int { return s.at }

// EndOffset is the place behind the event.
func (s *Scanner) EndOffset() int { return s.p }

// ElementOffset is, at Start and End, the place of the '<' of the element's start
// tag. Input()[ElementOffset():EndOffset()] at the End is the whole element.
func (s *Scanner) ElementOffset() int { return int(s.start) }

// Input is the whole input.
func (s *Scanner) Input() []byte { return s.b }

// Attrs are the attributes of the element at Start, without namespace
// declarations.
func (s *Scanner) Attrs() []Attr { return s.attrs }

// Attr is the value of the attribute with this name and no namespace.
func (s *Scanner) Attr(local string) (value string, ok bool) { return s.AttrNS(NoNS, local) }

// AttrNS is the value of the attribute with this name.
func (s *Scanner) AttrNS(ns NS, local string) (value string, ok bool) {
	for i := range s.attrs {
		if a := &s.attrs[i]; a.NS == ns && string(s.AttrName(a)) == local {
			return s.Value(a), true
		}
	}
	return "", false
}

// AttrName is the local name of an attribute of the current event.
func (s *Scanner) AttrName(a *Attr) []byte { return s.b[a.name:a.nameEnd] }

// Value decodes an attribute of the current event: references resolved, blanks
// normalised (XML 1.0, 3.3.3).
func (s *Scanner) Value(a *Attr) string { return s.StringOf(s.ValueBytes(a)) }

// ValueBytes is Value without making a string, valid until the next call.
func (s *Scanner) ValueBytes(a *Attr) []byte {
	raw := s.b[a.value:a.valueEnd]
	if a.plain {
		return raw
	}
	s.buf = appendDecoded(s.buf[:0], raw, attrValue)
	return s.buf
}

// Text is the piece of character data at Text: references resolved, line ends
// normalised. It is valid until the next call.
func (s *Scanner) Text() []byte {
	if s.plain {
		return s.text
	}
	s.buf = appendDecoded(s.buf[:0], s.text, s.textKind)
	return s.buf
}

// TextString is Text as a string.
func (s *Scanner) TextString() string { return s.StringOf(s.Text()) }

// StringOf makes a string of what the input says, or a decoded part of it.
func (s *Scanner) StringOf(b []byte) string { return s.texts.add(b, len(s.b)-s.at) }

// Skip moves from a Start to the End of the same element.
func (s *Scanner) Skip() error {
	for depth := len(s.stack); len(s.stack) >= depth; {
		if _, err := s.Next(); err != nil {
			return err
		}
	}
	return nil
}

// NextChild moves to the Start of the next child of the element whose Depth was
// depth at its Start, passing over what is left of the child before and over text.
// It returns false at the element's End. Enter may be called before it.
//
//	for depth := s.Depth(); ; {
//		ok, err := s.NextChild(depth)
//		if err != nil || !ok {
//			return err
//		}
//		...
//	}
func (s *Scanner) NextChild(depth int) (bool, error) {
	if len(s.stack) == depth && s.leave() {
		return false, nil
	}
	for {
		k, err := s.Next()
		if err != nil {
			return false, err
		}
		switch {
		case k == Start && len(s.stack) == depth+1:
			return true, nil
		case k == End && len(s.stack) < depth, k == EOF:
			return false, nil
		}
	}
}

// ElementText moves from a Start to the End of the same element and returns its
// character data; what stands inside child elements is left out.
func (s *Scanner) ElementText() (string, error) {
	if text, ok := s.leaf(); ok {
		return text, nil
	}
	depth := len(s.stack)
	text, more := "", []byte(nil)
	for {
		k, err := s.Next()
		if err != nil {
			return "", err
		}
		switch {
		case k == End && len(s.stack) < depth:
			if more != nil {
				return string(more), nil
			}
			return text, nil
		case k != Text || len(s.stack) != depth:
		case more != nil:
			more = append(more, s.Text()...)
		case text != "":
			more = append(append(more, text...), s.Text()...)
		default:
			text = s.TextString()
		}
	}
}
