package soap

import (
	"net/http"
	"strings"
)

// Content is a parsed Content-Type. Params have lower-case names.
type Content struct {
	Media  string // lower case
	Params map[string]string
}

// IsUTF8 accepts the names of UTF-8 and of its subset ASCII; "" is UTF-8.
func IsUTF8(charset string) bool {
	switch strings.ToLower(charset) {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
		return true
	}
	return false
}

// ParseContent reads a Content-Type. It is more lenient than RFC 2045, because
// senders are: values with ':', '<' or '@' need no quotes, and what cannot be
// understood is left out.
func ParseContent(s string) Content {
	media, rest, _ := strings.Cut(s, ";")
	c := Content{Media: strings.ToLower(strings.TrimSpace(media))}
	for rest != "" {
		var name, value string
		name, value, rest = nextParam(rest)
		if name == "" {
			continue
		}
		if c.Params == nil {
			c.Params = make(map[string]string, 4)
		}
		if _, twice := c.Params[name]; !twice {
			c.Params[name] = value
		}
	}
	return c
}

func nextParam(s string) (name, value, rest string) {
	s = strings.TrimLeft(s, " \t;")
	i := strings.IndexAny(s, "=;")
	if i < 0 || s[i] == ';' {
		if i < 0 {
			return "", "", ""
		}
		return "", "", s[i+1:]
	}
	name = strings.ToLower(strings.TrimSpace(s[:i]))
	s = strings.TrimLeft(s[i+1:], " \t")
	if s == "" || s[0] != '"' {
		value, rest, _ = strings.Cut(s, ";")
		return name, strings.TrimSpace(value), rest
	}
	var b strings.Builder
	for i = 1; i < len(s) && s[i] != '"'; i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	if i < len(s) {
		i++
	}
	_, rest, _ = strings.Cut(s[i:], ";")
	return name, b.String(), rest
}

// CheckPlain tells whether c may carry a plain SOAP 1.2 envelope. The action
// parameter is not needed and not looked at (ITI TF-2 V.3.2.1.3).
func CheckPlain(c Content) *Fault {
	switch c.Media {
	case MediaType:
	case MediaType11:
		return Version11()
	default:
		return unsupported(c.Media)
	}
	if charset := c.Params["charset"]; !IsUTF8(charset) {
		f := Refuse("The message is in the character set "+clip(charset)+"; send UTF-8.", "Meldingen har tegnsettet "+clip(charset)+"; send UTF-8.")
		return f.WithStatus(http.StatusUnsupportedMediaType)
	}
	return nil
}

func unsupported(media string) *Fault {
	if media == "" {
		media = "(none)"
	}
	return Refuse(
		"The Content-Type "+clip(media)+" is not understood here. Send application/soap+xml, or multipart/related with application/xop+xml for messages with documents.",
		"Content-Type "+clip(media)+" forstås ikke her. Send application/soap+xml, eller multipart/related med application/xop+xml for meldinger med dokumenter.",
	).WithStatus(http.StatusUnsupportedMediaType)
}

// Version11 is the answer to a SOAP 1.1 sender.
func Version11() *Fault {
	return &Fault{Code: VersionMismatch, Version11: true,
		Text: "This is SOAP 1.1; IHE document sharing uses SOAP 1.2 (application/soap+xml, envelope namespace " + EnvelopeNS + ").", Norsk: "Dette er SOAP 1.1; bruk SOAP 1.2."}
}
