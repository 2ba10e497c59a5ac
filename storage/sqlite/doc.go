// Package sqlite keeps the log and its index in one SQLite file. One writer
// shares each fsync among all waiting submissions (group commit); a bounded pool
// of readers answers searches; a patient's changes lie side by side, so that a
// search is one range scan. Rows are encrypted under the patient's data key. The
// outbox is in the same file, so that letters share those fsyncs and can be
// posted together with the cursor of the feed that they come from.
//
// It imports storage, storage/encoding, storage/keyring, metadata, fault and
// access. Only the composition root calls Open; everybody else sees storage.Log,
// storage.Index and storage.Outbox.
package sqlite
