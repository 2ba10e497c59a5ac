package scaled

// NewerBatch is a batch as a samdok may write it that is newer than this one.
func NewerBatch(seq uint64) []byte {
	d := (&rawBatch{seq: seq}).encode()
	d[len(batchMagic)]++
	return fixed(d)
}
