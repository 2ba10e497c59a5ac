// Package ondemand is what an On-Demand Document Source (ITI TF-1 10.1.1.10) needs
// to make documents when they are retrieved: the interface Generator and what a
// generator gets to see. It knows no registry and no wire: sharing collects what
// the reader may see, calls the generator and answers ITI-43.
//
// It imports metadata. sharing, ondemand/summary and the composition root import
// it.
package ondemand
