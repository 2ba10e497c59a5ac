package xmlscan

import "strings"

// largestPiece is how much of the strings of one input lies together.
const largestPiece = 8 << 10

// texts makes the strings of one input: many in each allocation. The price is that a
// string keeps its whole piece alive; clone what outlives the request.
type texts struct{ piece strings.Builder }

// add copies raw. left is about how much input is still to come.
func (t *texts) add(raw []byte, left int) string {
	n := len(raw)
	if n == 0 {
		return ""
	}
	if n > largestPiece/4 {
		return string(raw)
	}
	if t.piece.Cap()-t.piece.Len() < n {
		t.piece = strings.Builder{}
		t.piece.Grow(max(n, min(left, largestPiece)))
	}
	t.piece.Write(raw)
	all := t.piece.String()
	return all[len(all)-n:]
}
