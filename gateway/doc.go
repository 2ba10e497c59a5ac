// Package gateway asks several communities as if they were one: it sends a query to
// all that may have an answer, each within limits of its own, and brings what came
// in time together; it sends each request for a document to the community that
// holds it (ITI TF-2 3.38.4.1.3, 3.39.4.1.3). A community is a community: the own
// one and every other one stand behind the same interface.
//
// One community that is slow, dead, endless or wrong costs a named problem and
// nobody else's answer: each has a deadline, a number of requests at a time, a
// breaker and a quota for what it may send.
//
// It imports access, discovery, fault, metadata and metadata/ebrim (what waits is kept in the
// form in which it leaves) and internal/spool. sharing calls it, under the guard;
// soap/xds makes remote communities look local.
package gateway
