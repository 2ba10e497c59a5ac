// Command samdok shares patient documents between organisations by IHE XDS.b. One
// binary holds the server (serve, demo), the client commands that speak the same
// transactions as everybody else (put, find, get, import), care of the data folder
// (backup, restore, reindex) and of the configuration (config).
//
// Each command is a file; cli.go holds what they share.
package main
