package ebrim

import (
	"strings"

	"samdok/fault"
)

// Limits bound what one message may hold, besides the limits of xmlscan. A zero
// field means its default. The package's functions use the defaults; call the
// methods to use others.
type Limits struct {
	// Objects is the number of objects in a submission. Default 20,000.
	Objects int
	// Slots is the number of slots of one object, those of its classifications
	// among them. Default 10,000.
	Slots int
	// Values is the number of values of one slot. Default 100,000.
	Values int
	// Parts is the number of classifications and external identifiers of one
	// object. Default 5,000.
	Parts int
	// Problems is the number of problems that are listed. Default 500.
	Problems int
}

func (l Limits) withDefaults() Limits {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&l.Objects, 20_000)
	def(&l.Slots, 10_000)
	def(&l.Values, 100_000)
	def(&l.Parts, 5_000)
	def(&l.Problems, 500)
	return l
}

func tooLarge(name string, limit int) *fault.Error {
	setting := "limits." + name // as in the configuration
	if name == "parts" {
		setting = "metadata.parts (fixed)"
	}
	return fault.New(fault.TooLarge, "ebrim.Decode", fault.RegistryMetadataError,
		"The message passes the limit %s of %d; send less at a time.", setting, limit)
}

// quote shows a value that the sender sent, shortened.
func quote(s string) string {
	const most = 120
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return "'" + s + "'"
}
