package registry

// DecodeOwed is decodeOwed for fuzzing.
func DecodeOwed(b []byte) (stream string, message []byte, err error) {
	o, err := decodeOwed(b)
	return o.stream.ID, o.message, err
}
