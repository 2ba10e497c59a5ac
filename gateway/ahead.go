package gateway

import (
	"bytes"
	"errors"
	"io"

	"samdok/fault"
)

// aheadBytes is how much of a community's documents is read before the answer begins.
const aheadBytes = 256 << 10

// ahead reads the beginning of what a community sends, so that a small document that does
// not come whole costs a problem: not the connection, and not the others' documents, which
// stand behind it in the answer.
func (r *Retrieved) ahead(m *member, why func(error) error) {
	room := aheadBytes
	for i := range r.Documents {
		d := &r.Documents[i]
		var b bytes.Buffer
		_, err := io.CopyN(&b, d.Body, int64(room))
		switch {
		case errors.Is(err, io.EOF): // all of it
			d.Body = &b
		case err != nil:
			r.lost = why(err)
			for _, lost := range r.Documents[i:] {
				p := m.problem(r.lost)
				p.Location = lost.Request.UniqueID
				r.Problems = append(r.Problems, p)
			}
			r.Documents = r.Documents[:i]
			return
		default:
			d.Body = io.MultiReader(&b, d.Body)
			r.streaming = true
			return
		}
		room -= b.Len()
	}
}

// placed gives problems of documents without a location one: the document if there is only
// one that they can be about, else the community.
func (a *group) placed(problems []fault.Problem) []fault.Problem {
	at := a.requests[0].UniqueID
	if len(a.requests) > 1 {
		at = a.Home
	}
	return located(problems, at)
}
