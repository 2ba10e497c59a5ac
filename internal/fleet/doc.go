// Package fleet holds tests that run several nodes of a scaled-out installation as
// processes, under load, and break what they rest on: connections, the S3 store,
// Elasticsearch, the nodes themselves. After each fault everything that was
// acknowledged must be found by every node and open byte by byte, nothing may be
// there by half, log, index and documents must fit together, and bytes that belong
// to nothing must be swept.
//
// It has no code besides its tests and may be imported by nobody.
package fleet
