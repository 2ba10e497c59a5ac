package main

import (
	"io"

	"github.com/schollz/progressbar/v3"
)

// bar shows progress on a terminal, and nothing elsewhere.
type bar struct{ bar *progressbar.ProgressBar }

// bytesBar counts octets, countBar things.
func (c *cli) bytesBar(total int64, text string) bar { return c.newBar(total, text, true) }

func (c *cli) countBar(total int64, text string) bar { return c.newBar(total, text, false) }

func (c *cli) newBar(total int64, text string, octets bool) bar {
	if !c.terminal {
		return bar{}
	}
	return bar{progressbar.NewOptions64(total, progressbar.OptionSetDescription(text), progressbar.OptionSetWriter(c.err),
		progressbar.OptionShowBytes(octets), progressbar.OptionShowCount(), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100e6))}
}

// add moves the bar. What a terminal does with it is no matter of success.
func (b bar) add(n int64) {
	if b.bar != nil {
		_ = b.bar.Add64(n)
	}
}

func (b bar) set(n, total int64) {
	if b.bar != nil {
		b.bar.ChangeMax64(total)
		_ = b.bar.Set64(n)
	}
}

func (b bar) done() {
	if b.bar != nil {
		_ = b.bar.Finish()
	}
}

// reader counts what is read.
func (b bar) reader(r io.ReadCloser) io.ReadCloser {
	if b.bar == nil {
		return r
	}
	return counted{r, b}
}

type counted struct {
	io.ReadCloser
	bar bar
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.bar.add(int64(n))
	return n, err
}
