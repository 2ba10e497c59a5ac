package ledger

import (
	"fmt"
	"slices"
	"time"
)

// unsignedFor is how long a new ledger may be without a signed record: far longer than
// any server waits with its first checkpoints.
const unsignedFor = 10 * time.Minute

// checkUnsigned finds records without a checkpoint where there must be one. What
// follows the newest checkpoint is only known to be whole: anybody who can write the
// folder can take records out of it and make the tree anew. A server signs what is
// there when it starts and whenever it ends a segment, so that only the last segment,
// and one that has just ended, can have records that are not signed.
func (v *verifier) checkUnsigned() {
	signed := v.r.Signed
	for _, k := range v.Known {
		signed = max(signed, k.Size)
	}
	n := len(v.parts)
	if n == 0 || signed >= v.r.Leaves {
		return
	}
	before := v.parts[max(0, n-2)]
	if signed < before.first || signed == 0 {
		signed = max(signed, v.signedMeanwhile())
	}
	switch {
	case signed == 0 && v.Node == "" && (v.r.Checkpoints == 0 || v.Clock().Sub(v.parts[0].header.made) > unsignedFor):
		v.find(Finding{Kind: Unsigned, Index: 0, Text: fmt.Sprintf("no checkpoint signs any of the %d records, so nothing proves them: the file %s was emptied or cut", v.r.Leaves, checkpointsName)})
	case !before.bad && signed < before.first:
		v.find(Finding{Kind: Unsigned, Index: signed, Text: fmt.Sprintf("records %d to %d are signed by no checkpoint, so nothing proves them: the newest is of %s, but segments that ended later must be signed; checkpoints were removed", signed, v.r.Leaves-1, v.r.SignedTime.Format(time.RFC3339))})
	}
}

// signedMeanwhile is how many leaves the newest checkpoint signs now: segments that were
// begun after the checkpoints were read are signed later. Nobody without a key can make one.
func (v *verifier) signedMeanwhile() int64 {
	all, _, _ := readNotes(v.FS, v.dir, checkpointsName) // what cannot be read is a finding already
	for _, msg := range slices.Backward(all) {
		if c, err := v.open(msg); err == nil {
			return c.Size
		}
	}
	return 0
}

// signedElsewhere takes a checkpoint that was kept, and that the records agree with,
// for one of the ledger's own.
func (v *verifier) signedElsewhere(c *Checkpoint) {
	if c.Size > v.r.Signed {
		v.r.Signed, v.r.SignedTime, v.r.Checkpoint = c.Size, c.Time, *c
	}
}
