package ebrim

import (
	"slices"
	"strings"

	"samdok/fault"
	"samdok/metadata"
)

// params are the slots of a stored query while they are being understood.
type params struct {
	query    string
	slots    []param
	problems []fault.Problem
	wild     int // octets of the patterns with wildcards
}

type param struct {
	name   string
	values []string // as sent, one per Value
	used   bool
}

func (p *params) wrong(code fault.Code, context string) {
	p.problems = append(p.problems, fault.Problem{Code: code, Context: p.query + ": " + context})
}

// all are the value lists of the slots with this name; more than one of them means
// AND.
func (p *params) all(name string) [][]string {
	var lists [][]string
	for i := range p.slots {
		s := &p.slots[i]
		if s.name != name {
			continue
		}
		s.used = true
		values := make([]string, 0, len(s.values))
		for _, text := range s.values {
			var ok bool
			if values, ok = appendValues(values, text); !ok {
				p.wrong(fault.StoredQueryParamNumber, "the value of "+name+" cannot be read; write 'text' or ('a','b'), and a quote inside as ''.")
				return nil
			}
		}
		if len(values) > 0 {
			lists = append(lists, values)
		}
	}
	return lists
}

// list is a parameter that may have several values but stands once.
func (p *params) list(name string) []string {
	lists := p.all(name)
	if len(lists) > 1 {
		p.wrong(fault.StoredQueryParamNumber, name+" stands in "+number(len(lists))+" Slots; only parameters that can be combined with AND may be repeated.")
	}
	if len(lists) == 0 {
		return nil
	}
	return lists[0]
}

// one is a parameter with at most one value; "" when absent.
func (p *params) one(name string) string {
	values := p.list(name)
	if len(values) > 1 {
		p.wrong(fault.StoredQueryParamNumber, name+" has "+number(len(values))+" values; send one.")
	}
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

func (p *params) missing(name string) {
	p.wrong(fault.StoredQueryMissingParam, "the parameter "+name+" is missing.")
}

// patient is the required patient id.
func (p *params) patient(name string) metadata.CX {
	before := len(p.problems)
	id := trim(p.one(name))
	if id == "" && len(p.problems) == before {
		p.missing(name)
	}
	return metadata.CX(id)
}

// patients are patient ids, any number of them, each once.
func (p *params) patients(name string) []metadata.CX {
	var out []metadata.CX
	for _, v := range p.list(name) {
		if id := metadata.CX(trim(v)); id != "" && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

// some demands at least one of several parameters (ITI TF-2 3.51.4.1.2.3).
func (p *params) some(given int, names ...string) {
	if given == 0 && len(p.problems) == 0 {
		p.wrong(fault.StoredQueryMissingParam, "one of "+strings.Join(names, ", ")+" is missing.")
	}
}

// statuses reads a list of status URNs. Unknown ones are ignored; that all of them
// are is an error (ITI TF-2 3.18.4.1.2.3.7).
func (p *params) statuses(name string, required bool) []metadata.Status {
	before := len(p.problems)
	values := p.list(name)
	var out []metadata.Status
	for _, v := range values {
		if s := metadata.ParseStatus(trim(v)); s != metadata.StatusUnknown {
			out = append(out, s)
		}
	}
	switch {
	case len(out) > 0 || len(p.problems) > before:
	case len(values) > 0:
		p.wrong(fault.StoredQueryMissingParam, "no value of "+name+" is known; use "+metadata.Approved.URN()+" or "+metadata.Deprecated.URN()+".")
	case required:
		p.missing(name)
	}
	return out
}

// kinds reads $XDSDocumentEntryType. When no value is known, nothing can match.
func (p *params) kinds() []metadata.EntryKind {
	values := p.list("$XDSDocumentEntryType")
	var out []metadata.EntryKind
	for _, v := range values {
		if k := metadata.ParseEntryKind(v); k != metadata.KindUnknown {
			out = append(out, k)
		}
	}
	if len(values) > 0 && out == nil {
		out = []metadata.EntryKind{metadata.KindUnknown}
	}
	return out
}

// codeList reads codes, 'code^^scheme' (ITI TF-2 3.18.4.1.2.3.4).
func (p *params) codeList(name string) metadata.AnyOf[metadata.CodeRef] {
	return p.codes(name, p.list(name))
}

// codeLists reads codes that can be combined with AND.
func (p *params) codeLists(name string) metadata.AllOf[metadata.CodeRef] {
	var out metadata.AllOf[metadata.CodeRef]
	for _, values := range p.all(name) {
		out = append(out, p.codes(name, values))
	}
	return out
}

func (p *params) codes(name string, values []string) metadata.AnyOf[metadata.CodeRef] {
	var out metadata.AnyOf[metadata.CodeRef]
	for _, v := range values {
		value, rest, ok := strings.Cut(v, "^")
		scheme, two := strings.CutPrefix(rest, "^")
		if !ok || !two || value == "" || scheme == "" || strings.IndexByte(scheme, '^') >= 0 {
			p.wrong(fault.StoredQueryParamNumber, quote(v)+" in "+name+" is not a code with its scheme; write 'code^^scheme'.")
			continue
		}
		out = append(out, metadata.CodeRef{Value: value, Scheme: scheme})
	}
	return out
}

func (p *params) likes(name string) metadata.AnyOf[metadata.Like] {
	return p.patterns(name, p.list(name))
}

// maxPatterns bounds the octets of all patterns of one query that have wildcards:
// each is tried on every value of every object that is looked at.
const maxPatterns = 16 << 10

func (p *params) patterns(name string, values []string) metadata.AnyOf[metadata.Like] {
	list := convert[metadata.Like](values)
	before := p.wild
	for _, l := range list {
		if !l.IsExact() {
			p.wild += len(l)
		}
	}
	if before <= maxPatterns && p.wild > maxPatterns {
		p.wrong(fault.RegistryOutOfResources, "the patterns of "+name+" are longer than "+number(maxPatterns)+" characters together, the limit query.patterns (fixed); send fewer or shorter ones.")
	}
	return list
}

func (p *params) likeLists(name string) metadata.AllOf[metadata.Like] {
	var out metadata.AllOf[metadata.Like]
	for _, values := range p.all(name) {
		out = append(out, p.patterns(name, values))
	}
	return out
}

// times reads name+"From" and name+"To".
func (p *params) times(name string) metadata.TimeRange {
	return metadata.TimeRange{From: p.time(name + "From"), To: p.time(name + "To")}
}

func (p *params) time(name string) metadata.DTM {
	t := metadata.DTM(trim(p.one(name)))
	if t != "" && !t.Valid() {
		p.wrong(fault.StoredQueryParamNumber, quote(string(t))+" in "+name+" is not a time; write YYYY[MM[DD[hh[mm[ss]]]]] in UTC.")
	}
	return t
}

// ids is a list of entryUUIDs.
func (p *params) ids(name string, required bool) []metadata.ID {
	before := len(p.problems)
	var out []metadata.ID
	for _, v := range p.list(name) {
		if id := metadata.ParseID(v); id != "" {
			out = append(out, id)
		}
	}
	if required && len(out) == 0 && len(p.problems) == before {
		p.missing(name)
	}
	return out
}

func (p *params) uniqueIDs(name string) []string {
	return slices.DeleteFunc(p.list(name), func(v string) bool { return v == "" })
}

// target reads an either/or group of parameters: entryUUID, uniqueId and, where it
// exists, logicalID. single allows one value only.
func (p *params) target(prefix string, single, logical bool) metadata.Target {
	before := len(p.problems)
	t := metadata.Target{IDs: p.ids(prefix+"EntryUUID", false), UniqueIDs: p.uniqueIDs(prefix + "UniqueId")}
	names, given := prefix+"EntryUUID or "+prefix+"UniqueId", 0
	if logical {
		t.LogicalIDs = p.ids(prefix+"LogicalID", false)
		names = prefix + "EntryUUID, " + prefix + "UniqueId or " + prefix + "LogicalID"
	}
	if len(t.UniqueIDs) == 0 {
		t.UniqueIDs = nil
	}
	for _, n := range [...]int{len(t.IDs), len(t.UniqueIDs), len(t.LogicalIDs)} {
		if n > 0 {
			given++
		}
		if n > 1 && single {
			p.wrong(fault.StoredQueryParamNumber, "one of "+names+" takes one value; send one.")
		}
	}
	switch {
	case len(p.problems) > before:
	case given == 0:
		p.wrong(fault.StoredQueryMissingParam, "one of "+names+" is missing.")
	case given > 1:
		p.wrong(fault.StoredQueryParamNumber, "only one of "+names+" may be given.")
	}
	return t
}

func (p *params) members() metadata.MemberFilter {
	return metadata.MemberFilter{
		FormatCode:   p.codeList("$XDSDocumentEntryFormatCode"),
		Confidential: p.codeLists("$XDSDocumentEntryConfidentialityCode"),
		Kinds:        p.kinds(),
	}
}

// level reads $MetadataLevel; 0 when absent.
func (p *params) level() int {
	switch v := trim(p.one("$MetadataLevel")); v {
	case "":
		return 0
	case "1":
		return 1
	case "2":
		return 2
	default:
		p.wrong(fault.StoredQueryParamNumber, "$MetadataLevel is "+quote(v)+"; it is 1 or 2.")
		return 0
	}
}

// extra are the slots that the query does not know.
func (p *params) extra() []metadata.Slot {
	var out []metadata.Slot
	for i := range p.slots {
		if s := &p.slots[i]; !s.used {
			out = append(out, metadata.Slot{Name: s.name, Values: s.values})
		}
	}
	return out
}

func convert[T ~string](values []string) metadata.AnyOf[T] {
	if len(values) == 0 {
		return nil
	}
	out := make(metadata.AnyOf[T], len(values))
	for i, v := range values {
		out[i] = T(v)
	}
	return out
}
