package metadata

import "strings"

// ID names a registry object: "urn:uuid:" and lower-case hexadecimal once it is
// registered, or, only inside one submission, any other string (a symbolic id,
// ITI TF-3 4.2.3.1.5). Make one from the wire with ParseID, so that letter case
// never makes two ids of one.
type ID string

const uuidPrefix = "urn:uuid:"

// ParseID trims blanks and puts UUIDs in lower case; symbolic ids stay as sent.
func ParseID(s string) ID {
	if isPlainURN(s) {
		return ID(s)
	}
	s = strings.TrimSpace(s)
	if len(s) >= len(uuidPrefix) && strings.EqualFold(s[:len(uuidPrefix)], uuidPrefix) {
		return ID(strings.ToLower(s))
	}
	return ID(s)
}

// isPlainURN finds most ids quickly: nothing to trim and no capital letter. Bit
// 0x20 is clear in every capital letter and set in all that a UUID is made of.
func isPlainURN(s string) bool {
	const size = len(uuidPrefix) + 36
	if len(s) != size || s[:len(uuidPrefix)] != uuidPrefix || s[size-1] == ' ' {
		return false
	}
	all, some := byte(0xff), byte(0)
	for i := len(uuidPrefix); i < size; i++ {
		all &= s[i]
		some |= s[i]
	}
	return all&0x20 != 0 && some < 0x80
}

// IsSymbolic tells whether the id has a meaning only inside its submission.
func (id ID) IsSymbolic() bool { return !strings.HasPrefix(string(id), uuidPrefix) }

// UUID is the 16 bytes behind an id; ok is false for symbolic or malformed ids.
func (id ID) UUID() (u UUID, ok bool) { return ParseUUID(string(id)) }

// UUID is an RFC 4122 UUID. The zero value means "none".
type UUID [16]byte

// ParseUUID reads the URN form ("urn:uuid:" in any case) or the bare form of 36
// characters.
func ParseUUID(s string) (u UUID, ok bool) {
	if len(s) == len(uuidPrefix)+36 && strings.EqualFold(s[:len(uuidPrefix)], uuidPrefix) {
		s = s[len(uuidPrefix):]
	}
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return UUID{}, false
	}
	bad := byte(0)
	for i, at := range uuidDigits {
		hi, lo := unhex(s[at]), unhex(s[at+1])
		bad |= hi | lo
		u[i] = hi<<4 | lo
	}
	if bad > 15 {
		return UUID{}, false
	}
	return u, true
}

// uuidDigits is where the two digits of each octet stand in the form of 36 characters.
var uuidDigits = [16]uint8{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34}

// unhex is what a digit means; 255: it is none.
func unhex(c byte) byte { return digits[c] }

var digits = func() (t [256]byte) {
	for c := range t {
		t[c] = 255
	}
	for i := range byte(10) {
		t['0'+i] = i
	}
	for i := range byte(6) {
		t['a'+i], t['A'+i] = 10+i, 10+i
	}
	return t
}()

// IsZero tells whether there is no UUID.
func (u UUID) IsZero() bool { return u == UUID{} }

// ID is the URN form.
func (u UUID) ID() ID { return ID(u.AppendURN(make([]byte, 0, len(uuidPrefix)+36))) }

// String is the URN form.
func (u UUID) String() string { return string(u.ID()) }

// AppendURN appends "urn:uuid:..." to b.
func (u UUID) AppendURN(b []byte) []byte {
	const hex = "0123456789abcdef"
	text := [len(uuidPrefix) + 36]byte([]byte(uuidPrefix + "00000000-0000-0000-0000-000000000000"))
	bare := text[len(uuidPrefix):]
	for i, at := range uuidDigits {
		bare[at], bare[at+1] = hex[u[i]>>4], hex[u[i]&15]
	}
	return append(b, text[:]...)
}
