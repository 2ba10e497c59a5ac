package metadata_test

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"samdok/metadata"
	"samdok/metadata/metadatatest/arbitrary"
)

// What reflection counts of an object is what Weight does: no field is forgotten.
func TestWeight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, o := range []metadata.Object{arbitrary.Object(arbitrary.Plain()).Draw(t, "object"), &metadata.ObjectReference{ID: "urn:uuid:1", Home: "urn:oid:1"}} {
			v := reflect.ValueOf(o).Elem()
			if got, want := metadata.Weight(o), int(v.Type().Size())+behind(v); got != want {
				t.Fatalf("%T weighs %d, not %d", o, got, want)
			}
		}
	})
}

// behind is what a value refers to.
func behind(v reflect.Value) (n int) {
	switch v.Kind() {
	case reflect.String:
		n = v.Len()
	case reflect.Slice:
		n = v.Len() * int(v.Type().Elem().Size())
		for i := range v.Len() {
			n += behind(v.Index(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			n = int(v.Type().Elem().Size()) + behind(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			n += behind(v.Field(i))
		}
	}
	return n
}
