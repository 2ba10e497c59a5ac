// Package bench loads XDS servers and measures them: rates, latencies and the
// server's CPU per request, for one server or for two in alternating rounds. It
// speaks to servers only by their URLs, so it measures anybody's, and it checks
// every answer against what it last wrote there: a fast wrong answer is an error.
//
// Messages are written with metadata/ebrim and metadata/metadatatest; answers are
// checked by searching their bytes, so that the load costs little CPU on the
// machine that it shares with the server. cmd/samdok calls it.
package bench
