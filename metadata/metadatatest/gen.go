package metadatatest

import (
	"encoding/binary"
	"math/rand/v2"
	"strconv"
	"time"

	"samdok/metadata"
)

// Gen makes the same material for the same seed. Two runs against one server
// need two seeds: ids are part of the material. It is not safe for concurrent
// use; give each goroutine its own.
type Gen struct {
	// RepositoryID, when set, goes into every entry, as a repository would do
	// before ITI-42. A source leaves it out.
	RepositoryID string
	// Now is the newest time that a document may have. New sets 2026-11-01.
	Now time.Time

	rng *rand.Rand
	buf []byte
}

// New makes a generator.
func New(seed uint64) *Gen {
	return &Gen{
		rng: rand.New(rand.NewPCG(seed, 0x5a4d444f4b)),
		Now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC),
	}
}

// Root is the OID under which everything made here has its ids; it lies in the
// arc of Norwegian test communities.
const Root = "2.16.578.1.12.4.5.100.9"

// SourceID is the sourceId of every submission set made here.
const SourceID = Root + ".1"

// UUID is a version 4 UUID from the seed.
func (g *Gen) UUID() metadata.UUID {
	var u metadata.UUID
	binary.LittleEndian.PutUint64(u[:8], g.rng.Uint64())
	binary.LittleEndian.PutUint64(u[8:], g.rng.Uint64())
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}

// OID is a new OID below Root with 95 random bits.
func (g *Gen) OID() string {
	b := append(g.buf[:0], Root...)
	b = append(b, '.')
	b = strconv.AppendUint(b, g.rng.Uint64()>>1, 10)
	b = append(b, '.')
	b = strconv.AppendUint(b, uint64(g.rng.Uint32()), 10)
	g.buf = b
	return string(b)
}

func (g *Gen) digits(first byte, n int) string {
	b := append(g.buf[:0], first)
	for len(b) < n {
		b = append(b, byte('0'+g.rng.IntN(10)))
	}
	g.buf = b
	return string(b)
}

func pick[T any](g *Gen, list []T) T { return list[g.rng.IntN(len(list))] }

// between is a random moment in [from, to), whole seconds.
func (g *Gen) between(from, to time.Time) time.Time {
	span := to.Unix() - from.Unix()
	if span <= 0 {
		return from
	}
	return time.Unix(from.Unix()+g.rng.Int64N(span), 0).UTC()
}
