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
func (r *reader) again(a *xmlscan.Attr) string { return r.seen[r.see(r.sc.ValueBytes(a))].text }

// againID is again for ids.
func (r *reader) againID(a *xmlscan.Attr) metadata.ID {
	at := &r.seen[r.see(r.sc.ValueBytes(a))]
	if at.id == "" {
		at.id = metadata.ParseID(at.text)
	}
	return at.id
}

// see is the place where a text is that the scanner has just given.
func (r *reader) see(b []byte) int {
	n := len(b)
	if n == 0 {
		r.seen[0].text, r.seen[0].id = "", ""
		return 0
	}
	i := (n + 7*int(b[n-1]) + 3*int(b[n/2])) % len(r.seen)
	if at := &r.seen[i]; at.text != string(b) {
		at.text, at.id = r.sc.StringOf(b), ""
	}
	return i
}
