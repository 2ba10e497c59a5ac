package xmlscan

// Limits bound what one input may hold. A zero field means its default.
type Limits struct {
	// Size is the number of octets of the input, for Divert: of what is left when
	// the documents are taken out. Default 16 MiB.
	Size int
	// Depth is the nesting of elements. Default 256.
	Depth int
	// Attributes is the number of attributes of one element, namespace
	// declarations among them. Default 64.
	Attributes int
	// Text is the length in octets of one attribute value or of one run of
	// character data. Default 1 MiB.
	Text int
	// Elements is the number of elements of the input. Default 2,000,000.
	Elements int
	// Namespaces is the number of namespace declarations in force at one place,
	// and of different URIs that samdok does not know. Default 128.
	Namespaces int
}

func (l Limits) withDefaults() Limits {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&l.Size, 16<<20)
	def(&l.Depth, 256)
	def(&l.Attributes, 64)
	def(&l.Text, 1<<20)
	def(&l.Elements, 2_000_000)
	def(&l.Namespaces, 128)
	return l
}
