// Package courier delivers what an outbox owes: it takes letters that are due,
// hands each to a function, and settles it, tries again later, or gives up when it
// expires. A letter may be delivered more than once: when the process ends between
// the delivery and its note of it. Receivers tell by the letter's id.
//
// A destination that fails rests, so that its letters do not stand in the way of
// others. Letters that were given up stay in the outbox, dead, for the operator.
//
// It imports storage. internal/app starts one for each queue.
package courier
