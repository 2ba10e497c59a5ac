// Package conformance is a kit that tests anybody's Document Registry and
// Repository against IHE ITI. It sees a server only by its URLs: requests are
// written as text and answers are read with an XML tree of their own, so that a
// mistake in samdok's codec cannot hide itself.
//
// A Case tests one rule of the standard and names its section. Its outcome is
// Pass, Fail (the server broke the rule), Error (the kit could not find out),
// Skip (the server cannot be asked) or Disabled (switched off by the user). Each
// case has a mutant (conformance/mutant) that breaks just its rule, and a test
// proves that the case then fails.
//
// It imports nothing of the server. conformance/cases holds the cases,
// cmd/samdok runs them.
package conformance
