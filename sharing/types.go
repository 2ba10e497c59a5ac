package sharing

import (
	"context"
	"io"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/mailbox"
	"samdok/metadata"
	"samdok/subscription"
)

// Reader is what a gateway offers: to find and to open.
type Reader interface {
	// Find answers a stored query (ITI-18, ITI-38, ITI-51). It calls show for each object
	// that the caller may see, in the order of the answer; when Find returns an
	// error, nothing of what was shown may leave. The record is durable when Find
	// returns nil.
	Find(ctx context.Context, c access.Caller, q metadata.StoredQuery, show func(metadata.Object) error) (Found, error)
	// Retrieve opens documents (ITI-43, ITI-39). The record is durable when it
	// returns nil. The caller must Close the result.
	Retrieve(ctx context.Context, c access.Caller, r []metadata.DocumentRequest) (*Retrieved, error)
}

// Service is every use case. *Sharing implements it; doors take it so that the
// doors' tests can watch the calls.
type Service interface {
	// Provide stores documents and registers them (ITI-41).
	Provide(ctx context.Context, c access.Caller, p Provide) (Receipt, error)
	// Receive takes a message in for the mailboxes of its recipients (ITI-41 to a
	// Document Recipient, XDR); nothing of it is registered.
	Receive(ctx context.Context, c access.Caller, p Provide) (Receipt, error)
	// ListMail shows the messages of an organisation's mailbox and returns how many;
	// OpenMail opens one by its submission set's uniqueId. The records are durable when
	// they return nil. The caller must Close a Mail's Retrieved.
	ListMail(ctx context.Context, c access.Caller, organisation string, show func(mailbox.Message) error) (int, error)
	OpenMail(ctx context.Context, c access.Caller, organisation, uniqueID string) (Mail, error)
	// Register registers metadata whose documents another repository holds
	// (ITI-42).
	Register(ctx context.Context, c access.Caller, r Register) (Receipt, error)
	// RegisterOnDemand registers metadata of documents that are made when they are
	// retrieved (ITI-61).
	RegisterOnDemand(ctx context.Context, c access.Caller, r Register) (Receipt, error)
	Reader
	// Update changes registered metadata (ITI-57, ITI-92).
	Update(ctx context.Context, c access.Caller, u Update) (Receipt, error)
	// Remove removes metadata, all of the objects or none (ITI-62).
	Remove(ctx context.Context, c access.Caller, ids []metadata.ID) error
	// RemoveDocuments destroys documents; their metadata stays (ITI-86).
	RemoveDocuments(ctx context.Context, c access.Caller, r []metadata.DocumentRequest) (Removed, error)
	// Subscribe begins a subscription, Renew gives it another end, Unsubscribe ends
	// it (ITI-52).
	Subscribe(ctx context.Context, c access.Caller, q Subscribe) (subscription.Subscription, error)
	Renew(ctx context.Context, c access.Caller, id metadata.UUID, until func(now time.Time) time.Time) (subscription.Subscription, error)
	Unsubscribe(ctx context.Context, c access.Caller, id metadata.UUID) error
	// Publish tells subscribers of objects that are registered elsewhere (ITI-54).
	Publish(ctx context.Context, c access.Caller, producer string, objects []metadata.Object) error
	// Notify tells which objects of a notice its subscriber may be told of now
	// (ITI-53). The caller is the subscriber, as it was when it subscribed.
	Notify(ctx context.Context, c access.Caller, sub subscription.Subscription, n subscription.Notice) ([]metadata.Object, error)
	// Feed takes in a message of a patient identity feed (ITI-8, ITI-44), durable
	// when it returns nil. A message that was taken in before changes nothing and is
	// nil again. Errors are *fault.Error; all but these leave the outcome unknown:
	//   Invalid: an id cannot be used, is of an assigning authority that is not
	//     this domain's, or is merged into itself.
	//   NotFound: a merge names an id that no feed has told of.
	//   Conflict: an id of the message lives on in another one already.
	//   Denied, Busy: nothing was changed.
	Feed(ctx context.Context, c access.Caller, f PatientFeed) error
}

// Provide is an ITI-41 request whose root part has been read.
type Provide struct {
	Submission *metadata.Submission
	// Problems were found while decoding. When there are errors among them,
	// nothing is read and all of them are answered with those of validation.
	Problems []fault.Problem
	// Documents yields the parts in the order of the message.
	Documents Parts
}

// Parts reads the documents of a Provide one after another.
type Parts interface {
	// Next returns the entry id (Document/@id) and the bytes of the next
	// document; io.EOF after the last. The reader is valid until the next call.
	Next() (metadata.ID, io.Reader, error)
}

// Register is an ITI-42 or ITI-61 request.
type Register struct {
	Submission *metadata.Submission
	Problems   []fault.Problem
}

// Update is an ITI-57 or, Restricted, an ITI-92 request.
type Update struct {
	Submission *metadata.Submission
	Problems   []fault.Problem
	Restricted bool
}

// Removed says how many of the requested documents were destroyed and why the
// others were not.
type Removed struct {
	Documents int
	Problems  []fault.Problem
}

// Receipt says that a submission was accepted.
type Receipt struct {
	// Warnings are problems of severity warning.
	Warnings []fault.Problem
	// IDs maps the submitted ids to the registered ones.
	IDs map[metadata.ID]metadata.ID
}

// Found says how a search ended.
type Found struct {
	Shown  int
	Hidden int // blocked items that the caller may know of
	// Problems came with results: a partial success.
	Problems []fault.Problem
}

// Retrieved are opened documents and the problems of the others.
type Retrieved struct {
	Documents []Document
	Problems  []fault.Problem
	onClose   func(aborted error)
}

// Document is one opened document. Body is read once; it fails, and never ends
// early with io.EOF, when bytes are missing or altered.
type Document struct {
	Request  metadata.DocumentRequest
	NewID    metadata.DocumentRequest // NewRepositoryUniqueId, NewDocumentUniqueId; "" when none
	MimeType string
	Size     int64 // in octets; -1 when another community did not say
	Body     io.ReadCloser
}

// OnClose sets what Close tells its reason to, for implementations of Service
// outside this package.
func (r *Retrieved) OnClose(f func(aborted error)) { r.onClose = f }

// Close releases the documents. aborted is what stopped the answer, nil when all
// was sent; an aborted answer gets a record of its own.
func (r *Retrieved) Close(aborted error) {
	for i := range r.Documents {
		if r.Documents[i].Body != nil {
			r.Documents[i].Body.Close()
		}
	}
	if r.onClose != nil {
		r.onClose(aborted)
		r.onClose = nil
	}
}
