package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"samdok/fault"
	"samdok/internal/disk"
	"samdok/storage"
	"samdok/storage/body"
	"samdok/storage/keyring"
)

// Defaults of Options.
const (
	DefaultThreshold = 256 << 10
	DefaultPackSize  = 128 << 20
	DefaultHandles   = 64
)

// Options of a Store; zero values mean the defaults.
type Options struct {
	// Ring gives each document its data key; nil: encryption off.
	Ring *keyring.Ring
	// Clock is the time of commits. Default time.Now.
	Clock func() time.Time
	// Threshold is the size of the largest document that goes into a pack, bytes.
	// So much of an intake is held in memory. At most 1 MiB.
	Threshold int
	// PackSize is where a pack is full, bytes.
	PackSize int64
	// Handles is how many packs are kept open for reading.
	Handles int
	// FS is the file system; default the machine's.
	FS disk.FS
	// Log tells operators what recovery found. Default: nobody.
	Log *slog.Logger
}

// Store implements storage.Documents. Its folder must be used by one Store only
// (internal/datadir).
type Store struct {
	Options
	dir     string
	handles *handles

	mu     sync.Mutex
	act    *pack // takes commits; nil until the first one
	next   uint32
	closed bool

	del  sync.Mutex     // held while states change and packs go
	live map[uint32]int // live records of full packs, counted at their first deletion

	probing sync.Mutex // held by Ready
}

var _ storage.Documents = (*Store)(nil)

// Open opens the documents in dir, makes the folder when it is missing, forgets
// intakes that were not committed and repairs the end of the last pack.
func Open(dir string, o Options) (*Store, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Threshold == 0 {
		o.Threshold = DefaultThreshold
	}
	if o.PackSize == 0 {
		o.PackSize = DefaultPackSize
	}
	if o.Handles == 0 {
		o.Handles = DefaultHandles
	}
	if o.FS == nil {
		o.FS = disk.OS{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Threshold < 0 || o.Threshold > 1<<20 || o.PackSize < 0 || o.PackSize > 64<<30 {
		return nil, fmt.Errorf("documents in %s: threshold %d must be 0 to 1 MiB and pack size %d at most 64 GiB", dir, o.Threshold, o.PackSize)
	}
	s := &Store{Options: o, dir: dir, live: map[uint32]int{}}
	s.handles = newHandles(o.Handles, func(n uint32) (disk.File, error) {
		return o.FS.Open(s.packPath(n), openExisting, 0o600)
	})
	if err := s.start(); err != nil {
		return nil, fmt.Errorf("documents in %s cannot be opened: %w", dir, errors.Join(err, s.Close()))
	}
	return s, nil
}

func (s *Store) start() error {
	for _, d := range []string{s.packs(), s.incoming()} {
		if err := s.FS.MkdirAll(d); err != nil {
			return err
		}
	}
	names, err := s.FS.Names(s.incoming())
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := s.FS.Remove(filepath.Join(s.incoming(), n)); err != nil {
			return err
		}
	}
	if len(names) > 0 {
		s.Log.Info("intakes that were not committed are forgotten", "count", len(names))
	}
	return s.resume()
}

func (s *Store) packs() string            { return filepath.Join(s.dir, "packs") }
func (s *Store) incoming() string         { return filepath.Join(s.dir, "incoming") }
func (s *Store) large() string            { return filepath.Join(s.dir, "large") }
func (s *Store) packPath(n uint32) string { return filepath.Join(s.packs(), packName(n)) }

// Close waits for commits and closes all files. Readers of large documents go
// on.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	var err error
	if s.act != nil {
		err = s.act.log.Close()
		s.act = nil
	}
	return errors.Join(err, s.handles.close())
}

var errClosed = errors.New("document store closed")

func notFound(op string) error {
	return fault.New(fault.NotFound, op, fault.DocumentUniqueIDError, "the document is not in this repository")
}

// failure makes the error of an operation that the store itself failed at.
func failure(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(err, fault.Canceled, op, fault.RepositoryError, "the request ended before the document was stored or read")
	case disk.IsFull(err):
		return fault.Wrap(err, fault.Unavailable, op, fault.RepositoryOutOfResources, "the repository's disk is full; send the request again when its operator has freed space")
	case errors.Is(err, body.ErrDamaged):
		return fault.Wrap(err, fault.Internal, op, fault.RepositoryError, "the stored document is damaged; the repository's operator must restore it from a backup")
	case errors.Is(err, fs.ErrNotExist):
		return notFound(op)
	}
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	return fault.Wrap(err, fault.Internal, op, fault.RepositoryError, "the repository could not reach its stored documents")
}
