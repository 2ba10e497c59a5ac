// Package config holds every setting of samdok in one table: its name, its
// default, what it means and where it is kept. Flags, SAMDOK_ environment
// variables, the configuration file, `samdok config print` and docs/config.md are
// all made from that table, so that they can never disagree.
//
// A setting named "limits.root-bytes" is the flag --limits-root-bytes, the
// variable SAMDOK_LIMITS_ROOT_BYTES and, in the file, root-bytes under limits.
// Flags win over variables, variables over the file, the file over the default.
//
// It imports only the standard library and internal/strictfile (for YAML). internal/app and
// cmd/samdok import it.
package config
