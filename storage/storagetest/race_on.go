//go:build race

package storagetest

// slower is how many times less the suites do under the race detector, which
// makes engines that are translated from C about that much slower.
const slower = 10
