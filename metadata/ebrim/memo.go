package ebrim

import (
	"samdok/internal/xmlscan"
	"samdok/metadata"
)

// memo finds strings again that a message repeats: schemes, codes, the id of the object
// that a part belongs to. A place holds the last string that came to it.
type memo [64]struct {
	text string
	id   metadata.ID // of text; "" when nobody has asked
}

// again is the value of an attribute that is likely to have come before.
func (r *reader) again(a *xmlscan.Attr) string { return r.seen[r.see(a)].text }

// againID is again for ids.
func (r *reader) againID(a *xmlscan.Attr) metadata.ID {
	at := &r.seen[r.see(a)]
	if at.id == "" {
		at.id = metadata.ParseID(at.text)
	}
	return at.id
}

// see is the place where the value of an attribute is.
func (r *reader) see(a *xmlscan.Attr) int {
	b := r.sc.ValueBytes(a)
	n := len(b)
	if n == 0 {
		r.seen[0].text, r.seen[0].id = "", ""
		return 0
	}
	i := (n + 7*int(b[n-1]) + 3*int(b[n/2])) % len(r.seen)
	if at := &r.seen[i]; at.text != string(b) {
		at.text, at.id = r.sc.Value(a), ""
	}
	return i
}
