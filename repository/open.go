package repository

import (
	"context"
	"errors"
	"io"
	"strings"

	"samdok/fault"
	"samdok/metadata"
	"samdok/storage"
)

// Open opens the bytes that the log has bound to an entry, for one reader. With
// lazy the bytes are only looked up now and opened by the first Read, so that a
// long answer does not hold all its files open. Errors are *fault.Error.
func (r *Repository) Open(ctx context.Context, p storage.Placed, lazy bool) (io.ReadCloser, int64, error) {
	e, ok := p.Object.(*metadata.DocumentEntry)
	if !ok || p.Document == "" {
		return nil, 0, fault.New(fault.NotFound, "repository.Open", fault.DocumentUniqueIDError, "The document is not held by this repository.")
	}
	b := &body{ctx: ctx, documents: r.documents, key: p.Document}
	var info storage.DocumentInfo
	var err error
	if lazy {
		info, err = r.documents.Stat(ctx, p.Document)
	} else {
		b.rc, info, err = r.documents.Open(ctx, p.Document, 0)
	}
	if err == nil && !same(e, info) {
		err = errors.New("the stored bytes are not those that were registered: hash or size differ")
	}
	if err != nil {
		b.Close()
		if fault.KindOf(err) == fault.NotFound {
			// The log promises these bytes: this is damage, not an unknown document.
			err = errors.New("registered bytes are missing")
		}
		r.logger.ErrorContext(ctx, "a registered document cannot be opened; check the documents folder and restore it from a backup",
			"entry", string(e.ID), "key", string(p.Document), "error", err)
		return nil, 0, failed(ctx, "repository.Open", err, "The document is registered but cannot be read. The operator's log tells why; ask again later.")
	}
	b.left = info.Size
	return b, info.Size, nil
}

// same compares what the entry says with what is stored. An entry says both
// since its intake.
func same(e *metadata.DocumentEntry, info storage.DocumentInfo) bool {
	var text [40]byte
	return (!e.Size.Given || e.Size.Octets == info.Size) &&
		(e.Hash == "" || strings.EqualFold(e.Hash, string(appendHex(text[:0], info.SHA1[:]))))
}

// body reads a document to exactly its length.
type body struct {
	ctx       context.Context
	documents storage.Documents
	key       storage.DocumentKey
	rc        io.ReadCloser
	left      int64
	closed    bool
}

var errClosed = errors.New("repository: read of a closed document")

func (b *body) Read(p []byte) (int, error) {
	if b.closed {
		return 0, errClosed
	}
	if b.rc == nil {
		rc, info, err := b.documents.Open(b.ctx, b.key, 0)
		if err != nil {
			return 0, err
		}
		b.rc, b.left = rc, info.Size
	}
	n, err := b.rc.Read(p)
	b.left -= int64(n)
	switch {
	case b.left < 0:
		return 0, errors.New("repository: the document is longer than it was")
	case err == io.EOF && b.left > 0:
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

func (b *body) Close() error {
	b.closed = true
	if b.rc == nil {
		return nil
	}
	rc := b.rc
	b.rc = nil
	return rc.Close()
}
