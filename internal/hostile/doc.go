// Package hostile holds tests that run the real binary and do to it what strangers
// do: malformed and oversized messages, connections that stall, lie and break,
// queries built to be slow, full disks. After each attack the server must have
// said clearly what is wrong, must have stored nothing, must have given back its
// goroutines, files and memory, must have kept what it saw out of its log, and
// must serve the next client at once.
//
// It has no code besides its tests and may be imported by nobody.
package hostile
