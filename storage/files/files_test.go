package files

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"samdok/storage"
	"samdok/storage/body"
	"samdok/storage/keyring"
	"samdok/storage/storagetest"
)

func TestMain(m *testing.M) {
	storagetest.DocumentsChild(func(dir string) (storage.Documents, error) {
		s, _, err := openDir(dir, true, Options{PackSize: 1 << 20})
		return s, err
	}, 0, 100, 10_240, 100_000, 300_000, 600_000)
	goleak.VerifyTestMain(m)
}

func testMaster() keyring.Master {
	m, err := keyring.NewMaster(bytes.Repeat([]byte{7}, keyring.MasterSize))
	if err != nil {
		panic(err) // 32 bytes are a key
	}
	return m
}

// openDir opens keyring and documents in one folder.
func openDir(dir string, sealed bool, o Options) (*Store, func() error, error) {
	if sealed {
		ring, err := keyring.Open(dir, testMaster())
		if err != nil {
			return nil, nil, err
		}
		o.Ring = ring
	}
	s, err := Open(dir, o)
	if err != nil {
		return nil, nil, err
	}
	return s, func() error {
		if err := s.Close(); err != nil {
			return err
		}
		return o.Ring.Close()
	}, nil
}

func mustOpen(tb testing.TB, dir string, sealed bool, o Options) (*Store, func() error) {
	tb.Helper()
	s, done, err := openDir(dir, sealed, o)
	if err != nil {
		tb.Fatal(err)
	}
	return s, done
}

func engine(sealed bool, o Options) storagetest.DocumentsEngine {
	threshold := int64(o.Threshold)
	if threshold == 0 {
		threshold = DefaultThreshold
	}
	return storagetest.DocumentsEngine{
		Open: func(tb testing.TB, dir string) (storage.Documents, func() error) {
			return mustOpen(tb, dir, sealed, o)
		},
		Edges:  []int64{threshold, body.BlockSize, 2 * body.BlockSize, 5 * body.BlockSize, eager - 512},
		Damage: damageAll(sealed),
	}
}

func TestDocuments(t *testing.T) {
	for name, c := range map[string]struct {
		sealed bool
		o      Options
	}{
		"sealed":                 {true, Options{}},
		"sealed, small packs":    {true, Options{PackSize: 200_000, Handles: 2, Threshold: 40_000}},
		"open":                   {false, Options{}},
		"open, small packs":      {false, Options{PackSize: 100_000, Handles: 1, Threshold: 40_000}},
		"sealed, all but 1 byte": {true, Options{Threshold: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			e := engine(c.sealed, c.o)
			e.Large = c.o.PackSize == 0 && c.o.Threshold == 0 // once sealed, once open
			storagetest.RunDocuments(t, e)
		})
	}
}

func TestKill(t *testing.T) {
	rounds := 20
	if storagetest.Long() {
		rounds = 200
	}
	storagetest.RunDocumentsKill(t, engine(true, Options{PackSize: 1 << 20}), rounds)
}

// record finds a document's record in its file.
func record(t *testing.T, dir string, key storage.DocumentKey) (path string, off int64, h header, b []byte) {
	t.Helper()
	p, ok := parseKey(key)
	if !ok {
		t.Fatalf("%q is no key", key)
	}
	s := &Store{dir: dir}
	path = s.packPath(p.pack)
	off = int64(p.unit) * align
	if p.large {
		d, name := s.largePath(p.random)
		path, off = filepath.Join(d, name), 0
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h, err = parseHeader(b[off:])
	if err != nil {
		t.Fatal(err)
	}
	return path, off, h, b
}

// damageAll alters a bit at many places of a record, cuts its file, and takes
// away what should be there.
func damageAll(sealed bool) func(*testing.T, string, storage.DocumentKey, func(string)) {
	return func(t *testing.T, dir string, key storage.DocumentKey, check func(string)) {
		path, off, h, good := record(t, dir, key)
		try := func(what string, bad []byte) {
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			check(what)
			if err := os.WriteFile(path, good, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		end := off + h.length()
		places := []int64{off + 4, off + 5, off + 8, off + 16, off + 24, off + 32, off + 40, off + 52, off + 60, off + 64,
			off + headSize, off + headSize + 30, off + headSize + int64(h.infoLen) - 1, end - 1}
		begin := off + headSize + int64(h.infoLen)
		for i := range int64(8) {
			places = append(places, begin+i*(end-begin)/8)
		}
		for _, at := range places {
			if at >= end {
				continue
			}
			bad := bytes.Clone(good)
			bad[at] ^= 4
			try("a bit altered", bad)
		}
		// Another header that is sound in itself: only the seal can tell.
		if sealed {
			for name, change := range map[string]func(*header){
				"time":   func(h *header) { h.time++ },
				"random": func(h *header) { h.random[3]++ },
				"key id": func(h *header) { h.keyID++ },
			} {
				bad, g := bytes.Clone(good), h
				change(&g)
				g.put(bad[off:])
				try("header with another "+name, bad)
			}
		}
		if parsed, _ := parseKey(key); parsed.large {
			try("cut by a byte", good[:len(good)-1])
			try("cut to half", good[:len(good)/2])
			try("cut to nothing", nil)
			try("grown", append(bytes.Clone(good), 0))
			if pkg := int64(body.BlockSize + 32); sealed && h.kind == body.DARE && int64(h.bodyLen) > 3*pkg {
				try("last package cut", good[:begin+(int64(h.bodyLen)-1)/pkg*pkg])
				bad := bytes.Clone(good)
				copy(bad[begin:], good[begin+pkg:begin+2*pkg])
				copy(bad[begin+pkg:], good[begin:begin+pkg])
				try("packages swapped", bad)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		check("file removed")
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
