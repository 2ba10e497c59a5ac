package mtom

import (
	"encoding/base64"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/url"
	"strings"
)

// MediaType of a package and of its root part.
const (
	MediaType     = "multipart/related"
	RootMediaType = "application/xop+xml"
)

// normalID is a Content-ID without blanks and angle brackets.
func normalID(s string) string {
	s = strings.TrimSpace(s)
	if len(s) >= 2 && s[0] == '<' && s[len(s)-1] == '>' {
		s = s[1 : len(s)-1]
	}
	return s
}

// ContentID is the Content-ID that an xop:Include refers to: href without
// "cid:", URL escapes undone (RFC 2392). ok is false for another scheme.
func ContentID(href string) (id string, ok bool) {
	href = strings.TrimSpace(href)
	if len(href) < 4 || !strings.EqualFold(href[:4], "cid:") {
		return "", false
	}
	href = href[4:]
	if strings.IndexByte(href, '%') >= 0 {
		if plain, err := url.PathUnescape(href); err == nil {
			href = plain
		}
	}
	return normalID(href), href != ""
}

// startID is the Content-ID in a start parameter; some senders write it as a
// cid URL or leave the angle brackets out.
func startID(s string) string {
	if id, ok := ContentID(s); ok {
		return id
	}
	return normalID(s)
}

// decoder undoes a Content-Transfer-Encoding; nil for one that is not known.
func decoder(encoding string, r io.Reader) io.Reader {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "binary", "8bit", "7bit":
		return r
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, blankless{r})
	case "quoted-printable":
		return quotedprintable.NewReader(r)
	}
	return nil
}

// blankless drops the blanks that base64 may hold besides line ends.
type blankless struct{ r io.Reader }

func (b blankless) Read(p []byte) (int, error) {
	for {
		n, err := b.r.Read(p)
		kept := 0
		for _, c := range p[:n] {
			if c != ' ' && c != '\t' {
				p[kept] = c
				kept++
			}
		}
		if kept > 0 || err != nil || len(p) == 0 {
			return kept, err
		}
	}
}

// safeType is a media type fit for a header line: what it came from may hold
// anything.
func safeType(s string) string {
	if s == "" || len(s) > 255 {
		return "application/octet-stream"
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return "application/octet-stream"
		}
	}
	if !strings.Contains(s, "/") {
		return "application/octet-stream"
	}
	if _, _, err := mime.ParseMediaType(s); err != nil {
		return "application/octet-stream"
	}
	return s
}
