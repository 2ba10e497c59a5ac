package ebrim

import "samdok/internal/xmlscan"

// memo finds strings again that a message repeats: schemes, codes, the id of the object
// that a part belongs to. A place holds the last string that came to it.
type memo [64]string

// again is the value of an attribute that is likely to have come before.
func (r *reader) again(a *xmlscan.Attr) string {
	b := r.sc.ValueBytes(a)
	n := len(b)
	if n == 0 {
		return ""
	}
	at := &r.seen[(n+7*int(b[n-1])+3*int(b[n/2]))%len(r.seen)]
	if *at != string(b) {
		*at = r.sc.Value(a)
	}
	return *at
}
