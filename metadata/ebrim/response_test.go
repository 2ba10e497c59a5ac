package ebrim

import (
	"strings"
	"testing"
	"unicode/utf8"

	"samdok/fault"
)

// What senders sent is quoted in problems; the answer stays small however long it
// was and however many problems there are.
func TestErrorListIsBounded(t *testing.T) {
	long := fault.Problem{Code: fault.RegistryMetadataError, Context: strings.Repeat("ø", 1<<20), Location: strings.Repeat("x", 1<<20)}
	b := AppendErrorList(nil, []fault.Problem{long})
	if len(b) > 5000 || !utf8.Valid(b) {
		t.Errorf("one problem has %d octets", len(b))
	}
	many := make([]fault.Problem, 100_000)
	for i := range many {
		many[i] = fault.Problem{Code: fault.RegistryMetadataError, Context: "The entry has no document."}
	}
	b = AppendErrorList(nil, many)
	n := strings.Count(string(b), "<rs:RegistryError ")
	if len(b) > maxErrorList+10_000 || n < 1000 || !strings.Contains(string(b), "more problems are not listed") {
		t.Errorf("%d problems in %d octets", n, len(b))
	}
}
