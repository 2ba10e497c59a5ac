package xds

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/sharing"
)

// zeros is a document of any size without memory.
type zeros struct{ left int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.left)
	clear(p[:n])
	z.left -= n
	return int(n), nil
}

func (z *zeros) Close() error { return nil }

func zeroAttachment(id metadata.ID, size int64) Attachment {
	return Attachment{id, "application/octet-stream", size, func() (io.ReadCloser, error) { return &zeros{size}, nil }}
}

// peak samples the heap while f runs, and returns how far it grew.
func peak(f func()) uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	before, most := m.HeapInuse, uint64(0)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse)
		}
	}()
	f()
	close(stop)
	<-done
	return max(most, before) - before
}

const large = 300 << 20

// 300 MiB go through client and door in both directions in little memory.
func TestMemory(t *testing.T) {
	var read int64
	sub, _, _ := sample(1)
	s := serve(t, &service{
		provide: func(_ context.Context, _ access.Caller, p sharing.Provide) (sharing.Receipt, error) {
			for {
				_, r, err := p.Documents.Next()
				if err == io.EOF {
					return sharing.Receipt{}, nil
				}
				if err != nil {
					return sharing.Receipt{}, err
				}
				if read, err = io.Copy(io.Discard, r); err != nil {
					return sharing.Receipt{}, err
				}
			}
		},
		retrieve: func(_ context.Context, _ access.Caller, r []metadata.DocumentRequest) (*sharing.Retrieved, error) {
			return &sharing.Retrieved{Documents: []sharing.Document{{Request: r[0], Size: large, Body: &zeros{large}}}}, nil
		},
	}, DoorOptions{})
	const bound = 8 << 20
	if grew := peak(func() {
		if _, err := s.c.Provide(context.Background(), sub, []Attachment{zeroAttachment(sub.Entries[0].ID, large)}); err != nil {
			t.Error(err)
		}
	}); grew > bound || read != large {
		t.Errorf("provide: heap grew by %d bytes; %d arrived", grew, read)
	} else {
		t.Logf("provide: heap grew by %d KiB", grew>>10)
	}
	var got int64
	if grew := peak(func() {
		_, err := s.c.Retrieve(context.Background(), ask, func(d Document) (err error) {
			got, err = io.Copy(io.Discard, d.Body)
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}); grew > bound || got != large {
		t.Errorf("retrieve: heap grew by %d bytes; %d arrived", grew, got)
	} else {
		t.Logf("retrieve: heap grew by %d KiB", grew>>10)
	}
}

// A refusal reaches a client that writes its whole upload before it reads, and
// costs no document byte of the use case.
func TestEarlyRefusalIsSeen(t *testing.T) {
	sub, _, _ := sample(1)
	s := serve(t, &service{provide: func(context.Context, access.Caller, sharing.Provide) (sharing.Receipt, error) {
		return sharing.Receipt{}, fault.New(fault.Denied, "test", fault.RegistryError, "no access")
	}}, DoorOptions{})
	ct, body := pack(envelope(actionProvide, pnr(sub, include(string(sub.Entries[0].ID), "cid:d1"))), "Content-ID: <d1>\r\n\r\n")
	i := strings.LastIndex(body, "\r\n--b--")
	const size = 20 << 20
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "POST /repository HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", ct, len(body)+size, body[:i]); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(conn, &zeros{size}); err != nil {
		t.Fatalf("the upload was cut off: %v", err)
	}
	if _, err := io.WriteString(conn, body[i:]); err != nil {
		t.Fatalf("the upload was cut off: %v", err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || !strings.Contains(string(b), "no access") {
		t.Fatalf("%d %s %v", resp.StatusCode, b, err)
	}
	if !resp.Close {
		t.Error("the connection was kept although the upload was not read by the use case")
	}
	// Go's client sees it too, also when the upload is larger than what is drained.
	var refused *RefusedError
	if _, err := s.c.Provide(context.Background(), sub, []Attachment{zeroAttachment(sub.Entries[0].ID, 200<<20)}); !errors.As(err, &refused) {
		t.Errorf("got %v", err)
	}
}

// A client that asks first uploads nothing when the message is refused for its
// headers.
func TestExpectContinue(t *testing.T) {
	s := serve(t, &service{}, DoorOptions{})
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	start := time.Now()
	fmt.Fprintf(conn, "POST /repository HTTP/1.1\r\nHost: x\r\nContent-Type: text/html\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != 415 {
		t.Fatal(resp, err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the answer took %v: it waited for an upload", took)
	}
	resp.Body.Close()
}

// A connection serves one request after the other, packed ones too.
func TestConnectionsAreReused(t *testing.T) {
	v := &vault{}
	s := serve(t, v.service(), DoorOptions{})
	var dials atomic.Int32
	tr := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		dials.Add(1)
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	defer tr.CloseIdleConnections()
	s.c.o.HTTP = &http.Client{Transport: tr}
	for range 5 {
		v.docs = nil
		v.add("a", "text/plain", 200_000, &zeros{200_000})
		if _, err := s.c.Retrieve(context.Background(), ask, func(d Document) error {
			_, err := io.Copy(io.Discard, d.Body)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		<-v.closed
	}
	if n := dials.Load(); n != 1 {
		t.Errorf("%d connections for 5 requests", n)
	}
}

// A client that goes away in the middle of its upload ends the use case with an
// error; nothing looks like the end of a document.
func TestClientGoesAway(t *testing.T) {
	sub, _, _ := sample(1)
	result := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := serve(t, &service{provide: func(_ context.Context, _ access.Caller, p sharing.Provide) (sharing.Receipt, error) {
		_, r, err := p.Documents.Next()
		cancel() // the client goes when its document has begun to come
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		result <- err
		return sharing.Receipt{}, err
	}}, DoorOptions{})
	stall := Attachment{sub.Entries[0].ID, "text/plain", 10 << 20, func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(&zeros{1 << 20}, waiting{ctx})), nil
	}}
	if _, err := s.c.Provide(ctx, sub, []Attachment{stall}); !errors.Is(err, context.Canceled) {
		t.Errorf("client: %v", err)
	}
	if err := <-result; err == nil || fault.KindOf(err) != fault.Canceled && fault.KindOf(err) != fault.Invalid {
		t.Errorf("use case: %v", err)
	}
}

type waiting struct{ ctx context.Context }

func (w waiting) Read([]byte) (int, error) {
	<-w.ctx.Done()
	return 0, w.ctx.Err()
}

// A client that never reads is dropped by the listener's deadline, and the use
// case hears of it.
func TestClientNeverReads(t *testing.T) {
	v := &vault{}
	v.add("a", "", large, &zeros{large})
	svc := v.service()
	h := RepositoryHandler(svc, DoorOptions{Log: discard()})
	s := serve(t, svc, DoorOptions{})
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
			t.Error(err)
		}
		h.ServeHTTP(w, r)
	})
	ct, body := pack(envelope(actionRetrieve, `<RetrieveDocumentSetRequest xmlns="urn:ihe:iti:xds-b:2007"><DocumentRequest><DocumentUniqueId>a</DocumentUniqueId><RepositoryUniqueId>1</RepositoryUniqueId></DocumentRequest></RetrieveDocumentSetRequest>`))
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /repository HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", ct, len(body), body)
	select {
	case err := <-v.closed:
		if err == nil {
			t.Error("an answer that nobody read was taken for sent")
		}
	case <-time.After(time.Minute):
		t.Fatal("the answer hangs")
	}
}

func TestClientErrors(t *testing.T) {
	good := envelope(actionRegister+response, `<rs:RegistryResponse xmlns:rs="urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0" status="urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"/>`)
	for name, c := range map[string]struct {
		status      int
		contentType string
		body        string
		want        string
	}{
		"proxy error":    {502, "text/html", "<h1>Bad Gateway</h1>", "HTTP 502 Bad Gateway: <h1>Bad Gateway</h1>"},
		"accepted":       {202, "", "", "HTTP 202"},
		"a page":         {200, "text/html", "<h1>Hi</h1>", "Content-Type"},
		"no RelatesTo":   {200, "application/soap+xml", good, "RelatesTo"},
		"not SOAP":       {200, "application/soap+xml", "<x/>", "not a SOAP envelope"},
		"cut":            {200, "application/soap+xml", good[:200], "well-formed"},
		"other action":   {200, "application/soap+xml", strings.Replace(good, actionRegister, actionQuery, 1), "wsa:Action"},
		"other body":     {200, "application/soap+xml", strings.Replace(good, "RegistryResponse", "Other", 1), "its body"},
		"no status":      {200, "application/soap+xml", strings.Replace(good, "Success", "Maybe", 1), "status"},
		"status without": {500, "application/soap+xml", good, "HTTP 500"},
		"fault":          {500, "application/soap+xml", `<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing"><e:Header><a:Action>f</a:Action></e:Header><e:Body><e:Fault><e:Code><e:Value>e:Sender</e:Value><e:Subcode><e:Value>a:ActionNotSupported</e:Value></e:Subcode></e:Code><e:Reason><e:Text xml:lang="nb">Nei</e:Text><e:Text xml:lang="en-GB">No</e:Text></e:Reason></e:Fault></e:Body></e:Envelope>`, "Sender/ActionNotSupported, HTTP 500): No"},
	} {
		s := serve(t, &service{}, DoorOptions{})
		s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			body := c.body
			if name != "no RelatesTo" {
				body = strings.Replace(body, "<wsa:MessageID>", "<wsa:RelatesTo>"+string(messageID.FindSubmatch(b)[1])+"</wsa:RelatesTo><wsa:MessageID>", 1)
			}
			w.Header().Set("Content-Type", c.contentType)
			w.WriteHeader(c.status)
			if _, err := io.WriteString(w, body); err != nil {
				t.Error(err)
			}
		})
		sub, _, _ := sample(1)
		_, err := s.c.Register(context.Background(), sub)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}
