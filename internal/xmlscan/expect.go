package xmlscan

// What follows is known nearly always: a Slot holds a ValueList, that holds Values,
// these hold text. The functions here look for exactly that and need no more than to
// compare it. Whatever else comes is left to Next, which also says what is wrong, so
// that they accept nothing that Next would not.

// Enter moves to the Start of the element that comes next, if it has this name in the
// namespace of the innermost open element, written with the same prefix, and no
// attributes. Otherwise it moves nowhere and returns false.
func (s *Scanner) Enter(local string) bool {
	if len(s.stack) == 0 || len(s.stack) >= s.lim.Depth || s.elements >= s.lim.Elements || !s.ready() {
		return false
	}
	f := &s.stack[len(s.stack)-1]
	b, p, prefix := s.b, s.p, int(f.name.local-f.name.from)
	from := p + 1 + prefix
	to := from + len(local)
	if to >= s.checked || b[p] != '<' || b[to] != '>' || string(b[from:to]) != local ||
		prefix > 0 && string(b[p+1:from]) != string(b[f.name.from:f.name.local]) {
		return false
	}
	if s.src != nil && s.src.divert == (Divert{f.ns, local}) {
		return false
	}
	s.elements++
	s.at, s.p, s.kind = p, to+1, Start
	s.attrs = s.attrs[:0]
	s.push(qname{int32(p + 1), int32(from), int32(to)}, p, f.ns, len(s.binds))
	return true
}

// leave moves to the End of the innermost element, if that comes next.
func (s *Scanner) leave() bool {
	if len(s.stack) == 0 || !s.ready() {
		return false
	}
	end := s.closed(s.p)
	if end == 0 {
		return false
	}
	s.at, s.p = s.p, end
	s.pop()
	return true
}

// leaf moves from a Start to the End of the same element and returns what is between
// them, if that is one piece of text.
func (s *Scanner) leaf() (text string, ok bool) {
	if len(s.stack) == 0 || !s.ready() {
		return "", false
	}
	from := s.p
	if s.lt < from {
		s.lt = find(s.b, '<', from)
	}
	to := s.lt
	end := s.closed(to)
	if end == 0 || to-from > s.lim.Text {
		return "", false
	}
	if to > from {
		if _, err := s.characterData(from, to); err != nil {
			return "", false // Next says it again
		}
		text = s.TextString()
	}
	s.at, s.p = to, end
	s.pop()
	return text, true
}

// ready tells whether the place behind the last event is one where markup may be
// looked at: of an input that is fed, a part may be missing or have to go first.
func (s *Scanner) ready() bool {
	return s.err == nil && !s.isEmpty && (s.src == nil || s.src.inside == 0 && s.used() <= s.lim.Size)
}

// closed is the place behind the end tag of the innermost element if that stands at p,
// as it is mostly written; else 0.
func (s *Scanner) closed(p int) int {
	f := &s.stack[len(s.stack)-1]
	b, name := s.b, s.b[f.name.from:f.name.to]
	end := p + 2 + len(name)
	if end >= s.checked || b[p] != '<' || b[p+1] != '/' || b[end] != '>' || string(b[p+2:end]) != string(name) {
		return 0
	}
	return end + 1
}

// Only moves from a Start to the End of the same element and returns the text in it, if
// it holds nothing but one element with the first name and that nothing but one with the
// second and a text, written as Enter wants it: <ValueList><Value>text</Value></ValueList>.
// Otherwise it moves nowhere and ok is false.
func (s *Scanner) Only(outer, inner string) (text string, ok bool) {
	if len(s.stack) == 0 || len(s.stack)+2 > s.lim.Depth || s.elements+2 > s.lim.Elements || !s.ready() {
		return "", false
	}
	f := &s.stack[len(s.stack)-1]
	if s.src != nil && (s.src.divert == Divert{f.ns, outer} || s.src.divert == Divert{f.ns, inner}) {
		return "", false
	}
	w := s.wrapping(s.b[f.name.from:f.name.local], outer, inner)
	from := s.p + len(w.open)
	if from >= s.checked || string(s.b[s.p:from]) != w.open {
		return "", false
	}
	to := find(s.b, '<', from) // not s.lt, which is about what comes next
	shut := to + len(w.shut)
	if shut >= s.checked || string(s.b[to:shut]) != w.shut || to-from > s.lim.Text {
		return "", false
	}
	end := s.closed(shut)
	if end == 0 {
		return "", false
	}
	if to > from {
		if _, err := s.characterData(from, to); err != nil {
			return "", false // Next says it again
		}
		text = s.TextString()
	}
	s.elements += 2
	s.at, s.p = shut, end
	s.pop()
	return text, true
}

// wrapped is how two elements around a text are written.
type wrapped struct{ prefix, outer, inner, open, shut string }

func (s *Scanner) wrapping(prefix []byte, outer, inner string) *wrapped {
	if w := &s.wrapped; w.open != "" && w.outer == outer && w.inner == inner && w.prefix == string(prefix) {
		return w
	}
	q := string(prefix)
	s.wrapped = wrapped{q, outer, inner, "<" + q + outer + "><" + q + inner + ">", "</" + q + inner + "></" + q + outer + ">"}
	return &s.wrapped
}
