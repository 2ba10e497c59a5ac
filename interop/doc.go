// Package interop proves samdok against software that we did not write: IPF
// (ipf/, a Java client and peer from Maven Central) speaks to a fresh samdok in the
// tests. A missing JDK or Maven fails the tests; `./test` installs them.
package interop
