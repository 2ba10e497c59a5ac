package rest

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"samdok/fault"
	"samdok/locator"
)

// Problem is an error of RFC 9457: what, where, and what to do.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// Pointer is where, as a JSON pointer (RFC 6901) into what was sent.
	Pointer string `json:"pointer,omitempty"`
	Line    int    `json:"line,omitempty"` // of a bulk load
	// Loaded is how far a bulk load came.
	Loaded *Loaded `json:"loaded,omitempty"`

	used bool // a use case was begun, and has its record
}

// Error makes a Problem the error of a Client.
func (p *Problem) Error() string {
	if p.Pointer != "" {
		return p.Title + " (" + p.Pointer + "): " + p.Detail
	}
	return p.Title + ": " + p.Detail
}

// problemTypes are names for machines; each has one status and title.
const typePrefix = "urn:samdok:locator:"

func malformed(pointer, detail string) *Problem {
	return &Problem{Type: typePrefix + "malformed", Title: "The request cannot be read", Status: http.StatusBadRequest, Detail: detail, Pointer: pointer}
}

func wrong(p *locator.Problem) *Problem {
	return &Problem{Type: typePrefix + "wrong", Title: "The request breaks a rule", Status: http.StatusUnprocessableEntity, Detail: p.Text, Pointer: p.At}
}

func tooLarge(detail string) *Problem {
	return &Problem{Type: typePrefix + "too-large", Title: "The request is too large", Status: http.StatusRequestEntityTooLarge, Detail: detail}
}

// problemOf is what is told of an error of a use case; its cause stays here.
func problemOf(err error) *Problem {
	var p *locator.Problem
	if errors.As(err, &p) {
		return wrong(p)
	}
	switch fault.KindOf(err) {
	case fault.Denied:
		return &Problem{Type: typePrefix + "denied", Title: "Not allowed", Status: http.StatusForbidden, Detail: "The caller may not do this. Nothing was changed."}
	case fault.Busy:
		return &Problem{Type: typePrefix + "busy", Title: "Too busy", Status: http.StatusServiceUnavailable, Detail: "The locator has too much to do just now. Send the same again in a moment."}
	case fault.Unavailable, fault.Canceled:
		return &Problem{Type: typePrefix + "unavailable", Title: "Not available", Status: http.StatusServiceUnavailable, Detail: "The locator cannot answer just now. Send the same again later; what was stated twice counts once."}
	case fault.TooLarge:
		return &Problem{Type: typePrefix + "full", Title: "No room", Status: http.StatusInsufficientStorage, Detail: "The locator has no room for this. Tell its operator."}
	}
	return &Problem{Type: typePrefix + "failed", Title: "Failed", Status: http.StatusInternalServerError, Detail: "Something went wrong in the locator. The operator finds the cause in the log. Sending the same again does no harm."}
}

// write answers it.
func (p *Problem) write(w http.ResponseWriter, l *slog.Logger) {
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "2")
	}
	writeJSON(w, p.Status, "application/problem+json", p, l)
}

func writeJSON(w http.ResponseWriter, status int, kind string, v any, l *slog.Logger) {
	b, err := json.Marshal(v)
	if err != nil { // of our own types: a mistake in the program
		l.Error("an answer cannot be written", "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // a client that has gone away is no trouble of ours
}
