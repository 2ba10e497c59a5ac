// Package verify compares what a log says with what its index answers and with the
// documents it leads to, whatever engine holds them, and names each difference. It
// changes nothing, and what it holds in memory is bounded by one patient.
//
// It imports storage, access, fault and metadata. internal/app calls it for
// `samdok verify storage`.
package verify
