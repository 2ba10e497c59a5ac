// Package repository is the Document Repository actor (ITI TF-1 10.1.1.4) without
// its wire: it takes the documents of a submission in while they stream (ITI TF-2
// 3.41.4.1.3), opens registered ones (3.43.4.1.3), and sweeps up bytes that no
// entry was ever registered for.
//
// Bytes become retrievable only when the log binds their key to an entry, which is
// the registry's act. Until then an Intake owns them.
//
// It imports access, fault, metadata, storage and repository/malware. Only sharing
// and the composition root (for the sweep) call it.
package repository
