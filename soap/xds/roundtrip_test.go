package xds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/ebrim"
	"samdok/metadata/metadatatest"
	"samdok/sharing"
)

func sample(n int) (*metadata.Submission, []Attachment, map[metadata.ID]string) {
	g := metadatatest.New(7)
	p := g.Patient()
	var docs []metadatatest.Document
	var parts []Attachment
	bytes := map[metadata.ID]string{}
	for i := range n {
		d := g.Document(p, metadatatest.Kinds()[i%len(metadatatest.Kinds())])
		docs = append(docs, d)
		parts = append(parts, BytesAttachment(d.Entry.ID, d.Entry.MimeType, d.Bytes))
		bytes[d.Entry.ID] = string(d.Bytes)
	}
	return g.Submission(p, docs...), parts, bytes
}

func TestProvideRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, 12} {
		var k collect
		s := serve(t, &service{provide: k.provide}, DoorOptions{})
		sub, parts, want := sample(n)
		r, err := s.c.Provide(context.Background(), sub, parts)
		if err != nil || r.Status != ebrim.Success || len(r.Problems) != 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		if diff := cmp.Diff(want, k.docs); diff != "" || len(k.probs) != 0 {
			t.Errorf("documents differ: %s; problems %v", diff, k.probs)
		}
		if len(k.sub.Entries) != n || k.sub.Set.UniqueID != sub.Set.UniqueID {
			t.Errorf("%d entries arrived of %d", len(k.sub.Entries), n)
		}
		if k.c.Door != "soap" || !k.c.Loopback || k.c.Remote != "127.0.0.1" || !strings.HasPrefix(k.c.MessageID, "urn:uuid:") {
			t.Errorf("caller %+v", k.c)
		}
	}
}

func TestRegisterRoundTrip(t *testing.T) {
	var got sharing.Register
	warnings := []fault.Problem{{Code: fault.ExtraMetadataNotSaved, Severity: fault.SeverityWarning, Context: "slot <x>"}}
	s := serve(t, &service{register: func(_ context.Context, _ access.Caller, r sharing.Register) (sharing.Receipt, error) {
		got = r
		return sharing.Receipt{Warnings: warnings}, nil
	}}, DoorOptions{})
	sub, _, _ := sample(3)
	r, err := s.c.Register(context.Background(), sub)
	if err != nil || r.Status != ebrim.Success || cmp.Diff(r.Problems, warnings) != "" {
		t.Fatalf("%+v, %v", r, err)
	}
	if len(got.Problems) != 0 || cmp.Diff(sub.Entries[1].Title, got.Submission.Entries[1].Title) != "" {
		t.Errorf("%+v", got)
	}
}

func findAll(objects []metadata.Object, found sharing.Found, err error) *service {
	return &service{find: func(_ context.Context, _ access.Caller, _ metadata.StoredQuery, show func(metadata.Object) error) (sharing.Found, error) {
		for _, o := range objects {
			if err := show(o); err != nil {
				return sharing.Found{}, err
			}
		}
		found.Shown = len(objects)
		return found, err
	}}
}

func entries(n int) []metadata.Object {
	g := metadatatest.New(9)
	p := g.Patient()
	var list []metadata.Object
	for _, e := range g.Metadata(p, n).Entries {
		e.Home = "urn:oid:1.2.3"
		e.Status = metadata.Approved
		list = append(list, e)
	}
	return list
}

func TestFindRoundTrip(t *testing.T) {
	q := metadata.StoredQuery{Query: &metadata.FindDocuments{Patient: "13879999999^^^&2.16.578.1.12.4.1.4.1&ISO", Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}}
	for _, n := range []int{0, 1, 10, 1500} { // 1,500 entries pass the spool's memory
		objects := entries(n)
		s := serve(t, findAll(objects, sharing.Found{}, nil), DoorOptions{TempDir: t.TempDir()})
		q.Return = metadata.LeafClass
		r, err := s.c.Find(context.Background(), q)
		if err != nil || r.Status != ebrim.Success || len(r.Objects) != n || len(r.Defects) != 0 {
			t.Fatalf("%d: %+v, %v", n, r, err)
		}
		for i := range objects {
			if objects[i].ObjectID() != r.Objects[i].ObjectID() {
				t.Fatalf("object %d is not in its place", i)
			}
		}
		q.Return = metadata.ObjectRef
		if r, err = s.c.Find(context.Background(), q); err != nil || len(r.Refs) != n {
			t.Fatalf("%d: %d references, %v", n, len(r.Refs), err)
		}
		if n > 0 && (r.Refs[0].ID != objects[0].ObjectID() || r.Refs[0].Home != "urn:oid:1.2.3") {
			t.Errorf("%+v", r.Refs[0])
		}
	}
}

// A community may answer references although entries were asked for: they are not lost.
func TestFindShowsReferences(t *testing.T) {
	ref := &metadata.ObjectReference{ID: metadata.ParseID(metadata.NewUUID().String()), Home: "urn:oid:1.2.3"}
	s := serve(t, findAll([]metadata.Object{ref}, sharing.Found{}, nil), DoorOptions{})
	r, err := s.c.Find(t.Context(), metadata.StoredQuery{Query: &metadata.FindDocuments{Patient: "1^^^&1.2&ISO", Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}})
	if err != nil || len(r.Refs) != 1 || r.Refs[0].ID != ref.ID || r.Refs[0].Home != ref.Home {
		t.Errorf("%+v, %v", r, err)
	}
}

// Nothing of what was shown leaves when the search fails, or when its problems
// make it a failure.
func TestFindHoldsBack(t *testing.T) {
	q := metadata.StoredQuery{Query: &metadata.GetAll{Patient: "1^^^&1.2&ISO", DocumentStatus: []metadata.Status{1}, SetStatus: []metadata.Status{1}, FolderStatus: []metadata.Status{1}}}
	failed := fault.New(fault.Invalid, "test", fault.TooManyResults, "too many")
	s := serve(t, findAll(entries(1500), sharing.Found{}, failed), DoorOptions{})
	r, err := s.c.Find(context.Background(), q)
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Problems[0].Code != fault.TooManyResults || len(r.Objects) != 0 {
		t.Fatalf("%v with %d objects", err, len(r.Objects))
	}
	partial := []fault.Problem{{Code: fault.UnavailableCommunity, Context: "gone", Location: "urn:oid:1"}}
	s = serve(t, findAll(entries(2), sharing.Found{Problems: partial}, nil), DoorOptions{})
	if r, err = s.c.Find(context.Background(), q); err != nil || r.Status != ebrim.PartialSuccess || len(r.Objects) != 2 || cmp.Diff(r.Problems, partial) != "" {
		t.Fatalf("%+v, %v", r, err)
	}
	s = serve(t, findAll(nil, sharing.Found{Problems: partial}, nil), DoorOptions{})
	if r, err = s.c.Find(context.Background(), q); !errors.As(err, &refused) || r.Status != ebrim.Failure {
		t.Fatalf("%+v, %v", r, err)
	}
}

// vault retrieves documents from memory.
type vault struct {
	docs   []sharing.Document
	probs  []fault.Problem
	closed chan error
	bodies int
}

type body0 struct {
	io.Reader
	v *vault
}

func (b body0) Close() error { b.v.bodies--; return nil }

func (v *vault) add(unique, mime string, size int64, r io.Reader) {
	v.bodies++
	v.docs = append(v.docs, sharing.Document{Request: metadata.DocumentRequest{RepositoryID: "1.2", UniqueID: unique}, MimeType: mime, Size: size, Body: body0{r, v}})
}

func (v *vault) service() *service {
	closed := make(chan error, 1) // of this service: an answer may be closed after the next one is made
	v.closed = closed
	return &service{retrieve: func(context.Context, access.Caller, []metadata.DocumentRequest) (*sharing.Retrieved, error) {
		r := &sharing.Retrieved{Documents: v.docs, Problems: v.probs}
		r.OnClose(func(err error) { closed <- err })
		return r, nil
	}}
}

var ask = []metadata.DocumentRequest{{RepositoryID: "1.2", UniqueID: "a&b"}, {Home: "urn:oid:9", RepositoryID: "1.2", UniqueID: "^2"}}

func TestRetrieveRoundTrip(t *testing.T) {
	for _, plain := range []bool{false, true} {
		var v vault
		big := strings.Repeat("0123456789\r\n--samdok", 100_000)
		v.add("a&b", "text/plain", 5, strings.NewReader("first"))
		v.add("empty", "", 0, strings.NewReader(""))
		v.add("big", "application/pdf", int64(len(big)), strings.NewReader(big))
		v.docs[0].Request.Home = "urn:oid:9"
		v.docs[2].NewID = metadata.DocumentRequest{RepositoryID: "1.3", UniqueID: "new"}
		v.probs = []fault.Problem{{Code: fault.DocumentUniqueIDError, Context: "unknown", Location: "^2"}}
		s := serve(t, v.service(), DoorOptions{})
		if plain {
			s.c.o.HTTP = unpacked(s.c.o.HTTP)
		}
		var got []string
		r, err := s.c.Retrieve(context.Background(), ask, func(d Document) error {
			b, err := io.ReadAll(d.Body)
			got = append(got, fmt.Sprintf("%v %v %s %d", d.Request, d.NewID, d.MimeType, len(b)))
			if len(b) > 5 && string(b) != big {
				return errors.New("other bytes")
			}
			return err
		})
		want := []string{"{urn:oid:9 1.2 a&b} {  } text/plain 5", "{ 1.2 empty} {  }  0", fmt.Sprintf("{ 1.2 big} { 1.3 new} application/pdf %d", len(big))}
		if err != nil || r.Status != ebrim.PartialSuccess || cmp.Diff(got, want) != "" || cmp.Diff(r.Problems, v.probs) != "" {
			t.Fatalf("plain %v: %+v, %v, %q", plain, r, err, got)
		}
		if err := <-v.closed; err != nil || v.bodies != 0 {
			t.Errorf("closed with %v, %d bodies open", err, v.bodies)
		}
	}
}

func TestRetrieveNothing(t *testing.T) {
	v := vault{probs: []fault.Problem{{Code: fault.RegistryError, Context: "x"}}}
	s := serve(t, v.service(), DoorOptions{})
	r, err := s.c.Retrieve(context.Background(), ask, nil)
	var refused *RefusedError
	if !errors.As(err, &refused) || r.Status != ebrim.Failure || refused.Problems[0].Code != fault.RepositoryError {
		t.Fatalf("%+v, %v", r, err)
	}
	s = serve(t, v.service(), DoorOptions{Limits: Limits{Retrieve: 1}})
	if _, err = s.c.Retrieve(context.Background(), ask, nil); !errors.As(err, &refused) || refused.Problems[0].Code != fault.TooManyResults || !strings.Contains(refused.Problems[0].Context, "limits.retrieve-documents") {
		t.Fatal(err)
	}
}

// A document that fails in the middle never looks whole.
func TestRetrieveAborts(t *testing.T) {
	broken := errors.New("disk gone")
	for _, plain := range []bool{false, true} {
		for name, body := range map[string]io.Reader{
			"broken":         io.MultiReader(strings.NewReader(strings.Repeat("x", 300_000)), errReader{broken}),
			"broken at once": errReader{broken},
			"short":          strings.NewReader(strings.Repeat("x", 499_999)),
			"long":           strings.NewReader(strings.Repeat("x", 500_001)),
		} {
			var v vault
			v.add("a", "text/plain", 500_000, body)
			v.add("b", "text/plain", 1, strings.NewReader("x"))
			s := serve(t, v.service(), DoorOptions{})
			if plain {
				s.c.o.HTTP = unpacked(s.c.o.HTTP)
			}
			_, err := s.c.Retrieve(context.Background(), ask, func(d Document) error {
				_, err := io.Copy(io.Discard, d.Body)
				return err
			})
			if err == nil {
				t.Errorf("%s (plain %v): the client saw nothing of it", name, plain)
			}
			if err := <-v.closed; err == nil || v.bodies != 0 {
				t.Errorf("%s: closed with %v, %d bodies open", name, err, v.bodies)
			}
		}
	}
}

type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }

func TestProvideChecksSizes(t *testing.T) {
	sub, parts, _ := sample(1)
	for _, wrong := range []int64{-1, 1} {
		var k collect // one each: an abandoned request may still be in the service when the next arrives
		s := serve(t, &service{provide: k.provide}, DoorOptions{})
		lie := parts[0]
		lie.Size += wrong
		if _, err := s.c.Provide(context.Background(), sub, []Attachment{lie}); err == nil {
			t.Errorf("a size that is wrong by %d was sent", wrong)
		}
	}
}
