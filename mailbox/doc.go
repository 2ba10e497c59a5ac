// Package mailbox keeps what was sent to somebody (XDR, the Document Recipient of
// ITI TF-1 15): messages of metadata and documents, in a stream for each
// organisation. What lies in a mailbox is not registered: no query finds it and
// no uniqueId leads to it; its objects have ids of their own. The sweep knows its
// documents as bound.
//
// It imports access, fault, metadata and storage. sharing calls it.
package mailbox
