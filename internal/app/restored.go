package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"samdok/internal/backup"
	"samdok/internal/disk"
	"samdok/retention"
)

// restoredName is there from a restore until the first start has erased again what
// was erased after the backup was made.
const restoredName = "restored.json"

// restored says how a folder came from a backup.
type restored struct {
	Made     time.Time `json:"made"` // the backup
	Who      string    `json:"who"`
	Erasures string    `json:"erasures"` // which list was given, or why none
}

// RestoreOptions say what to do about what was erased after the backup was made.
type RestoreOptions struct {
	// Erasures is the newest list of erasures, or a data folder that has it. "": there
	// is none, because of Without.
	Erasures string
	Without  string
	Who      string
}

// Restored says what a restore brought.
type Restored struct {
	Made    time.Time
	Files   int
	Octets  int64
	WithKey bool
	// Erasures is how many the list has that the backup does not know of: the first
	// start does them again.
	Erasures int
}

// Restore makes a data folder of a backup. The folder must be empty or missing.
func Restore(ctx context.Context, from io.Reader, dir string, o RestoreOptions, progress func(done int64)) (Restored, error) {
	var list []byte
	if o.Erasures != "" {
		var err error
		if list, err = retention.ReadList(o.Erasures, keysFolder); err != nil {
			return Restored{}, err
		}
	} else if o.Without == "" {
		return Restored{}, errors.New("a restore needs the newest list of erasures, or a reason why there is none")
	}
	r := Restored{}
	_, err := backup.RestoreWith(ctx, from, dir, progress, func(temp string, m backup.Manifest) (err error) {
		r.Made, r.Files = m.Made, len(m.Files)
		for _, f := range m.Files {
			r.Octets += f.Size
			r.WithKey = r.WithKey || f.Name == masterName
		}
		mark := restored{Made: m.Made, Who: o.Who, Erasures: "none was given: " + o.Without}
		if list != nil {
			id, err := readIdentity(temp)
			if err != nil {
				return err
			}
			if r.Erasures, err = retention.Merge(filepath.Join(temp, keysFolder), list, id.RepositoryUniqueID); err != nil {
				return err
			}
			mark.Erasures = fmt.Sprintf("%d that the backup does not know of", r.Erasures)
		}
		b, err := json.MarshalIndent(mark, "", "  ")
		if err != nil {
			return err
		}
		return writeDurably(filepath.Join(temp, restoredName), append(b, '\n'))
	})
	return r, err
}

func readIdentity(dir string) (id identity, err error) {
	b, err := os.ReadFile(filepath.Join(dir, identityName))
	if err != nil {
		return id, fmt.Errorf("the backup has no %s: %w", identityName, err)
	}
	return id, json.Unmarshal(b, &id)
}

// loadRestored is nil when the folder was not restored, or has started since.
func loadRestored(dir string) (*restored, error) {
	b, err := os.ReadFile(filepath.Join(dir, restoredName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	var r restored
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w; restore the backup again", restoredName, err)
	}
	return &r, nil
}

func forgetRestored(dir string, r *restored) error {
	if r == nil {
		return nil
	}
	return errors.Join(os.Remove(filepath.Join(dir, restoredName)), disk.OS{}.SyncDir(dir))
}
