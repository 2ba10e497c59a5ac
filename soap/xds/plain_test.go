package xds

import (
	"bytes"
	"io"
	"net/http"
	"strconv"

	"samdok/soap"
)

// unpacked makes a client that sends the root part of a package as plain SOAP.
func unpacked(c *http.Client) *http.Client {
	return &http.Client{Transport: unpack{c.Transport}}
}

type unpack struct{ next http.RoundTripper }

func (u unpack) RoundTrip(r *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err != nil {
		return nil, err
	}
	i := bytes.Index(b, []byte("<?xml"))
	j := bytes.LastIndex(b, []byte("\r\n--"))
	r = r.Clone(r.Context())
	root := b[i:j]
	r.Body, r.ContentLength, r.GetBody = io.NopCloser(bytes.NewReader(root)), int64(len(root)), nil
	r.Header.Set("Content-Type", soap.ContentType)
	r.Header.Set("Content-Length", strconv.Itoa(len(root)))
	return u.next.RoundTrip(r)
}
