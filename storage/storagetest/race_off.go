//go:build !race

package storagetest

const slower = 1
