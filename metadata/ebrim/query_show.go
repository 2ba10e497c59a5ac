package ebrim

import (
	"fmt"

	"samdok/internal/xmlscan"
	"samdok/metadata"
)

// QueryName is the name of a stored query in the standard; "" for an id that is none.
func QueryName(id metadata.ID) string {
	if d := queryByID(id); d != nil {
		return d.name
	}
	return ""
}

// Parameters are a stored query's parameters as AppendQuery sends them, with their values
// bare, for whoever shows a query. A name that stands twice means AND. They are read back
// from what is sent, so that no parameter can be sent and not be shown.
func Parameters(query metadata.Query) ([]metadata.Slot, error) {
	sc := xmlscan.New(AppendQuery(nil, metadata.StoredQuery{Query: query}), xmlscan.Limits{})
	for !sc.Is(xmlscan.RIM, "AdhocQuery") {
		if kind, err := sc.Next(); err != nil || kind == xmlscan.EOF {
			return nil, fmt.Errorf("ebrim: a stored query cannot be shown: %w", err)
		}
	}
	r := newReader(sc, Limits{})
	defer r.free()
	var sent queryReader
	if err := sent.read(r); err != nil {
		return nil, fmt.Errorf("ebrim: a stored query cannot be shown: %w", err)
	}
	out := make([]metadata.Slot, len(sent.slots))
	for i, s := range sent.slots {
		out[i].Name = s.name
		for _, text := range s.values {
			var ok bool
			if out[i].Values, ok = appendValues(out[i].Values, text); !ok {
				return nil, fmt.Errorf("ebrim: the value of %s cannot be shown", s.name)
			}
		}
	}
	return out, nil
}
