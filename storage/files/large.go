package files

import (
	"encoding/hex"
	"errors"
	"path/filepath"
	"time"

	"samdok/internal/disk"
	"samdok/storage"
	"samdok/storage/body"
	"samdok/storage/keyring"
)

const largeSuffix = ".doc"

// dareKey is the key of a DARE body: other than the document's key itself, under
// which the info is sealed.
func dareKey(key keyring.Key) (keyring.Key, error) { return body.Derive(key, "samdok files 1 body") }

// largePath is the folder and the name of a document that has its own file.
func (s *Store) largePath(random [randomSize]byte) (dir, name string) {
	digits := hex.EncodeToString(random[:])
	return filepath.Join(s.large(), digits[:2]), digits + largeSuffix
}

// commitLarge ends the body, writes the header before it, and gives the file its
// name when all of it is durable.
func (w *writer) commitLarge(h *header, info *storage.DocumentInfo) (place, error) {
	sp := w.spill
	if err := sp.body.Close(); err != nil {
		return place{}, err
	}
	sp.sha1.Sum(info.SHA1[:0])
	sp.sha256.Sum(info.SHA256[:0])
	h.keyID, h.kind = sp.keyID, body.DARE
	if w.s.Ring == nil {
		h.kind = body.Checked
	}
	h.bodyLen, _ = h.kind.Stored(h.size)
	head := make([]byte, headSize, w.body)
	h.put(head)
	if w.s.Ring == nil {
		head = body.AppendInfo(head, head[:boundSize], info, nil)
	} else {
		aead, err := body.AEAD(sp.key)
		if err != nil {
			return place{}, err
		}
		head = body.AppendInfo(head, head[:boundSize], info, aead)
	}
	if _, err := sp.f.WriteAt(head, 0); err != nil {
		return place{}, err
	}
	if err := sp.f.Sync(); err != nil {
		return place{}, err
	}
	if err := w.name(h.random); err != nil {
		return place{}, err
	}
	// Durable and named: an error of close says nothing about the bytes.
	_ = sp.f.Close()
	sp.f = nil
	return place{large: true, sealed: w.s.Ring != nil, random: h.random}, nil
}

func (w *writer) name(random [randomSize]byte) error {
	dir, name := w.s.largePath(random)
	if err := w.s.FS.MkdirAll(dir); err != nil {
		return err
	}
	path := filepath.Join(dir, name)
	if err := w.s.FS.Rename(w.spill.path, path); err != nil {
		return err
	}
	w.spill.renamed = true
	if err := w.s.FS.SyncDir(dir); err != nil {
		// Nobody was told its key.
		return errors.Join(err, w.s.FS.Remove(path))
	}
	return nil
}

func timeOf(h *header) time.Time { return time.Unix(0, h.time).UTC() }

// at writes to a file from an offset on.
type at struct {
	f   disk.File
	off int64
}

func (a *at) Write(p []byte) (int, error) {
	n, err := a.f.WriteAt(p, a.off)
	a.off += int64(n)
	return n, err
}
