package xds

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"samdok/access"
	"samdok/metadata"
	"samdok/metadata/ebrim"
	"samdok/sharing"
	"samdok/soap"
)

// sink is a ResponseWriter that costs nothing: what remains is the door alone.
type sink struct {
	h http.Header
	n int
}

func (s *sink) Header() http.Header         { return s.h }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(p []byte) (int, error) { s.n += len(p); return len(p), nil }

func benchDoor(b *testing.B, h http.Handler, contentType string, body []byte) {
	w := &sink{h: http.Header{}}
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	r.ContentLength = int64(len(body))
	rd := bytes.NewReader(body)
	r.Body = io.NopCloser(rd)
	h.ServeHTTP(w, r)
	b.SetBytes(int64(len(body) + w.n))
	b.ReportAllocs()
	before := cpu(b)
	for b.Loop() {
		rd.Reset(body)
		h.ServeHTTP(w, r)
	}
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
}

// cpu is the CPU time of this process in nanoseconds: on a shared machine it tells
// more than the clock on the wall.
func cpu(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

func findBody(ref metadata.ReturnType) []byte {
	q := metadata.StoredQuery{Return: ref, Query: &metadata.FindDocuments{Patient: "13879999999^^^&2.16.578.1.12.4.1.4.1&ISO", Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}}
	return []byte(envelope(actionQuery, string(ebrim.AppendQuery(nil, q))))
}

func BenchmarkDoorFindRefs(b *testing.B) {
	benchDoor(b, RegistryHandler(findAll(entries(10), sharing.Found{}, nil), DoorOptions{Log: discard()}), soap.ContentType, findBody(metadata.ObjectRef))
}

func BenchmarkDoorFindEntries(b *testing.B) {
	benchDoor(b, RegistryHandler(findAll(entries(10), sharing.Found{}, nil), DoorOptions{Log: discard()}), soap.ContentType, findBody(metadata.LeafClass))
}

func BenchmarkDoorFindEntries1000(b *testing.B) {
	benchDoor(b, RegistryHandler(findAll(entries(1000), sharing.Found{}, nil), DoorOptions{Log: discard()}), soap.ContentType, findBody(metadata.LeafClass))
}

func BenchmarkDoorRegister(b *testing.B) {
	sub, _, _ := sample(1)
	svc := &service{register: func(context.Context, access.Caller, sharing.Register) (sharing.Receipt, error) {
		return sharing.Receipt{}, nil
	}}
	benchDoor(b, RegistryHandler(svc, DoorOptions{Log: discard()}), soap.ContentType, []byte(envelope(actionRegister, string(ebrim.AppendSubmission(nil, sub)))))
}

func discardDocuments(_ context.Context, _ access.Caller, p sharing.Provide) (sharing.Receipt, error) {
	for {
		_, r, err := p.Documents.Next()
		if err == io.EOF {
			return sharing.Receipt{}, nil
		}
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if err != nil {
			return sharing.Receipt{}, err
		}
	}
}

func BenchmarkDoorProvide10KB(b *testing.B) {
	sub, _, _ := sample(1)
	ct, body := pack(envelope(actionProvide, pnr(sub, include(string(sub.Entries[0].ID), "cid:d1"))), "Content-ID: <d1>\r\n\r\n"+strings.Repeat("0123456789", 1024))
	benchDoor(b, RepositoryHandler(&service{provide: discardDocuments}, DoorOptions{Log: discard()}), ct, []byte(body))
}

var tenKB = []byte(strings.Repeat("0123456789", 1024))

func retrieveTenKB(_ context.Context, _ access.Caller, r []metadata.DocumentRequest) (*sharing.Retrieved, error) {
	return &sharing.Retrieved{Documents: []sharing.Document{{Request: r[0], MimeType: "text/plain", Size: int64(len(tenKB)), Body: io.NopCloser(bytes.NewReader(tenKB))}}}, nil
}

const retrieveOne = `<RetrieveDocumentSetRequest xmlns="urn:ihe:iti:xds-b:2007"><DocumentRequest><RepositoryUniqueId>1.2.3</RepositoryUniqueId><DocumentUniqueId>1.2.3.4</DocumentUniqueId></DocumentRequest></RetrieveDocumentSetRequest>`

func BenchmarkDoorRetrieve10KB(b *testing.B) {
	ct, body := pack(envelope(actionRetrieve, retrieveOne))
	benchDoor(b, RepositoryHandler(&service{retrieve: retrieveTenKB}, DoorOptions{Log: discard()}), ct, []byte(body))
}

// BenchmarkCommunityFind is one answer of a community of 10 entries, without net/http.
func BenchmarkCommunityFind(b *testing.B) {
	body := ebrim.AppendQueryResponseHead(nil, ebrim.Success, nil)
	for _, o := range entries(10) {
		body = ebrim.AppendObject(body, o)
	}
	body = soap.AppendClose(ebrim.AppendQueryResponseTail(body))
	k := NewCommunity(CommunityOptions{Client: Options{QueryURL: "http://there/", HTTP: &http.Client{Transport: played(body)}}})
	q := metadata.StoredQuery{Return: metadata.LeafClass, Query: &metadata.FindDocuments{Patient: "1^^^&1.2&ISO", Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}}
	count := 0
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	before := cpu(b)
	for b.Loop() {
		if _, err := k.Find(context.Background(), access.Caller{}, q, func(metadata.Object) error { count++; return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
	if count != 10*b.N {
		b.Fatal(count)
	}
}

// played answers every query with a body.
type played []byte

func (p played) RoundTrip(r *http.Request) (*http.Response, error) {
	request, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	_, rest, _ := bytes.Cut(request, []byte("MessageID>"))
	id, _, _ := bytes.Cut(rest, []byte("<"))
	head := soap.AppendOpen(nil, soap.Header{Action: answerAction(actionCrossQuery), RelatesTo: string(id)})
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {soap.ContentType}},
		ContentLength: int64(len(head) + len(p)), Body: io.NopCloser(io.MultiReader(bytes.NewReader(head), bytes.NewReader(p)))}, nil
}

// The rest is with net/http and our client on the same two cores.

func BenchmarkLoopbackFindRefs(b *testing.B) {
	s := serve(b, findAll(entries(10), sharing.Found{}, nil), DoorOptions{})
	q := metadata.StoredQuery{Return: metadata.ObjectRef, Query: &metadata.FindDocuments{Patient: "1^^^&1.2&ISO", Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}}
	b.ReportAllocs()
	for b.Loop() {
		if r, err := s.c.Find(context.Background(), q); err != nil || len(r.Refs) != 10 {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoopbackRetrieve10KB(b *testing.B) {
	s := serve(b, &service{retrieve: retrieveTenKB}, DoorOptions{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.c.Retrieve(context.Background(), ask[:1], func(d Document) error {
			_, err := io.Copy(io.Discard, d.Body)
			return err
		}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoopbackProvide100MiB(b *testing.B) {
	s := serve(b, &service{provide: discardDocuments}, DoorOptions{})
	sub, _, _ := sample(1)
	b.SetBytes(100 << 20)
	for b.Loop() {
		if _, err := s.c.Provide(context.Background(), sub, []Attachment{zeroAttachment(sub.Entries[0].ID, 100<<20)}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoopbackRetrieve100MiB(b *testing.B) {
	const size = 100 << 20
	s := serve(b, &service{retrieve: func(_ context.Context, _ access.Caller, r []metadata.DocumentRequest) (*sharing.Retrieved, error) {
		return &sharing.Retrieved{Documents: []sharing.Document{{Request: r[0], Size: size, Body: &zeros{size}}}}, nil
	}}, DoorOptions{})
	b.SetBytes(size)
	for b.Loop() {
		if _, err := s.c.Retrieve(context.Background(), ask[:1], func(d Document) error {
			_, err := io.Copy(io.Discard, d.Body)
			return err
		}); err != nil {
			b.Fatal(err)
		}
	}
}
