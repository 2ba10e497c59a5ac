package spool

import "sync"

// What is in memory lies in pieces of few sizes that are used again: one buffer that
// grows would be copied several times over, and its larger selves be garbage.
const (
	firstSize = 16 << 10
	moreSize  = 128 << 10
	// usualAppend is what one Append usually adds at most: an entry of an answer. A
	// piece with less room is full.
	usualAppend = 8 << 10
)

var (
	firstPieces = piecesOf(firstSize)
	morePieces  = piecesOf(moreSize)
)

func piecesOf(size int) *sync.Pool {
	return &sync.Pool{New: func() any { b := make([]byte, 0, size); return &b }}
}

// freePiece forgets what is in a piece. One that had to grow goes to the garbage
// collector.
func freePiece(p *[]byte) {
	clear(*p)
	*p = (*p)[:0]
	switch cap(*p) {
	case firstSize:
		firstPieces.Put(p)
	case moreSize:
		morePieces.Put(p)
	}
}
