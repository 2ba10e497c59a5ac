// Package strictfile reads files that people write by hand, in YAML and JSON, into
// structs, and says what is wrong in their words: line, key, what is expected and an
// example. What a parser says ("cannot unmarshal !!str into directory.Community") names
// types of Go that nobody who writes such a file knows.
//
// It is strict: a key that does not exist, a key that stands twice and a second document
// are mistakes, since each means that something a person wrote would not count.
//
// It imports only a YAML parser and the standard library. internal/config,
// gateway/directory, retention, metadata/profile and cmd/samdok call it.
package strictfile
