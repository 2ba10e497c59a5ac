package metadata

import (
	"errors"
	"time"
)

// lowest fills up a DTM: the first month, day, hour, minute and second.
const lowest = "00010101000000"

var errDTM = &FormError{"DTM", "write YYYY[MM[DD[hh[mm[ss]]]]], digits only, a date that exists, in UTC"}

// FormatDTM prints a time to the second, in UTC.
func FormatDTM(t time.Time) DTM {
	t = t.UTC()
	y, mo, d := t.Date()
	h, mi, s := t.Clock()
	var b [14]byte
	put2(b[0:], y/100)
	put2(b[2:], y%100)
	put2(b[4:], int(mo))
	put2(b[6:], d)
	put2(b[8:], h)
	put2(b[10:], mi)
	put2(b[12:], s)
	return DTM(b[:])
}

func put2(b []byte, n int) { b[0], b[1] = byte('0'+n/10%10), byte('0'+n%10) }

// Valid tells whether d is a DTM of some precision that names a date and time
// that exist: no fraction, no zone, years 0001 to 9999.
func (d DTM) Valid() bool {
	n := len(d)
	if n < 4 || n > 14 || n%2 != 0 {
		return false
	}
	for i := range n {
		if d[i] < '0' || d[i] > '9' {
			return false
		}
	}
	year := d.two(0)*100 + d.two(2)
	if year < 1 {
		return false
	}
	month := d.two(4)
	return month >= 1 && month <= 12 &&
		d.two(6) >= 1 && d.two(6) <= daysIn(year, month) &&
		d.two(8) <= 23 && d.two(10) <= 59 && d.two(12) <= 59
}

// two is the number of two digits at i, the lowest possible one when d is
// shorter.
func (d DTM) two(i int) int {
	s := string(d)
	if len(s) < i+2 {
		s = lowest
	}
	return int(s[i]-'0')*10 + int(s[i+1]-'0')
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// Pad fills d up to 14 digits with the lowest possible ones, for comparing:
// 200501 is 20050101000000. Longer text is cut.
func (d DTM) Pad() string {
	if len(d) >= 14 {
		return string(d[:14])
	}
	return string(d) + lowest[len(d):]
}

// Compare orders by padded text without allocating: -1, 0 or 1.
func (d DTM) Compare(o DTM) int {
	for i := range len(lowest) {
		a, b := d.at(i), o.at(i)
		if a != b {
			if a < b {
				return -1
			}
			return 1
		}
	}
	return 0
}

func (d DTM) at(i int) byte {
	if i < len(d) {
		return d[i]
	}
	return lowest[i]
}

// NotAfter tells whether d can be at or before o when both are taken at the
// coarser of their precisions: 20050112 is not after 200501.
func (d DTM) NotAfter(o DTM) bool {
	n := min(len(d), len(o))
	return d[:n] <= o[:n]
}

// Time is the first moment that d covers, in UTC.
func (d DTM) Time() (time.Time, error) {
	if !d.Valid() {
		return time.Time{}, errDTM
	}
	return time.Date(d.two(0)*100+d.two(2), time.Month(d.two(4)), d.two(6), d.two(8), d.two(10), d.two(12), 0, time.UTC), nil
}

// Check is nil when d is valid.
func (d DTM) Check() error {
	if !d.Valid() {
		return errDTM
	}
	return nil
}

// IsForm tells whether err is about the form of a value.
func IsForm(err error) bool {
	var f *FormError
	return errors.As(err, &f)
}
