// Package ebrim translates between the metadata model and ebRIM 3.0 as ITI TF-3
// 4.2 and ITI TF-2 3.18 profile it. It is the only place that knows slots and
// classification UUIDs.
//
// Decoders read from an xmlscan.Scanner that stands on a start tag and leave it on
// the end tag. They take what ITI allows and what is often met: elements in any
// order, a SubmissionSet's or Folder's Classification inside or beside it, missing
// objectType and registryObject, stray ObjectRefs, any prefixes, symbolic ids and
// upper-case UUIDs. What the model cannot hold, or would have to guess, becomes a
// fault.Problem that names object and attribute. What the model can hold although
// it is wrong (a missing id, an unknown objectType, a bad date) is not reported
// here but by metadata/rules.
//
// Strings of a decoded message lie together in pieces of 8 KiB: few allocations, but
// one string keeps its piece in memory. Clone what outlives the request. Readers are
// used again and keep, beyond a message, the contents of Classifications that say a
// code (ADR 43), and nothing else.
//
// Writers append to a byte slice in the schema's order and allocate nothing else.
// The fragments of AppendObject and AppendObjectRef stand where ebRIM is the
// default namespace, as it is behind AppendQueryResponseHead.
//
// It imports metadata, fault and internal/xmlscan. soap/xds, the tools and tests
// call it.
package ebrim
