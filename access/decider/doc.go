// Package decider has the deciders that need no policy: Open allows everything
// to callers on this machine, DenyAll nothing to anybody.
//
// It imports access, fault and metadata. The composition root chooses one.
package decider
