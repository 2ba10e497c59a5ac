package xds

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/ebrim"
	"samdok/sharing"
	"samdok/soap"
	"samdok/soap/mtom"
)

// envelope is a request with a body.
func envelope(action, body string) string {
	b := soap.AppendOpen(nil, soap.Header{Action: action, MessageID: "urn:uuid:00000000-0000-4000-8000-000000000001", ReplyTo: soap.Anonymous})
	return string(soap.AppendClose(append(b, body...)))
}

const noQuery = `<query:AdhocQueryRequest xmlns:query="urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"/>`

// pnr is an ITI-41 body with entries and Document elements.
func pnr(s *metadata.Submission, documents string) string {
	return `<x:ProvideAndRegisterDocumentSetRequest xmlns:x="urn:ihe:iti:xds-b:2007" xmlns:i="http://www.w3.org/2004/08/xop/include">` +
		string(ebrim.AppendSubmission(nil, s)) + documents + `</x:ProvideAndRegisterDocumentSetRequest>`
}

func include(id, cid string) string {
	return `<x:Document id="` + id + `"> <i:Include href="` + cid + `"/> </x:Document>`
}

func pack(root string, parts ...string) (string, string) {
	var b strings.Builder
	b.WriteString("--b\r\nContent-ID: <root>\r\nContent-Type: application/xop+xml; charset=UTF-8; type=\"application/soap+xml\"\r\n\r\n" + root)
	for _, p := range parts {
		b.WriteString("\r\n--b\r\n" + p)
	}
	b.WriteString("\r\n--b--\r\n")
	return `multipart/related; boundary=b; type="application/xop+xml"`, b.String()
}

func TestBadHTTP(t *testing.T) {
	s := serve(t, &service{}, DoorOptions{Limits: Limits{Message: mtom.Limits{RootBytes: 100_000, TotalBytes: 1 << 20}}})
	good := envelope(actionQuery, noQuery)
	for name, c := range map[string]struct {
		contentType, body string
		status            int
		want              string
	}{
		"html":              {"text/html", good, 415, "Content-Type text/html"},
		"none":              {"", good, 415, "(none)"},
		"latin-1":           {"application/soap+xml; charset=iso-8859-1", good, 415, "iso-8859-1"},
		"SOAP 1.1":          {"text/xml", good, 500, "s11:VersionMismatch"},
		"SOAP 1.1 envelope": {"application/soap+xml", `<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"/>`, 500, "s11:VersionMismatch"},
		"no boundary":       {"multipart/related", good, 400, "boundary"},
		"not multipart":     {"multipart/related; boundary=b", good, 400, "closing boundary"},
		"empty":             {"application/soap+xml", "", 400, "not well-formed"},
		"unclosed":          {"application/soap+xml", good[:len(good)-10], 400, "not well-formed"},
		"trailing":          {"application/soap+xml", good + "<x/>", 400, "not well-formed"},
		"too long":          {"application/soap+xml", strings.Replace(good, "<?xml", strings.Repeat(" ", 200_000)+"<?xml", 1), 413, "limits.root-bytes"},
		"deep":              {"application/soap+xml", envelope(actionQuery, strings.Replace(noQuery, "/>", ">"+strings.Repeat("<a>", 10_000), 1)), 413, "limits.depth"},
		"entity bomb":       {"application/soap+xml", `<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;">]>` + good, 400, "not well-formed"},
		"no query":          {"application/soap+xml", good, 200, "XDSRegistry"},
		"other body":        {"application/soap+xml", envelope(actionQuery, `<x/>`), 400, "AdhocQueryRequest"},
		"other action":      {"application/soap+xml", envelope("urn:x", noQuery), 400, "ActionNotSupported"},
		"other actor":       {"application/soap+xml", envelope(actionProvide, noQuery), 400, "ActionNotSupported"},
		"asynchronous":      {"application/soap+xml", strings.Replace(good, soap.Anonymous, "http://me.example/", 1), 400, "not switched on"},
		"no message id":     {"application/soap+xml", strings.Replace(good, "MessageID", "Message", 2), 400, "MessageAddressingHeaderRequired"},
		"not understood":    {"application/soap+xml", strings.Replace(good, "</env:Header>", `<z xmlns="urn:z" env:mustUnderstand="1"/></env:Header>`, 1), 500, `qname="x:z" xmlns:x="urn:z"`},
	} {
		status, ct, body := s.post(t, "/registry", c.contentType, c.body)
		if status != c.status || !strings.Contains(body, c.want) || !strings.Contains(ct, "xml; charset=UTF-8") {
			t.Errorf("%s: %d %s %s", name, status, ct, body)
		}
	}
	req, err := http.NewRequest(http.MethodPost, s.URL+"/registry", strings.NewReader(good))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", soap.ContentType)
	req.Header.Set("Content-Encoding", "gzip")
	resp, err := s.Client().Do(req)
	if err != nil || resp.StatusCode != 415 {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	if resp, err = s.Client().Get(s.URL + "/registry"); err != nil || resp.StatusCode != 405 || resp.Header.Get("Allow") != "POST" {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
}

func TestBadDocuments(t *testing.T) {
	sub, _, _ := sample(1)
	id := string(sub.Entries[0].ID)
	none, _, _ := sample(0)
	part := "Content-ID: <d1>\r\n\r\nhello"
	for name, c := range map[string]struct {
		s     *metadata.Submission
		docs  string
		parts []string
		want  string // an error code, or the text of a fault
	}{
		"good":                    {sub, include(id, "cid:d1"), []string{part}, "Success"},
		"escaped twice":           {sub, include(id, "cid:d%40x"), []string{"Content-ID: <d%40x>\r\n\r\nhello"}, "Success"},
		"bare id":                 {sub, include(id, "cid:d1"), []string{"Content-ID: d1\r\n\r\nhello"}, "Success"},
		"cid without part":        {sub, include(id, "cid:d2"), nil, "XDSMissingDocument\""},
		"part without cid":        {sub, include(id, "cid:d1"), []string{part, "Content-ID: <d2>\r\n\r\n"}, "XDSMissingDocumentMetadata"},
		"part without id":         {sub, include(id, "cid:d1"), []string{part, "\r\n"}, "XDSMissingDocumentMetadata"},
		"entry without document":  {sub, "", nil, "XDSMissingDocument\""},
		"document without entry":  {none, include(id, "cid:d1"), []string{part}, "XDSMissingDocumentMetadata"},
		"same document twice":     {sub, include(id, "cid:d1") + include(id, "cid:d2"), []string{part}, "XDSRepositoryMetadataError"},
		"same attachment twice":   {sub, include(id, "cid:d1") + include("other", "cid:d1"), []string{part}, "XDSRepositoryMetadataError"},
		"not a cid":               {sub, include(id, "http://example.org/"), nil, "XDSRepositoryMetadataError"},
		"content and reference":   {sub, `<x:Document id="` + id + `">aGVsbG8=<i:Include href="cid:d1"/></x:Document>`, []string{part}, "XDSRepositoryMetadataError"},
		"same Content-ID":         {sub, include(id, "cid:d1"), []string{part, part}, "two parts have the Content-ID"},
		"bad base64 inline":       {sub, `<x:Document id="` + id + `">aGVsbG8</x:Document>`, nil, "not valid base64"},
		"element inside":          {sub, `<x:Document id="` + id + `"><y/></x:Document>`, nil, "must be base64"},
		"too large":               {sub, include(id, "cid:d1"), []string{"Content-ID: <d1>\r\n\r\n" + strings.Repeat("x", 2000)}, "limits.document-bytes"},
		"too large inline":        {sub, `<x:Document id="` + id + `">` + strings.Repeat("AAAA", 1000) + `</x:Document>`, nil, "limits.document-bytes"},
		"too many inside":         {none, strings.Repeat(`<x:Document/>`, 501), nil, "limits.documents"},
		"bad encoding":            {sub, include(id, "cid:d1"), []string{"Content-ID: <d1>\r\nContent-Transfer-Encoding: base64\r\n\r\n*"}, "Content-Transfer-Encoding"},
		"two requests":            {sub, string(ebrim.AppendSubmission(nil, none)), nil, "two SubmitObjectsRequest"},
		"hostile id":              {sub, include("&lt;script&gt;&quot;", "cid:d1"), []string{part}, "&lt;script&gt;"},
		"package ends too early":  {sub, include(id, "cid:d1"), []string{"Content-ID: <d1>\r\n\r\nhello\r\n--b--\r\n"}, "Success"}, // the rest is an epilogue
		"inline in a package":     {sub, `<x:Document id="` + id + `"> aGVs <!-- c --><![CDATA[bG8=]]></x:Document>`, nil, "Success"},
		"empty inline in package": {sub, `<x:Document id="` + id + `"/>`, nil, "Success"},
	} {
		var k collect
		s := serve(t, &service{provide: func(ctx context.Context, c access.Caller, p sharing.Provide) (sharing.Receipt, error) {
			if fault.HasErrors(p.Problems) {
				return sharing.Receipt{}, fault.Of("test", p.Problems)
			}
			return k.provide(ctx, c, p)
		}}, DoorOptions{Limits: Limits{Message: mtom.Limits{PartBytes: 1000}}})
		ct, body := pack(envelope(actionProvide, pnr(c.s, c.docs)), c.parts...)
		status, _, answer := s.post(t, "/repository", ct, body)
		if !strings.Contains(answer, c.want) || (status == 200) != strings.Contains(answer, "RegistryResponse") {
			t.Errorf("%s: %d %s", name, status, answer)
		}
		if c.want == "Success" && k.docs[sub.Entries[0].ID] != map[bool]string{true: "", false: "hello"}[strings.HasPrefix(name, "empty")] {
			t.Errorf("%s: got %q", name, k.docs)
		}
		if c.want == "Success" {
			cut := body[:strings.Index(body, "--b--")]
			if status, _, answer := s.post(t, "/repository", ct, cut); status != 400 || !strings.Contains(answer, "closing boundary") {
				t.Errorf("%s cut: %d %s", name, status, answer)
			}
		}
	}
}

// Documents inside the envelope work at any size, packed or not, and stay out of
// memory: the envelope's limit is far below them.
func TestInlineDocuments(t *testing.T) {
	sub, _, _ := sample(2)
	content := strings.Repeat("0123456789abcdef", 400_000)
	encoded := base64.StdEncoding.EncodeToString([]byte(content))
	var folded strings.Builder
	for i := 0; i < len(encoded); i += 76 {
		folded.WriteString(encoded[i:min(i+76, len(encoded))] + "\r\n")
	}
	root := envelope(actionProvide, pnr(sub,
		`<x:Document id="`+string(sub.Entries[0].ID)+`">`+folded.String()+`</x:Document><x:Document id="`+string(sub.Entries[1].ID)+`">c21hbGw=</x:Document>`))
	var k collect
	s := serve(t, &service{provide: k.provide}, DoorOptions{TempDir: t.TempDir(), Limits: Limits{Message: mtom.Limits{RootBytes: 200_000}}})
	ct, packed := pack(root)
	for _, c := range [][2]string{{soap.ContentType, root}, {ct, packed}} {
		status, answerType, answer := s.post(t, "/repository", c[0], c[1])
		if status != 200 || !strings.Contains(answer, "Success") || strings.HasPrefix(answerType, "multipart") != strings.HasPrefix(c[0], "multipart") {
			t.Fatalf("%d %s %s", status, answerType, answer)
		}
		if k.docs[sub.Entries[0].ID] != content || k.docs[sub.Entries[1].ID] != "small" {
			t.Errorf("%d and %d bytes arrived", len(k.docs[sub.Entries[0].ID]), len(k.docs[sub.Entries[1].ID]))
		}
	}
	long := strings.Replace(root, "<x:Document", "<!--"+strings.Repeat("x", 300_000)+"--><x:Document", 1)
	if status, _, answer := s.post(t, "/repository", soap.ContentType, long); status != 413 || !strings.Contains(answer, "limits.root-bytes") {
		t.Errorf("%d %s", status, answer)
	}
}

// The root part may stand last; what came before it waits encrypted on disk.
func TestRootLast(t *testing.T) {
	sub, _, _ := sample(1)
	content := strings.Repeat("x", 3<<20)
	root := envelope(actionProvide, pnr(sub, include(string(sub.Entries[0].ID), "cid:d1")))
	body := "--b\r\nContent-ID: <d1>\r\n\r\n" + content + "\r\n--b\r\nContent-ID: <root>\r\n\r\n" + root + "\r\n--b--"
	var k collect
	s := serve(t, &service{provide: k.provide}, DoorOptions{TempDir: t.TempDir()})
	status, _, answer := s.post(t, "/repository", `multipart/related; boundary=b; start="<root>"`, body)
	if status != 200 || k.docs[sub.Entries[0].ID] != content {
		t.Errorf("%d %s", status, answer)
	}
}

func TestKinds(t *testing.T) {
	secret := errors.New("pq: password of 13879999999 wrong")
	for kind, want := range map[fault.Kind][2]string{
		fault.Internal:    {"XDSRegistryError", "XDSRepositoryError"},
		fault.Invalid:     {"XDSRegistryMetadataError", "XDSRepositoryMetadataError"},
		fault.NotFound:    {"XDSRegistryError", "XDSRepositoryError"},
		fault.Denied:      {"XDSRegistryError", "XDSRepositoryError"},
		fault.Conflict:    {"XDSRegistryBusy", "XDSRepositoryBusy"},
		fault.Busy:        {"XDSRegistryBusy", "XDSRepositoryBusy"},
		fault.Unavailable: {"XDSRegistryBusy", "XDSRepositoryBusy"},
		fault.TooLarge:    {"XDSRegistryOutOfResources", "XDSRepositoryOutOfResources"},
		fault.Canceled:    {"XDSRegistryBusy", "XDSRepositoryBusy"},
	} {
		failure := &fault.Error{Op: "engine.Append", Kind: kind, Err: secret}
		s := serve(t, &service{
			register: func(context.Context, access.Caller, sharing.Register) (sharing.Receipt, error) {
				return sharing.Receipt{}, fmt.Errorf("wrapped: %w", failure)
			},
			provide: func(context.Context, access.Caller, sharing.Provide) (sharing.Receipt, error) {
				return sharing.Receipt{}, failure
			},
		}, DoorOptions{})
		sub, parts, _ := sample(1)
		_, err1 := s.c.Register(context.Background(), sub)
		_, err2 := s.c.Provide(context.Background(), sub, parts)
		for i, err := range []error{err1, err2} {
			var refused *RefusedError
			if !errors.As(err, &refused) || string(refused.Problems[0].Code) != want[i] {
				t.Errorf("kind %d: %v, want %s", kind, err, want[i])
				continue
			}
			text := refused.Problems[0].Context
			j := strings.Index(text, "reference ")
			if strings.Contains(text, "password") || j < 0 {
				t.Errorf("kind %d: %q", kind, text)
				continue
			}
			if id := text[j+10 : j+20]; !strings.Contains(s.log.String(), "reference="+id) || !strings.Contains(s.log.String(), "password") {
				t.Errorf("kind %d: reference %s is not in the log", kind, id)
			}
		}
	}
}

func TestPanic(t *testing.T) {
	s := serve(t, &service{register: func(context.Context, access.Caller, sharing.Register) (sharing.Receipt, error) {
		panic("patient 13879999999")
	}}, DoorOptions{})
	sub, _, _ := sample(1)
	_, err := s.c.Register(context.Background(), sub)
	var f *FaultError
	if !errors.As(err, &f) || f.Status != 500 || f.Code != "Receiver" || strings.Contains(f.Reason, "1387") || strings.Contains(s.log.String(), "1387") {
		t.Fatalf("%v\n%s", err, s.log)
	}
	if id := f.Reason[strings.Index(f.Reason, "reference ")+10:][:10]; !strings.Contains(s.log.String(), id) {
		t.Errorf("reference %s is not in the log", id)
	}
}

func TestEnvelopeMemory(t *testing.T) {
	s := serve(t, &service{register: func(context.Context, access.Caller, sharing.Register) (sharing.Receipt, error) {
		return sharing.Receipt{}, nil
	}}, DoorOptions{Limits: Limits{EnvelopeMemory: 300_000}})
	small, _, _ := sample(1)
	large, _, _ := sample(100)
	for range 5 { // what is taken is given back
		if _, err := s.c.Register(context.Background(), small); err != nil {
			t.Fatal(err)
		}
		var f *FaultError
		if _, err := s.c.Register(context.Background(), large); !errors.As(err, &f) || f.Status != 503 {
			t.Fatal(err)
		}
	}
}

// FuzzDoors sends anything to both doors.
func FuzzDoors(f *testing.F) {
	for _, name := range []string{"01-xds-iti41.req", "02-xds-iti42.req", "03-xds-iti18.req", "09-xds-iti43.req"} {
		c := loadCapture(f, name)
		f.Add(c.header.Get("Content-Type"), c.body)
	}
	var k collect
	svc := &service{
		provide: k.provide,
		register: func(context.Context, access.Caller, sharing.Register) (sharing.Receipt, error) {
			return sharing.Receipt{}, nil
		},
		find: findAll(nil, sharing.Found{}, nil).find,
		retrieve: func(context.Context, access.Caller, []metadata.DocumentRequest) (*sharing.Retrieved, error) {
			return &sharing.Retrieved{}, nil
		},
	}
	o := DoorOptions{Log: discard(), Limits: Limits{Message: mtom.Limits{RootBytes: 1 << 20, PartBytes: 1 << 20}}}
	doors := []http.Handler{RegistryHandler(svc, o), RepositoryHandler(svc, o)}
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		for _, d := range doors {
			checkDoor(t, d, contentType, strings.NewReader(string(body)))
		}
	})
}

// FuzzRemoveDocuments: whatever names documents to be removed, only whole names
// reach the use case.
func FuzzRemoveDocuments(f *testing.F) {
	seed := func(body string) {
		f.Add(soap.AppendClose(append(soap.AppendOpen(nil, soap.Header{Action: actionRemoveDocuments, MessageID: "urn:uuid:6d296e90-e5dc-43d0-b455-7c1f3eb35d83", ReplyTo: soap.Anonymous}), body...)))
	}
	const open = `<r:RemoveDocumentsRequest xmlns:r="urn:ihe:iti:rmd:2017" xmlns:x="urn:ihe:iti:xds-b:2007">`
	seed(open + `<x:DocumentRequest><x:HomeCommunityId>urn:oid:1.2</x:HomeCommunityId><x:RepositoryUniqueId>1.2.3</x:RepositoryUniqueId><x:DocumentUniqueId>5^6</x:DocumentUniqueId></x:DocumentRequest></r:RemoveDocumentsRequest>`)
	seed(open + strings.Repeat(`<x:DocumentRequest><x:RepositoryUniqueId>1</x:RepositoryUniqueId><x:DocumentUniqueId>2</x:DocumentUniqueId></x:DocumentRequest>`, 9) + `</r:RemoveDocumentsRequest>`)
	seed(open + `<x:DocumentRequest><x:RepositoryUniqueId/></x:DocumentRequest></r:RemoveDocumentsRequest>`)
	seed(open + `</r:RemoveDocumentsRequest>`)
	called := false
	d := RepositoryHandler(&service{removeDs: func(_ context.Context, _ access.Caller, list []metadata.DocumentRequest) (sharing.Removed, error) {
		called = true
		if len(list) == 0 {
			f.Error("nothing is to be removed")
		}
		for _, r := range list {
			if r.UniqueID == "" || r.RepositoryID == "" {
				f.Errorf("a document without a whole name: %+v", r)
			}
		}
		return sharing.Removed{Documents: len(list)}, nil
	}}, DoorOptions{Log: discard(), Limits: Limits{Message: mtom.Limits{RootBytes: 1 << 20}}})
	f.Fuzz(func(t *testing.T, body []byte) {
		called = false
		checkDoor(t, d, "application/soap+xml; charset=UTF-8", strings.NewReader(string(body)))
		if called && !strings.Contains(string(body), "RemoveDocumentsRequest") {
			t.Error("documents are removed that nobody named")
		}
	})
}

func checkDoor(t *testing.T, d http.Handler, contentType string, body io.Reader) {
	t.Helper()
	w, r := recorded(contentType, body)
	d.ServeHTTP(w, r)
	if w.Code != 200 && w.Code != 400 && w.Code != 413 && w.Code != 415 && w.Code != 500 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	if ct := w.Header().Get("Content-Type"); !strings.Contains(ct, "xml") {
		t.Fatalf("Content-Type %q", ct)
	}
}
