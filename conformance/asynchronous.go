package conformance

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Anonymous is the wsa:ReplyTo of a request that is answered in its connection.
const Anonymous = nsWSA + "/anonymous"

// answeredWithin is how long an asynchronous answer may take.
const answeredWithin = 20 * time.Second

// Inbox is where the kit takes answers that go to a wsa:ReplyTo.
type Inbox struct {
	Address string
	t       *T
	came    chan delivery
}

type delivery struct {
	answer *Answer
	err    error
}

// WithInbox runs a case with an inbox, or skips it when nobody told the address
// to which the server may send answers.
func (t *T) WithInbox(run func(*Inbox)) {
	if t.target.ReplyTo == "" {
		t.Skipf("needs an address to which the server sends answers (--reply-to)")
	}
	l, err := net.Listen("tcp", t.target.ReplyTo)
	if err != nil {
		t.Errorf("the inbox of answers: %v", err)
	}
	host := l.Addr().String()
	if _, port, _ := net.SplitHostPort(t.target.ReplyTo); port != "0" {
		host = t.target.ReplyTo // as the server has it on its list
	}
	in := &Inbox{Address: "http://" + host + "/" + NewUUID()[9:], t: t, came: make(chan delivery, 8)}
	server := &http.Server{Handler: in, ReadHeaderTimeout: 10 * time.Second}
	server.SetKeepAlivesEnabled(false) // the next case has an inbox of its own
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(l) }()
	defer func() {
		// A delivery whose word is cut off would come again, in the next case.
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
		}
		<-ended
	}()
	run(in)
}

func (in *Inbox) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if !strings.HasSuffix(in.Address, req.URL.Path) {
		http.NotFound(w, req) // of a case before
		return
	}
	raw, err := io.ReadAll(io.LimitReader(req.Body, 16<<20))
	d := delivery{err: err}
	if req.Method != http.MethodPost {
		d.err = errors.New("the method is " + req.Method)
	}
	// Read like an answer in the connection, so that the same rules apply.
	d.answer = readAnswer(&http.Response{StatusCode: http.StatusOK, Header: req.Header}, raw)
	select {
	case in.came <- d:
	default:
	}
	w.WriteHeader(http.StatusAccepted)
}

// Ask sends a transaction that wants its answer in the inbox, ITI-39, ITI-41 and
// ITI-43 as MTOM. It expects HTTP 202 without a body and returns the answer that was posted,
// whose WS-Addressing headers it checks.
func (in *Inbox) Ask(action, body string, parts ...Part) *Answer {
	id := NewUUID()
	here := in.t.askAt(in.Address, id, action, body, parts)
	in.t.Check(here.Status == http.StatusAccepted, "HTTP %d with %d octets where a request with a wsa:ReplyTo is taken with 202", here.Status, len(here.Raw))
	a := in.next()
	in.t.Check(len(bytes.TrimSpace(here.Raw)) == 0, "HTTP 202 has a body of %d octets", len(here.Raw))
	in.t.Check(a.RootErr == nil && a.Root != nil, "the answer that was posted cannot be read: %v", a.RootErr)
	for name, want := range map[string]string{"RelatesTo": id, "To": in.Address, "Action": answerOf(action)} {
		h := Find(a.Root, nsWSA, name)
		in.t.Check(h != nil, "the answer that was posted has no wsa:%s", name)
		in.t.Check(text(h) == want, "wsa:%s of the answer is %q, expected %q", name, text(h), want)
	}
	return a
}

// answerOf is the action of an answer.
func answerOf(action string) string {
	if action == ActionDiscover {
		return ActionDiscoverAnswer
	}
	return action + "Response"
}

// AskAt sends a query whose answer is to go to any address, and returns what is
// said in the connection.
func (t *T) AskAt(replyTo, body string) *Answer {
	return t.askAt(replyTo, NewUUID(), ActionQuery, body, nil)
}

func (t *T) askAt(replyTo, id, action, body string, parts []Part) *Answer {
	envelope := strings.Replace(Envelope(action, id, "", body), Anonymous, esc(replyTo), 1)
	address, contentType, message := t.target.Registry, soapType, []byte(envelope)
	switch action {
	case ActionProvide, ActionRetrieve:
		address = t.target.Repository
		contentType, message = MTOM(envelope, parts, 0)
	case ActionCrossQuery:
		address = t.gateway()
	case ActionCrossRetrieve:
		address = t.gateway()
		contentType, message = MTOM(envelope, parts, 0)
	case ActionDiscover:
		address = t.discovery()
	}
	a := t.Post(address, contentType, message)
	if a.Root != nil && Find(a.Root, nsSOAP, "Fault") != nil && bytes.Contains(a.Raw, []byte("OnlyAnonymousAddressSupported")) {
		t.Skipf("the server answers in the same connection only")
	}
	return a
}

// next is the next answer; the case fails when none comes.
func (in *Inbox) next() *Answer {
	select {
	case d := <-in.came:
		in.t.Check(d.err == nil, "an answer cannot be taken: %v", d.err)
		return d.answer
	case <-time.After(answeredWithin):
		in.t.Failf("no answer within %s after HTTP 202", answeredWithin)
	case <-in.t.ctx.Done():
		in.t.Failf("no answer within the time of the case")
	}
	return nil
}
