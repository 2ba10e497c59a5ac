// Package directory reads which communities there are and how to reach them, from a
// YAML file that people keep. A mistake anywhere in it is told with its place, and
// nothing of the file is used.
//
// It imports only the standard library and a YAML reader. internal/app makes the
// members of a gateway from it.
package directory
