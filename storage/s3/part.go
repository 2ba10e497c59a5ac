package s3

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/minio/minio-go/v7"
)

// Format 1 of a part of a file. Numbers are little-endian.
//
//	 0 magic "samdokPT"
//	 8 version 1, 2 bytes
//	10 zeros 6
//	16 offset 8: the file is cut there, and the octets follow
//	24 zeros 4
//	28 CRC-32C of bytes 0-27 and the octets
//	32 octets
const (
	partMagic = "samdokPT"
	partHead  = 32
)

func appendPart(b []byte, off int64, octets []byte) []byte {
	b = append(b, partMagic...)
	b = binary.LittleEndian.AppendUint64(b, 1)
	b = binary.LittleEndian.AppendUint64(b, uint64(off))
	b = binary.LittleEndian.AppendUint32(b, 0)
	sum := crc32.Update(crc32.Checksum(b, castagnoli()), castagnoli(), octets)
	b = binary.LittleEndian.AppendUint32(b, sum)
	return append(b, octets...)
}

// parsePart is false for what is no part.
func parsePart(b []byte) (off int64, octets []byte, ok bool) {
	if len(b) < partHead || string(b[:8]) != partMagic || binary.LittleEndian.Uint16(b[8:]) != 1 {
		return 0, nil, false
	}
	off, octets = int64(binary.LittleEndian.Uint64(b[16:])), b[partHead:]
	sum := crc32.Update(crc32.Checksum(b[:partHead-4], castagnoli()), castagnoli(), octets)
	return off, octets, off >= 0 && off <= mostSize && sum == binary.LittleEndian.Uint32(b[28:])
}

// mostSize bounds what a forged offset can make of a file, octets.
const mostSize = 1 << 46

func partName(name string, n uint32) string { return fmt.Sprintf("%s/%08x", name, n) }

func wholeName(name string, first, last uint32, off int64) string {
	return fmt.Sprintf("%s/%08x-%08x-%016x", name, first, last, off)
}

// object is one of a file: a part, or several as a whole.
type object struct {
	name        string
	whole       bool
	first, last uint32
	off, size   int64 // of a whole one
}

func parseObject(file string, l listed) (o object, ok bool) {
	o.name, o.size = l.name, l.size
	fields := strings.Split(strings.TrimPrefix(l.name, file+"/"), "-")
	number := func(i, bits int) int64 {
		n, err := strconv.ParseUint(fields[i], 16, bits)
		ok = ok && err == nil
		return int64(n)
	}
	ok = true
	switch len(fields) {
	case 1:
		o.first = uint32(number(0, 32))
		o.last = o.first
		return o, ok && partName(file, o.first) == l.name
	case 3:
		o.first, o.last, o.off, o.whole = uint32(number(0, 32)), uint32(number(1, 32)), number(2, 47), true
		return o, ok && o.last >= o.first && wholeName(file, o.first, o.last, o.off) == l.name
	}
	return o, false
}

// objects are those of a file, in the order of their numbers.
func (s *Store) objects(ctx context.Context, name string) (all []object, err error) {
	err = s.all(ctx, filesOp, name+"/", "", func(l listed) error {
		if o, ok := parseObject(name, l); ok {
			all = append(all, o)
		}
		return nil
	})
	slices.SortStableFunc(all, func(a, b object) int { return int(int64(a.first) - int64(b.first)) })
	return all, err
}

// loadTries is how often a file is listed whose parts are put together meanwhile.
const loadTries = 5

// load reads from the store what the file is. Parts that are not whole yet are read
// into memory.
func (n *inode) load(ctx context.Context) (err error) {
	for range loadTries {
		if err = n.tryLoad(ctx); !errors.Is(err, errMissing) {
			return err
		}
	}
	return err
}

func (n *inode) tryLoad(ctx context.Context) error {
	all, err := n.f.s.objects(ctx, n.name)
	if err != nil {
		return err
	}
	n.extents, n.base, n.tail, n.lately, n.first, n.next = nil, 0, nil, nil, 1, 1
	n.there, n.made = len(all) > 0, len(all) > 0
	var parts []object
	for _, o := range all {
		n.next = max(n.next, o.last+1)
		if !o.whole {
			parts = append(parts, o)
			continue
		}
		n.place(extent{o.off, o.off + o.size, o.name})
		n.first = o.last + 1
	}
	parts = slices.DeleteFunc(parts, func(o object) bool { return o.first < n.first })
	read := make([][]byte, len(parts))
	if err := together(len(parts), func(i int) (err error) {
		read[i], _, err = n.f.s.get(ctx, filesOp, parts[i].name, maxObject)
		return err
	}); err != nil {
		return err
	}
	for _, b := range read {
		off, octets, ok := parsePart(b)
		if !ok {
			continue // as if it were gone: whoever checks the file finds that
		}
		if off < n.base { // goes over a whole one
			n.extents, n.base, n.tail = clip(n.extents, off), off, nil
		}
		if gap := off - n.size(); gap > 0 {
			if err := n.hole(gap); err != nil {
				return err
			}
		}
		n.tail = append(n.tail[:off-n.base], octets...)
	}
	return nil
}

// mostHole bounds the memory that zeros in the place of missing parts take.
const mostHole = 64 << 20

// hole puts zeros in the place of a part that is not there.
func (n *inode) hole(gap int64) error {
	if gap > mostHole {
		return fmt.Errorf("%s: parts are missing", n.name)
	}
	n.tail = append(n.tail, make([]byte, gap)...)
	return nil
}

// place puts a whole object behind what is there, over what lies behind its
// beginning.
func (n *inode) place(e extent) {
	n.extents = clip(n.extents, e.from)
	if k := len(n.extents); k == 0 && e.from > 0 || k > 0 && n.extents[k-1].to < e.from {
		from := int64(0)
		if k > 0 {
			from = n.extents[k-1].to
		}
		n.extents = append(n.extents, extent{from, e.from, ""})
	}
	n.extents, n.base = append(n.extents, e), e.to
}

// pieces are blocks of whole objects that were read lately, so that many small reads
// near to one another are one call.
type pieces map[blockAt][]byte

type blockAt struct {
	object string
	number int64
}

const (
	blockSize  = 64 << 10
	mostBlocks = 64
)

// read fills p from off on, or returns io.EOF. n.mu is held.
func (n *inode) read(ctx context.Context, p []byte, off int64) (done int, err error) {
	for try := range loadTries {
		done, err = n.readOnce(ctx, p, off)
		if !errors.Is(err, errMissing) || n.writers > 0 || try == loadTries-1 {
			break
		}
		// Parts were put together meanwhile.
		if err = n.load(ctx); err != nil {
			break
		}
	}
	if err == nil || errors.Is(err, io.EOF) {
		return done, err
	}
	return done, n.f.s.fault(filesOp, err, reads)
}

func (n *inode) readOnce(ctx context.Context, p []byte, off int64) (done int, err error) {
	at, _ := slices.BinarySearchFunc(n.extents, off, func(e extent, off int64) int {
		if e.to <= off {
			return -1
		}
		return 1
	})
	for _, e := range n.extents[at:] {
		if done == len(p) {
			return done, nil
		}
		piece := p[done:min(len(p), done+int(e.to-off))]
		if err := n.readExtent(ctx, e, piece, off); err != nil {
			return done, err
		}
		done, off = done+len(piece), off+int64(len(piece))
	}
	if done < len(p) && off < n.size() {
		done += copy(p[done:], n.tail[off-n.base:])
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

func (n *inode) readExtent(ctx context.Context, e extent, p []byte, off int64) error {
	from := off - e.from
	switch {
	case e.object == "":
		clear(p)
		return nil
	case len(p) >= blockSize:
		return n.f.s.readRange(ctx, e.object, p, from)
	}
	for len(p) > 0 {
		b, err := n.block(ctx, e, from/blockSize)
		if err != nil {
			return err
		}
		k := copy(p, b[min(from%blockSize, int64(len(b))):])
		if k == 0 {
			return io.ErrUnexpectedEOF
		}
		p, from = p[k:], from+int64(k)
	}
	return nil
}

// block is a piece of an object, as it was read lately or anew.
func (n *inode) block(ctx context.Context, e extent, number int64) ([]byte, error) {
	at := blockAt{e.object, number}
	if b := n.lately[at]; b != nil {
		return b, nil
	}
	// The extent may be a part of the object; what lies behind it is not wanted.
	b := make([]byte, min(blockSize, e.to-e.from-number*blockSize))
	if err := n.f.s.readRange(ctx, e.object, b, number*blockSize); err != nil {
		return nil, err
	}
	if n.lately == nil {
		n.lately = pieces{}
	}
	for old := range n.lately { // any other one
		if len(n.lately) < mostBlocks {
			break
		}
		delete(n.lately, old)
	}
	n.lately[at] = b
	return b, nil
}

// readRange fills p with the octets of an object from one on.
func (s *Store) readRange(ctx context.Context, name string, p []byte, from int64) error {
	var o minio.GetObjectOptions
	if err := o.SetRange(from, from+int64(len(p))-1); err != nil {
		return err
	}
	return s.do(ctx, filesOp, func(ctx context.Context) error {
		r, _, _, err := s.client.GetObject(ctx, s.Bucket, s.Prefix+name, o)
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = io.ReadFull(r, p)
		return err
	})
}
