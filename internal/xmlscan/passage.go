package xmlscan

// Passage is the content of an element that was read before, so that the same octets need
// not be read again when they come as the content of another: what they say is known. The
// zero value is none. It may serve several scanners, one at a time.
type Passage struct {
	name     []byte // of the element around it, as written
	ns       NS     // of the same
	octets   []byte
	elements int
	room     int // how deep elements in it could have been nested
	lim      Limits
}

// Mark is where the content of an element begins.
type Mark struct{ at, elements, foreign int }

// largestPassage is how many octets of content are worth comparing.
const largestPassage = 1 << 10

// Mark is called at a Start, before Remember at the End of the same element.
func (s *Scanner) Mark() Mark { return Mark{s.p, s.elements, s.foreign} }

// Remember makes p the content of the element that has just ended, if that means the same
// in every element of this name and namespace: the namespace is a constant, and all names
// inside have the prefix of that name, or none but "xml:". Otherwise it leaves p as it is
// and returns false. Forget must not have been called since the Mark.
func (s *Scanner) Remember(p *Passage, m Mark) bool {
	if s.foreign != m.foreign || s.ns >= firstUnknown || s.at < m.at || s.at-m.at > largestPassage {
		return false
	}
	p.name, p.ns = append(p.name[:0], s.b[s.name.from:s.name.to]...), s.ns
	p.octets = append(p.octets[:0], s.b[m.at:s.at]...)
	p.elements, p.room, p.lim = s.elements-m.elements, s.lim.Depth-len(s.stack), s.lim
	return true
}

// Repeat moves from a Start to the End of the same element, if its content is the passage.
// Otherwise it moves nowhere and returns false.
func (s *Scanner) Repeat(p *Passage) bool {
	if len(p.name) == 0 || len(s.stack) == 0 || !s.ready() || s.elements+p.elements > s.lim.Elements {
		return false
	}
	f := &s.stack[len(s.stack)-1]
	to := s.p + len(p.octets)
	if to >= s.checked || string(s.b[s.p:to]) != string(p.octets) || f.ns != p.ns || string(s.b[f.name.from:f.name.to]) != string(p.name) {
		return false
	}
	if s.lim.Depth-len(s.stack)+1 < p.room || s.lim.Text < p.lim.Text || s.lim.Attributes < p.lim.Attributes || s.src != nil && s.src.divert.NS == f.ns {
		return false
	}
	end := s.closed(to)
	if end == 0 {
		return false
	}
	s.elements += p.elements
	s.at, s.p = to, end
	s.pop()
	return true
}
