// Package spool keeps bytes that may not leave yet: a query answer whose status
// is not known, an attachment that came before its envelope. The first megabyte
// stays in memory, the rest goes to a temporary file that is encrypted under a
// key that lives only in this process and that has no name in the file system.
//
// It imports only the standard library. Doors import it.
package spool
