package ebrim

import "strings"

// appendValues reads the text of one Value of a stored query and appends its
// values (ITI TF-2 3.18.4.1.2.3.2): a number, a string in quotes with ” doubled, or
// a list of them in parentheses. Strings without quotes, quotes without parentheses
// and double quotes are taken too. ok is false for a text that cannot be read.
func appendValues(values []string, text string) (out []string, ok bool) {
	text = trim(text)
	if text == "" {
		return values, true
	}
	if text[0] != '(' {
		if text[0] != '\'' && text[0] != '"' {
			return append(values, text), true
		}
		return appendItems(values, text)
	}
	if text[len(text)-1] != ')' {
		return values, false
	}
	text = trim(text[1 : len(text)-1])
	if text == "" {
		return values, true
	}
	return appendItems(values, text)
}

// appendItems reads values parted by commas.
func appendItems(values []string, text string) ([]string, bool) {
	for {
		var v string
		var ok bool
		if text != "" && (text[0] == '\'' || text[0] == '"') {
			if v, text, ok = quoted(text); !ok {
				return values, false
			}
			text = trim(text)
		} else {
			n := strings.IndexByte(text, ',')
			if n < 0 {
				n = len(text)
			}
			v, text = trim(text[:n]), text[n:]
			if v == "" {
				return values, false
			}
		}
		values = append(values, v)
		if text == "" {
			return values, true
		}
		if text[0] != ',' {
			return values, false
		}
		text = trim(text[1:])
	}
}

// quoted reads a string in quotes at the beginning of text.
func quoted(text string) (value, rest string, ok bool) {
	quote := text[:1]
	text = text[1:]
	n := strings.Index(text, quote)
	if n < 0 {
		return "", "", false
	}
	if !strings.HasPrefix(text[n+1:], quote) {
		return text[:n], text[n+1:], true
	}
	var b strings.Builder
	for {
		b.WriteString(text[:n])
		text = text[n+1:]
		if !strings.HasPrefix(text, quote) {
			return b.String(), text, true
		}
		b.WriteString(quote)
		text = text[1:]
		if n = strings.Index(text, quote); n < 0 {
			return "", "", false
		}
	}
}

// trim drops the blanks of XML.
func trim(s string) string { return strings.Trim(s, " \t\r\n") }
