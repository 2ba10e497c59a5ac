package metadata

import "crypto/rand"

// NewUUID makes a random UUID (RFC 4122 version 4) from the system's secure
// source; ids of patients' objects must not be guessable.
func NewUUID() UUID {
	var u UUID
	// Read never fails: the runtime ends the process when the system has no
	// randomness.
	_, _ = rand.Read(u[:])
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}
