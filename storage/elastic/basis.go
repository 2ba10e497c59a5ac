package elastic

// Basis is what was read of the index, in real time, to answer a question as of a
// watermark. Each document in it reflects all batches up to that one. So a
// projection that begins with the batch behind the watermark needs not read it
// again: what may have been written to the documents since is of batches that it
// applies itself, and is refused by version. It does not change once it was answered.
type Basis struct {
	at   Watermark
	docs map[target]document
}

// target names a document.
type target struct{ index, id string }

func newBasis(at Watermark) *Basis { return &Basis{at, map[target]document{}} }

// add notes documents that were read.
func (b *Basis) add(list []*wanted, docs []document) {
	for i := range docs {
		b.docs[list[i].target()] = docs[i]
	}
}

// recall fills what is known without reading; the rest is returned.
func (w *working) recall(list []*wanted) (unknown []*wanted, err error) {
	for _, get := range list {
		found, ok := w.known.find(get.target())
		if !ok {
			unknown = append(unknown, get)
		} else if err := get.fill(&found); err != nil {
			return nil, err
		}
	}
	return unknown, nil
}

// bases are those of batches that are projected together.
type bases []*Basis

func (all bases) find(t target) (d document, ok bool) {
	for _, b := range all {
		if d, ok = b.docs[t]; ok {
			return d, true
		}
	}
	return d, false
}
