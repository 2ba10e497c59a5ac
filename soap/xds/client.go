package xds

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"time"

	"samdok/access"
	"samdok/internal/spool"
	"samdok/internal/xmlscan"
	"samdok/metadata"
	"samdok/metadata/ebrim"
	"samdok/soap"
	"samdok/soap/mtom"
)

// Options of a Client.
type Options struct {
	// RegistryURL takes ITI-18, 42, 51, 57, 61, 62 and 92, RepositoryURL ITI-41, 43 and 86.
	RegistryURL, RepositoryURL string
	// These override them for servers with an address per transaction. UpdateURL is
	// for both kinds of update.
	ProvideURL, RetrieveURL, QueryURL, RegisterURL string
	OnDemandURL                                    string
	// IdentityURL takes ITI-44, DiscoverURL ITI-55 and, if LocateURL is "", ITI-56.
	IdentityURL, DiscoverURL, LocateURL      string
	UpdateURL, RemoveURL, RemoveDocumentsURL string
	// HTTP sends; nil means http.DefaultClient. Time limits belong into contexts.
	HTTP *http.Client
	// Inbox takes the answers: requests ask for them at its URL. nil: answers come in
	// the same connection.
	Inbox *Inbox
	// Patience bounds the wait until an answer begins to arrive there; 0: contexts do.
	Patience time.Duration
	// Limits of answers; zero fields mean 256 MiB of envelope, 5 GiB a document.
	Limits mtom.Limits
	// TempDir holds encrypted spools; "" means the system's.
	TempDir string
}

// Client sends ITI-18, 41, 42, 43, 44, 57, 61, 62, 86 and 92 and streams documents both
// ways. It is safe for concurrent use. Its errors, besides those of net/http:
//
//   - *RefusedError: a registry response with the status Failure;
//   - *FaultError: a SOAP fault;
//   - *HTTPError: an HTTP status without either;
//   - *ProtocolError: an answer that breaks the rules.
type Client struct {
	o Options
	// trusting: an answer in the same connection needs no wsa:RelatesTo, and its action
	// may be that of the twin.
	trusting bool
}

// NewClient makes a client.
func NewClient(o Options) *Client {
	if o.HTTP == nil {
		o.HTTP = http.DefaultClient
	}
	if o.Limits.RootBytes <= 0 {
		o.Limits.RootBytes = 256 << 20
	}
	o.Limits = o.Limits.WithDefaults()
	first := func(to *string, url string) {
		if *to == "" {
			*to = url
		}
	}
	first(&o.ProvideURL, o.RepositoryURL)
	first(&o.RetrieveURL, o.RepositoryURL)
	first(&o.QueryURL, o.RegistryURL)
	first(&o.RegisterURL, o.RegistryURL)
	first(&o.OnDemandURL, o.RegistryURL)
	first(&o.UpdateURL, o.RegistryURL)
	first(&o.RemoveURL, o.RegistryURL)
	first(&o.RemoveDocumentsURL, o.RepositoryURL)
	first(&o.LocateURL, o.DiscoverURL)
	return &Client{o: o}
}

// Attachment is one document to be provided.
type Attachment struct {
	EntryID metadata.ID // the id of its DocumentEntry in the submission
	// MimeType is for the part's header; "" means application/octet-stream.
	MimeType string
	Size     int64 // exact; Provide fails when Open gives another number of bytes
	Open     func() (io.ReadCloser, error)
}

// FileAttachment is the content of a file.
func FileAttachment(entry metadata.ID, mimeType, path string) (Attachment, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Attachment{}, err
	}
	return Attachment{entry, mimeType, info.Size(), func() (io.ReadCloser, error) { return os.Open(path) }}, nil
}

// BytesAttachment is content in memory.
func BytesAttachment(entry metadata.ID, mimeType string, content []byte) Attachment {
	return Attachment{entry, mimeType, int64(len(content)), func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	}}
}

// Register sends ITI-42.
func (c *Client) Register(ctx context.Context, s *metadata.Submission) (ebrim.RegistryResponse, error) {
	call := c.call(actionRegister, c.o.RegisterURL)
	env := soap.AppendOpen(make([]byte, 0, 16<<10), call.header)
	env = soap.AppendClose(ebrim.AppendSubmission(env, s))
	return call.registry(ctx, plain(env))
}

// RegisterOnDemand sends ITI-61.
func (c *Client) RegisterOnDemand(ctx context.Context, s *metadata.Submission) (ebrim.RegistryResponse, error) {
	call := c.call(actionOnDemand, c.o.OnDemandURL)
	env := soap.AppendOpen(make([]byte, 0, 16<<10), call.header)
	env = soap.AppendClose(ebrim.AppendSubmission(env, s))
	return call.registry(ctx, plain(env))
}

// Find sends ITI-18 or, for a query of its kind, ITI-51. A partial success is no
// error: see Problems of the answer.
func (c *Client) Find(ctx context.Context, q metadata.StoredQuery) (*ebrim.QueryResponse, error) {
	action := actionQuery
	if metadata.Across(q.Query) {
		action = actionAcross
	}
	call := c.call(action, c.o.QueryURL)
	env := soap.AppendOpen(make([]byte, 0, 2<<10), call.header)
	env = soap.AppendClose(ebrim.AppendQuery(env, q))
	var answer *ebrim.QueryResponse
	err := call.do(ctx, plain(env), func(sc *xmlscan.Scanner, _ *message) (err error) {
		answer, err = ebrim.DecodeQueryResponse(sc)
		return err
	})
	if err != nil {
		return nil, err
	}
	if answer.Status == ebrim.Failure {
		return answer, &RefusedError{answer.Problems}
	}
	return answer, nil
}

// Provide sends ITI-41. Documents are opened one after another and stream.
func (c *Client) Provide(ctx context.Context, s *metadata.Submission, docs []Attachment) (ebrim.RegistryResponse, error) {
	call := c.call(actionProvide, c.o.ProvideURL)
	env := soap.AppendOpen(make([]byte, 0, 16<<10), call.header)
	env = append(env, `<xds:ProvideAndRegisterDocumentSetRequest xmlns:xds="`+xdsNS+`">`...)
	env = ebrim.AppendSubmission(env, s)
	parts := make([]mtom.Attachment, len(docs))
	for i := range docs {
		id := attachmentID(i)
		parts[i] = mtom.Attachment{ID: id, MediaType: docs[i].MimeType, Size: docs[i].Size}
		env = append(env, `<xds:Document id="`...)
		env = xmlscan.AppendAttr(env, string(docs[i].EntryID))
		env = append(env, `"><xop:Include xmlns:xop="`+soap.XopNS+`" href="cid:`...)
		env = append(append(env, id...), `"/></xds:Document>`...)
	}
	env = soap.AppendClose(append(env, `</xds:ProvideAndRegisterDocumentSetRequest>`...))
	return call.registry(ctx, packed(mtom.NewWriter(env, parts), docs))
}

// Document is one retrieved document. Body is valid during the call that gets it.
type Document struct {
	Request  metadata.DocumentRequest // as asked for
	NewID    metadata.DocumentRequest // of an on-demand document; "" when none
	MimeType string
	Body     io.Reader
}

// Retrieve sends ITI-43 and calls each for every document, while it streams in. An
// error of each ends it. A partial success is no error.
func (c *Client) Retrieve(ctx context.Context, requests []metadata.DocumentRequest, each func(Document) error) (ebrim.RegistryResponse, error) {
	call := c.call(actionRetrieve, c.o.RetrieveURL)
	env := appendRetrieve(call.header, requests)
	var answer ebrim.RegistryResponse
	var docs []responseDocument
	err := call.do(ctx, packed(mtom.NewWriter(env, nil), nil), func(sc *xmlscan.Scanner, m *message) (err error) {
		if answer, docs, err = m.retrieveResponse(sc); err != nil {
			return err
		}
		if err := soap.CloseEnvelope(sc); err != nil {
			return err
		}
		return m.documents(docs, each)
	})
	if err != nil {
		return answer, err
	}
	return answer, refusal(answer)
}

func appendRetrieve(h soap.Header, requests []metadata.DocumentRequest) []byte {
	env := soap.AppendOpen(make([]byte, 0, 2<<10), h)
	env = append(env, `<xds:RetrieveDocumentSetRequest xmlns:xds="`+xdsNS+`">`...)
	env = appendRequests(env, requests)
	return soap.AppendClose(append(env, `</xds:RetrieveDocumentSetRequest>`...))
}

func refusal(r ebrim.RegistryResponse) error {
	if r.Status == ebrim.Failure {
		return &RefusedError{r.Problems}
	}
	return nil
}

// call is one request and its answer.
type call struct {
	c      *Client
	url    string
	header soap.Header
	// feed is how much of an answer's envelope is read at once; a longer one is read
	// while it is decoded. 0: all of it.
	feed  int64
	hops  int    // gateways that the request has passed
	trace string // traceparent

	correlation string // xcpd:CorrelationTimeToLive of the answer
}

// callFor is a call that passes on what a caller asked a gateway for.
func (c *Client) callFor(by access.Caller, action, url string) *call {
	k := c.call(action, url)
	k.hops, k.trace = by.Hops, by.TraceParent
	return k
}

func (c *Client) call(action, url string) *call {
	h := soap.Header{Action: action, MessageID: metadata.NewUUID().String(), To: url, ReplyTo: soap.Anonymous}
	if c.o.Inbox != nil {
		h.ReplyTo = c.o.Inbox.url
	}
	k := &call{c: c, url: url, header: h}
	if action == actionRetrieve || action == actionCrossRetrieve {
		k.feed = 1 << 20 // documents may stand inside
	}
	return k
}

// registry is do for transactions that answer a RegistryResponse.
func (c *call) registry(ctx context.Context, b requestBody) (ebrim.RegistryResponse, error) {
	var answer ebrim.RegistryResponse
	err := c.do(ctx, b, func(sc *xmlscan.Scanner, _ *message) error {
		r, err := ebrim.DecodeRegistryResponse(sc)
		if err == nil {
			answer = *r
		}
		return err
	})
	if err != nil {
		return answer, err
	}
	return answer, refusal(answer)
}

func (c *call) spool() spool.Options { return spool.Options{Dir: c.c.o.TempDir} }
