package telemetry

import (
	"bytes"
	"io"
	"log/slog"
)

// Libraries is what the standard logger writes to: net/http and other libraries speak there
// and quote what a peer sent, which may be of a patient. Each line goes to the operator's
// log up to its first quotation.
func Libraries(l *slog.Logger) io.Writer { return libraries{l} }

type libraries struct{ log *slog.Logger }

// maxLine is how much of a line is kept.
const maxLine = 200

func (w libraries) Write(b []byte) (int, error) {
	line := bytes.TrimSpace(b)
	line = line[:min(len(line), maxLine)]
	if i := bytes.IndexAny(line, "\"`'<{["); i >= 0 {
		line = append(append([]byte(nil), line[:i]...), "(what it quotes is left out)"...)
	}
	w.log.Warn("a library reports", "text", Redact(string(bytes.ToValidUTF8(line, []byte("?")))))
	return len(b), nil
}
