package main

import (
	"bytes"
	"mime"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// signatures are magic bytes at an offset.
var signatures = [...]struct {
	offset      int
	magic, mime string
}{
	{0, "%PDF-", "application/pdf"},
	{0, "\x89PNG\r\n\x1a\n", "image/png"},
	{0, "\xff\xd8\xff", "image/jpeg"},
	{0, "GIF87a", "image/gif"}, {0, "GIF89a", "image/gif"},
	{0, "II*\x00", "image/tiff"}, {0, "MM\x00*", "image/tiff"},
	{0, `{\rtf`, "application/rtf"},
	{128, "DICM", "application/dicom"},
}

// texts are types that have no magic bytes; the name decides among them.
var texts = map[string]string{
	".txt": "text/plain", ".xml": "text/xml", ".html": "text/html", ".htm": "text/html", ".json": "application/json", ".csv": "text/csv", ".md": "text/plain",
}

// guessMime looks at the first bytes of a document, then at its name.
func guessMime(name string, head []byte) string {
	for _, s := range signatures {
		if len(head) >= s.offset && bytes.HasPrefix(head[s.offset:], []byte(s.magic)) {
			return s.mime
		}
	}
	ext := strings.ToLower(filepath.Ext(name))
	if t := texts[ext]; t != "" {
		return t
	}
	trimmed := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	if bytes.HasPrefix(trimmed, []byte("<?xml")) || bytes.HasPrefix(trimmed, []byte("<ClinicalDocument")) {
		return "text/xml"
	}
	if t, _, err := mime.ParseMediaType(mime.TypeByExtension(ext)); err == nil && t != "" {
		return t
	}
	if len(head) > 0 && isText(head) {
		return "text/plain"
	}
	return "application/octet-stream"
}

func isText(head []byte) bool {
	for len(head) > 0 {
		r, n := utf8.DecodeRune(head)
		if r == utf8.RuneError && n == 1 {
			return len(head) < utf8.UTFMax // cut in the middle of a rune
		}
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' && r != '\f' {
			return false
		}
		head = head[n:]
	}
	return true
}

// extension is the usual end of a file's name for a type.
func extension(mimeType string) string {
	switch mimeType {
	case "text/plain": // which several extensions have
		return ".txt"
	case "application/pdf":
		return ".pdf"
	case "image/png":
		return ".png"
	case "image/jpeg":
		return ".jpg"
	case "image/gif":
		return ".gif"
	case "image/tiff":
		return ".tif"
	case "application/rtf", "text/rtf":
		return ".rtf"
	case "application/dicom":
		return ".dcm"
	case "text/xml", "application/xml", "application/hl7-v3+xml":
		return ".xml"
	}
	for ext, t := range texts {
		if t == mimeType && ext != ".htm" {
			return ext
		}
	}
	return ".bin"
}
