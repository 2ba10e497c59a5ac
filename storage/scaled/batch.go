package scaled

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"samdok/storage"
	"samdok/storage/elastic"
)

// A batch as it stands in the journal. Numbers are big-endian, uvarint where not
// said otherwise.
//
//	magic 7, format 1, seq 8, SHA-256 of the batch before 32 (zeros in the first),
//	random 16, number of records, records, CRC-32C of all that 4
//
// A record is its kind (1 byte), the length of the rest, and
//
//	change, redaction: reference of the stream 16, data key, version, sealed text
//	destroyed:         number of data keys, data keys
//	generation:        generation
//
// The random bytes make each batch another one, so that a writer whose answer was
// lost knows its own again.
const (
	batchMagic  = "samdokB"
	batchFormat = 1
	batchHead   = len(batchMagic) + 1 + 8 + sha256.Size + 16
)

// recordKind is what a record of a batch says. Numbers are stored.
type recordKind uint8

const (
	_ recordKind = iota
	// recordChange: one change of one stream.
	recordChange
	// recordRedaction: what is left of a change, in its place.
	recordRedaction
	// recordDestroyed: data keys that nothing needs any more. They are destroyed before
	// the batch counts as projected.
	recordDestroyed
	// recordGeneration: from here on searches use this generation of the indexes. It is
	// the only record of its batch.
	recordGeneration
)

// reference names a stream without telling whose it is.
type reference = [16]byte

// record is one of a batch.
type record struct {
	kind recordKind

	ref     reference // change, redaction
	keyID   uint64
	version storage.Version // that the change made
	sealed  []byte

	keys       []uint64           // destroyed
	generation elastic.Generation // generation
}

// rawBatch is a batch as it is stored, its texts sealed.
type rawBatch struct {
	seq     uint64
	prev    [sha256.Size]byte
	random  [16]byte
	records []record
}

var (
	// ErrBatch: the bytes of the journal are not a batch.
	ErrBatch = errors.New("scaled: a batch of the journal is damaged; restore the bucket from a backup")
	// ErrFork: a batch does not follow the one before it.
	ErrFork = errors.New("scaled: a batch of the journal does not follow the one before it: one of them was altered, lost or put back from a copy; run `samdok verify storage`")
)

func newRawBatch(seq uint64, prev [sha256.Size]byte, records []record) (*rawBatch, error) {
	b := &rawBatch{seq: seq, prev: prev, records: records}
	_, err := rand.Read(b.random[:])
	return b, err
}

func (b *rawBatch) encode() []byte {
	size := batchHead + 16
	for i := range b.records {
		size += 64 + len(b.records[i].sealed) + 10*len(b.records[i].keys)
	}
	d := make([]byte, 0, size)
	d = append(append(d, batchMagic...), batchFormat)
	d = binary.BigEndian.AppendUint64(d, b.seq)
	d = append(append(d, b.prev[:]...), b.random[:]...)
	d = binary.AppendUvarint(d, uint64(len(b.records)))
	var body []byte
	for i := range b.records {
		body = b.records[i].encode(body[:0])
		d = append(d, byte(b.records[i].kind))
		d = binary.AppendUvarint(d, uint64(len(body)))
		d = append(d, body...)
	}
	return binary.BigEndian.AppendUint32(d, checksum(d))
}

func (r *record) encode(d []byte) []byte {
	switch r.kind {
	case recordChange, recordRedaction:
		d = append(d, r.ref[:]...)
		d = binary.AppendUvarint(d, r.keyID)
		d = binary.AppendUvarint(d, uint64(r.version))
		d = append(d, r.sealed...)
	case recordDestroyed:
		d = binary.AppendUvarint(d, uint64(len(r.keys)))
		for _, id := range r.keys {
			d = binary.AppendUvarint(d, id)
		}
	case recordGeneration:
		d = binary.AppendUvarint(d, uint64(r.generation))
	}
	return d
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// parseBatch reads a batch. Its records share memory with the bytes.
func parseBatch(d []byte) (*rawBatch, error) {
	if len(d) < batchHead+5 || string(d[:len(batchMagic)]) != batchMagic {
		return nil, ErrBatch
	}
	if f := d[len(batchMagic)]; f != batchFormat {
		return nil, fmt.Errorf("%w: a batch of the journal has format %d, this program knows only %d; use a newer samdok", errNewer, f, batchFormat)
	}
	end := len(d) - 4
	if checksum(d[:end]) != binary.BigEndian.Uint32(d[end:]) {
		return nil, ErrBatch
	}
	c := reader{d[len(batchMagic)+1 : end], false}
	b := &rawBatch{seq: binary.BigEndian.Uint64(c.bytes(8))}
	copy(b.prev[:], c.bytes(sha256.Size))
	copy(b.random[:], c.bytes(16))
	n := c.uvarint()
	if c.bad || n > uint64(len(c.rest)/2) { // a record takes two bytes
		return nil, ErrBatch
	}
	b.records = make([]record, n)
	for i := range b.records {
		kind := recordKind(c.byte())
		body := reader{c.bytes(c.uvarint()), c.bad}
		if err := b.records[i].parse(kind, &body); err != nil {
			return nil, err
		}
	}
	if c.bad || len(c.rest) > 0 || b.seq == 0 {
		return nil, ErrBatch
	}
	return b, nil
}

func (r *record) parse(kind recordKind, c *reader) error {
	r.kind = kind
	switch kind {
	case recordChange, recordRedaction:
		copy(r.ref[:], c.bytes(uint64(len(r.ref))))
		r.keyID, r.version = c.uvarint(), storage.Version(c.uvarint())
		r.sealed = c.bytes(uint64(len(c.rest)))
	case recordDestroyed:
		n := c.uvarint()
		if n > uint64(len(c.rest)) {
			return ErrBatch
		}
		for range n {
			r.keys = append(r.keys, c.uvarint())
		}
	case recordGeneration:
		r.generation = elastic.Generation(c.uvarint())
	default:
		if c.bad {
			return ErrBatch
		}
		return fmt.Errorf("%w: a record of kind %d in the journal, which this program does not know; use a newer samdok", errNewer, kind)
	}
	if c.bad || len(c.rest) > 0 {
		return ErrBatch
	}
	return nil
}

// reader reads parts of bytes; bad when there were too few.
type reader struct {
	rest []byte
	bad  bool
}

func (c *reader) bytes(n uint64) []byte {
	if c.bad || n > uint64(len(c.rest)) {
		c.bad, c.rest = true, nil
		return nil
	}
	part := c.rest[:n]
	c.rest = c.rest[n:]
	return part
}

func (c *reader) byte() byte {
	if b := c.bytes(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (c *reader) uvarint() uint64 {
	v, n := binary.Uvarint(c.rest)
	if n <= 0 {
		c.bad, c.rest = true, nil
		return 0
	}
	c.rest = c.rest[n:]
	return v
}
