package main

import (
	"net/http"
	"strings"
	"testing"

	"samdok/soap/xds"
)

// A server that is busy or still waits for its engines is told of in its own words; only
// an answer that no server of ours gives makes the address doubtful.
func TestBusyIsNoWrongAddress(t *testing.T) {
	c := &cli{}
	for status, doubtful := range map[int]bool{http.StatusServiceUnavailable: false, http.StatusTooManyRequests: false, http.StatusNotFound: true} {
		err := c.explain(t.Context(), &xds.HTTPError{Status: status, Text: "the server's words"})
		if err == nil || !strings.Contains(err.Error(), "the server's words") || strings.Contains(err.Error(), "right address") != doubtful {
			t.Errorf("%d: %v", status, err)
		}
	}
}
