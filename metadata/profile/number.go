package profile

import (
	"errors"
	"fmt"

	"samdok/metadata"
)

// NumberKind is a series of identity numbers. Its names stand in data files.
type NumberKind uint8

const (
	// AnyNumber: nothing is known of the form of the authority's ids.
	AnyNumber NumberKind = iota
	// BirthNumber is a fødselsnummer.
	BirthNumber
	// DNumber is a D-nummer: the day of birth is raised by 40.
	DNumber
	// HelpNumber is an H-nummer (the month is raised by 40) or a felles
	// hjelpenummer (its first digit is 8 or 9; no date).
	HelpNumber
	// DUFNumber is the number of the immigration authorities.
	DUFNumber
)

var numberNames = [...]string{"any", "fødselsnummer", "D-nummer", "H-nummer", "DUF-nummer"}

func (k NumberKind) String() string { return numberNames[k] }

// UnmarshalText reads the name of a kind in a data file.
func (k *NumberKind) UnmarshalText(b []byte) error {
	for i, name := range numberNames {
		if i > 0 && string(b) == name {
			*k = NumberKind(i)
			return nil
		}
	}
	return fmt.Errorf("%q is no kind of identity number", b)
}

// IdentityNumber is what a number tells by itself.
type IdentityNumber struct {
	Kind NumberKind
	// Synthetic: of a series for tests (Tenor: month + 80, others: month + 65).
	Synthetic bool
}

// NumberCheck is how closely identity numbers are looked at.
type NumberCheck uint8

const (
	// CheckNumbers: form, date and control digits.
	CheckNumbers NumberCheck = iota
	// CheckNumbers2032 also takes the control digits of numbers that are given out
	// from 2032 on: the first one has four values instead of one.
	CheckNumbers2032
	// TakeNumbers: any id of any authority.
	TakeNumbers
)

// WithNumbers is the profile with another way of looking at identity numbers.
func (p *Profile) WithNumbers(c NumberCheck) *Profile {
	changed := *p
	changed.check = c
	return &changed
}

// What is wrong with a number. The texts never hold the number.
var (
	errLength   = errors.New("it has another length")
	errDigits   = errors.New("it holds something else than digits")
	errDate     = errors.New("it holds no date that such a number can have; numbers of other kinds have assigning authorities of their own")
	errControl  = errors.New("its control digits do not fit; a digit is wrong or two have changed places")
	errNoSeries = errors.New("it begins neither with the digit 8 or 9 nor with a date whose month is raised by 40")
)

// IdentityNumber tells what kind of number a patient id is, by its assigning
// authority. The error says what is wrong with it in words for its sender, without
// the number.
func (p *Profile) IdentityNumber(id metadata.PatientID) (IdentityNumber, error) {
	kind := p.numbers[id.Authority]
	if kind == AnyNumber || p.check == TakeNumbers {
		return IdentityNumber{Kind: kind}, nil
	}
	n := IdentityNumber{Kind: kind}
	var err error
	if kind == DUFNumber {
		err = checkDUF(id.ID)
	} else {
		n.Synthetic, err = checkNumber(id.ID, kind, p.check)
	}
	if err != nil {
		return n, fmt.Errorf("the id is no %s: %w", kind, err)
	}
	return n, nil
}

// digits reads a number of a length.
func digits(s string, length int) ([]int, error) {
	n := make([]int, 0, 12)
	for i := 0; i < len(s) && i < length; i++ {
		if s[i] < '0' || s[i] > '9' {
			return nil, errDigits
		}
		n = append(n, int(s[i]-'0'))
	}
	if len(s) != length {
		return nil, errLength
	}
	return n, nil
}

// checkNumber checks a number of eleven digits: day, month, year, three more, two
// control digits.
func checkNumber(s string, kind NumberKind, check NumberCheck) (synthetic bool, err error) {
	n, err := digits(s, 11)
	if err != nil {
		return false, err
	}
	day, month, year := n[0]*10+n[1], n[2]*10+n[3], n[4]*10+n[5]
	switch {
	case kind == DNumber:
		day -= 40
	case kind == HelpNumber && n[0] >= 8:
		return false, checkControl(n, check)
	case kind == HelpNumber:
		if month -= 40; month < 1 || month > 12 {
			return false, errNoSeries
		}
	}
	switch {
	case month > 80:
		month, synthetic = month-80, true
	case month > 65:
		month, synthetic = month-65, true
	}
	if day < 1 || month < 1 || month > 12 || day > daysIn(month, year) {
		return false, errDate
	}
	return synthetic, checkControl(n, check)
}

// daysIn a month. The century is not certain, so that every fourth year may have a
// leap day.
func daysIn(month, year int) int {
	switch month {
	case 2:
		if year%4 == 0 {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

var (
	firstWeights  = []int{3, 7, 6, 1, 8, 9, 4, 5, 2, 1}
	secondWeights = []int{5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1}
	dufWeights    = []int{4, 6, 3, 2, 4, 6, 3, 2, 7, 5}
)

func remainder(n, weights []int) int {
	sum := 0
	for i, w := range weights {
		sum += n[i] * w
	}
	return sum % 11
}

// checkControl: the weighted sums, each with its control digit, are multiples of
// 11. From 2032 on the first may leave 0 to 3.
func checkControl(n []int, check NumberCheck) error {
	most := 0
	if check == CheckNumbers2032 {
		most = 3
	}
	if remainder(n, firstWeights) > most || remainder(n, secondWeights) != 0 {
		return errControl
	}
	return nil
}

// checkDUF: a year, six digits, and the remainder of the weighted sum as two
// digits.
func checkDUF(s string) error {
	n, err := digits(s, 12)
	if err != nil {
		return err
	}
	if year := n[0]*10 + n[1]; year != 19 && year != 20 {
		return errDate
	}
	if remainder(n, dufWeights) != n[10]*10+n[11] {
		return errControl
	}
	return nil
}
