package xds

import (
	"cmp"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"samdok/access"
	"samdok/discovery"
	"samdok/fault"
	"samdok/gateway"
	"samdok/internal/spool"
	"samdok/internal/xmlscan"
	"samdok/metadata"
	"samdok/metadata/ebrim"
	"samdok/soap"
	"samdok/soap/mtom"
)

// CommunityOptions of a Community.
type CommunityOptions struct {
	// Client says where to ask: QueryURL and RetrieveURL are those of the responding
	// gateway.
	Client Options
	// From is the own homeCommunityId, in whose name it is asked who a patient is.
	From string
	// Plain is for a community without a gateway: a registry and a repository that
	// know ITI-18 and ITI-43 only. What they answer gets Home.
	Plain bool
	Home  string
}

// Community makes a remote community look local: it asks its responding gateway by
// ITI-38 and ITI-39. It implements gateway.Community.
type Community struct {
	c *Client
	o CommunityOptions
}

var _ gateway.Community = (*Community)(nil)

// NewCommunity makes a Community. It forgives answers without wsa:RelatesTo and
// under the action of ITI-18 or ITI-43: the connection says what they answer.
func NewCommunity(o CommunityOptions) *Community {
	c := NewClient(o.Client)
	c.trusting = true
	return &Community{c, o}
}

// queryFeed is how much of an answer is in memory before objects are handed over.
const queryFeed = 256 << 10

// Find implements gateway.Community by ITI-38. An answer of more than the client's
// RootBytes is a *spool.LimitError.
func (k *Community) Find(ctx context.Context, c access.Caller, q metadata.StoredQuery, show func(metadata.Object) error) ([]fault.Problem, error) {
	action := actionCrossQuery
	if k.o.Plain {
		action, q.Home = actionQuery, ""
	}
	call := k.c.callFor(c, action, k.c.o.QueryURL)
	call.feed = queryFeed
	env := soap.AppendOpen(make([]byte, 0, 2<<10), call.header)
	env = soap.AppendClose(ebrim.AppendQuery(env, q))
	var answer *ebrim.QueryResponse
	var refused error // by show: not the community's doing
	err := call.do(ctx, plain(env), func(sc *xmlscan.Scanner, _ *message) (err error) {
		each := func(o metadata.Object) error {
			k.mark(o)
			refused = show(o)
			return refused
		}
		answer, err = ebrim.Limits{}.StreamQueryResponse(sc, each, func(r ebrim.Ref) error {
			return each(&metadata.ObjectReference{ID: r.ID, Home: r.Home})
		})
		return err
	})
	var broken *xmlscan.Error
	switch {
	case refused != nil:
		return nil, refused
	case errors.As(err, &broken) && broken.Limit == "size":
		return nil, &spool.LimitError{Name: "quota of the community", Max: k.c.o.Limits.RootBytes}
	case err != nil:
		return nil, err
	case answer.Status == ebrim.Failure:
		return nil, refusedBy("xds.Community.Find", answer.Problems)
	case answer.Status == ebrim.PartialSuccess:
		answer.Problems = explained(answer.Problems, "The community answered a part of what it has and gave no reason.")
	}
	return append(answer.Problems, answer.Defects...), nil
}

// Discover asks by ITI-55 who a patient is in the community, and how long the answer may
// be kept.
func (k *Community) Discover(ctx context.Context, c access.Caller, q discovery.Query) (discovery.Answer, time.Duration, error) {
	return k.c.discover(ctx, c, k.o.From, q)
}

// Where asks by ITI-56 where a patient has data. A community that does not know that of
// this patient has refused the question.
func (k *Community) Where(ctx context.Context, c access.Caller, patient metadata.PatientID) ([]discovery.Location, error) {
	all, err := k.c.locate(ctx, c, patient)
	var refused *FaultError
	if errors.As(err, &refused) && refused.Code == string(soap.Sender) {
		return nil, &fault.Error{Op: "xds.Community.Where", Kind: fault.NotFound, Err: err}
	}
	return all, err
}

// mark gives objects of a community without a gateway their home.
func (k *Community) mark(o metadata.Object) {
	if !k.o.Plain {
		return
	}
	switch o := o.(type) {
	case *metadata.DocumentEntry:
		o.Home = k.o.Home
	case *metadata.SubmissionSet:
		o.Home = k.o.Home
	case *metadata.Folder:
		o.Home = k.o.Home
	case *metadata.ObjectReference:
		o.Home = k.o.Home
	}
}

// refusedBy is an answer with the status Failure.
func refusedBy(op string, problems []fault.Problem) error {
	return &fault.Error{Op: op, Kind: fault.Invalid, Problems: explained(problems, "The community refused the request and gave no reason.")}
}

// explained adds an error to problems without one, as warnings alone would make a success
// of what was none.
func explained(problems []fault.Problem, context string) []fault.Problem {
	if fault.HasErrors(problems) {
		return problems
	}
	return append(problems, fault.Problem{Code: fault.RegistryError, Context: context})
}

// unknownType is what a document is that comes without a mimeType, which the schema of
// the answer requires.
const unknownType = "application/octet-stream"

// Retrieve implements gateway.Community by ITI-39.
func (k *Community) Retrieve(ctx context.Context, c access.Caller, requests []metadata.DocumentRequest) (*gateway.Retrieved, error) {
	action, asked := actionCrossRetrieve, requests
	if k.o.Plain {
		action = actionRetrieve
		asked = make([]metadata.DocumentRequest, len(requests))
		for i, r := range requests {
			r.Home = ""
			asked[i] = r
		}
	}
	call := k.c.callFor(c, action, k.c.o.RetrieveURL)
	r, err := call.send(ctx, packed(mtom.NewWriter(appendRetrieve(call.header, asked), nil), nil))
	if err != nil {
		return nil, err
	}
	answer, docs, err := r.msg.retrieveResponse(r.scan)
	if err == nil {
		err = soap.CloseEnvelope(r.scan)
	}
	if err != nil {
		r.close()
		return nil, wrong("its body", err)
	}
	if answer.Status == ebrim.Failure && len(docs) == 0 {
		r.close()
		return nil, refusedBy("xds.Community.Retrieve", answer.Problems)
	}
	out := k.stream(r, docs, answer.Problems, requests)
	if err := out.begin(); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return out.Retrieved, nil
}

// stream makes documents of what comes behind the envelope. Only what was asked for
// is taken.
func (k *Community) stream(r *reply, docs []responseDocument, problems []fault.Problem, requests []metadata.DocumentRequest) streamed {
	list := make([]document, len(docs))
	for i := range docs {
		list[i] = docs[i].doc
	}
	b := &bodies{reply: r, stream: newStream(&r.msg, list), waiting: map[int]*spool.Spool{}, count: len(docs), room: k.c.o.Limits.RootBytes}
	out := streamed{&gateway.Retrieved{Problems: problems}}
	wanted := make(map[metadata.DocumentRequest]int, len(requests))
	for _, q := range requests {
		wanted[q]++
	}
	for i := range docs {
		d := &docs[i].Document
		if k.o.Plain {
			d.Request.Home = k.o.Home
		}
		if d.Request.Home == "" { // nobody else was asked in this message
			d.Request.Home = requests[0].Home
		}
		if wanted[d.Request] == 0 {
			out.Problems = append(out.Problems, fault.Problem{Code: fault.RepositoryError, Location: d.Request.UniqueID,
				Context: "The community answered a document that was not asked for. It is left out."})
			continue
		}
		wanted[d.Request]--
		out.Documents = append(out.Documents, gateway.Document{Request: d.Request, NewID: d.NewID, MimeType: cmp.Or(d.MimeType, unknownType), Size: -1, Body: &attached{b: b, i: i}})
	}
	out.Problems = append(out.Problems, silent(requests, wanted, problems)...)
	out.OnClose(b.close)
	return out
}

// streamed are documents on their way.
type streamed struct{ *gateway.Retrieved }

// begin waits for the beginning of the first document, so that an answer without it is no
// answer, and not a connection that breaks in front of a person.
func (s streamed) begin() error {
	if len(s.Documents) == 0 {
		return nil
	}
	return s.Documents[0].Body.(*attached).start()
}

// silent tells of documents of which an answer says nothing: whoever asked must not take
// them for not existing. A problem that is of no document explains all.
func silent(requests []metadata.DocumentRequest, wanted map[metadata.DocumentRequest]int, problems []fault.Problem) (all []fault.Problem) {
	for _, q := range requests {
		told := wanted[q] == 0
		for i := range problems {
			at := problems[i].Location
			told = told || at == "" || at == q.Home || strings.Contains(at, q.UniqueID)
		}
		if told {
			continue
		}
		wanted[q]--
		all = append(all, fault.Problem{Code: fault.RepositoryError, Location: q.UniqueID,
			Context: "The community answered neither this document nor why it does not come."})
	}
	return all
}

// bodies reads the attachments of an answer, in whatever order they come.
type bodies struct {
	*reply
	stream  *stream
	waiting map[int]*spool.Spool // that came before they were wanted
	now     *attached            // whose octets come next on the connection; nil: nobody's
	count   int
	room    int64 // octets that may wait
	done    bool
	err     error
}

// attached is one document of bodies.
type attached struct {
	b    *bodies
	i    int
	open io.Reader
	err  error // what Read says for good, also io.EOF
}

// errPassed is of a document that was begun and left for one behind it on the connection:
// what was not read of it is gone, which must not look like its end.
var errPassed = errors.New("a document behind it was read before it was at its end")

func (d *attached) start() (err error) {
	if d.open == nil {
		d.open, err = d.b.seek(d)
	}
	return err
}

func (d *attached) Read(p []byte) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	n, err := d.read(p)
	d.err = err
	return n, err
}

func (d *attached) read(p []byte) (int, error) {
	if err := d.start(); err != nil {
		return 0, err
	}
	n, err := d.open.Read(p)
	if err == io.EOF && d.i == d.b.count-1 {
		if e := d.b.finish(); e != nil {
			return n, e
		}
	}
	if err != nil && err != io.EOF {
		err = wrong("a document", err)
	}
	return n, err
}

// seek moves on to the attachment of a document; others on the way wait.
func (b *bodies) seek(d *attached) (io.Reader, error) {
	if sp := b.waiting[d.i]; sp != nil {
		return sp.Reader(), nil
	}
	b.pass()
	for b.err == nil {
		at, r, err := b.stream.next()
		var unasked *unaskedError
		switch {
		case errors.As(err, &unasked):
			continue
		case err == io.EOF:
			b.err = &ProtocolError{What: "a document is missing in it"}
		case err != nil:
			b.err = wrong("a document", err)
		case at == d.i:
			b.now = d
			return r, nil
		default:
			if b.err = b.keep(at, r); b.err != nil {
				b.err = wrong("a document", b.err)
			}
		}
	}
	return nil, b.err
}

// pass leaves the document whose octets come next.
func (b *bodies) pass() {
	if b.now != nil && b.now.err == nil {
		b.now.err = errPassed
	}
	b.now = nil
}

// keep lets a document wait that came out of order.
func (b *bodies) keep(i int, r io.Reader) error {
	options := b.msg.tmp
	options.Max, options.MaxName = max(b.room, 1), "quota of the community"
	sp := spool.New(options)
	b.waiting[i] = sp
	n, err := io.Copy(sp, r)
	b.room -= n
	return err
}

// finish makes sure that nothing was cut off behind the last document.
func (b *bodies) finish() error {
	if b.done || b.err != nil {
		return b.err
	}
	b.done = true
	if b.now != nil && b.now.i != b.count-1 {
		b.pass()
	}
	for {
		_, _, err := b.stream.next()
		var unasked *unaskedError
		switch {
		case err == nil, errors.As(err, &unasked):
			continue
		case err != io.EOF:
			b.err = wrong("its end", err)
			return b.err
		}
		return nil
	}
}

func (b *bodies) close() error {
	b.stream.close()
	for _, sp := range b.waiting {
		sp.Close()
	}
	b.reply.close()
	return nil
}
