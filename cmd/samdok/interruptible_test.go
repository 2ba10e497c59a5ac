package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"
)

// A command that waits for its input ends when it is interrupted, with the code for that.
func TestInterruptedWhileReading(t *testing.T) {
	in, writer := io.Pipe()
	defer writer.Close()
	ctx, interrupt := context.WithCancel(t.Context())
	asked := make(chan bool)
	c := &cli{in: interruptible{ctx, asking{in, asked}}, err: &bytes.Buffer{}, out: io.Discard, clock: time.Now}
	code := make(chan int)
	go func() { code <- c.execute(ctx, []string{"--lang", "en", "find", "--patient-file", "-"}) }()
	<-asked
	interrupt()
	if got := <-code; got != exitInterrupted || !strings.Contains(c.err.(*bytes.Buffer).String(), "samdok: interrupted\n") {
		t.Errorf("exit code %d: %s", got, c.err)
	}
	b, err := io.ReadAll(interruptible{t.Context(), strings.NewReader("13858599169\n")})
	if err != nil || string(b) != "13858599169\n" {
		t.Error(string(b), err)
	}
}

// asking tells when it is read for the first time.
type asking struct {
	io.Reader
	asked chan bool
}

func (a asking) Read(p []byte) (int, error) {
	close(a.asked)
	return a.Reader.Read(p)
}
