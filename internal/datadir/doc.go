// Package datadir owns a data folder: one process at a time.
//
// It imports the standard library, x/sys and internal/disk. internal/app calls
// it before anything is opened.
package datadir
