// Package arbitrary draws metadata objects for property tests with
// pgregory.net/rapid. Every object satisfies metadata/rules; the free strings in
// it come from a generator that the test chooses: Plain for what people write,
// Hostile for what breaks codecs (markup, HL7 delimiters, quotes, line ends,
// combining and astral characters), always legal in XML 1.0.
//
// Absent lists are nil, so that a decoded object can be compared with
// reflect.DeepEqual.
//
// It imports metadata. Only tests use it.
package arbitrary
