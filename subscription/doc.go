// Package subscription is the Document Metadata Notification Broker (ITI TF-1 26):
// it keeps subscriptions in the log, finds those of a patient without looking at
// any other, and makes letters of the log's changes that they are about. What a
// letter leads to is decided when it is delivered, by sharing.Notify.
//
// It imports storage, access, fault and metadata. sharing and internal/app import
// it.
package subscription
