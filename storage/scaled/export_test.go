package scaled

import "samdok/storage/elastic"

// NewerBatch is a batch as a samdok may write it that is newer than this one.
func NewerBatch(seq uint64) []byte {
	d := (&rawBatch{seq: seq}).encode()
	d[len(batchMagic)]++
	return fixed(d)
}

// Elastic is the index that a log is projected into.
func Elastic(l *Log) *elastic.Index { return l.index }
