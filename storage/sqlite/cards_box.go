package sqlite

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"samdok/access"
)

// cardBox hashes keys and seals cards. All keys come from one secret, which lies
// sealed in the file. A card is sealed under one of many keys, chosen by where it
// lies, so that none of them ever seals too much under random nonces (2^32).
type cardBox struct {
	hash   [32]byte
	boxes  [256]box
	narrow uint
}

func newCardBox(secret [32]byte, of box, narrow uint) (cardBox, error) {
	b := cardBox{hash: sha256.Sum256(append([]byte("samdok cards hash"), secret[:]...)), narrow: narrow}
	if of.aead == nil {
		return b, nil
	}
	for i := range b.boxes {
		var err error
		if b.boxes[i], err = newBox(of.keyID, sha256.Sum256(append([]byte{'s', 'e', 'a', 'l', byte(i)}, secret[:]...))); err != nil {
			return b, err
		}
	}
	return b, nil
}

// cardPlace is where a card lies: its row, and which of the cards in it.
type cardPlace struct {
	id    int64
	check [8]byte
}

func (b *cardBox) place(t access.Tenant, key string) (p cardPlace) {
	var buf [192]byte
	m := append(buf[:0], b.hash[:]...)
	m = binary.AppendUvarint(m, uint64(len(t)))
	m = append(m, t...)
	sum := sha256.Sum256(append(m, key...))
	p.id = int64(binary.BigEndian.Uint64(sum[:]) >> (1 + b.narrow))
	copy(p.check[:], sum[8:])
	return p
}

func (b *cardBox) of(id int64) box { return b.boxes[byte(id>>b.shift())] }

// shift takes the highest bits of an id: cards that are written together lie apart.
func (b *cardBox) shift() uint { return 63 - min(b.narrow, 55) - 8 }

// sealed is one card of a row.
type sealed struct {
	check [8]byte
	text  []byte
}

// cut splits a row into its cards, which are parts of it.
func cut(row []byte) (all []sealed, err error) {
	for len(row) > 0 {
		var s sealed
		if len(row) < len(s.check) {
			return nil, ErrTampered
		}
		row = row[copy(s.check[:], row):]
		n, w := binary.Uvarint(row)
		if w <= 0 || n > uint64(len(row)-w) {
			return nil, ErrTampered
		}
		s.text, row = row[w:w+int(n)], row[w+int(n):]
		all = append(all, s)
	}
	return all, nil
}

func join(all []sealed) (row []byte) {
	for _, s := range all {
		row = append(row, s.check[:]...)
		row = binary.AppendUvarint(row, uint64(len(s.text)))
		row = append(row, s.text...)
	}
	return row
}

// find appends the card at a place to dst; nil when the row has none.
func (b *cardBox) find(dst []byte, at cardPlace, row []byte) ([]byte, error) {
	all, err := cut(row)
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		if s.check == at.check {
			return b.of(at.id).open(dst, at.id, s.text)
		}
	}
	return nil, nil
}

// replace is a row with another card at a place; card nil takes it out.
func (b *cardBox) replace(row []byte, at cardPlace, card []byte) ([]byte, error) {
	all, err := cut(row)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(s sealed) bool { return s.check == at.check })
	if card != nil {
		text, err := b.of(at.id).seal(nil, at.id, card)
		if err != nil {
			return nil, err
		}
		all = append(all, sealed{at.check, text})
	}
	return join(all), nil
}
