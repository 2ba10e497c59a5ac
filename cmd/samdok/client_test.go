package main

import (
	"errors"
	"net"
	"strings"
	"testing"

	"samdok/metadata"
	"samdok/soap/xds"
)

// A connection that breaks off is another thing than a server that is not there: what was
// asked may have been done.
func TestConnectionThatBreaksOff(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 1))
			c.Close()
		}
	}()
	ask := func() error {
		client := xds.NewClient(xds.Options{RegistryURL: "http://" + l.Addr().String()})
		_, err := client.Find(t.Context(), metadata.StoredQuery{Query: &metadata.GetSubmissionSets{IDs: []metadata.ID{"urn:uuid:1"}}})
		return (&cli{}).explain(t.Context(), err)
	}
	for _, want := range []string{"broke off in the middle", "Is the server running?"} {
		err := ask()
		var e *exitError
		if !errors.As(err, &e) || e.code != exitUnreachable || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		l.Close()
	}
}
