package elastic

// Prefix of the names of its indexes.
func (x *Index) Prefix() string { return x.options.Prefix }
