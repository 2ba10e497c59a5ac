package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/minio/minio-go/v7"

	"samdok/fault"
)

// errTooLong: an object that must fit in memory does not.
var errTooLong = errors.New("an object is larger than anything samdok writes there")

// effect of an operation: whether it may have changed something when it failed.
type effect uint8

const (
	reads effect = iota
	writes
)

// fault makes the error that leaves the package. fault.Busy means that nothing
// was written, fault.Unavailable that it is not known. The cause names the store
// and what to do; it never names an object, for names hold tenants.
func (s *Store) fault(op string, err error, e effect) error {
	var f *failure
	if err == nil || !errors.As(err, &f) {
		return err
	}
	told := fmt.Errorf("S3 at %s, bucket %s: %s", s.Endpoint, s.Bucket, s.advice(f))
	busy, code := fault.Busy, fault.RegistryBusy
	if e == writes && f.unsettled {
		busy = fault.Unavailable
	}
	switch f.class {
	case ended:
		return fault.Wrap(context.Canceled, fault.Canceled, op, fault.RegistryError, "The request ended before the store had answered.")
	case full:
		code = fault.RegistryOutOfResources
		return fault.Wrap(told, busy, op, code, "The store of this community is full; send the request again when its operator has made room.")
	case barred:
		return fault.Wrap(told, fault.Internal, op, fault.RegistryError, "The store of this community refuses it; its operator must look at the configuration.")
	}
	return fault.Wrap(told, busy, op, code, "The store of this community does not answer in time; send the request again in a little while.")
}

// advice tells the operator what happened and what to do.
func (s *Store) advice(f *failure) string {
	cause := cause(f.err)
	switch f.class {
	case full:
		return cause + "; give it more room"
	case barred:
		var r minio.ErrorResponse
		errors.As(f.err, &r)
		switch {
		case errors.Is(f.err, errNoBucket) || r.Code == "NoSuchBucket":
			return "there is no such bucket; make it, or name another one (SAMDOK_S3_BUCKET)"
		case r.Code == "InvalidStorageClass", r.Code == "InvalidObjectState":
			return cause + "; name a storage class that the store has and reads without delay (SAMDOK_S3_STORAGE_CLASS)"
		case r.StatusCode == http.StatusForbidden, r.StatusCode == http.StatusUnauthorized, r.StatusCode == http.StatusNotFound:
			return cause + "; check the access key, the secret key, their rights and the clocks (SAMDOK_S3_ACCESS_KEY, SAMDOK_S3_SECRET_KEY)"
		case untrusted(f.err):
			return cause + "; give the authority of its certificate (SAMDOK_S3_CA), or correct the address (SAMDOK_S3_ENDPOINT) or the certificate"
		}
		return cause
	case refused, unknown:
		return cause + "; see that it runs, can be reached (SAMDOK_S3_ENDPOINT) and is not overloaded"
	}
	return cause
}

// cause is the inner error without the address that was called, which holds a
// tenant.
func cause(err error) string {
	var r minio.ErrorResponse
	if errors.As(err, &r) {
		return fmt.Sprintf("it answered HTTP %d %s", r.StatusCode, r.Code)
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, errSilent) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return "it is silent (SAMDOK_S3_TIMEOUT says for how long it may be)"
	}
	return err.Error()
}
