package ebrim

// Status is how a request ended (ITI TF-3 4.2.4.2). The zero value is Failure.
type Status uint8

const (
	Failure Status = iota
	Success
	PartialSuccess
)

// URN is the form on the wire.
func (s Status) URN() string {
	switch s {
	case Success:
		return statusTypePrefix + "Success"
	case PartialSuccess:
		return partialSuccessURN
	}
	return statusTypePrefix + "Failure"
}

// String is the last part of the URN.
func (s Status) String() string {
	switch s {
	case Success:
		return "Success"
	case PartialSuccess:
		return "PartialSuccess"
	}
	return "Failure"
}

// ParseStatus reads a status URN; ok is false, and the status Failure, for any
// other text.
func ParseStatus(urn string) (s Status, ok bool) {
	switch urn {
	case statusTypePrefix + "Success":
		return Success, true
	case statusTypePrefix + "Failure":
		return Failure, true
	case partialSuccessURN, statusTypePrefix + "PartialSuccess":
		return PartialSuccess, true
	}
	return Failure, false
}
