// Package enginetest gives tests the real engines that samdok scales out on: an
// Elasticsearch and an S3 server (versitygw), which interop/elasticsearch and
// interop/versitygw fetch and start. All test processes of a user share one of
// each; it ends a minute after the last of them. Every test gets index names and a
// bucket of its own, which are gone after it. An engine that cannot be started
// fails the test and says why.
//
// Engines that a test kills are its own: OwnElasticsearch, OwnS3.
//
// SAMDOK_TEST_S3=minio takes MinIO as the S3 server, which ./test --long does.
// SAMDOK_TEST_ELASTICSEARCH_URL and SAMDOK_TEST_S3_ENDPOINT (with
// SAMDOK_TEST_S3_ACCESS_KEY and SAMDOK_TEST_S3_SECRET_KEY) name engines that run
// already.
//
// It imports nothing of the module; only tests call it.
package enginetest
