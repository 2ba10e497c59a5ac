package elastic

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"samdok/access"
	"samdok/metadata"
	"samdok/metadata/metadatatest/arbitrary"
	"samdok/storage"
	"samdok/storage/encoding"
)

// The cluster is asked for at least what the exact filter takes: what it is asked
// is worked out here over what the parts hold.
func TestSelectionIsASuperset(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var added []storage.Added
		for range rapid.IntRange(1, 4).Draw(t, "objects") {
			added = append(added, storage.Added{Object: drawObject(t)})
		}
		doc := &partDoc{place: place{}}
		doc.Seq = rapid.Uint64Range(1, 9).Draw(t, "seq")
		if err := doc.fill(added, &Record{}, box{}); err != nil {
			t.Fatal(err)
		}
		var touches []touch
		for range rapid.IntRange(0, 3).Draw(t, "touches") {
			touches = append(touches, touch{n: rapid.IntRange(0, len(added)-1).Draw(t, "n"), said: said{
				status: metadata.Status(rapid.IntRange(0, 2).Draw(t, "status")), removed: rapid.IntRange(0, 5).Draw(t, "removed") == 0,
			}})
		}
		for i := range touches {
			touches[i].seq = doc.Seq + uint64(i) + 1
			doc.part.touch(touches[i])
		}
		if err := doc.settle(); err != nil {
			t.Fatal(err)
		}
		want := seek(drawFilter(t), access.Restriction{WithoutCodes: drawRefs(t, "hidden", 0)})
		at := doc.Seq + rapid.Uint64Range(0, 4).Draw(t, "at")
		found := false
		for n := range added {
			p := storage.Placed{Added: added[n]}
			p.Object = metadata.CloneObject(p.Object)
			overlay(&p, n, touches, at)
			found = found || !p.Removed && want.class(encoding.ClassOf(p.Object)) && want.has(p.Object)
		}
		if found && !holds(asJSON(t, want.query(at)), asJSON(t, &doc.part)) {
			t.Fatalf("not asked for:\n%+v\nof\n%+v", want.query(at), doc.part)
		}
	})
}

func asJSON(t *rapid.T, v any) (m map[string]any) {
	b, err := json.Marshal(v)
	if err == nil {
		d := json.NewDecoder(strings.NewReader(string(b)))
		d.UseNumber()
		err = d.Decode(&m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// holds works out a query over a document.
func holds(q, doc map[string]any) bool {
	for kind, v := range q {
		args := v.(map[string]any)
		switch kind {
		case "exists":
			_, ok := doc[args["field"].(string)]
			return ok
		case "term":
			for f, v := range args {
				return slices.Contains(terms(doc[f]), fmt.Sprint(v))
			}
		case "terms":
			for f, list := range args {
				return slices.ContainsFunc(terms(list), func(s string) bool { return slices.Contains(terms(doc[f]), s) })
			}
		case "range":
			for f, limits := range args {
				return slices.ContainsFunc(terms(doc[f]), func(s string) bool { return inside(s, limits.(map[string]any)) })
			}
		case "bool":
			return holdsAll(args, doc)
		}
	}
	panic(fmt.Sprint("a query that the test does not know: ", q))
}

func holdsAll(args, doc map[string]any) bool {
	one := func(q any) bool { return holds(q.(map[string]any), doc) }
	if list, ok := args["filter"].([]any); ok && slices.ContainsFunc(list, func(q any) bool { return !one(q) }) {
		return false
	}
	if not, ok := args["must_not"]; ok && one(not) {
		return false
	}
	list, ok := args["should"].([]any)
	return !ok || slices.ContainsFunc(list, one)
}

func terms(v any) (list []string) {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		for _, v := range v {
			list = append(list, fmt.Sprint(v))
		}
		return list
	}
	return []string{fmt.Sprint(v)}
}

func inside(s string, limits map[string]any) bool {
	pad := func(v any) string { return fmt.Sprintf("%020s", fmt.Sprint(v)) }
	for name, limit := range limits {
		a, b := pad(s), pad(limit)
		if name == "gte" && a < b || name == "gt" && a <= b || name == "lt" && a >= b || name == "lte" && a > b {
			return false
		}
	}
	return true
}

var (
	values  = rapid.SampledFrom([]string{"", "A", "B", "C"})
	schemes = rapid.SampledFrom([]string{"", "1.2", "urn:oid:1.2", "1.3"})
	times   = rapid.SampledFrom([]metadata.DTM{"", "2005", "200501", "20050102", "20050102030405", "2006", "x"})
)

func drawCode(t *rapid.T) metadata.Code {
	return metadata.Code{Value: values.Draw(t, "value"), Scheme: schemes.Draw(t, "scheme")}
}

func drawCodes(t *rapid.T) (list []metadata.Code) {
	for range rapid.IntRange(0, 2).Draw(t, "codes") {
		list = append(list, drawCode(t))
	}
	return list
}

func drawRefs(t *rapid.T, label string, least int) (list []metadata.CodeRef) {
	for range rapid.IntRange(least, 2).Draw(t, label) {
		list = append(list, drawCode(t).Ref())
	}
	return list
}

func drawObject(t *rapid.T) metadata.Object {
	status := metadata.Status(rapid.IntRange(1, 2).Draw(t, "status"))
	switch rapid.IntRange(0, 5).Draw(t, "class") {
	case 0, 4, 5:
		d := arbitrary.Entry(arbitrary.Plain()).Draw(t, "entry")
		d.Status, d.UniqueID, d.Kind = status, "1.2.3", metadata.EntryKind(rapid.IntRange(1, 2).Draw(t, "kind"))
		d.ClassCode, d.Facility, d.Confidential, d.EventCodes = drawCode(t), drawCode(t), drawCodes(t), drawCodes(t)
		d.CreationTime, d.ServiceStart = times.Draw(t, "creation"), times.Draw(t, "start")
		return d
	case 1:
		s := arbitrary.Set(arbitrary.Plain()).Draw(t, "set")
		s.Status, s.SubmissionTime = status, times.Draw(t, "submission")
		return &s
	case 2:
		f := arbitrary.Folder(arbitrary.Plain()).Draw(t, "folder")
		f.Status, f.Codes = status, drawCodes(t)
		return f
	}
	a := arbitrary.Association(arbitrary.Plain()).Draw(t, "association")
	a.Status = status
	return a
}

func drawStatus(t *rapid.T) []metadata.Status {
	return rapid.SampledFrom([][]metadata.Status{nil, {metadata.Approved}, {metadata.Deprecated}, {metadata.Approved, metadata.Deprecated}}).Draw(t, "statuses")
}

func drawRange(t *rapid.T) metadata.TimeRange {
	return metadata.TimeRange{From: times.Draw(t, "from"), To: times.Draw(t, "to")}
}

func drawFilter(t *rapid.T) (f storage.Filter) {
	if rapid.Bool().Draw(t, "by time only") {
		kinds := []metadata.EntryKind{metadata.Stable, metadata.OnDemand}
		f.Documents = &metadata.DocumentFilter{Kinds: kinds, Creation: drawRange(t), ServiceStart: drawRange(t)}
		return f
	}
	if rapid.Bool().Draw(t, "documents") {
		f.Documents = &metadata.DocumentFilter{
			Status: drawStatus(t), ClassCode: drawRefs(t, "class", 0), Facility: drawRefs(t, "facility", 0),
			Kinds:        rapid.SampledFrom([][]metadata.EntryKind{nil, {metadata.OnDemand}, {metadata.Stable, metadata.OnDemand}}).Draw(t, "kinds"),
			Confidential: metadata.AllOf[metadata.CodeRef]{drawRefs(t, "one", 0), drawRefs(t, "other", 0)},
			EventCodes:   metadata.AllOf[metadata.CodeRef]{drawRefs(t, "event", 0)},
			Creation:     drawRange(t), ServiceStart: drawRange(t),
		}
	}
	if rapid.Bool().Draw(t, "sets") {
		f.SubmissionSets = &metadata.SubmissionSetFilter{Status: drawStatus(t), Submission: drawRange(t)}
	}
	if rapid.Bool().Draw(t, "folders") {
		f.Folders = &metadata.FolderFilter{Status: drawStatus(t), Codes: metadata.AllOf[metadata.CodeRef]{drawRefs(t, "code", 0)}}
	}
	f.Associations = rapid.Bool().Draw(t, "associations")
	return f
}

// What is written is in the mappings, and nothing else is.
func TestFields(t *testing.T) {
	for k, doc := range map[kind]any{changesIndex: part{}, streamsIndex: stream{}, idsIndex: identifier{}, stateIndex: watermark{}} {
		have := map[string]bool{}
		for _, f := range reflect.VisibleFields(reflect.TypeOf(doc)) {
			if !f.Anonymous {
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				have[name] = true
				if fields[k][name] == nil {
					t.Errorf("%s: %s is written and not mapped", k, name)
				}
			}
		}
		for name := range fields[k] {
			if !have[name] {
				t.Errorf("%s: %s is mapped and never written", k, name)
			}
		}
	}
}

func TestStoredForms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var touches []touch
		var b []byte
		for range rapid.IntRange(0, 5).Draw(t, "touches") {
			x := touch{n: rapid.IntRange(0, 1<<20).Draw(t, "n"), seq: rapid.Uint64().Draw(t, "seq"), said: said{
				removed: rapid.Bool().Draw(t, "removed"), unbind: rapid.Bool().Draw(t, "unbind"),
				succession: storage.Succession(rapid.IntRange(0, 2).Draw(t, "succession")),
				status:     metadata.Status(rapid.IntRange(0, 2).Draw(t, "status")), updated: times.Draw(t, "updated"),
			}}
			touches, b = append(touches, x), x.append(b)
		}
		got, err := decodeTouches(b)
		if err != nil || !slices.Equal(got, touches) {
			t.Fatalf("%+v, %v", got, err)
		}
		var held []holder
		for range rapid.IntRange(0, 5).Draw(t, "holders") {
			h := holder{version: storage.Version(rapid.Uint64().Draw(t, "version")), n: rapid.IntRange(0, 1<<20).Draw(t, "of"), seq: rapid.Uint64().Draw(t, "batch"), role: role(rapid.IntRange(0, 31).Draw(t, "role"))}
			copy(h.stream[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "stream"))
			if h.value = rapid.Uint64().Draw(t, "value"); h.value != 0 {
				h.role |= valued
			}
			held = append(held, h)
		}
		again, err := decodeHolders(encodeHolders(held))
		if err != nil || !slices.Equal(again, held) {
			t.Fatalf("%+v, %v", again, err)
		}
	})
}

// Hashes sort as their terms do, so that windows of a scan are whole.
func TestTermsSortAsHashes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a, b hash
		copy(a[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "a"))
		copy(b[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "b"))
		if (a.term() < b.term()) != (string(a[:]) < string(b[:])) {
			t.Fatal(a.term(), b.term())
		}
		if back, err := termOf(a.term()); err != nil || back != a {
			t.Fatal(back, err)
		}
	})
}

// What was done to an object says the same when its older part is put together.
func TestFold(t *testing.T) {
	d := &partDoc{}
	d.Objects = []byte{byte(encoding.ClassDocumentEntry), byte(metadata.Approved), byte(encoding.ClassFolder), byte(metadata.Approved)}
	var all []touch
	for i := range uint64(2 * mostTouches) {
		x := touch{n: int(i % 2), seq: i + 1, said: said{status: metadata.Status(1 + i/2%2), updated: metadata.DTM(fmt.Sprint(20050101000000 + i))}}
		if i >= 8 { // said once, long ago
			x.updated = ""
		}
		all = append(all, x)
		d.part.touch(x)
		if err := d.settle(); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := decodeTouches(d.Touches)
	if err != nil || len(kept) > mostTouches {
		t.Fatalf("%d are kept: %v", len(kept), err)
	}
	for at := uint64(2*mostTouches - mostTouches/4); at <= 2*mostTouches; at++ {
		for n, o := range []metadata.Object{&metadata.DocumentEntry{}, &metadata.Folder{}} {
			a, b := storage.Placed{Added: storage.Added{Object: metadata.CloneObject(o)}}, storage.Placed{Added: storage.Added{Object: metadata.CloneObject(o)}}
			overlay(&a, n, all, at)
			overlay(&b, n, kept, at)
			if !reflect.DeepEqual(a, b) {
				t.Fatalf("after %d: %+v, want %+v", at, b.Object, a.Object)
			}
		}
	}
}
