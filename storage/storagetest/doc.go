// Package storagetest holds one suite for each interface of storage; every
// engine runs it. The suites hold the promises P1 to P4: acknowledged means
// durable, all or nothing, rebuildable, bounded.
//
// It imports storage and what storage imports. Only tests of engines call it.
package storagetest
