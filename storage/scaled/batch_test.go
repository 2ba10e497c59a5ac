package scaled

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"samdok/storage"
	"samdok/storage/elastic"
)

func drawBatch(t *rapid.T) *rawBatch {
	b := &rawBatch{seq: rapid.Uint64Min(1).Draw(t, "seq")}
	copy(b.prev[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "prev"))
	copy(b.random[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "random"))
	b.records = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) record {
		r := record{kind: recordKind(rapid.IntRange(1, 4).Draw(t, "kind"))}
		switch r.kind {
		case recordDestroyed:
			r.keys = rapid.SliceOfN(rapid.Uint64(), 1, 5).Draw(t, "keys")
		case recordGeneration:
			r.generation = elastic.Generation(rapid.Uint64().Draw(t, "generation"))
		default:
			copy(r.ref[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "ref"))
			r.keyID, r.version = rapid.Uint64().Draw(t, "key"), storage.Version(rapid.Uint64().Draw(t, "version"))
			r.sealed = rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "sealed")
		}
		return r
	}), 0, 8).Draw(t, "records")
	return b
}

func TestBatchRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawBatch(t)
		d := b.encode()
		got, err := parseBatch(d)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(b, got, cmp.AllowUnexported(rawBatch{}, record{}), cmp.Transformer("nil", func(b []byte) string { return string(b) })); diff != "" {
			t.Fatal(diff)
		}
		at := rapid.IntRange(0, len(d)-1).Draw(t, "at")
		if _, err := parseBatch(d[:at]); err == nil {
			t.Fatalf("cut to %d bytes: accepted", at)
		}
		bad := slices.Clone(d)
		bad[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := parseBatch(bad); err == nil {
			t.Fatalf("altered at %d: accepted", at)
		}
	})
}

// FuzzBatch reads anything; what is read is written back the same.
func FuzzBatch(f *testing.F) {
	for _, records := range [][]record{
		nil,
		{{kind: recordChange, keyID: 7, version: 1, sealed: []byte("sealed")}, {kind: recordRedaction, version: 300}},
		{{kind: recordDestroyed, keys: []uint64{1, 1 << 40}}, {kind: recordGeneration, generation: 3}},
	} {
		f.Add((&rawBatch{seq: 9, records: records}).encode())
	}
	f.Fuzz(func(t *testing.T, d []byte) {
		b, err := parseBatch(fixed(d))
		if err != nil {
			return
		}
		again, err := parseBatch(b.encode())
		if err != nil || len(again.records) != len(b.records) || !bytes.Equal(again.encode(), b.encode()) {
			t.Fatalf("%v", err)
		}
		for i := range b.records {
			if r := &b.records[i]; r.keyID == 0 {
				_, _ = parseText(r.sealed)
			}
		}
	})
}

// fixed puts the checksum right, so that the fuzzer gets behind it.
func fixed(d []byte) []byte {
	if len(d) < 4 {
		return d
	}
	sum := checksum(d[:len(d)-4])
	return append(slices.Clone(d[:len(d)-4]), byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
}

// A batch of format 1, as it was first written, stays readable; one of a later
// version is refused, and says what to do.
func TestBatchOfAnotherVersion(t *testing.T) {
	d, err := os.ReadFile(filepath.Join("testdata", "batch-1"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := parseBatch(d)
	if err != nil {
		t.Fatal(err)
	}
	want := []record{
		{kind: recordChange, ref: reference{1, 2}, keyID: 0, version: 1, sealed: b.records[0].sealed},
		{kind: recordRedaction, ref: reference{3}, keyID: 300, version: 2, sealed: []byte("sealed")},
		{kind: recordDestroyed, keys: []uint64{1, 1 << 40}},
		{kind: recordGeneration, generation: 3},
	}
	if b.seq != 9 || b.prev[0] != 7 || b.random[0] != 8 || !slices.EqualFunc(b.records, want, func(a, b record) bool {
		return cmp.Equal(a, b, cmp.AllowUnexported(record{}))
	}) {
		t.Errorf("%+v", b)
	}
	said, err := parseText(b.records[0].sealed)
	if err != nil || said.stream != (storage.Stream{Kind: storage.StreamPatient, ID: "13911699123^2.16.578.1.12.4.1.4.1"}) || len(said.events) != 1 || len(said.claims) != 1 {
		t.Errorf("%+v %v", said, err)
	}
	if !bytes.Equal(b.encode(), d) {
		t.Error("the same is written otherwise now")
	}
	newer := slices.Clone(d)
	newer[len(batchMagic)]++
	unknown := (&rawBatch{seq: 9, records: []record{{kind: recordGeneration + 1}}}).encode()
	for _, d := range [][]byte{fixed(newer), unknown} {
		if _, err := parseBatch(d); err == nil || !strings.Contains(err.Error(), "use a newer samdok") {
			t.Errorf("of a later version: %v", err)
		}
	}
}

func TestSeal(t *testing.T) {
	key := [32]byte{1}
	r := record{kind: recordChange, ref: reference{2}, keyID: 3, version: 4}
	if err := r.seal(key, []byte("text")); err != nil {
		t.Fatal(err)
	}
	if text, err := r.open(key); err != nil || string(text) != "text" || bytes.Contains(r.sealed, text) {
		t.Fatalf("%q %v", text, err)
	}
	for what, moved := range map[string]func(*record){
		"kind":    func(r *record) { r.kind = recordRedaction },
		"stream":  func(r *record) { r.ref[1]++ },
		"version": func(r *record) { r.version++ },
		"key":     func(r *record) { r.keyID++ },
		"short":   func(r *record) { r.sealed = r.sealed[:5] },
	} {
		other := r
		moved(&other)
		if _, err := other.open(key); !errors.Is(err, ErrBatch) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
