package mtom

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// content draws octets in which the boundary begins again and again, and ends nowhere, with
// long stretches between, so that beginnings lie across the ends of buffers.
func content(t *rapid.T, boundary string) []byte {
	var b bytes.Buffer
	for range rapid.IntRange(0, 5).Draw(t, "pieces") {
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			near := "\r\n--" + boundary
			b.WriteString(near[:rapid.IntRange(0, len(near)-1).Draw(t, "of it")])
		case 1:
			b.WriteString("\r\n--" + boundary + rapid.SampledFrom([]string{"x", "_1", "-x"}).Draw(t, "no end"))
		case 2:
			b.WriteString(rapid.SampledFrom([]string{"\r", "\n", "\r\n", "\r\r\n", "--", ".--" + boundary}).Draw(t, "octets"))
		default:
			size := rapid.SampledFrom([]int{1, 100, 4 << 10, 16 << 10, 32 << 10, 64 << 10, 128 << 10}).Draw(t, "size")
			b.Write(bytes.Repeat([]byte{'.'}, max(0, size+rapid.IntRange(-90, 20).Draw(t, "off"))))
		}
	}
	return b.Bytes()
}

// Whatever the parts hold and however the package is written, they come as they are.
func TestNearBoundaries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		boundary := rapid.SampledFrom([]string{"b", "uuid:6f9d-1", "----=_Part_1_2.3", "=" + strings.Repeat("-", 60) + "_=", "MIMEBoundary_0"}).Draw(t, "boundary")
		pad := rapid.SampledFrom([]string{"", "", " ", "\t "}).Draw(t, "blanks behind the boundary")
		var b bytes.Buffer
		b.WriteString(rapid.SampledFrom([]string{"", "", "\r\n", "This is a package.\r\n\r\n"}).Draw(t, "preamble"))
		var want [][]byte
		b.WriteString("--" + boundary + pad + "\r\nContent-ID: <root@x>\r\n\r\n<e/>")
		for i := range rapid.IntRange(0, 4).Draw(t, "parts") {
			c := content(t, boundary)
			want = append(want, c)
			id := rapid.SampledFrom([]string{"Content-ID: <d%d>", "content-id:<d%d>", "CONTENT-ID:\r\n <d%d>"}).Draw(t, "id")
			fmt.Fprintf(&b, "\r\n--%s%s\r\n"+id+"\r\nContent-Type: text/plain%s\r\n\r\n", boundary, pad, i, rapid.SampledFrom([]string{"", "; charset=utf-8", ";\r\n\tname=\"a\""}).Draw(t, "type"))
			b.Write(c)
		}
		b.WriteString("\r\n--" + boundary + "--" + pad + rapid.SampledFrom([]string{"", "\r\n", "\r\nepilogue\r\n--" + boundary + "\r\n"}).Draw(t, "epilogue"))
		r := &stepReader{b.Bytes(), rapid.SampledFrom([]int{1, 2, 1000, 1 << 20}).Draw(t, "step")}
		g, err := readAll(r, `multipart/related; boundary="`+boundary+`"; start="<root@x>"`, Limits{})
		if err != nil || g.root != "<e/>" || len(g.parts) != len(want) {
			t.Fatalf("%v: %d parts of %d, %.3000q", err, len(g.parts), len(want), b.Bytes())
		}
		for i, c := range want {
			if begin, end := fmt.Sprintf("d%d text/plain", i), " "+string(c); !strings.HasPrefix(g.parts[i], begin) || !strings.HasSuffix(g.parts[i], end) {
				t.Fatalf("part %d: %.1500q, want %.1500q of %.3000q", i, g.parts[i], c, b.Bytes())
			}
		}
	})
}
