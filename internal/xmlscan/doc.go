// Package xmlscan reads XML as a stream of events over a byte slice, without
// copying and without allocating, and escapes text for writing.
//
// It reads namespace-well-formed XML 1.0 in UTF-8. It refuses, always with an
// *Error that says where:
//
//   - document type declarations and processing instructions (SOAP 1.2 forbids
//     both); an XML declaration is accepted when it says UTF-8 or ASCII;
//   - what XML 1.0 and Namespaces in XML 1.0 forbid although encoding/xml accepts
//     it: two attributes of one name, a prefix that is not declared, an empty or
//     reserved prefix binding, names with an empty prefix or local part, missing
//     blanks between attributes, text or a second element outside the root,
//     no root element, references to surrogates and other non-characters, invalid
//     UTF-8 or control characters inside comments;
//   - element and attribute names with other than ASCII letters (no schema that
//     samdok reads has one);
//   - inputs that pass one of the Limits.
//
// Messages repeat themselves: what is expected next (Enter, Only), a start tag written
// like the one before, and an element written like one before but for what it says (Form)
// are compared instead of read (ADR 42, ADR 51). Whatever differs goes the general way,
// which alone says what is wrong.
//
// Everything else that it accepts, encoding/xml accepts too and with the same
// meaning, except that blanks in attribute values are normalised here as XML 1.0
// demands (3.3.3); fuzzing checks that.
//
// It imports only the standard library. Everything that reads XML calls it: soap,
// soap/mtom, soap/xds and metadata/ebrim.
package xmlscan
