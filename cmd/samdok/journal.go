package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"sync"

	"samdok/metadata"
)

// journal remembers how far an import has come, so that it can be taken up again
// after any end. A submission's ids are durable here before it is sent: after a
// crash the same ids are sent again, and the server tells whether it has them. It
// names files only by a hash, since file names may hold identity numbers.
type journal struct {
	mu    sync.Mutex
	file  *os.File
	state map[string]journalLine
}

type journalLine struct {
	Key         string      `json:"key"`
	State       string      `json:"state"` // sent, done
	Entry       metadata.ID `json:"entryUUID,omitempty"`
	UniqueID    string      `json:"uniqueId,omitempty"`
	Set         metadata.ID `json:"submissionSet,omitempty"`
	SetUniqueID string      `json:"submissionSetUniqueId,omitempty"`
}

// journalKey names one version of one file.
func journalKey(name string, size int64, sha1 string) string {
	sum := sha256.Sum256([]byte(name + "\x00" + strconv.FormatInt(size, 10) + "\x00" + sha1))
	return hex.EncodeToString(sum[:16])
}

func openJournal(path string) (*journal, error) {
	j := &journal{state: map[string]journalLine{}}
	whole, err := j.read(path)
	if err != nil {
		return nil, err
	}
	if j.file, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600); err != nil {
		return nil, err
	}
	// A line that a crash cut off is written over.
	if err := j.file.Truncate(whole); err != nil {
		return nil, errors.Join(err, j.file.Close())
	}
	if _, err := j.file.Seek(whole, 0); err != nil {
		return nil, errors.Join(err, j.file.Close())
	}
	return j, nil
}

// read returns the length of the whole lines.
func (j *journal) read(path string) (int64, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var whole int64
	for r := bufio.NewReader(f); ; {
		b, err := r.ReadBytes('\n')
		if err != nil {
			return whole, nil
		}
		var line journalLine
		if err := json.Unmarshal(b, &line); err != nil {
			return 0, fmt.Errorf("%s is not a journal of import: %w", path, err)
		}
		j.state[line.Key] = line
		whole += int64(len(b))
	}
}

// lookup is the last state of a key; State is "" when there is none.
func (j *journal) lookup(key string) journalLine {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.state[key]
}

// write makes a line durable.
func (j *journal) write(line journalLine) error {
	b, err := json.Marshal(line)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := j.file.Write(append(b, '\n')); err != nil {
		return err
	}
	j.state[line.Key] = line
	if line.State == "sent" {
		return j.file.Sync()
	}
	return nil
}

func (j *journal) close() error { return errors.Join(j.file.Sync(), j.file.Close()) }
