package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"syscall"
)

// Trouble is a word for why a community gave no answer.
type Trouble string

// The troubles.
const (
	Slow        Trouble = "slow"        // no whole answer within the deadline
	Busy        Trouble = "busy"        // as many requests in work as it may have
	Stalled     Trouble = "stalled"     // a document stopped, or came too slowly
	Unnamed     Trouble = "name"        // its host name leads nowhere
	Closed      Trouble = "closed"      // nobody listens at its address
	Certificate Trouble = "certificate" // TLS: its certificate, or ours, is not accepted
	Unreachable Trouble = "unreachable" // the connection failed otherwise
	Wrong       Trouble = "wrong"       // what it answered is not an answer
)

// troubleOf is the word for an error of a request.
func troubleOf(err error) Trouble {
	var name *net.DNSError
	var verify *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var alert tls.AlertError
	var header tls.RecordHeaderError
	var network net.Error
	var op *net.OpError
	switch {
	case errors.Is(err, errStall):
		return Stalled
	case errors.Is(err, errFull):
		return Busy
	case errors.As(err, &name):
		return Unnamed
	case errors.Is(err, syscall.ECONNREFUSED):
		return Closed
	case errors.As(err, &verify), errors.As(err, &authority), errors.As(err, &alert), errors.As(err, &header):
		return Certificate
	case errors.Is(err, errSlow), errors.As(err, &network) && network.Timeout():
		return Slow
	case errors.As(err, &op):
		return Unreachable
	}
	return Wrong
}
