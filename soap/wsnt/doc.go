// Package wsnt reads and writes the messages of WS-BaseNotification 1.3 as DSUB
// uses them (ITI TF-2 3.52 to 3.54): Subscribe, Renew, Unsubscribe, their answers
// and faults, and Notify. It holds no transaction; soap/xds has the door.
//
// It imports soap, internal/xmlscan, fault, metadata and metadata/ebrim. soap/xds,
// internal/app and cmd/samdok import it.
package wsnt
