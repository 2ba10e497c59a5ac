package retention

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"samdok/internal/disk"
	"samdok/metadata"
	"samdok/storage"
)

// ListName is the file of erasures, in the folder of the data keys.
const ListName = "erasures"

// ListFormat is in the first line of the file.
const ListFormat = 1

// Erasure is what one erasure, or one removal of documents, takes away, in words that tell of nobody: keyed
// references, UUIDs and the random keys of documents.
type Erasure struct {
	ID        string                `json:"id"`
	Time      time.Time             `json:"time"`
	State     string                `json:"state"` // begun, done or void; the last one counts
	Streams   []Part                `json:"streams,omitempty"`
	Documents []storage.DocumentKey `json:"documents,omitempty"`
	// Unbound are the entries of a removal (ITI-86), which takes their bytes only.
	Unbound []metadata.ID `json:"unbound,omitempty"`
}

// States of an erasure in the list.
const (
	Begun = "begun"
	Ended = "done"
	Void  = "void" // it was refused, or nothing was left to erase
)

// Part is what goes of one stream.
type Part struct {
	Ref     []byte        `json:"ref"`
	Whole   bool          `json:"whole,omitempty"`
	Objects []metadata.ID `json:"objects,omitempty"`
}

// Lines is where a list is kept: lines in their order, durable once they are
// appended.
type Lines interface {
	// Read returns the lines from the n-th on; 0 is the first.
	Read(n int) ([][]byte, error)
	// Append makes the n-th line durable. ErrTaken: another node wrote one.
	Append(n int, line []byte) error
	Close() error
}

// ErrTaken: there is such a line already.
var ErrTaken = errors.New("retention: another node has written that line of the list")

// List is the append-only list of erasures: a line of JSON each, durable before
// anything is destroyed. Its methods may be called at the same time.
type List struct {
	mu    sync.Mutex
	lines Lines
	n     int       // of lines that are read
	all   []Erasure // by their order, in their last state
	at    map[string]int
}

type listHead struct {
	Format     int    `json:"format"`
	Repository string `json:"repository"`
}

// OpenList opens the list in a folder of the machine's file system and makes it
// when there is none. repository is the repositoryUniqueId of the data, so that a
// list cannot be used on the data of others.
func OpenList(dir, repository string) (*List, error) {
	f, err := openFile(dir)
	if err != nil {
		return nil, err
	}
	return OpenListOn(f, repository)
}

// OpenListOn opens a list that is kept elsewhere, which it closes.
func OpenListOn(lines Lines, repository string) (*List, error) {
	l := &List{lines: lines, at: map[string]int{}}
	if err := l.load(repository); err != nil {
		return nil, errors.Join(err, lines.Close())
	}
	return l, nil
}

func (l *List) load(repository string) error {
	head, err := json.Marshal(listHead{ListFormat, repository})
	if err != nil {
		return err
	}
	lines, err := l.lines.Read(0)
	if err == nil && len(lines) == 0 {
		if err = l.lines.Append(0, head); errors.Is(err, ErrTaken) {
			err = nil
		}
		if err == nil {
			lines, err = l.lines.Read(0)
		}
	}
	if err != nil {
		return fmt.Errorf("list of erasures: %w", err)
	}
	all, err := ParseList(bytes.Join(lines, []byte("\n")), repository)
	if err != nil {
		return fmt.Errorf("list of erasures: %w", err)
	}
	l.n, l.all = len(lines), all
	for i := range l.all {
		l.at[l.all[i].ID] = i
	}
	return nil
}

// refresh reads what other nodes wrote.
func (l *List) refresh() error {
	lines, err := l.lines.Read(l.n)
	if err != nil {
		return fmt.Errorf("list of erasures: %w", err)
	}
	for _, line := range lines {
		var e Erasure
		if err := json.Unmarshal(line, &e); err != nil || e.ID == "" {
			return fmt.Errorf("list of erasures: line %d is damaged; put the list back from its copy", l.n+1)
		}
		l.note(e)
		l.n++
	}
	return nil
}

// note takes a line in.
func (l *List) note(e Erasure) {
	if i, known := l.at[e.ID]; !known {
		l.at[e.ID] = len(l.all)
		l.all = append(l.all, e)
	} else if e.State == Begun {
		l.all[i] = e
	} else {
		l.all[i].State = e.State
	}
}

// ParseList reads a list; each erasure is in its last state. repository "" takes a
// list of anybody's.
func ParseList(b []byte, repository string) (all []Erasure, err error) {
	lines := bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))
	var head listHead
	if err := json.Unmarshal(lines[0], &head); err != nil || head.Format == 0 {
		return nil, errors.New("it is not a list of erasures of samdok")
	}
	if head.Format != ListFormat {
		return nil, fmt.Errorf("it has format %d, this samdok knows %d: use a newer samdok", head.Format, ListFormat)
	}
	if repository != "" && head.Repository != repository {
		return nil, fmt.Errorf("it belongs to the data of repository %s, not %s", head.Repository, repository)
	}
	at := map[string]int{}
	for n, line := range lines[1:] {
		var e Erasure
		if err := json.Unmarshal(line, &e); err != nil || e.ID == "" {
			return nil, fmt.Errorf("line %d is damaged; put the list back from its copy", n+2)
		}
		switch i, known := at[e.ID]; {
		case !known && e.State == Begun:
			at[e.ID] = len(all)
			all = append(all, e)
		case known && e.State == Begun:
			all[i] = e
		case known && (e.State == Ended || e.State == Void):
			all[i].State = e.State
		default:
			return nil, fmt.Errorf("line %d says what cannot be; put the list back from its copy", n+2)
		}
	}
	return all, nil
}

// Add makes a line durable.
func (l *List) Add(e Erasure) error {
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		err := l.lines.Append(l.n, b)
		if errors.Is(err, ErrTaken) {
			if err := l.refresh(); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		l.n++
		l.note(e)
		return nil
	}
}

// All are the erasures in their order.
func (l *List) All() []Erasure {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Erasure(nil), l.all...)
}

// Open are those that were begun and not ended.
func (l *List) Open() (open []Erasure) {
	for _, e := range l.All() {
		if e.State == Begun {
			open = append(open, e)
		}
	}
	return open
}

// Close closes what it is kept in.
func (l *List) Close() error { return l.lines.Close() }

// ReadList reads the bytes of a list from its file, or from the data folder that
// has it (keys is the folder of the data keys there).
func ReadList(path, keys string) ([]byte, error) {
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		path = filepath.Join(path, keys, ListName)
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no list of erasures at %s", path)
	} else if err != nil {
		return nil, fmt.Errorf("list of erasures: %w", err)
	}
	return b[:bytes.LastIndexByte(b, '\n')+1], nil
}

// Merge puts a newer list in the place of the one that a restored folder has. The
// newer one must go on from it. fresh counts the erasures that it adds.
func Merge(dir string, newer []byte, repository string) (fresh int, err error) {
	all, err := ParseList(newer, repository)
	if err != nil {
		return 0, fmt.Errorf("the list of erasures that was given: %w", err)
	}
	path := filepath.Join(dir, ListName)
	older, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("list of erasures: %w", err)
	}
	older = older[:bytes.LastIndexByte(older, '\n')+1]
	if !bytes.HasPrefix(newer, older) {
		return 0, errors.New("the list of erasures that was given does not go on from the one in the backup: it is older, or of other data. Give the newest list of the folder that the backup was made of")
	}
	had := 0
	if len(older) > 0 {
		before, err := ParseList(older, repository)
		if err != nil {
			return 0, err
		}
		had = len(before)
	}
	fsys := disk.OS{}
	if err := fsys.MkdirAll(dir); err != nil {
		return 0, err
	}
	f, err := fsys.Open(path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, err
	}
	_, err = f.WriteAt(newer, 0)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return 0, err
	}
	return len(all) - had, errors.Join(fsys.Rename(path+".new", path), fsys.SyncDir(dir))
}
