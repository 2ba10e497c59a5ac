package ledger

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is a signed root: the tree had Size leaves and the hash Root at Time.
// Its form is C2SP tlog-checkpoint: origin, size, root in base64, and an extension
// line with the time, signed as a note. Others may countersign the note.
type Checkpoint struct {
	Origin string
	Size   int64
	Root   tlog.Hash
	Time   time.Time
	// Note is the whole signed note.
	Note []byte
	// key is the number of the chain's key that signed it.
	key int
}

func (c *Checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\ntime %s\n", c.Origin, c.Size, c.Root, c.Time.UTC().Format(time.RFC3339Nano))
}

var (
	errCheckpoint = errors.New("not a checkpoint of a samdok ledger")
	errForeignKey = errors.New("checkpoint is not signed by a key of this ledger")
)

// originOf is the origin of the checkpoints of a node's ledger.
func (c *keyChain) originOf(node string) string {
	if node == "" {
		return c.origin()
	}
	return c.origin() + "/" + node
}

// nodeOf is the node that a checkpoint says it is of.
func (c *keyChain) nodeOf(msg []byte) string {
	origin, _, _ := strings.Cut(string(msg), "\n")
	if node, is := strings.CutPrefix(origin, c.origin()+"/"); is {
		return node
	}
	return ""
}

// openCheckpoint checks a note of a node's ledger by the chain's keys.
func openCheckpoint(msg []byte, chain *keyChain, node string) (Checkpoint, error) {
	n, err := note.Open(msg, chain.verifiers())
	if err != nil {
		var unverified *note.UnverifiedNoteError
		if errors.As(err, &unverified) {
			return Checkpoint{}, errForeignKey
		}
		return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	c, err := parseCheckpoint(n.Text)
	if err != nil {
		return c, err
	}
	if c.Origin != chain.originOf(node) {
		return c, fmt.Errorf("checkpoint of another ledger, %s", c.Origin)
	}
	c.Note = msg
	// The newest key that signed it counts.
	c.key = -1
	for _, s := range n.Sigs {
		for i := range chain.keys {
			if chain.keys[i].verifier.KeyHash() == s.Hash && chain.keys[i].verifier.Name() == s.Name {
				c.key = max(c.key, i)
			}
		}
	}
	if c.key < 0 {
		return c, errForeignKey
	}
	if c.key+1 < len(chain.keys) && c.Size > chain.keys[c.key+1].from {
		return c, fmt.Errorf("checkpoint of %d leaves is signed by a key that was replaced at %d", c.Size, chain.keys[c.key+1].from)
	}
	return c, nil
}

func parseCheckpoint(text string) (c Checkpoint, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 5 || len(text) > maxNote {
		return c, errCheckpoint
	}
	c.Origin = lines[0]
	if c.Size, err = strconv.ParseInt(lines[1], 10, 64); err != nil || c.Size < 0 || strconv.FormatInt(c.Size, 10) != lines[1] {
		return c, errCheckpoint
	}
	if c.Root, err = tlog.ParseHash(lines[2]); err != nil {
		return c, errCheckpoint
	}
	at, ok := strings.CutPrefix(lines[3], "time ")
	if c.Time, err = time.Parse(time.RFC3339Nano, at); err != nil || !ok {
		return c, errCheckpoint
	}
	return c, nil
}

// IsCheckpoint tells whether a text has the form of a signed checkpoint, or of a signed
// list of many nodes' ledgers, whoever signed it.
func IsCheckpoint(msg []byte) bool {
	text, _, signed := strings.Cut(string(msg), "\n\n")
	_, err := parseCheckpoint(text + "\n")
	return signed && (err == nil || strings.HasPrefix(text, mergedHeadline+"\n"))
}
