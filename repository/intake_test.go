package repository_test

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"samdok/fault"
	"samdok/metadata"
	"samdok/repository"
	"samdok/storage"
)

func TestTakeFillsIn(t *testing.T) {
	w := newWorld(t, nil)
	s := submission("1", "2", "3")
	s.Entries[0].RepositoryID = "9.9.9"
	s.Entries[1].Hash, s.Entries[1].Size = strings.ToUpper(fmt.Sprintf("%x", sha1.Sum([]byte("two")))), metadata.Octets(3)
	in, err := w.Take(t.Context(), tenant, s, &parts{list: []part{bytesPart("3", ""), bytesPart("1", "one"), bytesPart("2", "two")}})
	if err != nil {
		t.Fatal(err, codes(err))
	}
	if len(in.Keys()) != 3 || len(w.keys(t)) != 3 {
		t.Fatalf("keys %v, stored %v", in.Keys(), w.keys(t))
	}
	for i, data := range []string{"one", "two", ""} {
		e := s.Entries[i]
		if hash := fmt.Sprintf("%x", sha1.Sum([]byte(data))); !strings.EqualFold(e.Hash, hash) || e.Size != metadata.Octets(int64(len(data))) || e.RepositoryID != own {
			t.Errorf("entry %s: hash %q size %v repository %q", e.ID, e.Hash, e.Size, e.RepositoryID)
		}
		body, size, err := w.Open(t.Context(), storage.Placed{Added: storage.Added{Object: e, Document: in.Keys()[e.ID]}}, i == 0)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		if err != nil || string(got) != data || size != int64(len(data)) {
			t.Errorf("entry %s: read %q (size %d), %v", e.ID, got, size, err)
		}
		if err := body.Close(); err != nil {
			t.Error(err)
		}
	}
	if s.Entries[1].Hash != strings.ToUpper(s.Entries[1].Hash) {
		t.Error("a right hash was rewritten")
	}
	in.Delete(t.Context())
	if n := len(w.keys(t)); n != 0 {
		t.Errorf("%d documents after Delete", n)
	}
}

// What is refused leaves nothing behind.
func TestTakeRefuses(t *testing.T) {
	long := strings.Repeat("x", 3000)
	for _, c := range []struct {
		name   string
		limits repository.Limits
		sub    *metadata.Submission
		change func(*metadata.Submission)
		parts  parts
		commit func(int) error
		kind   fault.Kind
		want   []string
	}{
		{name: "missing document", sub: submission("1", "2"), parts: parts{list: []part{bytesPart("2", "x")}}, kind: fault.Invalid,
			want: []string{"XDSMissingDocument: DocumentEntry 1 (1.2.3.1) came without its document: no Document has this id."}},
		{name: "no documents at all", sub: submission("1"), kind: fault.Invalid,
			want: []string{"XDSMissingDocument: DocumentEntry 1 (1.2.3.1) came without its document: no Document has this id."}},
		{name: "missing metadata", sub: submission("1"), parts: parts{list: []part{bytesPart("9", "x"), bytesPart("1", "x"), bytesPart("8", "x")}}, kind: fault.Invalid,
			want: []string{"XDSMissingDocumentMetadata: The Document 9 has no DocumentEntry with this id.", "XDSMissingDocumentMetadata: The Document 8 has no DocumentEntry with this id."}},
		{name: "both", sub: submission("1"), parts: parts{list: []part{bytesPart("9", "x")}}, kind: fault.Invalid,
			want: []string{"XDSMissingDocumentMetadata: The Document 9 has no DocumentEntry with this id.", "XDSMissingDocument: DocumentEntry 1 (1.2.3.1) came without its document: no Document has this id."}},
		{name: "twice", sub: submission("1"), parts: parts{list: []part{bytesPart("1", "x"), bytesPart("1", "x")}}, kind: fault.Invalid,
			want: []string{"XDSRepositoryMetadataError: Two Documents have the id 1."}},
		{name: "hash lies", sub: submission("1", "2"), change: func(s *metadata.Submission) {
			s.Entries[0].Hash = "da39a3ee5e6b4b0d3255bfef95601890afd80709"
			s.Entries[1].Size = metadata.Octets(7)
		}, parts: parts{list: []part{bytesPart("1", "x"), bytesPart("2", "y")}}, kind: fault.Invalid,
			want: []string{
				"XDSRepositoryMetadataError: The hash of document 1 (1.2.3.1) is stated as da39a3ee5e6b4b0d3255bfef95601890afd80709, but its bytes have the SHA-1 11f6ad8ec52a2984abaafd7c3b516503785c2072.",
				"XDSRepositoryMetadataError: The size of document 2 (1.2.3.2) is stated as 7, but it has 1 bytes."}},
		{name: "too large", limits: repository.Limits{DocumentBytes: 1000}, sub: submission("1", "2"), parts: parts{list: []part{bytesPart("1", "x"), bytesPart("2", long)}}, kind: fault.TooLarge,
			want: []string{"XDSRepositoryOutOfResources: Document 2 (1.2.3.2) is larger than the limit limits.document-bytes, 1000 bytes."}},
		{name: "too many parts", limits: repository.Limits{Documents: 2}, sub: submission("1", "2"), parts: parts{list: []part{bytesPart("1", "x"), bytesPart("2", "x"), bytesPart("3", "x")}}, kind: fault.TooLarge,
			want: []string{"XDSRepositoryOutOfResources: The message has more documents than the limit limits.documents, 2."}},
		{name: "drain ends", limits: repository.Limits{DrainBytes: 100}, sub: submission("1", "2"), parts: parts{list: []part{bytesPart("9", long), bytesPart("8", "x")}}, kind: fault.Invalid,
			want: []string{"XDSMissingDocumentMetadata: The Document 9 has no DocumentEntry with this id."}},
		{name: "message breaks", sub: submission("1"), parts: parts{list: []part{{"1", io.MultiReader(strings.NewReader("abc"), broken{})}}}, kind: fault.Invalid,
			want: []string{"XDSRepositoryError: A document could not be read to its end."}},
		{name: "message breaks between parts", sub: submission("1"), parts: parts{list: []part{bytesPart("1", "x")}, err: io.ErrUnexpectedEOF}, kind: fault.Invalid,
			want: []string{"XDSRepositoryError: The documents of the message could not be read to their end."}},
		{name: "the door's own error", sub: submission("1"), parts: parts{err: fault.New(fault.TooLarge, "mtom", fault.RepositoryOutOfResources, "limit")}, kind: fault.TooLarge,
			want: []string{"XDSRepositoryOutOfResources: limit"}},
		{name: "disk full", sub: submission("1", "2", "3"), parts: parts{list: []part{bytesPart("1", "x"), bytesPart("2", "y"), bytesPart("3", "z")}},
			commit: func(n int) error {
				if n == 1 {
					return errDisk
				}
				return nil
			}, kind: fault.Internal,
			want: []string{"XDSRepositoryError: A document could not be stored. Send the submission again later."}},
		{name: "engine panics", sub: submission("1", "2"), parts: parts{list: []part{bytesPart("1", "x"), bytesPart("2", "y")}},
			commit: func(n int) error { panic("x") }, kind: fault.Internal,
			want: []string{"XDSRepositoryError: A document could not be stored. Send the submission again later."}},
		{name: "engine busy", sub: submission("1"), parts: parts{list: []part{bytesPart("1", "x")}},
			commit: func(int) error { return &fault.Error{Kind: fault.Busy} }, kind: fault.Busy,
			want: []string{"XDSRepositoryBusy: A document could not be stored. Send the submission again later."}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, func(o *repository.Options) { o.Limits = c.limits })
			w.docs.commit = c.commit
			if c.change != nil {
				c.change(c.sub)
			}
			in, err := w.Take(t.Context(), tenant, c.sub, &c.parts)
			if in != nil || fault.KindOf(err) != c.kind {
				t.Errorf("error %v of kind %v, want %v", err, fault.KindOf(err), c.kind)
			}
			if d := cmp.Diff(c.want, codes(err)); d != "" {
				t.Errorf("problems (-want +got):\n%s", d)
			}
			if n := len(w.keys(t)); n != 0 {
				t.Errorf("%d documents were left", n)
			}
			if w.docs.live != 0 {
				t.Errorf("%d writers were left", w.docs.live)
			}
		})
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestCheck(t *testing.T) {
	w := newWorld(t, func(o *repository.Options) { o.Limits = repository.Limits{DocumentBytes: 1000, Documents: 3} })
	s := submission("1", "2", "2")
	s.Entries[0].UniqueID = s.Set.UniqueID
	s.Entries[1].Kind = metadata.OnDemand
	s.Entries[1].Size = metadata.Octets(1001)
	s.Entries[2].UniqueID = strings.Repeat("u", storage.MaxOwner)
	s.Folders = []*metadata.Folder{{UniqueID: "1.2.3.2"}}
	want := []string{
		"XDSRepositoryDuplicateUniqueIdInMessage: The uniqueId 1.2.9 is used twice in the submission.",
		"XDSRepositoryMetadataError: Two DocumentEntries have the id 2.",
		"XDSRepositoryDuplicateUniqueIdInMessage: The uniqueId 1.2.3.2 is used twice in the submission.",
		"XDSRepositoryMetadataError: DocumentEntry 2 is on-demand; ITI-41 takes stable documents only. Register it by ITI-61.",
		"XDSRepositoryOutOfResources: Document 2 (1.2.3.2) is larger than the limit limits.document-bytes, 1000 bytes.",
		fmt.Sprintf("XDSRepositoryMetadataError: The uniqueId of DocumentEntry 2 is %d characters long; at most %d can be stored.", storage.MaxOwner, storage.MaxOwner-len(tenant)),
	}
	if d := cmp.Diff(want, list(w.Check(tenant, s))); d != "" {
		t.Errorf("problems (-want +got):\n%s", d)
	}
	if got := list(w.Check(tenant, submission("1", "2", "3", "4"))); len(got) != 1 || !strings.Contains(got[0], "limits.documents is 3") {
		t.Errorf("too many documents: %v", got)
	}
	if got := w.Check(tenant, &metadata.Submission{}); got != nil {
		t.Errorf("a submission without documents: %v", got)
	}
}

// A thousand documents of one submission commit in waves.
func TestTakeThousand(t *testing.T) {
	w := newWorld(t, nil)
	s, p := &metadata.Submission{}, &parts{}
	for i := range 1000 {
		id := fmt.Sprint(i)
		s.Entries = append(s.Entries, entry(id))
		p.list = append(p.list, bytesPart(id, strings.Repeat(id, 50)))
	}
	if problems := w.Check(tenant, s); problems != nil {
		t.Fatal(problems)
	}
	in, err := w.Take(t.Context(), tenant, s, p)
	if err != nil {
		t.Fatal(err)
	}
	if len(in.Keys()) != 1000 || w.docs.most > 64 || w.docs.live != 0 {
		t.Errorf("%d keys, %d writers at once, %d left", len(in.Keys()), w.docs.most, w.docs.live)
	}
	for id, key := range in.Keys() {
		info, err := w.docs.Stat(t.Context(), key)
		if err != nil || info.Owner != (storage.Owner{Tenant: tenant, UniqueID: "1.2.3." + string(id)}) {
			t.Fatalf("document %s: owner %v, %v", id, info.Owner, err)
		}
	}
}

// A large document streams: memory does not grow with it.
func TestTakeStreams(t *testing.T) {
	const size = 200 << 20
	w := newWorld(t, nil)
	s := submission("1")
	peak := &meter{left: size}
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	peak.base = before.HeapAlloc
	in, err := w.Take(t.Context(), tenant, s, &parts{list: []part{{"1", peak}}})
	if err != nil {
		t.Fatal(err)
	}
	if s.Entries[0].Size != metadata.Octets(size) {
		t.Errorf("size %v", s.Entries[0].Size)
	}
	body, _, err := w.Open(t.Context(), storage.Placed{Added: storage.Added{Object: s.Entries[0], Document: in.Keys()["1"]}}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	h := sha1.New()
	n, err := io.Copy(io.MultiWriter(h, peak), body)
	if err != nil || n != size || fmt.Sprintf("%x", h.Sum(nil)) != s.Entries[0].Hash {
		t.Errorf("read %d bytes, %v", n, err)
	}
	if peak.most > 16<<20 {
		t.Errorf("the heap grew by %d MiB", peak.most>>20)
	}
	t.Logf("the heap grew by %d KiB", peak.most>>10)
}

// meter is a source and a sink that looks at the heap every 8 MiB.
type meter struct {
	left, passed int64
	base, most   uint64
}

func (m *meter) look(n int) {
	if m.passed += int64(n); m.passed < 8<<20 {
		return
	}
	m.passed = 0
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	if s.HeapAlloc > m.base {
		m.most = max(m.most, s.HeapAlloc-m.base)
	}
}

func (m *meter) Read(p []byte) (int, error) {
	if m.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), m.left))
	for i := 0; i < n; i += 512 {
		p[i] = byte(m.left >> 9)
	}
	m.left -= int64(n)
	m.look(n)
	return n, nil
}

func (m *meter) Write(p []byte) (int, error) { m.look(len(p)); return len(p), nil }

func TestTakeCanceled(t *testing.T) {
	w := newWorld(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	r := readerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil })
	_, err := w.Take(ctx, tenant, submission("1", "2"), &parts{list: []part{bytesPart("2", "x"), {"1", r}}})
	if fault.KindOf(err) != fault.Canceled || len(w.keys(t)) != 0 || w.docs.live != 0 {
		t.Errorf("error %v, %d documents, %d writers left", err, len(w.keys(t)), w.docs.live)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestFresh(t *testing.T) {
	w := newWorld(t, nil)
	in, err := w.Take(t.Context(), tenant, submission("1"), &parts{list: []part{bytesPart("1", "x")}})
	if err != nil || in.Fresh() != nil {
		t.Fatal(err, in.Fresh())
	}
	if w.time = w.time.Add(13 * time.Hour); in.Fresh() == nil {
		t.Error("bytes that the sweep may meet soon can still be registered")
	}
}

func TestOpenFailures(t *testing.T) {
	w := newWorld(t, nil)
	s := submission("1")
	in, err := w.Take(t.Context(), tenant, s, &parts{list: []part{bytesPart("1", "abc")}})
	if err != nil {
		t.Fatal(err)
	}
	good := storage.Placed{Added: storage.Added{Object: s.Entries[0], Document: in.Keys()["1"]}}
	elsewhere := good
	elsewhere.Document = ""
	if _, _, err := w.Open(t.Context(), elsewhere, false); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a document held elsewhere: %v", err)
	}
	for _, lazy := range []bool{false, true} {
		other := *s.Entries[0]
		other.Hash = strings.Repeat("0", 40)
		bad := good
		bad.Object = &other
		if _, _, err := w.Open(t.Context(), bad, lazy); err == nil || fault.KindOf(err) != fault.Internal {
			t.Errorf("other bytes than registered (lazy %v): %v", lazy, err)
		}
	}
	body, _, err := w.Open(t.Context(), good, true)
	if err != nil {
		t.Fatal(err)
	}
	in.Delete(t.Context())
	if n, err := io.ReadAll(body); err == nil {
		t.Errorf("deleted bytes read as %q", n)
	}
	body.Close()
	if _, err := body.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("read after close: %v", err)
	}
	for _, lazy := range []bool{false, true} {
		_, _, err := w.Open(t.Context(), good, lazy)
		if err == nil || fault.KindOf(err) != fault.Internal || len(fault.ProblemsOf(err)) != 1 || fault.ProblemsOf(err)[0].Code != fault.RepositoryError {
			t.Errorf("missing bytes (lazy %v): %v", lazy, err)
		}
	}
}

// A body that ends early is an error, never a shorter document.
func TestOpenTruncated(t *testing.T) {
	w := newWorld(t, nil)
	s := submission("1")
	in, err := w.Take(t.Context(), tenant, s, &parts{list: []part{bytesPart("1", "abcdef")}})
	if err != nil {
		t.Fatal(err)
	}
	short := repository.New(repository.Options{Documents: truncating{w.docs}, Log: w.log, ID: own, Clock: time.Now})
	body, _, err := short.Open(t.Context(), storage.Placed{Added: storage.Added{Object: s.Entries[0], Document: in.Keys()["1"]}}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if _, err := io.ReadAll(body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v", err)
	}
}

type truncating struct{ storage.Documents }

func (d truncating) Open(ctx context.Context, k storage.DocumentKey, at int64) (io.ReadCloser, storage.DocumentInfo, error) {
	rc, info, err := d.Documents.Open(ctx, k, at)
	if err != nil {
		return nil, info, err
	}
	return http.MaxBytesReader(nil, struct {
		io.Reader
		io.Closer
	}{io.LimitReader(rc, 3), rc}, 100), info, nil
}
