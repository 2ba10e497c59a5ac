package pipenet

import (
	"errors"
	"io"
	"net"
	"testing"
)

func TestListener(t *testing.T) {
	l := Listen()
	went := make(chan error, 1)
	go func() {
		c, err := l.Dial()
		if err == nil {
			_, err = io.WriteString(c, "x")
			err = errors.Join(err, c.Close())
		}
		went <- err
	}()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(c); err != nil || string(b) != "x" {
		t.Errorf("%q, %v", b, err)
	}
	if err := errors.Join(<-went, l.Close(), l.Close()); err != nil {
		t.Error(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accepted after Close: %v", err)
	}
	if _, err := l.Dial(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("connected after Close: %v", err)
	}
}
