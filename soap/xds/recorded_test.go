package xds

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func recorded(contentType string, body io.Reader) (*httptest.ResponseRecorder, *http.Request) {
	r := httptest.NewRequest(http.MethodPost, "/", body)
	r.Header.Set("Content-Type", contentType)
	return httptest.NewRecorder(), r
}
