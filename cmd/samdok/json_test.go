package main

import (
	"encoding"
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"samdok/audit/ledger"
	"samdok/conformance"
	"samdok/gateway"
	"samdok/internal/app"
	"samdok/internal/bench"
	"samdok/locator/rest"
	"samdok/retention"
	"samdok/sharing"
)

// Whatever --json prints has names of its own that begin with a small letter, words where
// the program has numbers, and octets nowhere (they would be base64).
func TestJSONNames(t *testing.T) {
	for _, printed := range []reflect.Type{
		reflect.TypeFor[app.LogRecord](), reflect.TypeFor[app.DropAnswer](), reflect.TypeFor[app.MailMessage](), reflect.TypeFor[app.OutboxLetter](), reflect.TypeFor[app.SubscriptionView](), reflect.TypeFor[app.Info](),
		reflect.TypeFor[gateway.Status](), reflect.TypeFor[ledger.Report](), reflect.TypeFor[ledger.NodesReport](), reflect.TypeFor[sharing.Report](), reflect.TypeFor[sharing.Erased](),
		reflect.TypeFor[retention.Hold](), reflect.TypeFor[rest.Places](), reflect.TypeFor[rest.Answer](), reflect.TypeFor[rest.Loaded](), reflect.TypeFor[bench.Report](), reflect.TypeFor[conformance.Report](),
		reflect.TypeFor[row](), reflect.TypeFor[sent](), reflect.TypeFor[removed](), reflect.TypeFor[failure](), reflect.TypeFor[storageReport](),
	} {
		plainNames(t, printed, printed.String(), map[reflect.Type]bool{})
	}
}

var plainName = regexp.MustCompile(`^[a-z][A-Za-z0-9_]*$`)

func plainNames(t *testing.T, of reflect.Type, at string, seen map[reflect.Type]bool) {
	text, own := reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[json.Marshaler]()
	if seen[of] || of.Implements(text) || of.Implements(own) {
		return
	}
	seen[of] = true
	switch of.Kind() {
	case reflect.Pointer, reflect.Map:
		plainNames(t, of.Elem(), at, seen)
	case reflect.Slice, reflect.Array:
		if of.Elem().Kind() == reflect.Uint8 {
			t.Errorf("%s: octets", at)
		}
		plainNames(t, of.Elem(), at, seen)
	case reflect.Int, reflect.Int8, reflect.Uint8, reflect.Uint16, reflect.Int64:
		if of.PkgPath() != "" && !(of == reflect.TypeFor[time.Duration]() && strings.HasSuffix(at, "_ns")) {
			t.Errorf("%s: a number for a %v", at, of)
		}
	case reflect.Struct:
		for f := range of.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !f.IsExported() || name == "-" {
				continue
			}
			if !plainName.MatchString(name) && !(f.Anonymous && name == "") {
				t.Errorf("%s.%s: is printed as %q", at, f.Name, name)
			}
			delete(seen, reflect.TypeFor[time.Duration]())
			plainNames(t, f.Type, at+"."+name, seen)
		}
	}
}
