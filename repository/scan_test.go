package repository_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"samdok/fault"
	"samdok/repository"
	"samdok/repository/malware"
)

// clamd is a server that speaks zINSTREAM; answer gives the reply to the bytes,
// "" to hang up.
func clamd(t *testing.T, answer func(data string) string) *malware.Clamd {
	t.Helper()
	at := filepath.Join(t.TempDir(), "clamd.sock")
	l, err := net.Listen("unix", at)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				r := bufio.NewReader(conn)
				if s, err := r.ReadString(0); err != nil || s != "zINSTREAM\x00" {
					return
				}
				var data []byte
				for {
					var n uint32
					if binary.Read(r, binary.BigEndian, &n) != nil {
						return
					}
					if n == 0 {
						break
					}
					b := make([]byte, n)
					if _, err := io.ReadFull(r, b); err != nil {
						return
					}
					data = append(data, b...)
				}
				fmt.Fprint(conn, answer(string(data)))
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return &malware.Clamd{Address: at}
}

func TestScan(t *testing.T) {
	eicar := func(data string) string {
		switch {
		case strings.Contains(data, "EICAR"):
			return "stream: Eicar FOUND\x00"
		case strings.Contains(data, "BROKEN"):
			return ""
		}
		return "stream: OK\x00"
	}
	down := func(context.Context, malware.Document) (*malware.Scan, error) { return nil, errors.New("no scanner") }
	held := "XDSRepositoryBusy: Document 2 (1.2.3.2) could not be scanned for malware, so it is not accepted now. Send the submission again later."
	for _, c := range []struct {
		name  string
		scan  func(context.Context, malware.Document) (*malware.Scan, error)
		admit bool
		data  string // of document 2
		kind  fault.Kind
		want  []string
	}{
		{name: "clean", data: "fine"},
		{name: "infected", data: strings.Repeat("x", 200_000) + "EICAR", kind: fault.Invalid,
			want: []string{"InvalidDocumentContent: 1.2.3.2: the malware scanner found Eicar in this document."}},
		{name: "infected is never admitted", data: "EICAR", admit: true, kind: fault.Invalid,
			want: []string{"InvalidDocumentContent: 1.2.3.2: the malware scanner found Eicar in this document."}},
		{name: "no verdict holds", data: "BROKEN", kind: fault.Unavailable, want: []string{held}},
		{name: "no verdict admitted", data: "BROKEN", admit: true},
		{name: "no scanner holds", data: "x", scan: down, kind: fault.Unavailable,
			want: []string{strings.ReplaceAll(strings.ReplaceAll(held, "Document 2", "Document 1"), "1.2.3.2", "1.2.3.1")}},
		{name: "no scanner admitted", data: "x", scan: down, admit: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.scan == nil {
				c.scan = clamd(t, eicar).Open
			}
			w := newWorld(t, func(o *repository.Options) { o.Scan, o.AdmitUnscanned = c.scan, c.admit })
			in, err := w.Take(t.Context(), tenant, submission("1", "2", "3"),
				&parts{list: []part{bytesPart("1", "one"), bytesPart("2", c.data), bytesPart("3", "three")}})
			if d := cmp.Diff(c.want, codes(err)); d != "" {
				t.Errorf("problems (-want +got):\n%s", d)
			}
			want := 3
			if c.want != nil {
				want = 0
				if fault.KindOf(err) != c.kind {
					t.Errorf("kind %v, want %v", fault.KindOf(err), c.kind)
				}
			} else if err == nil && len(in.Keys()) != 3 {
				t.Errorf("keys %v", in.Keys())
			}
			if n := len(w.keys(t)); n != want {
				t.Errorf("%d documents stored, want %d", n, want)
			}
		})
	}
}
