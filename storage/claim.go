package storage

// Refused tells whether a claim is taken because of a held one of the same ID.
func (c Claim) Refused(held Claim) bool {
	switch {
	case c.Exclusive:
		return true
	case held.Exclusive:
		return false
	}
	return held.Value != c.Value && held.Value != "" && c.Value != ""
}

// Conflicting tells whether claims of one Append exclude each other.
func Conflicting(changes []Change) bool {
	held := map[string]Claim{}
	for i := range changes {
		for _, c := range changes[i].Claims {
			h, ok := held[c.ID]
			if ok && c.Refused(h) {
				return true
			}
			if !ok {
				held[c.ID] = c
			}
		}
	}
	return false
}
