// Package docs keeps the documentation true. It makes docs/errors.md from the
// table of codes, and its tests hold the other pages to the code: links resolve,
// named files and functions exist, commands and flags are those of the program,
// ARCHITECTURE.md names every package.
//
// It imports fault. Only its own tests call it.
package docs
