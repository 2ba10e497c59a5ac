package mtom

import (
	"bufio"
	"errors"
	"io"
	"strings"

	"samdok/internal/spool"
	"samdok/soap"
)

// Reader reads a package: first its root part, wherever it stands, then the
// attachments in the order of the message. Its errors are *soap.Fault for a
// broken package, *LimitError for a large one, and what the connection said
// otherwise. The first error stays. Close it.
type Reader struct {
	src    source
	br     *bufio.Reader
	split  *splitter
	limits Limits
	spool  spool.Options

	start string // Content-ID of the root; "" means the first part
	root  bool   // the root has been found
	seen  map[string]struct{}
	parts int
	held  int64    // octets of them in memory
	early []*early // parts that came before the root
	cur   *Part
	end   bool
	err   error
}

// early is a part that waits in a spool.
type early struct {
	id, mediaType string
	sp            *spool.Spool
}

// Part is one part of a package, already decoded.
type Part struct {
	// ID is the Content-ID without angle brackets; "" when there is none.
	ID string
	// MediaType is the part's Content-Type as sent.
	MediaType string
	r         io.Reader
	left      int64
	limit     *LimitError
	owner     *Reader
	err       error
}

// NewReader reads the package in body. params are those of its Content-Type.
// tmp says where parts wait that come before the root.
func NewReader(body io.Reader, params map[string]string, limits Limits, tmp spool.Options) (*Reader, error) {
	boundary := params["boundary"]
	if boundary == "" || len(boundary) > 200 {
		return nil, broken("the Content-Type has no usable boundary parameter")
	}
	limits = limits.WithDefaults()
	r := &Reader{limits: limits, spool: tmp, start: startID(params["start"])}
	r.src = source{r: body, left: limits.TotalBytes, max: limits.TotalBytes}
	r.br = buffers.Get().(*bufio.Reader)
	r.br.Reset(&r.src)
	r.split = newSplitter(r.br, boundary, &r.limits)
	return r, nil
}

// Close gives the buffers back. It does not close the body.
func (r *Reader) Close() error {
	for _, e := range r.early {
		e.sp.Close()
	}
	r.early = nil
	if r.br != nil {
		r.br.Reset(nil)
		buffers.Put(r.br)
		r.br = nil
	}
	if r.err == nil {
		r.err = errClosed
	}
	return nil
}

var errClosed = errors.New("mtom: reader is closed")

// Root finds the root part. It is called once, before Next. How large the root may
// be is for its reader to say: documents may be inside it.
func (r *Reader) Root() (*Part, error) {
	for r.err == nil {
		p, isRoot, err := r.advance()
		switch {
		case errors.Is(err, io.EOF):
			return nil, r.fail(broken("no part has the Content-ID %q of the start parameter", clip(r.start)))
		case err != nil:
			return nil, err
		case isRoot:
			r.root = true
			if err := rootType(p.MediaType); err != nil {
				return nil, r.fail(err)
			}
			p.left, p.limit = r.limits.TotalBytes, &LimitError{LimitTotalBytes, r.limits.TotalBytes, "the package"}
			return p, nil
		}
		if err := r.wait(p); err != nil {
			return nil, r.fail(err)
		}
	}
	return nil, r.err
}

// wait spools a part that came before the root.
func (r *Reader) wait(p *Part) error {
	tmp := r.spool.After(r.held)
	sp := spool.New(tmp)
	r.early = append(r.early, &early{p.ID, p.MediaType, sp})
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	n, err := io.CopyBuffer(sp, struct{ io.Reader }{p}, *buf)
	r.held += min(n, int64(tmp.Memory))
	return err
}

// Next is the next attachment; io.EOF after the last one, once the closing
// boundary has been seen. The rest of the part before it is skipped. The root
// must have been read.
func (r *Reader) Next() (*Part, error) {
	if r.err != nil {
		return nil, r.err
	}
	if err := r.finish(); err != nil {
		return nil, err
	}
	if len(r.early) > 0 {
		e := r.early[0]
		r.early = r.early[1:]
		r.cur = &Part{ID: e.id, MediaType: e.mediaType, r: spooled{e.sp.Reader(), e.sp}, left: e.sp.Size(), owner: r}
		return r.cur, nil
	}
	p, _, err := r.advance()
	return p, err
}

// spooled gives its spool back at the end.
type spooled struct {
	io.Reader
	sp *spool.Spool
}

func (s spooled) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil {
		s.sp.Close()
	}
	return n, err
}

// finish skips what is left of the current part.
func (r *Reader) finish() error {
	if r.cur == nil {
		return nil
	}
	p := r.cur
	r.cur = nil
	if p.err == nil {
		buf := copyBuffers.Get().(*[]byte)
		_, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{p}, *buf)
		copyBuffers.Put(buf)
		if err != nil {
			return r.fail(err)
		}
	} else if !errors.Is(p.err, io.EOF) {
		return r.fail(p.err)
	}
	return nil
}

// advance moves to the next part of the stream.
func (r *Reader) advance() (p *Part, isRoot bool, err error) {
	if err := r.finish(); err != nil {
		return nil, false, err
	}
	if r.split.content { // a decoder may stop before the end of its part
		if _, err := io.Copy(io.Discard, r.split); err != nil {
			return nil, false, r.fail(r.why(err))
		}
	}
	if r.end {
		return nil, false, io.EOF
	}
	h, err := r.split.next()
	if errors.Is(err, io.EOF) {
		r.end = true
		r.epilogue()
		return nil, false, io.EOF
	}
	if err != nil {
		return nil, false, r.fail(r.why(err))
	}
	r.parts++
	if r.parts > r.limits.Parts {
		return nil, false, r.fail(&LimitError{LimitParts, int64(r.limits.Parts), "the number of parts"})
	}
	p = &Part{ID: normalID(h.id), MediaType: h.mediaType, owner: r,
		left: r.limits.PartBytes, limit: &LimitError{LimitPartBytes, r.limits.PartBytes, "an attachment"}}
	if p.r = decoder(h.encoding, r.split); p.r == nil {
		return nil, false, r.fail(broken("the Content-Transfer-Encoding %q of part %d is not known", clip(h.encoding), r.parts))
	}
	if p.ID != "" {
		if _, twice := r.seen[p.ID]; twice {
			return nil, false, r.fail(broken("two parts have the Content-ID %q", clip(p.ID)))
		}
		if r.seen == nil {
			r.seen = make(map[string]struct{}, 4)
		}
		r.seen[p.ID] = struct{}{}
	}
	r.cur = p
	return p, !r.root && (r.start == "" && r.parts == 1 || r.start != "" && p.ID == r.start), nil
}

// epilogue reads what may stand behind the closing boundary, so that the
// connection can be used again. The package is whole by then, and a connection
// that breaks now is somebody else's trouble.
func (r *Reader) epilogue() {
	for left := r.limits.HeaderBytes; left > 0; {
		n, err := r.br.Discard(min(left, max(r.br.Buffered(), 1)))
		left -= n
		if err != nil {
			return
		}
	}
}

// why turns an error of the splitter into ours.
func (r *Reader) why(err error) error {
	switch {
	case r.src.err != nil:
		return r.src.err
	case errors.Is(err, errHeaders):
		return &LimitError{LimitHeaderBytes, int64(r.limits.HeaderBytes), "the header of a part"}
	case errors.Is(err, errCut):
		return broken("it ends without its closing boundary, so a part of it is missing").Because(err)
	}
	return broken("a boundary or the header lines of a part are malformed").Because(err)
}

func (r *Reader) fail(err error) error {
	if r.err == nil {
		r.err = err
	}
	return r.err
}

// Read reads decoded bytes.
func (p *Part) Read(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	n, err := p.r.Read(b)
	if int64(n) > p.left && p.limit != nil {
		p.err = p.owner.fail(p.limit)
		return 0, p.err
	}
	p.left -= int64(n)
	if err == nil {
		return n, nil
	}
	if err != io.EOF {
		err = p.owner.fail(p.owner.whyPart(err))
	}
	p.err = err
	return n, err
}

// whyPart also knows the errors of the transfer encodings.
func (r *Reader) whyPart(err error) error {
	if r.src.err == nil && r.split.err == nil {
		return broken("the content of part %d does not fit its Content-Transfer-Encoding", r.parts).Because(err)
	}
	return r.why(r.split.err)
}

// rootType checks the media type of the root part, leniently: an absent one and
// a plain SOAP one are fine, and so is a type parameter without its quotes.
func rootType(s string) error {
	if s == "" {
		return nil
	}
	c := soap.ParseContent(s)
	if charset := c.Params["charset"]; !soap.IsUTF8(charset) {
		return broken("the root part is in %q; UTF-8 is the one encoding of IHE messages", clip(charset))
	}
	switch c.Media {
	case RootMediaType, soap.MediaType, soap.MediaType11, "application/xml":
		return nil
	}
	return broken("the root part is %q; %s was expected", clip(c.Media), RootMediaType)
}

func clip(s string) string {
	if len(s) > 200 {
		return strings.ToValidUTF8(s[:200], "") + " ..."
	}
	return s
}
