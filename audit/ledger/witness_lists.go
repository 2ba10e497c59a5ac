package ledger

import (
	"fmt"
)

// seeLists checks that lists of many nodes' ledgers continue the one seen last, and
// signs the newest of them: it holds the others by their hashes. The checkpoint
// returned has the list's number as its size.
func (w *Witness) seeLists(chain *keyChain, t *Testimony) (c Checkpoint, err error) {
	if w.last.Note != nil {
		return c, &SetBackError{"there are lists of many ledgers where there was one ledger; begin a new folder for them, and keep the old one"}
	}
	last := w.list
	if last != nil && t.Newest < int64(last.Number) {
		return c, &SetBackError{fmt.Sprintf("the newest list of all ledgers is %d, but list %d was seen on %s: they were set back", t.Newest, last.Number, last.Time.Format("2006-01-02 15:04:05 UTC"))}
	}
	if len(t.Lists) == 0 {
		return c, fmt.Errorf("the server told of no list")
	}
	for i, msg := range t.Lists {
		m, err := openMerged([]byte(msg), chain)
		if err != nil {
			return c, err
		}
		if err := follows(last, &m, i == 0); err != nil {
			return c, err
		}
		last = &m
	}
	c = Checkpoint{Origin: last.Origin, Size: int64(last.Number), Root: last.Hash(), Time: last.Time, Note: last.Note}
	if err := w.keep(&c, chain, t); err != nil {
		return c, err
	}
	w.list = last
	w.list.Note = c.Note
	return c, nil
}

// follows checks a list against the one before it. The first one told is the one
// seen last itself.
func follows(before, m *Merged, first bool) error {
	switch {
	case before == nil:
		return nil
	case first && (m.Number != before.Number || m.Hash() != before.Hash()):
		return &SetBackError{fmt.Sprintf("list %d of all ledgers is not the one that was seen on %s: history was made anew", before.Number, before.Time.Format("2006-01-02 15:04:05 UTC"))}
	case first:
		return nil
	case m.Number != before.Number+1 || m.Before != before.Hash():
		return &SetBackError{fmt.Sprintf("list %d of all ledgers does not follow list %d", m.Number, before.Number)}
	}
	was := map[string]int64{}
	for _, n := range before.Nodes {
		was[n.Node] = n.Size
	}
	for _, n := range m.Nodes {
		if n.Size < was[n.Node] {
			return &SetBackError{fmt.Sprintf("the ledger of node %s has %d records in list %d, but had %d in the one before: it was set back", n.Node, n.Size, m.Number, was[n.Node])}
		}
	}
	return nil
}
