// Command scaled shows samdok scaled out on one machine: Elasticsearch, an S3
// server, two nodes and a load balancer. It registers documents through the
// balancer, kills one node in the middle, and then finds and opens every document
// that was acknowledged, through either node. Its exit code is 0 only if nothing
// was lost.
//
//	go run ./examples/scaled
//
// Run it from the root of the repository. SAMDOK_ELASTICSEARCH_URL and
// SAMDOK_S3_ENDPOINT (with SAMDOK_S3_ACCESS_KEY, SAMDOK_S3_SECRET_KEY and
// SAMDOK_S3_BUCKET) name engines that run already; otherwise it starts its own,
// which are fetched once (about a gigabyte).
//
// It imports the client (soap/xds), made-up patients (metadata/metadatatest) and
// metadata; nobody imports it.
package main
