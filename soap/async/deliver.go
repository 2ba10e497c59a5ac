package async

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Post sends a message to an address; -1 is an unknown length. It is done when the
// receiver has taken it.
type Post func(ctx context.Context, to, contentType string, length int64, body io.Reader) error

// Deliver sends an answer. answer makes the one of a request.
func (p *Postponed) Deliver(ctx context.Context, post Post, answer func(context.Context, *Postponed, http.ResponseWriter)) error {
	if p.Answer != nil {
		return post(ctx, p.To, p.Answer.ContentType, int64(len(p.Answer.Body)), bytes.NewReader(p.Answer.Body))
	}
	return post.stream(ctx, p.To, p.FaultTo, func(ctx context.Context, w http.ResponseWriter) { answer(ctx, p, w) })
}

// stream posts what write writes, while it is written: an answer to to, a fault
// (any HTTP status but 200) to faultTo. The message's length is known from its
// headers; one that breaks off arrives as broken.
func (post Post) stream(ctx context.Context, to, faultTo string, write func(context.Context, http.ResponseWriter)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &stream{post: post, ctx: ctx, to: to, faultTo: faultTo, header: http.Header{}}
	defer func() { // also when write panics
		if s.pipe != nil {
			s.pipe.CloseWithError(errCutOff)
			<-s.done
		}
	}()
	write(ctx, s)
	if s.pipe == nil {
		return errors.New("no answer was made")
	}
	if s.cut {
		return errCutOff
	}
	if err := s.pipe.Close(); err != nil {
		return err
	}
	err := <-s.done
	s.pipe = nil
	return err
}

var errCutOff = errors.New("the answer broke off while it was sent")

// stream is a response that goes out as a request.
type stream struct {
	post        Post
	ctx         context.Context
	to, faultTo string
	header      http.Header
	pipe        *io.PipeWriter
	done        chan error
	cut         bool
}

func (s *stream) Header() http.Header { return s.header }

func (s *stream) WriteHeader(status int) {
	if s.pipe != nil {
		return
	}
	to := s.to
	if status != http.StatusOK && s.faultTo != "" {
		to = s.faultTo
	}
	length, err := strconv.ParseInt(s.header.Get("Content-Length"), 10, 64)
	if err != nil {
		length = -1
	}
	from, pipe := io.Pipe()
	s.pipe, s.done = pipe, make(chan error, 1)
	go func() {
		err := s.post(s.ctx, to, s.header.Get("Content-Type"), length, from)
		from.CloseWithError(err) // whoever writes learns of it
		s.done <- err
	}()
}

func (s *stream) Write(b []byte) (int, error) {
	s.WriteHeader(http.StatusOK)
	n, err := s.pipe.Write(b)
	if errors.Is(err, io.ErrClosedPipe) { // answered before everything was sent
		err = errCutOff
	}
	return n, err
}

// What http.ResponseController asks for. A deadline in the past is how a door
// breaks an answer off.
func (s *stream) SetWriteDeadline(t time.Time) error {
	s.cut = s.cut || !t.IsZero() && t.Before(time.Now())
	return nil
}
func (s *stream) SetReadDeadline(time.Time) error { return nil }
func (s *stream) EnableFullDuplex() error         { return nil }
func (s *stream) FlushError() error               { return nil }
