// Package httpd is the server's face to the network: the public listener with
// the SOAP endpoints and a page that explains them, and the internal listener
// with health, readiness and metrics. It keeps clients within limits: rate per
// client, requests in work, size of headers, and progress instead of one timeout,
// so that a slow upload lives and a stalled one does not.
//
// gin is the router and is used nowhere else but here and in later web doors. The
// package knows no transaction and no storage; internal/app hands it handlers.
package httpd
