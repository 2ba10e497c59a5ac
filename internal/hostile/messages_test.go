package hostile

import (
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"samdok/metadata"
)

// attack is one wrong message.
type attack struct {
	name        string
	at          func(*world) string // address; nil: the repository
	contentType string              // "": packed
	header      []string
	body        func(s *metadata.Submission, docs [][]byte) io.Reader
	docs        int    // of the submission; 0 means 1
	status      int    // 0: any below 600
	want        string // in the answer
	peak        int64  // how much memory may grow, octets; 0: 160 MiB
	within      time.Duration
	answered    bool // success is fine
}

func text(f func(s *metadata.Submission, docs [][]byte) string) func(*metadata.Submission, [][]byte) io.Reader {
	return func(s *metadata.Submission, docs [][]byte) io.Reader { return strings.NewReader(f(s, docs)) }
}

// inRoot makes a package whose root holds something else than it should.
func inRoot(change func(root string) string) func(*metadata.Submission, [][]byte) io.Reader {
	return text(func(s *metadata.Submission, docs [][]byte) string {
		return pack(change(envelope(actionProvide, pnr(s, includes(s)))), parts(docs)...)
	})
}

// swap replaces the first occurrence, which must be there.
func swap(old, new string) func(string) string {
	return func(s string) string {
		if !strings.Contains(s, old) {
			panic("nothing to replace: " + old)
		}
		return strings.Replace(s, old, new, 1)
	}
}

// pieces streams a prefix, one text many times, and a suffix, without holding it.
func pieces(prefix, piece string, n int, suffix string) io.Reader {
	chunk := strings.Repeat(piece, 1+(64<<10)/len(piece))
	per := len(chunk) / len(piece)
	rs := []io.Reader{strings.NewReader(prefix)}
	for ; n >= per; n -= per {
		rs = append(rs, strings.NewReader(chunk))
	}
	return io.MultiReader(append(rs, strings.NewReader(strings.Repeat(piece, n)), strings.NewReader(suffix))...)
}

func registryOf(w *world) string { return w.Registry }

const plain = "application/soap+xml; charset=UTF-8"

var brokenXML = []attack{
	{name: "unclosed", body: inRoot(func(s string) string { return s[:len(s)-30] }), status: 400, want: "not well-formed"},
	{name: "10,000 deep", body: inRoot(swap("<x:Document ", strings.Repeat("<a>", 10_000)+"<x:Document ")), status: 413, want: "limits.depth"},
	{name: "entity bomb", body: inRoot(swap(`<env:Envelope`, `<!DOCTYPE a [<!ENTITY a "`+strings.Repeat("a", 1000)+`"><!ENTITY b "`+strings.Repeat("&a;", 1000)+`">]><env:Envelope`)), status: 400, want: "document type"},
	{name: "external entity", body: inRoot(swap(`<env:Envelope`, `<!DOCTYPE a SYSTEM "file:///etc/passwd"><env:Envelope`)), status: 400, want: "document type"},
	{name: "unknown entity", body: inRoot(swap(`<x:Document id="`, `<x:Document id="&a;`)), status: 400, want: "not well-formed"},
	{name: "invalid UTF-8", body: inRoot(swap(`<x:Document id="`, "<x:Document id=\"\xff\xfe")), status: 400, want: "UTF-8"},
	{name: "NUL", body: inRoot(swap(`<x:Document id="`, "<x:Document id=\"\x00")), status: 400, want: "not allow"},
	{name: "NUL by reference", body: inRoot(swap(`<x:Document id="`, `<x:Document id="&#0;`)), status: 400, want: "not well-formed"},
	{name: "lone surrogate by reference", body: inRoot(swap(`<x:Document id="`, `<x:Document id="&#xD800;`)), status: 400, want: "not well-formed"},
	{name: "huge reference", body: inRoot(swap(`<x:Document id="`, `<x:Document id="&#99999999999999999999;`)), status: 400, want: "not well-formed"},
	{name: "UTF-16", body: inRoot(func(s string) string { return "\xff\xfe" + s }), status: 400},
	{name: "other encoding", body: inRoot(swap(`encoding="UTF-8"`, `encoding="UTF-7"`)), status: 400, want: "UTF-8"},
	{name: "processing instruction", body: inRoot(swap(`<env:Envelope`, `<?x y?><env:Envelope`)), status: 400},
	{name: "10,000 attributes", body: inRoot(swap(`<x:Document `, `<x:Document `+many(10_000, func(i int) string { return "a" + strconv.Itoa(i) + `="" ` }))), status: 413, want: "limits.attributes"},
	{name: "same attribute twice", body: inRoot(swap(`<x:Document `, `<x:Document a="" a="" `)), status: 400},
	{name: "10,000 namespaces", body: inRoot(swap(`<x:Document `, many(10_000, func(i int) string { return "<n" + strconv.Itoa(i) + ` xmlns="urn:` + strconv.Itoa(i) + `"/>` })+`<x:Document `)), status: 413, want: "namespaces"},
	{name: "long attribute", body: inRoot(swap(`<x:Document id="`, `<x:Document id="`+strings.Repeat("n", 2<<20))), status: 413, want: "limits.value-bytes"},
	{name: "long text", body: inRoot(swap(`<x:Document `, `<y>`+strings.Repeat("n", 2<<20)+`</y><x:Document `)), status: 413, want: "limits.value-bytes"},
	{name: "long comment", body: inRoot(swap(`<x:Document `, `<!--`+strings.Repeat("n", 20<<20)+`--><x:Document `)), status: 413, want: "limits.root-bytes"},
	{name: "long preamble", body: inRoot(func(s string) string { return strings.Repeat(" ", 20<<20) + s }), status: 413, want: "limits."},
	{name: "long CDATA in a document", body: inRoot(swap(`<i:Include`, `<![CDATA[`+strings.Repeat("n", 20<<20)+`]]><i:Include`)), status: 413, want: "limits.value-bytes"},
}

// split marks where something is to be put.
const split = "\x01"

func many(n int, f func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(f(i))
	}
	return b.String()
}

// objects makes an ITI-42 whose list holds one text n times.
func objects(prefix, piece string, n int, suffix string) func(*metadata.Submission, [][]byte) io.Reader {
	return func(*metadata.Submission, [][]byte) io.Reader {
		before, after, _ := strings.Cut(envelope(actionRegister, `<l:SubmitObjectsRequest xmlns:l="`+lcm+`" `+rim+`><RegistryObjectList>`+prefix+split+suffix+`</RegistryObjectList></l:SubmitObjectsRequest>`), split)
		return pieces(before, piece, n, after)
	}
}

const (
	slot  = `<Slot name="a"><ValueList><Value>b</Value></ValueList></Slot>`
	entry = `<ExtrinsicObject id="e" mimeType="a/b" objectType="urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1">`
)

var floods = []attack{
	{name: "a million slots", at: registryOf, contentType: plain, body: objects(entry, `<Slot name="a"/>`, 1_000_000, `</ExtrinsicObject>`), want: "limits.slots"},
	{name: "a million slots, lean", at: registryOf, contentType: plain, body: objects("", entry+strings.Repeat(`<Slot name="a"/>`, 9000)+`</ExtrinsicObject>`, 110, "")},
	{name: "a million values", at: registryOf, contentType: plain, body: objects(entry+`<Slot name="a"><ValueList>`, `<Value/>`, 1_000_000, `</ValueList></Slot></ExtrinsicObject>`), want: "limits.values"},
	{name: "a million objects", at: registryOf, contentType: plain, body: objects("", `<Association/>`, 1_000_000, ""), want: "limits.objects"},
	{name: "a million packages", at: registryOf, contentType: plain, body: objects("", `<RegistryPackage/>`, 850_000, ""), want: "limits.objects"},
	{name: "20,000 packages", at: registryOf, contentType: plain, body: objects("", `<RegistryPackage id="x"/>`, 19_999, "")},
	{name: "20,000 entries", at: registryOf, contentType: plain, body: objects("", `<ExtrinsicObject/>`, 19_999, "")},
	{name: "20,000 associations", at: registryOf, contentType: plain, body: objects("", `<Association sourceObject="urn:uuid:00000000-0000-4000-8000-000000000001" targetObject="urn:uuid:00000000-0000-4000-8000-000000000002" id="a" associationType="urn:x"/>`, 19_999, "")},
	{name: "a million classifications", at: registryOf, contentType: plain, body: objects(entry, `<Classification/>`, 900_000, `</ExtrinsicObject>`), want: "limit"},
	{name: "a million identifiers", at: registryOf, contentType: plain, body: objects(entry, `<ExternalIdentifier/>`, 800_000, `</ExtrinsicObject>`), want: "limit"},
	{name: "a million strings", at: registryOf, contentType: plain, body: objects(entry+`<Name>`, `<LocalizedString value="a"/>`, 600_000, `</Name></ExtrinsicObject>`)},
	{name: "a million foreign elements", at: registryOf, contentType: plain, body: objects(entry, `<x/>`, 1_900_000, `</ExtrinsicObject>`)},
	{name: "40 MiB of blanks", at: registryOf, contentType: plain, body: objects("", strings.Repeat(" ", 1<<10), 40<<10, ""), want: "limits.root-bytes"},
	{name: "a million documents inside", contentType: plain, body: func(s *metadata.Submission, _ [][]byte) io.Reader {
		before, after, _ := strings.Cut(envelope(actionProvide, pnr(s, split)), split)
		return pieces(before, `<x:Document/>`, 1_200_000, after)
	}, want: "limits.documents"},
	{name: "many documents of 1 MiB inside", contentType: plain, body: func(s *metadata.Submission, _ [][]byte) io.Reader {
		before, after, _ := strings.Cut(envelope(actionProvide, pnr(s, split)), split)
		return pieces(before, `<x:Document id="a">`+strings.Repeat("AAAA", 250_000)+`</x:Document>`, 400, after)
	}, within: 30 * time.Second}, // 300 MB are written to the disk
	{name: "many parts of 1 MiB before the root", body: func(s *metadata.Submission, docs [][]byte) io.Reader {
		return pieces("", "--b\r\n\r\n"+strings.Repeat("x", 1000_000)+"\r\n", 400, whole(s, docs))
	}},
	{name: "a million requests to retrieve", contentType: plain, body: func(*metadata.Submission, [][]byte) io.Reader {
		before, after, _ := strings.Cut(envelope(actionRetrieve, `<x:RetrieveDocumentSetRequest xmlns:x="urn:ihe:iti:xds-b:2007" xmlns="urn:ihe:iti:xds-b:2007">`+split+`</x:RetrieveDocumentSetRequest>`), split)
		return pieces(before, `<DocumentRequest><RepositoryUniqueId>1</RepositoryUniqueId><DocumentUniqueId>2</DocumentUniqueId></DocumentRequest>`, 140_000, after)
	}, want: "limits.retrieve-documents"},
	{name: "a million headers", at: registryOf, contentType: plain, body: func(*metadata.Submission, [][]byte) io.Reader {
		before, after, _ := strings.Cut(strings.Replace(envelope(actionQuery, "<a/>"), "</env:Header>", split+"</env:Header>", 1), split)
		return pieces(before, `<a xmlns="urn:a" env:mustUnderstand="1"/>`, 380_000, after)
	}, status: 500, want: "MustUnderstand"},
}

// The package: parts, ids, encodings.
var packages = []attack{
	{name: "wrong content type", contentType: "text/html", body: text(whole), status: 415, want: "Content-Type text/html"},
	{name: "no content type", contentType: " ", body: text(whole), status: 415},
	{name: "content type nobody can parse", contentType: `multipart/related; boundary="`, body: text(whole)},
	{name: "truncated", body: text(func(s *metadata.Submission, docs [][]byte) string {
		b := whole(s, docs)
		return b[:len(b)-20]
	}), status: 400, want: "closing boundary"},
	{name: "cid without part", body: text(func(s *metadata.Submission, docs [][]byte) string {
		return pack(envelope(actionProvide, pnr(s, includes(s))))
	}), status: 200, want: "XDSMissingDocument\""},
	{name: "part without cid", body: text(func(s *metadata.Submission, docs [][]byte) string {
		return pack(envelope(actionProvide, pnr(s, includes(s))), part("d0", docs[0]), part("d7", docs[0]))
	}), status: 200, want: "XDSMissingDocumentMetadata"},
	{name: "part without any id", body: text(func(s *metadata.Submission, docs [][]byte) string {
		return pack(envelope(actionProvide, pnr(s, includes(s))), part("d0", docs[0]), "\r\nhello")
	}), status: 200, want: "XDSMissingDocumentMetadata"},
	{name: "same Content-ID twice", body: text(func(s *metadata.Submission, docs [][]byte) string {
		return pack(envelope(actionProvide, pnr(s, includes(s))), part("d0", docs[0]), part("d0", docs[0]))
	}), status: 400, want: "two parts have the Content-ID"},
	{name: "start names no part", contentType: strings.Replace(packed, "<root>", "<nobody>", 1), body: text(whole), status: 400, want: "start parameter"},
	{name: "start names a document", contentType: strings.Replace(packed, "<root>", "<d0>", 1), body: text(whole), status: 400, want: "root part"},
	{name: "giant boundary", contentType: strings.Replace(packed, "boundary=b", "boundary="+strings.Repeat("b", 50_000), 1), body: text(whole), status: 400, want: "boundary"},
	{name: "boundary of 200", contentType: strings.Replace(packed, "boundary=b", "boundary="+strings.Repeat("b", 200), 1), body: text(whole), status: 400, want: "boundary"},
	{name: "no boundary", contentType: "multipart/related", body: text(whole), status: 400, want: "boundary"},
	{name: "nested multipart", body: text(func(s *metadata.Submission, docs [][]byte) string {
		return "--b\r\nContent-ID: <root>\r\nContent-Type: " + strings.Replace(packed, "=b", "=c", 1) + "\r\n\r\n" + strings.ReplaceAll(whole(s, docs), "--b", "--c") + "\r\n--b--"
	}), status: 400, want: "root part"},
	{name: "many parts", body: func(s *metadata.Submission, docs [][]byte) io.Reader {
		b := whole(s, docs)
		return pieces(b[:len(b)-7], "--b\r\n\r\n\r\n", 200_000, "--b--")
	}, want: "XDSMissingDocumentMetadata"},
	{name: "many parts before the root", body: func(s *metadata.Submission, docs [][]byte) io.Reader {
		return pieces("", "--b\r\n\r\n\r\n", 200_000, whole(s, docs))
	}, status: 413, want: "limits.documents"},
	{name: "endless header lines", body: func(s *metadata.Submission, docs [][]byte) io.Reader {
		return pieces("--b\r\n", "X-A: b\r\n", 1_000_000, "")
	}, status: 413, want: "limit"},
	{name: "endless folded header line", body: func(s *metadata.Submission, docs [][]byte) io.Reader {
		return pieces("--b\r\nContent-ID: <a", "\r\n b", 1_000_000, "")
	}, status: 413, want: "limit"},
	{name: "endless preamble", body: func(s *metadata.Submission, docs [][]byte) io.Reader {
		return pieces("", "preamble\r\n", 1_000_000, "")
	}, status: 413, want: "limit"},
	{name: "bad quoted-printable", body: text(func(s *metadata.Submission, docs [][]byte) string {
		return pack(envelope(actionProvide, pnr(s, includes(s))), "Content-ID: <d0>\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=\x01")
	}), status: 400, want: "Content-Transfer-Encoding"},
	{name: "bad base64", body: text(func(s *metadata.Submission, docs [][]byte) string {
		return pack(envelope(actionProvide, pnr(s, includes(s))), "Content-ID: <d0>\r\nContent-Transfer-Encoding: base64\r\n\r\nA===")
	}), status: 400, want: "Content-Transfer-Encoding"},
	{name: "unknown encoding", body: text(func(s *metadata.Submission, docs [][]byte) string {
		return pack(envelope(actionProvide, pnr(s, includes(s))), "Content-ID: <d0>\r\nContent-Transfer-Encoding: x-zip\r\n\r\nA")
	}), status: 400, want: "Content-Transfer-Encoding"},
	{name: "Content-Encoding", header: []string{"Content-Encoding", "gzip"}, body: text(whole), status: 415, want: "Content-Encoding"},
	{name: "duplicate document ids", body: text(func(s *metadata.Submission, docs [][]byte) string {
		id := string(s.Entries[0].ID)
		return pack(envelope(actionProvide, pnr(s, include(id, "d0")+include(id, "d1"))), part("d0", docs[0]), part("d1", docs[0]))
	}), status: 200, want: "Two documents have the id"},
	{name: "duplicate entry ids", docs: 2, body: text(func(s *metadata.Submission, docs [][]byte) string {
		root := strings.ReplaceAll(envelope(actionProvide, pnr(s, includes(s))), string(s.Entries[1].ID), string(s.Entries[0].ID))
		return pack(root, parts(docs)...)
	}), status: 200, want: "XDSRepository"},
	{name: "duplicate unique ids, other bytes", docs: 2, body: text(func(s *metadata.Submission, docs [][]byte) string {
		root := strings.ReplaceAll(envelope(actionProvide, pnr(s, includes(s))), s.Entries[1].UniqueID, s.Entries[0].UniqueID)
		return pack(root, parts(docs)...)
	}), status: 200, want: "Error"},
	{name: "hash that lies", body: text(func(s *metadata.Submission, docs [][]byte) string {
		s.Entries[0].Hash = strings.Repeat("ab", 20)
		return whole(s, docs)
	}), status: 200, want: "hash"},
	{name: "hash that is none", body: text(func(s *metadata.Submission, docs [][]byte) string {
		s.Entries[0].Hash = strings.Repeat("%s", 1000)
		return whole(s, docs)
	}), status: 200, want: "hash"},
	{name: "size that lies", body: text(func(s *metadata.Submission, docs [][]byte) string {
		s.Entries[0].Size = metadata.Octets(1)
		return whole(s, docs)
	}), status: 200, want: "size"},
	{name: "size beyond numbers", body: text(func(s *metadata.Submission, docs [][]byte) string {
		s.Entries[0].Size = metadata.Octets(77)
		return swap(">77<", ">99999999999999999999999<")(whole(s, docs))
	}), status: 200, want: "size"},
	{name: "negative size", body: text(func(s *metadata.Submission, docs [][]byte) string {
		s.Entries[0].Size = metadata.Octets(77)
		return swap(">77<", ">-1<")(whole(s, docs))
	}), status: 200, want: "size"},
	{name: "a document of the limit and one byte", docs: 1, body: func(s *metadata.Submission, docs [][]byte) io.Reader {
		b := pack(envelope(actionProvide, pnr(s, includes(s))), "Content-ID: <d0>\r\n\r\n"+split)
		before, after, _ := strings.Cut(b, split)
		return pieces(before, "x", 8<<20+1, after)
	}, want: "limits.document-bytes"},
	{name: "1,000 documents", docs: 1000, body: text(whole), want: "limits.documents"},
	{name: "1,001 documents", docs: 1001, body: text(whole), want: "limits.documents"},
	{name: "wrong format for the transaction", at: registryOf, body: text(func(s *metadata.Submission, docs [][]byte) string {
		return pack(envelope(actionRegister, string(`<l:SubmitObjectsRequest xmlns:l="`+lcm+`"/>`)))
	})},
	{name: "message id of a megabyte", body: inRoot(swap("urn:uuid:", "urn:uuid:"+strings.Repeat("m", 1000_000))), status: 400, want: "MessageID is longer"},
	{name: "action of a megabyte", body: inRoot(swap(actionProvide, strings.Repeat("m", 1000_000))), status: 400, want: "ActionNotSupported"},
	{name: "hostile action", body: inRoot(swap(actionProvide, `&lt;script&gt;&#x202e;%s%n' OR 1=1`)), status: 400, want: "&lt;script&gt;"},
}

// TestMessages sends every wrong message to one server.
func TestMessages(t *testing.T) {
	w := start(t, "--limits-document-bytes", "8MiB")
	for _, list := range [][]attack{brokenXML, packages, floods} {
		for _, a := range list {
			t.Run(a.name, func(t *testing.T) { w.suffer(t, a) })
		}
	}
	w.end(t)
}

func (w *world) suffer(t *testing.T, a attack) {
	s, docs := w.victim(max(a.docs, 1))
	address, contentType := w.Repository, a.contentType
	if a.at != nil {
		address = a.at(w)
	}
	if contentType == "" {
		contentType = packed
	}
	if a.peak == 0 {
		a.peak = 160 << 20
	}
	w.forgetPeak(t)
	before := w.memory(t, "VmRSS")
	begin := time.Now()
	status, answer := w.post(t, address, contentType, a.body(s, docs), a.header...)
	took := time.Since(begin)
	if status == 0 || a.status != 0 && status != a.status || !strings.Contains(answer, a.want) {
		t.Errorf("%d %s", status, short(answer))
	}
	if !a.answered && strings.Contains(answer, "ResponseStatusType:Success") {
		t.Errorf("it was accepted: %s", short(answer))
	}
	if len(answer) > 256<<10 {
		t.Errorf("the answer has %d bytes: %s", len(answer), short(answer))
	}
	if peak := w.memory(t, "VmHWM") - before; peak > a.peak {
		t.Errorf("memory grew by %d MiB", peak>>20)
	}
	if a.within == 0 {
		a.within = 20 * time.Second
	}
	if took > a.within {
		t.Errorf("it took %v", took)
	}
	w.absent(t, s)
	w.normal(t)
	w.calm(t)
	if t.Failed() {
		t.Logf("%d in %v: %s", status, took, short(answer))
	}
}
