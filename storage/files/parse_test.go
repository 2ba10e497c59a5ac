package files

import (
	"testing"

	"samdok/storage"
	"samdok/storage/body"
)

func FuzzKey(f *testing.F) {
	for _, p := range []place{
		{sealed: true, pack: 3, unit: 1 << 20, units: 7, random: [12]byte{1, 2, 3}}, {pack: 1},
		{large: true, sealed: true, random: [12]byte{255, 0, 1}}, {large: true},
	} {
		f.Add(string(p.key()))
	}
	f.Add("")
	f.Add("../../../etc/passwd")
	f.Fuzz(func(t *testing.T, s string) {
		p, ok := parseKey(storage.DocumentKey(s))
		if ok && string(p.key()) != s {
			t.Fatalf("%q and %q lead to one document", s, p.key())
		}
	})
}

func FuzzRecord(f *testing.F) {
	var b [headSize + 200]byte
	for _, h := range []header{
		{kind: body.Plain, infoLen: 58, bodyLen: 10, size: 10, state: stateLive},
		{kind: body.Sealed, infoLen: 70, keyID: 4, bodyLen: 26, size: 10, state: stateDeleted, back: 64},
		{kind: body.DARE, infoLen: 70, keyID: 4, bodyLen: 1<<16 + 32, size: 1 << 16, state: stateLive},
		{kind: body.Checked, infoLen: 70, bodyLen: 14, size: 10, state: stateLive},
	} {
		h.put(b[:])
		f.Add(b[:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := parseHeader(b)
		if err != nil {
			return
		}
		if h.length() < headSize || h.size > h.bodyLen {
			t.Fatalf("%+v", h)
		}
		info := b[headSize:min(len(b), headSize+int(h.infoLen))]
		if _, err := openInfo(&h, b[:boundSize], info, nil); err == nil && len(info) < body.InfoFixed+4 {
			t.Fatal("an info that is too short was read")
		}
	})
}
