package elastic

import (
	"encoding/json"
	"fmt"
)

// format is the version of the mappings and of what the documents hold. A new
// field is an addition that older programs do not mind; anything else is a new format
// and a new generation.
const format = 1

// What a field is for.
type (
	object = map[string]any
	field  = map[string]any
)

var (
	// selects: found by its exact terms.
	selects = field{"type": "keyword", "doc_values": false, "norms": false}
	// sorts: also the order of answers.
	sorts  = field{"type": "keyword"}
	number = field{"type": "long"}
	// ranges: found by from and to.
	ranges = field{"type": "long", "doc_values": false}
	flag   = field{"type": "boolean", "doc_values": false}
	// carried along, found by nobody.
	carried = field{"type": "binary"}
	counted = field{"type": "long", "index": false, "doc_values": false}
	opaque  = field{"type": "object", "enabled": false}
)

// kind is one of the indexes of a generation.
type kind string

const (
	changesIndex kind = "changes"
	streamsIndex kind = "streams"
	idsIndex     kind = "ids"
	stateIndex   kind = "state" // of all generations
)

var kinds = [...]kind{changesIndex, streamsIndex, idsIndex}

// fields of each index. There are no others: the mappings are strict.
var fields = map[kind]object{
	changesIndex: {
		"stream": sorts, "version": number, "part": number, // also the order on disk
		"tenant": selects, "seq": ranges, "touched": ranges, "at": counted,
		"entry": selects, "kind": selects, "solo": flag,
		"class": selects, "type": selects, "format": selects, "facility": selects, "practice": selects,
		"confidentiality": selects, "event": selects,
		"created": ranges, "started": ranges, "stopped": ranges,
		"set": selects, "submitted": ranges,
		"folder": selects, "list": selects,
		"association": selects,
		"objects":     carried, "touches": carried, "data": carried,
	},
	streamsIndex: {"tenant": selects, "kind": selects, "name": carried, "head": opaque},
	idsIndex:     {"holders": carried, "pages": counted},
	stateIndex:   {"seq": counted, "generation": counted},
}

// definition is the body that makes an index.
func (x *Index) definition(k kind, name string) ([]byte, error) {
	settings := object{
		"number_of_shards": x.options.Shards,
		"codec":            "best_compression",
		// A deletion is remembered this long, so that a node that was slow does not
		// bring back what was erased.
		"gc_deletes":       "1h",
		"refresh_interval": "30s", // Project refreshes what it must
		"translog":         object{"durability": "request"},
	}
	if x.options.Replicas > 0 {
		settings["number_of_replicas"] = x.options.Replicas
	} else if x.options.Replicas == 0 {
		settings["auto_expand_replicas"] = "0-1"
	} else {
		settings["number_of_replicas"] = 0
	}
	body := object{
		"settings": object{"index": settings},
		"mappings": object{"dynamic": "strict", "_meta": object{"samdok": format}, "properties": fields[k]},
	}
	switch k {
	case stateIndex:
		settings["number_of_shards"] = 1
	case idsIndex: // a quarter of the bytes; the fewer, the fewer calls between nodes
		settings["number_of_shards"] = max(1, x.options.Shards/4)
		body["aliases"] = object{writing(name): object{}}
	case streamsIndex:
		settings["number_of_shards"] = max(1, x.options.Shards/16)
		body["aliases"] = object{writing(name): object{}}
	case changesIndex:
		// A patient's changes lie side by side: a search reads one place of the disk.
		settings["sort"] = object{"field": []string{"stream", "version", "part"}}
		body["aliases"] = object{writing(name): object{}}
	}
	return json.Marshal(body)
}

// writing is the alias that documents are written through: an index that was
// dropped does not come back with a late write.
func writing(index string) string { return index + "-in" }

func (x *Index) name(g Generation, k kind) string {
	return fmt.Sprintf("%s%s-%06d", x.options.Prefix, k, g)
}

// shown is the alias of the index that serves, for people and their tools.
func (x *Index) shown(k kind) string { return x.options.Prefix + string(k) }

func (x *Index) state() string { return x.options.Prefix + string(stateIndex) }
