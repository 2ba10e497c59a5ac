package files

import (
	"errors"
	"os"
	"sync"

	"samdok/internal/disk"
)

const openExisting = os.O_RDWR

// handles keeps a bounded number of packs open; the one unused for longest goes
// first. Those in use are never closed, so that the bound is exceeded by at most
// the readers at work.
type handles struct {
	open func(uint32) (disk.File, error)
	max  int

	mu     sync.Mutex
	files  map[uint32]*handle
	clock  uint64
	closed bool
}

type handle struct {
	disk.File
	pack uint32
	refs int
	used uint64
	gone bool // out of the map: closed by the last user
}

func newHandles(max int, open func(uint32) (disk.File, error)) *handles {
	return &handles{open: open, max: max, files: map[uint32]*handle{}}
}

// get opens a pack; release must follow.
func (h *handles) get(pack uint32) (*handle, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, errClosed
	}
	f := h.files[pack]
	if f == nil {
		file, err := h.open(pack)
		if err != nil {
			return nil, err
		}
		f = &handle{File: file, pack: pack}
		h.files[pack] = f
		h.evict()
	}
	h.clock++
	f.refs, f.used = f.refs+1, h.clock
	return f, nil
}

func (h *handles) evict() {
	for len(h.files) > h.max {
		var oldest *handle
		for _, f := range h.files {
			if f.refs == 0 && f.used != 0 && (oldest == nil || f.used < oldest.used) {
				oldest = f
			}
		}
		if oldest == nil {
			return
		}
		delete(h.files, oldest.pack)
		// It was only read from, or synced by its user: nothing is lost.
		_ = oldest.Close()
	}
}

func (h *handles) release(f *handle) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f.refs--; f.refs == 0 && f.gone {
		_ = f.Close()
	}
}

// forget closes a pack when its last user is done.
func (h *handles) forget(pack uint32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.files[pack]
	if f == nil {
		return
	}
	delete(h.files, pack)
	if f.gone = true; f.refs == 0 {
		_ = f.Close()
	}
}

func (h *handles) close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	var err error
	for n, f := range h.files {
		delete(h.files, n)
		if f.gone = true; f.refs == 0 {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}
