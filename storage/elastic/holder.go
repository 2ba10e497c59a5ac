package elastic

import (
	"encoding/binary"
	"slices"

	"samdok/storage"
)

// holder is where an identifier leads: an object that has it, a claim on it, or an
// association that has it as an end.
type holder struct {
	stream  hash
	version storage.Version
	n       int    // of the object, or of the association, in its change
	seq     uint64 // of the batch
	role    role
	value   uint64 // of a shared claim, hashed; 0: unknown
}

// role says what the holder is to the identifier; several can be true. Stored.
type role uint8

const (
	isEntryUUID role = 1 << iota
	isUniqueID
	isLogicalID
	claims
	exclusive
	valued
	mentions // the association has it as an end, and is in another part than it
)

func (h *holder) place() place { return place{h.stream, h.version, h.n / partObjects} }

func (h *holder) append(b []byte) []byte {
	if h.role&valued == 0 && h.value != 0 {
		h.role |= valued
	}
	b = append(b, h.stream[:]...)
	b = binary.AppendUvarint(b, uint64(h.version))
	b = binary.AppendUvarint(b, uint64(h.n))
	b = binary.AppendUvarint(b, h.seq)
	b = append(b, byte(h.role))
	if h.role&valued != 0 {
		b = binary.BigEndian.AppendUint64(b, h.value)
	}
	return b
}

func decodeHolders(b []byte) (all []holder, err error) {
	r := reader{b: b}
	for len(r.b) > 0 && !r.bad {
		var h holder
		copy(h.stream[:], r.take(uint64(len(h.stream))))
		h.version = storage.Version(r.uvarint())
		h.n = int(r.uvarint())
		h.seq = r.uvarint()
		h.role = role(r.byte())
		if h.role&valued != 0 {
			if v := r.take(8); len(v) == 8 {
				h.value = binary.BigEndian.Uint64(v)
			}
		}
		all = append(all, h)
	}
	if r.bad {
		return nil, odd("where an identifier leads")
	}
	return all, nil
}

// identifier is a document of index ids.
type identifier struct {
	// Pages are full documents of mentions of this identifier, whose ids are its own and a number from 1.
	Pages   int    `json:"pages,omitempty"`
	Holders []byte `json:"holders,omitempty"`
}

// mostMentions stay in an identifier's first document: a folder of ten thousand
// documents is not written anew with each of them.
const mostMentions = 64

// turn moves mentions to a page of their own when there are many. The page is
// written before the document that counts it.
func (x *identifier) turn(all []holder) (stay, page []holder) {
	n := 0
	for i := range all {
		if all[i].role == mentions {
			n++
		}
	}
	if n <= mostMentions {
		return all, nil
	}
	for _, h := range all {
		if h.role == mentions {
			page = append(page, h)
		} else {
			stay = append(stay, h)
		}
	}
	x.Pages++
	return stay, page
}

func encodeHolders(all []holder) (b []byte) {
	for i := range all {
		b = all[i].append(b)
	}
	return b
}

// hold adds a holder, or a role to one of the same object.
func hold(all []holder, h holder) []holder {
	at := slices.IndexFunc(all, func(o holder) bool {
		return o.stream == h.stream && o.version == h.version && o.n == h.n && (o.role == mentions) == (h.role == mentions)
	})
	if at < 0 {
		return append(all, h)
	}
	all[at].role |= h.role
	if h.value != 0 {
		all[at].value = h.value
	}
	return all
}

// collide tells whether a claim cannot be made while another is held.
func collide(held *holder, wanted *storage.Claim, value uint64) bool {
	if wanted.Exclusive {
		return true
	}
	return held.role&exclusive == 0 && held.value != value && held.value != 0 && value != 0
}
