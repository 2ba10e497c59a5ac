package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"samdok/internal/disk"
)

// A file of notes holds one signed note after another, each behind a line that
// says its length, so that people can read it too.
const (
	checkpointsName = "checkpoints"
	keysName        = "keys"
	maxNote         = 1 << 20
)

// parseNotes returns the whole notes at the beginning of b and where they end.
// torn is true when a note follows that was not written to its end.
func parseNotes(b []byte) (notes [][]byte, end int, torn bool) {
	for end < len(b) {
		line, rest, whole := bytes.Cut(b[end:], []byte("\n"))
		if !whole {
			return notes, end, bytes.HasPrefix([]byte("note "), line[:min(len(line), 5)]) && len(line) < 16
		}
		text, ok := bytes.CutPrefix(line, []byte("note "))
		n, err := strconv.Atoi(string(text))
		if !ok || err != nil || n <= 0 || n > maxNote || strconv.Itoa(n) != string(text) {
			return notes, end, false
		}
		if n > len(rest) {
			return notes, end, true
		}
		notes = append(notes, rest[:n:n])
		end += len(line) + 1 + n
	}
	return notes, end, false
}

// notes is an open file of notes.
type notes struct {
	f   disk.File
	end int64
}

// openNotes reads a file of notes, cuts a torn one off its end and makes the file
// when it is missing.
func openNotes(fsys disk.FS, dir, name string) (*notes, [][]byte, error) {
	path := filepath.Join(dir, name)
	f, err := fsys.Open(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, err
	}
	b, err := load(f)
	if err == nil {
		all, end, torn := parseNotes(b)
		if end == len(b) {
			return &notes{f, int64(end)}, all, nil
		}
		// Only the last one can be torn: each was durable before the next was written.
		if torn || !bytes.Contains(b[end+1:], []byte("note ")) {
			if err = errors.Join(f.Truncate(int64(end)), f.Sync()); err == nil {
				return &notes{f, int64(end)}, all, nil
			}
		} else {
			err = fmt.Errorf("%s was altered or damaged at octet %d; restore it from a backup", path, end)
		}
	}
	return nil, nil, errors.Join(err, f.Close())
}

// cut takes a note off the end, which a power failure left unsound.
func (n *notes) cut(note []byte) error {
	end := n.end - int64(len(fmt.Appendf(nil, "note %d\n", len(note)))+len(note))
	if err := errors.Join(n.f.Truncate(end), n.f.Sync()); err != nil {
		return err
	}
	n.end = end
	return nil
}

// appendNote appends a note as it stands in the file.
func appendNote(b, note []byte) []byte { return fmt.Appendf(b, "note %d\n%s", len(note), note) }

// append makes a note durable.
func (n *notes) append(note []byte) error {
	b := appendNote(nil, note)
	_, err := n.f.WriteAt(b, n.end)
	if err == nil {
		err = n.f.Sync()
	}
	if err != nil {
		return err // the next one is written over it
	}
	n.end += int64(len(b))
	return nil
}

func (n *notes) close() error { return n.f.Close() }

// readNotes reads a file of notes without mending it.
func readNotes(fsys disk.FS, dir, name string) (all [][]byte, torn bool, err error) {
	b, err := loadFile(fsys, dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	} else if err != nil {
		return nil, false, err
	}
	all, end, torn := parseNotes(b)
	if end < len(b) && !torn {
		return all, false, fmt.Errorf("%s is altered or damaged at octet %d (a power failure can do that to the last note; the next start of the server mends it)", name, end)
	}
	return all, torn, nil
}
