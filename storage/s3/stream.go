package s3

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/minio/minio-go/v7"
)

// resumes is how often in a row a stream goes on after it was cut off without
// having given a byte.
const resumes = 4

// stream reads a range of an object that nobody changes. When it is cut off, or
// silent for too long, it asks for the rest.
type stream struct {
	s       *Store
	ctx     context.Context
	name    string
	at, end int64
	src     io.ReadCloser
	stop    context.CancelFunc
	silence *time.Timer
	idle    int // resumes since the last byte
}

// Read implements io.Reader.
func (r *stream) Read(p []byte) (int, error) {
	for r.at < r.end {
		if r.src == nil {
			if err := r.open(); err != nil {
				return 0, err
			}
		}
		r.silence.Reset(r.s.Timeout)
		n, err := r.src.Read(p[:min(int64(len(p)), r.end-r.at)])
		r.silence.Stop()
		r.at += int64(n)
		if n > 0 {
			r.idle = 0
		}
		if err != nil && r.at < r.end {
			r.close()
			if r.ctx.Err() != nil {
				return n, gone(r.ctx)
			}
			if r.idle++; r.idle > resumes {
				return n, &failure{class: unknown, err: errCut}
			}
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, io.EOF
}

var errCut = errors.New("it breaks off in the middle of an object, again and again")

func (r *stream) open() error {
	var o minio.GetObjectOptions
	if err := o.SetRange(r.at, r.end-1); err != nil {
		return err
	}
	return r.s.do(r.ctx, "s3.Read", func(within context.Context) error {
		// The stream outlives the call's deadline, which ends with its first byte.
		ctx, stop := context.WithCancel(r.ctx)
		late := context.AfterFunc(within, stop)
		src, _, _, err := r.s.client.GetObject(ctx, r.s.Bucket, r.s.Prefix+r.name, o)
		if !late() && err == nil {
			src.Close()
			err = context.DeadlineExceeded
		}
		if err != nil {
			stop()
			return err
		}
		r.src, r.stop, r.silence = src, stop, time.AfterFunc(r.s.Timeout, stop)
		return nil
	})
}

func (r *stream) close() {
	if r.src == nil {
		return
	}
	r.silence.Stop()
	r.stop()
	_ = r.src.Close() // what was read is read
	r.src = nil
}
