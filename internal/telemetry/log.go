package telemetry

import (
	"fmt"
	"io"
	"log/slog"
)

// NewLog makes the operator's log. level is debug, info, warn or error; format is
// json or text. Anything that looks like a Norwegian identity number is blacked
// out, in case an inner error quotes a request.
func NewLog(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q: %w", level, err)
	}
	o := &slog.HandlerOptions{Level: l, ReplaceAttr: redactAttr}
	switch format {
	case "json":
		return slog.New(slog.NewJSONHandler(w, o)), nil
	case "text":
		return slog.New(slog.NewTextHandler(w, o)), nil
	}
	return nil, fmt.Errorf("log format %q is neither json nor text", format)
}

func redactAttr(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindString:
		if s := a.Value.String(); holdsNumber(s) {
			a.Value = slog.StringValue(Redact(s))
		}
	case slog.KindAny:
		if err, ok := a.Value.Any().(error); ok {
			a.Value = slog.StringValue(Redact(err.Error()))
		} else if s, ok := a.Value.Any().(fmt.Stringer); ok {
			a.Value = slog.StringValue(Redact(s.String()))
		}
	case slog.KindInt64, slog.KindUint64:
		if s := a.Value.String(); holdsNumber(s) {
			a.Value = slog.StringValue(Redact(s))
		}
	}
	return a
}

// Redact replaces each run of exactly 11 digits, also written as 6 and 5, by
// stars.
func Redact(s string) string {
	if !holdsNumber(s) {
		return s
	}
	b := []byte(s)
	for i := 0; i < len(b); {
		n := numberAt(b, i)
		if n == 0 {
			i = skipDigits(b, i)
			continue
		}
		for j := i; j < i+n; j++ {
			b[j] = '*'
		}
		i += n
	}
	return string(b)
}

func holdsNumber(s string) bool {
	digits := 0
	for i := range len(s) {
		if isDigit(s[i]) {
			if digits++; digits >= 11 {
				return true
			}
		} else if s[i] != ' ' {
			digits = 0
		}
	}
	return false
}

// numberAt is the length of the identity number that starts at i, 0 for none.
func numberAt(b []byte, i int) int {
	end := skipRun(b, i)
	switch end - i {
	case 11:
		return 11
	case 6:
		if end < len(b) && b[end] == ' ' && skipRun(b, end+1)-(end+1) == 5 {
			return 12
		}
	}
	return 0
}

func skipRun(b []byte, i int) int {
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	return i
}

// skipDigits goes past the run of digits at i, or one other byte.
func skipDigits(b []byte, i int) int {
	if end := skipRun(b, i); end > i {
		return end
	}
	return i + 1
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
