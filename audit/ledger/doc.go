// Package ledger is a Recorder whose records cannot be changed, dropped or
// reordered unnoticed. Record appends an event to a segment file, sealed under the
// segment's data key, and returns when it is durable; many records share one
// fsync. A record that cannot be made durable is an error of its caller, so that
// no answer leaves without its record.
//
// The stored bytes of each record are a leaf of a Merkle tree (RFC 6962,
// golang.org/x/mod/sumdb/tlog). Now and then the root of the tree is signed: a
// checkpoint (a signed note, C2SP tlog-checkpoint). From a checkpoint anybody who
// has the public key can prove that a record is in the ledger (Proof), that a later
// ledger is a continuation of an earlier one (Consistency), and that nothing in a
// copied folder was touched (Verify). Leaves are hashes of sealed bytes, so proofs
// hold although a data key was destroyed or a segment dropped.
//
// Files of the folder:
//
//	0000000000000001.segment   header and records; its header is a leaf too
//	0000000000000001.index     derived: where records of a patient, person ... are
//	...0001-...0008.index      derived: the same of several segments, merged
//	0000000000000001.dropped   signed note in the place of a segment dropped by law
//	tree                       all hashes of the tree in tlog's order; derived as
//	                           long as all segments are there
//	checkpoints                signed roots, one note after another
//	keys                       the public keys, each signed by the one before
//	signer                     the private key, sealed by the keyring; not there
//	                           when the key is given
//
// docs/ledger-format.md says what whoever verifies without this package needs.
//
// Many nodes have a ledger each, signed with one key (SharedKey), and signed lists of
// what all of them were (Merged), which VerifyNodes checks. View reads the ledger of
// another node.
//
// It imports audit, storage/keyring, internal/disk and internal/groupsync.
// internal/app opens it; commands verify and read it.
package ledger
