package mtom

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"mime/quotedprintable"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"samdok/internal/spool"
	"samdok/soap"
)

// got is a package as read.
type got struct {
	root  string
	parts []string // "id type content"
}

func readAll(r io.Reader, contentType string, l Limits) (g got, err error) {
	mr, err := NewReader(r, soap.ParseContent(contentType).Params, l, spool.Options{Memory: 1 << 10})
	if err != nil {
		return g, err
	}
	defer mr.Close()
	root, err := mr.Root()
	if err != nil {
		return g, err
	}
	b, err := io.ReadAll(root)
	if err != nil {
		return g, err
	}
	g.root = string(b)
	for {
		p, err := mr.Next()
		if err == io.EOF {
			return g, nil
		}
		if err != nil {
			return g, err
		}
		b, err := io.ReadAll(p)
		if err != nil {
			return g, err
		}
		g.parts = append(g.parts, fmt.Sprintf("%s %s %s", p.ID, p.MediaType, b))
	}
}

const sample = "\r\n--b\r\nContent-Type: application/xop+xml\r\nContent-ID: <root@x>\r\n\r\n<e/>\r\n" +
	"--b\r\nContent-ID: <d1@x>\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n\r\none\r\n--bx\r\n\r\n" +
	"--b\r\ncontent-id: d2@x\r\nContent-Transfer-Encoding: Base64\r\n\r\n dHdv \r\n\r\n" +
	"--b \r\nContent-ID: <d3@x>\r\n\r\n\r\n" +
	"--b\r\nContent-ID: <d4@x>\r\n\r\n--b--\r\nepilogue"

func TestReader(t *testing.T) {
	want := got{"<e/>", []string{"d1@x text/plain one\r\n--bx\r\n", "d2@x  two", "d3@x  ", "d4@x  "}}
	swapped := strings.Replace(sample, "\r\n--b\r\nContent-Type: application/xop+xml\r\nContent-ID: <root@x>\r\n\r\n<e/>", "preamble", 1)
	swapped = strings.Replace(swapped, "--b--", "\r\n--b\r\nContent-ID: <root@x>\r\n\r\n<e/>\r\n--b--", 1)
	for name, c := range map[string]struct{ contentType, body string }{
		"start":         {`multipart/related; boundary=b; start="<root@x>"`, sample},
		"no start":      {`multipart/related; boundary="b"; type="application/xop+xml"`, sample},
		"bare start":    {`Multipart/Related;boundary=b;start=root@x`, sample},
		"cid start":     {`multipart/related; boundary=b; start=cid:root%40x`, sample},
		"root last":     {`multipart/related; boundary=b; start="<root@x>"`, swapped},
		"bare type":     {`multipart/related; boundary=b`, strings.Replace(sample, "application/xop+xml\r\n", "application/xop+xml; type=application/soap+xml; charset=\"utf-8\"\r\n", 1)},
		"no epilogue":   {`multipart/related; boundary=b`, strings.TrimSuffix(sample, "\r\nepilogue")},
		"bare newlines": {`multipart/related; boundary=b`, strings.Replace(strings.ReplaceAll(sample, "\r\n", "\n"), "\none\n--bx\n\n", "\none\r\n--bx\r\n\n", 1)},
	} {
		for _, slow := range []bool{false, true} {
			r := io.Reader(strings.NewReader(c.body))
			if slow {
				r = iotest.OneByteReader(r)
			}
			g, err := readAll(r, c.contentType, Limits{})
			if err != nil || fmt.Sprintf("%q", g) != fmt.Sprintf("%q", want) {
				t.Errorf("%s: got %q, %v", name, g, err)
			}
		}
	}
}

func TestBadPackages(t *testing.T) {
	const ct = `multipart/related; boundary=b; start="<root@x>"`
	head := "--b\r\nContent-ID: <root@x>\r\n\r\n<e/>\r\n"
	var many strings.Builder
	many.WriteString(head)
	for i := range 20 {
		fmt.Fprintf(&many, "--b\r\nContent-ID: <%d>\r\n\r\nx\r\n", i)
	}
	many.WriteString("--b--")
	for name, c := range map[string]struct{ contentType, body, want string }{
		"no boundary":       {"multipart/related", head + "--b--", "boundary parameter"},
		"start not there":   {`multipart/related; boundary=b; start="<other@x>"`, head + "--b--", "start parameter"},
		"empty":             {ct, "", "closing boundary"},
		"only end":          {ct, "--b--\r\n", "start parameter"},
		"cut":               {ct, head, "closing boundary"},
		"cut in header":     {ct, head + "--b\r\nContent-ID: <d>", "closing boundary"},
		"cut after header":  {ct, head + "--b\r\n", "closing boundary"},
		"cut in end":        {ct, head + "--b-", "closing boundary"},
		"same id twice":     {ct, head + "--b\r\nContent-ID: <root@x>\r\n\r\n\r\n--b--", "two parts"},
		"bad encoding":      {ct, head + "--b\r\nContent-Transfer-Encoding: x-gzip64\r\n\r\n\r\n--b--", "x-gzip64"},
		"bad base64":        {ct, head + "--b\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!\r\n--b--", "Transfer-Encoding"},
		"cut base64":        {ct, head + "--b\r\nContent-Transfer-Encoding: base64\r\n\r\nabc\r\n--b--", "Transfer-Encoding"},
		"header line":       {ct, head + "--b\r\nno colon here\r\n\r\n\r\n--b--", "malformed"},
		"root type":         {ct, "--b\r\nContent-ID: <root@x>\r\nContent-Type: image/png\r\n\r\n<e/>\r\n--b--", "image/png"},
		"root charset":      {ct, "--b\r\nContent-ID: <root@x>\r\nContent-Type: application/xop+xml; charset=utf-16\r\n\r\n<e/>\r\n--b--", "utf-16"},
		"long header":       {ct, head + "--b\r\nX: " + strings.Repeat("a", 20_000) + "\r\n\r\n\r\n--b--", "limits.part-header-bytes"},
		"endless header":    {ct, head + "--b\r\n" + strings.Repeat("X: a\r\n", 100_000), "limits.part-header-bytes"},
		"endless preamble":  {ct, strings.Repeat("x", 1<<20), "limits.part-header-bytes"},
		"many parts":        {ct, many.String(), "limits.documents"},
		"large part":        {ct, head + "--b\r\n\r\n" + strings.Repeat("y", 3000) + "\r\n--b--", "limits.document-bytes"},
		"large early part":  {ct, "--b\r\n\r\n" + strings.Repeat("y", 3000) + "\r\n" + head + "--b--", "limits.document-bytes"},
		"large package":     {ct, head + strings.Repeat("--b\r\n\r\n"+strings.Repeat("y", 1500)+"\r\n", 10) + "--b--", "limits.submission-bytes"},
		"hostile boundary":  {`multipart/related; boundary="` + strings.Repeat("b", 300) + `"`, head, "boundary parameter"},
		"large unread part": {ct, head + "--b\r\n\r\n" + strings.Repeat("y", 3000) + "\r\n--b--", "limits.document-bytes"},
	} {
		_, err := readAll(strings.NewReader(c.body), c.contentType, Limits{Parts: 20, PartBytes: 2000, TotalBytes: 10_000})
		if name == "many parts" || strings.HasPrefix(name, "endless") || name == "long header" {
			_, err = readAll(strings.NewReader(c.body), c.contentType, Limits{Parts: 20})
		}
		var f *soap.Fault
		var l *LimitError
		if !errors.As(err, &f) && !errors.As(err, &l) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// A package cut anywhere before its closing boundary is never taken for a whole.
func TestCutAnywhere(t *testing.T) {
	whole := strings.TrimSuffix(sample, "\r\nepilogue")
	for n := range len(whole) {
		if _, err := readAll(strings.NewReader(whole[:n]), "multipart/related; boundary=b", Limits{}); err == nil {
			t.Fatalf("cut after %d of %d bytes and accepted", n, len(whole))
		}
	}
	broken := errors.New("connection reset")
	for n := range len(whole) {
		r := io.MultiReader(strings.NewReader(whole[:n]), iotest.ErrReader(broken))
		if _, err := readAll(r, "multipart/related; boundary=b", Limits{}); !errors.Is(err, broken) {
			t.Fatalf("broken after %d bytes: got %v", n, err)
		}
	}
}

func TestContentID(t *testing.T) {
	for in, want := range map[string]string{
		"cid:a@b":                 "a@b",
		" CID:a%40b ":             "a@b",
		"cid:<a@b>":               "a@b",
		"cid:1@urn%3Aihe%3Axds-b": "1@urn:ihe:xds-b",
		"cid:bad%zz":              "bad%zz",
		"http://example.org/a":    "",
		"":                        "",
		"cid:":                    "",
	} {
		id, ok := ContentID(in)
		if id != want || ok != (want != "") {
			t.Errorf("ContentID(%q) = %q, %v", in, id, ok)
		}
	}
}

// What Writer writes, Reader and the standard library's reader read.
func TestWriterRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		root := rapid.String().Draw(t, "root")
		n := rapid.IntRange(0, 5).Draw(t, "parts")
		var parts []Attachment
		var contents [][]byte
		for i := range n {
			c := bytes.Repeat(rapid.SliceOf(rapid.SampledFrom([]byte("\r\n-abc\x00\xff"))).Draw(t, "content"), rapid.SampledFrom([]int{1, 7000}).Draw(t, "times"))
			contents = append(contents, c)
			parts = append(parts, Attachment{fmt.Sprintf("d%d@x", i), rapid.SampledFrom([]string{"text/plain", "", "evil\r\nX: y", "a/b; c=d"}).Draw(t, "type"), int64(len(c))})
		}
		w := NewWriter([]byte(root), parts)
		var buf bytes.Buffer
		if err := w.Write(&buf, func(i int) (io.Reader, error) { return bytes.NewReader(contents[i]), nil }); err != nil {
			t.Fatal(err)
		}
		if int64(buf.Len()) != w.Length() {
			t.Fatalf("Length says %d, written %d", w.Length(), buf.Len())
		}
		g, err := readAll(iotest.HalfReader(bytes.NewReader(buf.Bytes())), w.ContentType(), Limits{})
		if err != nil || g.root != root || len(g.parts) != n {
			t.Fatalf("read %d parts, root equal %v, %v", len(g.parts), g.root == root, err)
		}
		for i := range n {
			if want := fmt.Sprintf("%s %s %s", parts[i].ID, safeType(parts[i].MediaType), contents[i]); g.parts[i] != want {
				t.Fatalf("part %d differs", i)
			}
		}
	})
}

func TestWriterRefusesWrongSizes(t *testing.T) {
	for _, size := range []int64{0, 2, 4} {
		w := NewWriter(nil, []Attachment{{"d@x", "", size}})
		var buf bytes.Buffer
		err := w.Write(&buf, func(int) (io.Reader, error) { return strings.NewReader("123"), nil })
		var lie *SizeError
		if !errors.As(err, &lie) || bytes.HasSuffix(buf.Bytes(), w.Tail()) {
			t.Errorf("size %d: got %v", size, err)
		}
	}
}

func TestTransferEncodings(t *testing.T) {
	content := []byte(strings.Repeat("Blåbærsyltetøy = 100 % \x00\xff\r\n", 300))
	var qp, b64 bytes.Buffer
	q := quotedprintable.NewWriter(&qp)
	q.Binary = true
	q.Write(content)
	q.Close()
	b64.WriteString(base64.StdEncoding.EncodeToString(content))
	for enc, body := range map[string][]byte{"quoted-printable": qp.Bytes(), "base64": b64.Bytes(), "8bit": content, "7bit": content, "": content, "BINARY": content} {
		msg := "--b\r\n\r\n<e/>\r\n--b\r\nContent-ID: <d>\r\nContent-Transfer-Encoding: " + enc + "\r\n\r\n" + string(body) + "\r\n--b--"
		g, err := readAll(strings.NewReader(msg), "multipart/related; boundary=b", Limits{})
		if err != nil || len(g.parts) != 1 || g.parts[0] != "d  "+string(content) {
			t.Errorf("%s: %v", enc, err)
		}
	}
}

// The splitter takes what the standard library's reader takes, with equal parts.
func FuzzReader(f *testing.F) {
	f.Add([]byte(sample), 1)
	f.Add([]byte(strings.ReplaceAll(sample, "\r\n", "\n")), 3)
	f.Add([]byte("--b\r\n\r\n\r\n--b--"), 1)
	f.Add([]byte("--b\r\n\r\n--b\r\n\r\n--b-\r\n--b--"), 1)
	f.Fuzz(func(t *testing.T, body []byte, step int) {
		g, err := readAll(&stepReader{body, max(1, step&0xff)}, "multipart/related; boundary=b", Limits{})
		if err != nil {
			return
		}
		mr := multipart.NewReader(bytes.NewReader(body), "b")
		for i := -1; ; i++ {
			p, err := mr.NextRawPart()
			if err == io.EOF {
				if i != len(g.parts) {
					t.Fatalf("%d parts, the library has %d", len(g.parts), i)
				}
				return
			}
			if err != nil {
				return // the library is stricter here
			}
			raw, err := io.ReadAll(p)
			if err != nil {
				return // the library is stricter here
			}
			if enc := p.Header.Get("Content-Transfer-Encoding"); encoded(enc) {
				continue
			}
			if i < 0 {
				if g.root != string(raw) {
					t.Fatalf("root %q, the library has %q", g.root, raw)
				}
			} else if i >= len(g.parts) || !strings.HasSuffix(g.parts[i], " "+string(raw)) {
				t.Fatalf("part %d of %q; the library has %q", i, g.parts, raw)
			}
		}
	})
}

func encoded(s string) bool {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "", "binary", "7bit", "8bit":
		return false
	}
	return true
}

type stepReader struct {
	b []byte
	n int
}

func (s *stepReader) Read(p []byte) (int, error) {
	if len(s.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.b[:min(s.n, len(s.b))])
	s.b = s.b[n:]
	return n, nil
}

func BenchmarkReader(b *testing.B) {
	content := bytes.Repeat([]byte("0123456789abcde\r"), 64<<16)
	w := NewWriter([]byte("<e/>"), []Attachment{{"d@x", "application/pdf", int64(len(content))}})
	var buf bytes.Buffer
	if err := w.Write(&buf, func(int) (io.Reader, error) { return bytes.NewReader(content), nil }); err != nil {
		b.Fatal(err)
	}
	params := soap.ParseContent(w.ContentType()).Params
	b.SetBytes(int64(buf.Len()))
	b.ReportAllocs()
	for b.Loop() {
		r, err := NewReader(bytes.NewReader(buf.Bytes()), params, Limits{}, spool.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.Root(); err != nil {
			b.Fatal(err)
		}
		p, err := r.Next()
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, p); err != nil || n != int64(len(content)) {
			b.Fatal(n, err)
		}
		r.Close()
	}
}
