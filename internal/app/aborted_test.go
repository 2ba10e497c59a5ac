package app

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"samdok/access"
	"samdok/audit"
	"samdok/audit/ledger"
	"samdok/internal/telemetry"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/soap/xds"
)

// cutting sends the beginning of a request's body.
type cutting struct {
	http.RoundTripper
	after int64
	end   error // how the body ends then: io.EOF, or the connection breaks
}

func (c cutting) RoundTrip(r *http.Request) (*http.Response, error) {
	body := r.Body
	r.ContentLength = -1
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(body, c.after), ending{c.end}), body}
	return c.RoundTripper.RoundTrip(r)
}

type ending struct{ err error }

func (e ending) Read([]byte) (int, error) { return 0, e.err }

// An upload whose sender went away was aborted; one that is whole as HTTP and not as a
// package was wrong.
func TestUploadThatEndsEarly(t *testing.T) {
	for name, c := range map[string]struct {
		end  error
		want audit.Outcome
	}{"connection": {errors.New("unplugged"), audit.Aborted}, "package": {io.EOF, audit.Failed}} {
		t.Run(name, func(t *testing.T) {
			conf := settings(t, t.TempDir())
			a, stop := serve(t, conf, io.Discard)
			// The body begins when the server asks for it, so that there is a request to abort.
			transport := &http.Transport{ExpectContinueTimeout: time.Minute}
			defer transport.CloseIdleConnections()
			x := xds.NewClient(xds.Options{RepositoryURL: a.Info().Repository, HTTP: &http.Client{Transport: cutting{transport, 300 << 10, c.end}}})
			g := metadatatest.New(3)
			p := g.Patient()
			d := g.Document(p, metadatatest.Note)
			d.Bytes = make([]byte, 1<<20)
			d.Entry.Size, d.Entry.Hash = metadata.Size{}, ""
			if _, err := x.Provide(t.Context(), g.Submission(p, d), []xds.Attachment{xds.BytesAttachment(d.Entry.ID, d.Entry.MimeType, d.Bytes)}); err == nil {
				t.Fatal("half a document was taken")
			}
			stop() // every request has ended
			log, err := telemetry.NewLog(t.Output(), "warn", "text")
			if err != nil {
				t.Fatal(err)
			}
			data, err := openData(t.Context(), conf, log, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			defer data.close()
			var got []audit.Outcome
			for r, err := range data.ledger.Find(t.Context(), ledger.Search{}) {
				if err != nil {
					t.Fatal(err)
				}
				if r.Event.Request.Action == access.ActionProvide {
					got = append(got, r.Event.Outcome)
				}
			}
			if len(got) != 1 || got[0] != c.want {
				t.Errorf("recorded %v, want %v", got, c.want)
			}
		})
	}
}
