package ledger

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"samdok/internal/disk"
)

// Testimony is what a ledger tells a witness: its newest checkpoint, the proof that
// it continues the one the witness has, and the signed keys. It has hashes only.
type Testimony struct {
	Checkpoint string
	Since      int64    // size that the proof begins at; 0: none
	Proof      []string // RFC 6962, 2.1.2, in base64
	Keys       []string // the chain of public keys, signed notes
	// Lists are, of many nodes' ledgers, the signed lists from number Since on, at
	// most MostLists; Newest is the number of the newest one. There is no checkpoint
	// and no proof then: each list names the hash of the one before.
	Lists  []string
	Newest int64
}

// MostLists bounds the lists of one Testimony.
const MostLists = 1000

// Testify tells a witness that has seen size leaves what came since. Of a ledger
// that is shorter now, it tells the newest checkpoint without a proof.
func (l *Ledger) Testify(size int64) (t Testimony, err error) {
	c, err := l.Checkpoint()
	if err != nil {
		return t, err
	}
	t.Checkpoint = string(c.Note)
	keys, _, err := readNotes(l.FS, l.dir, keysName)
	if err != nil {
		return t, err
	}
	for _, k := range keys {
		t.Keys = append(t.Keys, string(k))
	}
	if size <= 0 || size > c.Size {
		return t, nil
	}
	proof, err := tlog.ProveTree(c.Size, size, l.tree)
	for _, h := range proof {
		t.Proof = append(t.Proof, h.String())
	}
	t.Since = size
	return t, err
}

// SetBackError says that a ledger is shorter than, or another one than, what the
// witness has signed.
type SetBackError struct{ Text string }

func (e *SetBackError) Error() string { return e.Text }

// Names of the files of a witness's folder.
const (
	witnessNewest  = "newest"  // the checkpoint seen last, with both signatures
	witnessHistory = "history" // all of them, one note after another
	witnessKeys    = "keys"    // the ledger's keys as seen last
	witnessSigner  = "signer"  // the witness's private key
	// WitnessKeyFile is the witness's public key, to give away.
	WitnessKeyFile = "witness.pub"
)

// Witness keeps what it saw of a ledger in a folder of its own, which whoever runs
// the ledger must not be able to write. It signs a checkpoint only when that
// continues everything it signed before.
type Witness struct {
	dir     string
	fsys    disk.FS
	trusted string
	signer  note.Signer
	public  string
	history *notes
	last    Checkpoint // Note nil: nothing seen yet
	list    *Merged    // seen last, of many nodes' ledgers
	seen    *keyChain
}

// OpenWitness opens the folder and makes it, with a key of the witness, when there
// is none. trusted is a public key that the ledger must have: needed the first
// time; later "" stands for the keys seen before.
func OpenWitness(fsys disk.FS, dir, trusted string) (_ *Witness, err error) {
	w := &Witness{dir: dir, fsys: fsys, trusted: strings.TrimSpace(trusted), seen: &keyChain{}}
	defer func() {
		if err != nil {
			err = fmt.Errorf("the witness's folder %s: %w", dir, errors.Join(err, w.Close()))
		}
	}()
	if err := fsys.MkdirAll(dir); err != nil {
		return nil, err
	}
	if err := w.openKey(); err != nil {
		return nil, err
	}
	keys, _, err := readNotes(fsys, dir, witnessKeys)
	if err != nil {
		return nil, err
	}
	if w.seen, err = parseChain(keys); err != nil {
		return nil, err
	}
	if w.history, _, err = openNotes(fsys, dir, witnessHistory); err != nil {
		return nil, err
	}
	newest, err := loadFile(fsys, dir, witnessNewest)
	if errors.Is(err, fs.ErrNotExist) {
		if w.trusted == "" {
			return nil, errors.New("it has seen nothing yet: give the ledger's public key (--key), as samdok ledger keys prints it")
		}
		return w, nil
	} else if err != nil {
		return nil, err
	}
	if m, lerr := openMerged(newest, w.seen); lerr == nil {
		w.list = &m
		return w, nil
	}
	w.last, err = openCheckpoint(newest, w.seen, "")
	return w, err
}

func (w *Witness) openKey() error {
	private, err := loadFile(w.fsys, w.dir, witnessSigner)
	if errors.Is(err, fs.ErrNotExist) {
		key, _, gerr := note.GenerateKey(rand.Reader, "samdok-witness/"+rand.Text()[:16])
		if gerr != nil {
			return gerr
		}
		private, err = []byte(key), writeWhole(w.fsys, w.dir, witnessSigner, []byte(key))
	}
	if err != nil {
		return err
	}
	if w.signer, w.public, err = parseSigner(string(private)); err != nil {
		return err
	}
	return writeWhole(w.fsys, w.dir, WitnessKeyFile, []byte(w.public+"\n"))
}

// Size is how many leaves the witness has seen, or the number of the list seen last.
func (w *Witness) Size() int64 {
	if w.list != nil {
		return int64(w.list.Number)
	}
	return w.last.Size
}

// PublicKey verifies the witness's signatures.
func (w *Witness) PublicKey() string { return w.public }

// See checks what a ledger says and signs its checkpoint, which is durable in the
// folder when See returns it. *SetBackError: the ledger does not continue what was
// seen, and nothing was signed.
func (w *Witness) See(t Testimony) (Checkpoint, error) {
	chain, err := w.follow(t.Keys)
	if err != nil {
		return Checkpoint{}, err
	}
	if t.Newest > 0 || w.list != nil {
		return w.seeLists(chain, &t)
	}
	c, err := openCheckpoint([]byte(t.Checkpoint), chain, "")
	if err != nil {
		return c, err
	}
	if err := w.continues(&c, &t); err != nil {
		return c, err
	}
	if err := w.keep(&c, chain, &t); err != nil {
		return c, err
	}
	w.last = c
	return c, nil
}

// keep signs a checkpoint or list and makes it durable.
func (w *Witness) keep(c *Checkpoint, chain *keyChain, t *Testimony) error {
	signed, err := note.Open(c.Note, chain.verifiers())
	if err != nil {
		return err
	}
	if c.Note, err = note.Sign(signed, w.signer); err != nil {
		return err
	}
	var keys []byte
	for _, k := range t.Keys {
		keys = appendNote(keys, []byte(k))
	}
	// The keys first: newest is read with them.
	w.seen = chain
	return errors.Join(writeWhole(w.fsys, w.dir, witnessKeys, keys), w.history.append(c.Note), writeWhole(w.fsys, w.dir, witnessNewest, c.Note))
}

// follow checks that the keys continue those that were seen, or begin with one
// that is trusted.
func (w *Witness) follow(keys []string) (*keyChain, error) {
	var all [][]byte
	for _, k := range keys {
		all = append(all, []byte(k))
	}
	chain, err := parseChain(all)
	if err != nil {
		return nil, err
	}
	for i, k := range w.seen.keys {
		if i >= len(chain.keys) || chain.keys[i].vkey != k.vkey {
			return nil, &SetBackError{"the ledger's keys are not those that were seen before: it is another ledger, or it was set back to before a key was replaced"}
		}
	}
	if w.trusted != "" && chain.find(w.trusted) < 0 {
		return nil, &SetBackError{"the ledger is not signed by the key " + w.trusted + ", nor by one that follows it"}
	}
	return chain, nil
}

// continues checks that a checkpoint holds all that the last one did.
func (w *Witness) continues(c *Checkpoint, t *Testimony) error {
	last := &w.last
	switch {
	case last.Note == nil || last.Size == 0:
		return nil
	case c.Size < last.Size:
		return &SetBackError{fmt.Sprintf("the ledger has %d records, but had %d on %s: it was set back, as a restore of an older backup does", c.Size, last.Size, last.Time.Format("2006-01-02 15:04:05 UTC"))}
	case t.Since != last.Size:
		return fmt.Errorf("the ledger's proof begins at %d, the witness has seen %d", t.Since, last.Size)
	}
	var proof tlog.TreeProof
	for _, text := range t.Proof {
		h, err := tlog.ParseHash(text)
		if err != nil {
			return fmt.Errorf("the ledger's proof: %w", err)
		}
		proof = append(proof, h)
	}
	err := tlog.CheckTree(proof, c.Size, c.Root, last.Size, last.Root)
	if c.Size == last.Size && c.Root != last.Root || err != nil {
		return &SetBackError{fmt.Sprintf("the ledger's first %d records are not those that were signed on %s: history was replaced, as after a restore of an older backup that went on", last.Size, last.Time.Format("2006-01-02 15:04:05 UTC"))}
	}
	return nil
}

// Close closes the folder's files.
func (w *Witness) Close() error {
	if w.history == nil {
		return nil
	}
	return w.history.close()
}

// WitnessedBy checks a witness's signature on a checkpoint.
func WitnessedBy(checkpoint []byte, public string) error {
	v, err := parseVerifier(public)
	if err != nil {
		return err
	}
	if _, err := note.Open(checkpoint, note.VerifierList(v.verifier)); err != nil {
		return fmt.Errorf("the checkpoint does not carry the witness's signature: %w", err)
	}
	return nil
}
